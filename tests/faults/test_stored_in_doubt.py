"""Pictures that are stored while Redis believes their calls to be in doubt. Real Redis and storage, no processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.documents import Documents, PlannedRow
from core.settings import Settings, StorageSettings, WorkerSettings
from core.state import keys
from core.state.doubts import DoubtStore
from core.storage.folder import FolderStore
from core.telemetry.metrics import WorkerMetrics
from schemas.asset import Receipt
from schemas.catalog import Row
from schemas.claim import Claim
from schemas.errors import UnavailableError
from schemas.manifest_check import check_manifest
from schemas.rendition import Check, Checked
from tests.state.world import FENCE, Block, World
from tests.studio import manifest
from workers.resolver import Resolver
from workers.shelf import CampaignShelf

COST = 5000
CHILDREN = {
    "hero": {"prompt": "A photo of {{ row.title }}."},
    "banner": {"prompt": "A wide scene around Image 1.", "from": "hero"},
}


class Shut(FolderStore):
    """A folder that can be shut."""

    is_shut = False

    async def get_bytes(self, key: str, *, max_bytes: int | None = None) -> bytes:
        if self.is_shut:
            raise UnavailableError("storage is shut")
        return await super().get_bytes(key, max_bytes=max_bytes)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Shut]:
    store = Shut(tmp_path / "store", threads=2)
    yield store
    await store.aclose()


@pytest.fixture
def documents(store: Shut) -> Documents:
    return Documents(store)


@pytest.fixture
def metrics() -> WorkerMetrics:
    return WorkerMetrics()


@pytest.fixture
def resolver(world: World, documents: Documents, metrics: WorkerMetrics) -> Resolver:
    settings = Settings(
        storage=StorageSettings(url="file:///not-used"),
        worker=WorkerSettings(rescue_every_s=0.5, call_deadline_s=600),
    )
    return Resolver(
        worker="w2",
        doubts=DoubtStore(world.redis),
        tasks=world.tasks,
        shelf=CampaignShelf(documents, world.batches),
        documents=documents,
        reports={},
        settings=settings,
        metrics=metrics,
    )


async def parked(world: World, documents: Documents, *walk: str, **changes: Any) -> Claim:
    """The claim of a task that was sent, and parked; a banner is to be made from its picture."""
    checked = check_manifest(manifest("cup", templates=CHILDREN, **changes))
    await world.lane()
    batch = await world.batch([Block(1, 9000), Block(1, 9000, dependent=True)])
    await world.redis.hset(keys.batch(batch.id), "rows", 1)
    await documents.put_manifest(batch.tenant, batch.id, checked)
    row = PlannedRow(Row(number=1, key="row-0", title="cup", attrs={"id": "row-0"}, raw={}), {})
    await documents.put_page(batch.tenant, batch.id, 0, [row], fence=FENCE)
    (claim,) = await world.claim()
    await world.walk(claim, "sent", *walk, "parked", failure={"class": "doubtful"})
    return claim


async def put_receipt(
    documents: Documents, claim: Claim, *, attempt: int = 1, own: bool = False, ending: str = "jpg"
) -> str:
    """A receipt as a worker writes it that dies then; the key of its picture."""
    name = "row-0/hero-default-1024x1024-1"
    asset = f"{name}.attempt-{attempt}.{ending}" if own else f"{name}.{ending}"
    receipt = Receipt(
        batch_id=claim.batch_id, task=claim.index, attempt=attempt, asset=asset, template="hero", row_key="row-0",
        variant={}, size="1024x1024", sample=1, lane="lane", model="gpt-image-2.6-flare", parameters={},
        request_id=None, usage=None, cost_usd="0.005000", price_list="", prompt_digest="", template_version="",
        fingerprint="", sha256="ab", format="jpeg", width=1024, height=1024, bytes=1,
        created_at="2026-11-21T06:00:00+00:00", latency_s=1.0,
        checks=(Check(rule="fill", result="warn", measured="nothing", wanted="something"),),
    )  # fmt: skip
    await documents.put_receipt(claim.tenant, claim.batch_id, receipt)
    return asset


async def due_again(world: World) -> None:
    for member in await world.redis.zrange(keys.DOUBTS, 0, -1):
        await world.redis.zadd(keys.DOUBTS, {member: 0})


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("walk", [(), ("spooled",), ("spooled", "stored")])
async def test_a_task_whose_receipt_is_in_storage_is_done_at_its_cost(
    world: World, documents: Documents, resolver: Resolver, walk: tuple[str, ...], own: bool
) -> None:
    claim = await parked(world, documents, *walk)
    asset = await put_receipt(documents, claim, own=own)

    assert await resolver.resolve() == 1

    task, batch = await world.task(claim), await world.batches.get(claim.tenant, claim.batch_id)
    assert (task.state, task.asset_key, task.sha256, task.cost_usd_micros) == ("done", asset, "ab", COST)
    assert (batch.spent_usd_micros, batch.held_usd_micros, batch.state) == (COST, 0, "running")
    assert (task.checks, batch.checks["warn"]) == (Checked(result="warn", warned=("fill",)), 1)
    assert [found.index for found in await world.claim()] == [1]
    assert await resolver.resolve() == 0


@pytest.mark.parametrize("ending", ["webp", "jpg"])  # finished, and as it came where that could not be done
async def test_a_receipt_is_found_by_the_format_that_the_picture_was_finished_in_or_asked_for(
    world: World, documents: Documents, resolver: Resolver, ending: str
) -> None:
    claim = await parked(world, documents, finish=[{"step": "encode", "format": "webp"}])
    asset = await put_receipt(documents, claim, ending=ending)

    assert await resolver.resolve() == 1

    assert (await world.task(claim)).asset_key == asset


async def test_the_receipt_of_another_attempt_says_nothing(
    world: World, documents: Documents, resolver: Resolver
) -> None:
    claim = await parked(world, documents)
    await put_receipt(documents, claim, attempt=2)

    assert await resolver.resolve() == 0

    assert (await world.task(claim)).state == "parked"


async def test_nothing_is_decided_while_storage_cannot_be_asked(
    world: World, documents: Documents, resolver: Resolver, store: Shut
) -> None:
    claim = await parked(world, documents)
    await put_receipt(documents, claim)
    await world.redis.hset(keys.task(claim.batch_id, claim.index), "sent_at", 1)
    store.is_shut = True
    assert await resolver.resolve() == 0
    store.is_shut = False
    await due_again(world)

    assert await resolver.resolve() == 1

    assert (await world.task(claim)).state == "done"


async def test_a_batch_whose_manifest_is_gone_is_decided_all_the_same(
    world: World, documents: Documents, resolver: Resolver, store: Shut, metrics: WorkerMetrics
) -> None:
    claim = await parked(world, documents)
    await store.delete(f"tenants/{claim.tenant}/batches/{claim.batch_id}/manifest.json")
    await world.redis.hset(keys.task(claim.batch_id, claim.index), "sent_at", 1)

    assert await resolver.resolve() == 1

    batch = await world.batches.get(claim.tenant, claim.batch_id)
    assert (batch.counts["parked"], batch.held_usd_micros) == (1, 9000)
    assert await world.redis.exists(keys.DOUBTS) == 0
    assert metrics.registry.get_sample_value("darkroom_doubts_resolved_total", {"to": "parked"}) == 1
