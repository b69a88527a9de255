"""References: found once for a batch, the same bytes for all, and looked into before anything is paid."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis.asyncio import Redis

from core.documents import Documents, PlannedRow, picture_key
from core.settings import FetchSettings
from core.state.batches import BatchStore
from core.state.tasks import TaskStore
from core.storage.opening import open_store
from schemas.catalog import EMPTY_ROW
from tests.state.world import World
from workers.fetching.fetcher import Fetcher
from workers.references import BadReferenceError, ReferenceKeeper

TENANT, BATCH, OTHER = "acme", f"batch_{'0' * 26}", f"batch_{'1' * 26}"


def picture(
    color: str = "red", mode: str = "RGB", size: tuple[int, int] = (8, 6), kind: str = "png"
) -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


@dataclass
class Site:
    """A server whose answer may change; it counts how often it was asked."""

    body: bytes = b""
    status: str = "200 OK"
    asked: int = 0
    url: str = ""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.may_answer.wait()
        head = f"HTTP/1.1 {self.status}\r\nConnection: close\r\nContent-Length: {len(self.body)}\r\n\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site(picture())
    site.may_answer.set()
    async with await asyncio.start_server(site.handle, "127.0.0.1", 0) as server:
        site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/photo"
        yield site


@dataclass
class Machines:
    """Workers on machines of their own, with one storage."""

    folder: Path
    redis: Redis
    fetcher: Fetcher
    documents: Documents
    keepers: list[ReferenceKeeper] = field(default_factory=list)

    def machine(self) -> ReferenceKeeper:
        keeper = ReferenceKeeper(
            self.folder / f"machine-{len(self.keepers)}",
            documents=self.documents,
            batches=BatchStore(self.redis),
            tasks=TaskStore(self.redis),
            fetcher=self.fetcher,
            settings=FetchSettings(max_picture_pixels=1_000_000),
        )
        self.keepers.append(keeper)
        return keeper

    async def row(self, **files: bytes) -> PlannedRow:
        """A row that a plan pinned to these uploads."""
        digests = {}
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
            digests[name] = (await self.documents.put_upload(TENANT, name, self.folder / name)).sha256
        return PlannedRow(EMPTY_ROW, digests)


@pytest.fixture
async def machines(tmp_path: Path, redis: Redis) -> AsyncIterator[Machines]:
    documents = Documents(open_store((tmp_path / "store").as_uri(), endpoint_url=None, threads=4))
    machines = Machines(
        tmp_path, redis, Fetcher(FetchSettings(allow_http=True, allow_private=True)), documents
    )
    yield machines
    for keeper in machines.keepers:
        await keeper.aclose()
    await machines.fetcher.aclose()
    await documents.store.aclose()


ROW = PlannedRow(EMPTY_ROW, {})


async def test_an_address_is_fetched_once_for_a_batch_by_whichever_worker(
    machines: Machines, site: Site
) -> None:
    one, two = machines.machine(), machines.machine()

    first = await one.named(TENANT, BATCH, ROW, site.url)
    site.body = picture("blue")
    second, again = (
        await two.named(TENANT, BATCH, ROW, site.url),
        await one.named(TENANT, BATCH, ROW, site.url),
    )
    other = await two.named(TENANT, OTHER, ROW, site.url)

    assert first.sha256 == second.sha256 == again.sha256 != other.sha256
    assert first.path.read_bytes() == second.path.read_bytes() == picture()
    assert (first.media_type, site.asked) == ("image/png", 2)


async def test_many_tasks_that_begin_together_ask_once(machines: Machines, site: Site) -> None:
    keeper = machines.machine()
    site.may_answer.clear()
    asking = [asyncio.create_task(keeper.named(TENANT, BATCH, ROW, site.url)) for _ in range(50)]
    while not site.asked:
        await asyncio.sleep(0)
    asking[0].cancel()
    site.may_answer.set()

    found = await asyncio.gather(*asking[1:])

    assert (len({each.sha256 for each in found}), site.asked) == (1, 1)


async def test_workers_that_fetch_at_the_same_time_agree_on_what_one_of_them_found(
    machines: Machines, site: Site
) -> None:
    one, two = machines.machine(), machines.machine()
    site.may_answer.clear()
    asking = [asyncio.create_task(each.named(TENANT, BATCH, ROW, site.url)) for each in (one, two)]
    while site.asked < 2:
        await asyncio.sleep(0)
    site.may_answer.set()

    first, second = await asyncio.gather(*asking)

    pinned = await machines.documents.find_pin(TENANT, BATCH, site.url)
    assert pinned is not None
    assert first.sha256 == second.sha256 == pinned.sha256


async def test_what_is_not_a_picture_is_not_pinned_and_is_asked_for_anew(
    machines: Machines, site: Site
) -> None:
    keeper, site.body = machines.machine(), b"<html>soon</html>"
    with pytest.raises(BadReferenceError, match="not a PNG, JPEG or WebP"):
        await keeper.named(TENANT, BATCH, ROW, site.url)

    site.body = picture()
    assert (await keeper.named(TENANT, BATCH, ROW, site.url)).media_type == "image/png"


async def test_a_server_that_is_away_may_be_asked_again(machines: Machines, site: Site) -> None:
    keeper, site.status = machines.machine(), "503 Away"
    with pytest.raises(BadReferenceError) as refused:
        await keeper.named(TENANT, BATCH, ROW, site.url)
    site.status = "200 OK"

    assert refused.value.transient
    assert (await keeper.named(TENANT, BATCH, ROW, site.url)).sha256


async def test_an_upload_is_what_it_was_when_the_batch_was_planned(machines: Machines) -> None:
    keeper, row = machines.machine(), await machines.row(logo=picture("red"))
    await machines.row(logo=picture("blue"))

    found = await keeper.named(TENANT, BATCH, row, "logo")

    assert found.path.read_bytes() == picture("red")
    with pytest.raises(BadReferenceError, match="'other' was not uploaded"):
        await keeper.named(TENANT, BATCH, row, "other")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (picture()[:50], "'logo' is damaged"),
        (b"text", "'logo' is not a PNG, JPEG or WebP picture"),
        (picture(size=(2000, 1000)), "'logo' has more than the 1,000,000 pixels"),
    ],
    ids=["cut off", "text", "too many pixels"],
)
async def test_an_upload_that_cannot_be_decoded_is_refused(
    machines: Machines, content: bytes, says: str
) -> None:
    with pytest.raises(BadReferenceError, match=says):
        await machines.machine().named(TENANT, BATCH, await machines.row(logo=content), "logo")


async def mask_problem(machines: Machines, mask: bytes, photo: bytes | None = None) -> str | None:
    photo = photo or picture(kind="jpeg")
    keeper, row = machines.machine(), await machines.row(photo=photo, mask=mask)
    masked, found = (
        await keeper.named(TENANT, BATCH, row, "photo"),
        await keeper.named(TENANT, BATCH, row, "mask"),
    )
    try:
        await keeper.check_mask(found, masked)
    except BadReferenceError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "RGBA", "color": "#ff000000"}, None),
        ({"mode": "LA", "color": 0}, None),
        ({"mode": "RGB"}, "not a PNG with an alpha channel"),
        ({"mode": "RGBA", "kind": "webp"}, "not a PNG with an alpha channel"),
        (
            {"mode": "RGBA", "color": "#ff000000", "size": (8, 8)},
            "the mask is 8x8 and the first reference 8x6",
        ),
        ({"mode": "RGBA", "color": "#ff0000ff"}, "the mask is opaque everywhere, so that nothing may change"),
        ({"mode": "RGBA", "color": "#ff0000fe"}, None),
    ],
)
async def test_a_mask_is_a_png_with_alpha_as_large_as_the_picture_it_masks(
    machines: Machines, options: dict[str, Any], says: str | None
) -> None:
    found = await mask_problem(machines, picture(**options))
    assert (found is None) if says is None else (found is not None and says in found)


async def test_a_mask_of_more_than_4_mb_is_refused(machines: Machines) -> None:
    large = (
        picture("#ff000000", mode="RGBA") + b"\0" * 4 * 1024**2
    )  # what follows a PNG's end belongs to the file all the same
    assert "4,194,304" in (await mask_problem(machines, large) or "")


async def test_a_file_that_was_cleared_away_is_brought_again(machines: Machines) -> None:
    keeper, row = machines.machine(), await machines.row(logo=picture())
    (await keeper.named(TENANT, BATCH, row, "logo")).path.unlink()
    assert (await keeper.named(TENANT, BATCH, row, "logo")).path.read_bytes() == picture()
    (await keeper.named(TENANT, BATCH, row, "logo")).path.unlink()
    assert (await keeper.named(TENANT, BATCH, row, "logo")).path.exists()


async def test_a_parent_whose_receipt_is_damaged_is_a_bad_reference_and_says_so(machines: Machines) -> None:
    world = World(machines.redis)
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim()
    await world.finish(claim)
    key = f"{picture_key(claim.tenant, claim.batch_id, 'picture.png')}.json"
    await machines.documents.store.put_bytes(key, b"{", media_type="application/json", overwrite=True)

    with pytest.raises(BadReferenceError, match=r"the receipt of task 0, .* is damaged"):
        await machines.machine().parent(claim.tenant, claim.batch_id, claim.index)


def lying(kind: str = "jpeg") -> bytes:
    """A picture that lies on its side: 8 wide and 6 high in its file, 6 wide and 8 high as it is seen."""
    file, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6), "red").save(file, kind, exif=exif)
    return file.getvalue()


async def test_of_a_picture_that_lies_on_its_side_an_upright_copy_is_sent_under_its_own_digest(
    machines: Machines,
) -> None:
    row = await machines.row(photo=lying(), logo=picture())
    keeper = machines.machine()

    turned = await keeper.named(TENANT, BATCH, row, "photo")
    plain = await keeper.named(TENANT, BATCH, row, "logo")

    assert (turned.is_copy, plain.is_copy) == (True, False)
    assert turned.sha256 == row.files["photo"] == hashlib.sha256(lying()).hexdigest()
    assert Image.open(BytesIO(turned.path.read_bytes())).size == (6, 8)
    assert plain.path.read_bytes() == picture()
    assert await machines.documents.store.get_bytes(turned.key) == turned.path.read_bytes()


async def test_all_workers_send_the_copy_that_the_first_of_them_made(machines: Machines) -> None:
    row = await machines.row(photo=lying())
    first = await machines.machine().named(TENANT, BATCH, row, "photo")
    await machines.documents.store.put_bytes(
        first.key, picture("blue"), media_type="image/jpeg", overwrite=True
    )

    second = await machines.machine().named(TENANT, BATCH, row, "photo")

    assert second.path.read_bytes() == picture("blue")


async def test_a_copy_that_was_cleared_away_is_brought_again(machines: Machines) -> None:
    keeper, row = machines.machine(), await machines.row(photo=lying())
    first = await keeper.named(TENANT, BATCH, row, "photo")
    content = first.path.read_bytes()
    first.path.unlink()

    assert (await keeper.named(TENANT, BATCH, row, "photo")).path.read_bytes() == content


@pytest.mark.parametrize(
    ("size", "says"), [((6, 8), None), ((8, 6), "the mask is 8x6 and the first reference 6x8")]
)
async def test_a_mask_is_as_large_as_its_picture_is_seen(
    machines: Machines, size: tuple[int, int], says: str | None
) -> None:
    mask = picture(mode="RGBA", color="#ff000000", size=size)
    found = await mask_problem(machines, mask, photo=lying())
    assert (found is None) if says is None else (found is not None and says in found)
