"""The doctor looks at stores that are as they should be, and at some that are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.clock import SystemClock
from core.storage.folder import FolderStore
from core.storage.opening import open_store
from core.storage.store import ObjectStore
from tests.conftest import free_port
from workers.doctor.finding import Finding, Level
from workers.doctor.storage import examine


async def visit(store: ObjectStore) -> list[Finding]:
    try:
        return await examine(store, name="probe", clock=SystemClock())
    finally:
        await store.aclose()


class ForgetfulStore(FolderStore):
    """Takes a conditional write for any other, as servers do that do not know it."""

    async def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        await super().put_bytes(key, data, media_type=media_type, metadata=metadata, overwrite=True)


class ClockAhead(SystemClock):
    """An hour ahead of everybody."""

    def now_ms(self) -> int:
        return super().now_ms() + 3_600_000


async def test_nothing_is_amiss_with_a_store_and_nothing_is_left_in_it(store: ObjectStore) -> None:
    found = await examine(store, name="probe", clock=SystemClock())

    assert {finding.check: finding.level for finding in found} == dict.fromkeys(
        ["write", "read", "list", "no overwriting", "clock", "link", "link from outside", "delete"], Level.OK
    )
    assert [key async for key in store.list_keys("")] == []


async def test_a_store_that_overwrites_what_is_there_is_no_store_for_paid_pictures(tmp_path: Path) -> None:
    found = {finding.check: finding for finding in await visit(ForgetfulStore(tmp_path / "store", threads=1))}

    assert found["no overwriting"].level is Level.FAILED
    assert "was not refused" in found["no overwriting"].detail
    assert found["delete"].level is Level.OK


async def test_a_store_that_takes_nothing_is_not_asked_for_more(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no folder")

    (finding,) = await visit(FolderStore(tmp_path / "store", threads=1))

    assert (finding.check, finding.level) == ("write", Level.FAILED)
    assert "DARKROOM_STORAGE__URL" in finding.detail


async def test_a_bucket_that_does_not_answer_is_told_without_its_credentials(credentials: None) -> None:
    address = f"http://user:hidden-word@127.0.0.1:{free_port()}"
    (finding,) = await visit(open_store("s3://darkroom", endpoint_url=address, threads=1))

    assert finding.level is Level.FAILED
    assert "hidden-word" not in finding.detail


async def test_a_clock_that_is_an_hour_off_is_warned_of(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", threads=1)
    found = {finding.check: finding for finding in await examine(store, name="probe", clock=ClockAhead())}
    await store.aclose()

    assert found["clock"].level is Level.WARNING
    assert "3,600 s behind" in found["clock"].detail


async def test_a_lane_whose_provider_reads_links_needs_storage_that_is_seen_from_outside(
    moto_endpoint_url: str,
) -> None:
    inside = open_store("s3://darkroom/inside", endpoint_url=moto_endpoint_url, threads=1)
    found = await examine(inside, name="probe", clock=SystemClock(), linking=["east"])
    await inside.aclose()

    (finding,) = [each for each in found if each.level is not Level.OK]
    assert (finding.check, finding.level) == ("link from outside", Level.FAILED)
    assert "Only https:// is fetched" in finding.detail
    assert "the provider of east" in finding.detail
    assert "X-Amz" not in finding.detail
