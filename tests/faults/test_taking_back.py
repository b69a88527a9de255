"""Claims of workers that are gone, taken back beside what others do. Real Redis and storage, no processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import SystemClock
from core.documents import Documents
from core.state.claims import LostClaim
from tests.finishing import keeper_of
from tests.state.world import World
from workers.rescuer import Rescuer
from workers.retry_policy import MAX_CRASHES
from workers.shelf import CampaignShelf
from workers.spool import Spool


class Thoughtful(CampaignShelf):
    """A shelf that cannot say what is lost with the tasks of one batch."""

    broken: str = ""

    async def lost_with(self, tenant: str, batch_id: str, index: int) -> list[int]:
        if batch_id == self.broken:
            raise RuntimeError("an error of ours")
        return await super().lost_with(tenant, batch_id, index)


@pytest.fixture
def shelf(world: World, documents: Documents) -> Thoughtful:
    return Thoughtful(documents, world.batches)


@pytest.fixture
def rescuer(world: World, documents: Documents, shelf: Thoughtful, tmp_path: Path) -> Rescuer:
    clock = SystemClock()
    return Rescuer(
        worker="w2",
        claims=world.claims,
        tasks=world.tasks,
        batches=world.batches,
        shelf=shelf,
        keeper=keeper_of("w2", documents, world.tasks, clock),
        spool=Spool(tmp_path / "spool", 0),
        clock=clock,
    )


async def crash_often(world: World) -> None:
    """Claims one task as often as it may be lost; the last claim is not taken back."""
    for _ in range(MAX_CRASHES - 1):
        (claim,) = await world.claim()
        await world.move(claim, "queued", unused="all", crash=True)
    await world.claim()


async def test_a_task_sent_after_it_was_found_lost_is_not_queued(world: World, rescuer: Rescuer) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim()
    found = LostClaim("w1", claim.batch_id, claim.index, claim.fence, "claimed", claim.attempt, 0)
    await world.move(claim, "sent")

    await rescuer._take_back(found, apart_s=0)

    assert (await world.task(claim)).state == "sent"


async def test_a_task_without_a_readable_manifest_ends_all_the_same(
    world: World, rescuer: Rescuer, documents: Documents
) -> None:
    await world.lane()
    batch = await world.batch(1)
    key = f"tenants/{batch.tenant}/batches/{batch.id}/manifest.json"
    await documents.store.put_bytes(key, b'{"name": 7}', media_type="application/json", overwrite=True)
    await crash_often(world)
    await world.lose()

    assert await rescuer.take_back() == 1

    assert (await world.look(batch)).failures_by_class == {"poison": 1}


async def test_one_claim_that_cannot_be_taken_back_does_not_hold_up_the_others(
    world: World, rescuer: Rescuer, shelf: Thoughtful
) -> None:
    await world.lane()
    first = await world.batch(1)
    await crash_often(world)
    second = await world.batch(3)
    await world.claim(3)
    await world.lose()
    shelf.broken = first.id

    await rescuer.take_back()

    assert (await world.look(first)).counts["running"] == 1
    assert (await world.look(second)).counts["queued"] == 3


async def test_tasks_that_were_lost_together_twice_go_on_apart(world: World, rescuer: Rescuer) -> None:
    """One of them may be what kills the workers; each is alone then, and no other is given up with it."""
    await world.lane()
    batch = await world.batch(3)
    for _ in range(2):
        assert len(await world.claim(3)) == 3
        await world.lose()
        await rescuer.take_back()

    counts = (await world.look(batch)).counts
    assert (counts["queued"], counts["waiting"]) == (1, 2)
    assert len(await world.claim(3)) == 1


async def test_a_batch_that_somebody_began_to_close_and_left_is_closed_at_the_next_round(
    world: World, rescuer: Rescuer
) -> None:
    await world.lane()
    batch = await world.batch(3)
    for claim in await world.claim(3):
        await world.walk(claim, "sent", "waiting", delay_us=10**9)
    await world.batches._scripts.run("close", batch.id, "cancelled", "", 1)
    assert (await world.look(batch)).state == "cancelling"

    assert await rescuer.expire() == 1

    found = await world.look(batch)
    assert (found.state, found.counts["cancelled"]) == ("cancelled", 3)
    assert await rescuer.expire() == 0
