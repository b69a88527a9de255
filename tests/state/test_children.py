"""Tasks that are made from another task's picture. In these batches task 1 is made from task 0."""

from __future__ import annotations

from typing import Any

from schemas.batch import Batch
from schemas.claim import Claim
from tests.state.world import Block, World

READY: dict[str, Any] = {"ready": [1]}
FAIL: dict[str, Any] = {"fail": [1]}


async def family(world: World) -> tuple[Batch, Claim]:
    """A batch of a parent and its child, and the parent's claim."""
    await world.lane()
    batch = await world.batch([Block(1), Block(1, hold=30, dependent=True)])
    (parent,) = await world.claim(9)
    return batch, parent


async def late(world: World, parent: Claim, **more: Any) -> int:
    """A paid result of the parent turns up late and is stored; the fence it went on with."""
    moved = await world.move(parent, "spooled", late=True, worker="w2", **more)
    assert moved.fence
    return moved.fence


async def test_a_child_can_be_claimed_once_its_parent_is_done_and_not_before(world: World) -> None:
    batch, parent = await family(world)
    assert await world.claim(9) == []
    await world.finish(parent, **READY)
    (child,) = await world.claim(9)
    assert (child.index, child.hold_usd_micros) == (1, 30)
    await world.finish(child)
    assert (await world.look(batch)).state == "completed"


async def test_a_child_fails_with_its_parent_and_costs_nothing(world: World) -> None:
    batch, parent = await family(world)
    await world.move(parent, "failed", **FAIL)
    found = await world.look(batch)
    assert (found.state, found.counts["failed"]) == ("completed", 2)
    assert found.failures_by_class == {"bad_row": 1, "parent_failed": 1}


async def test_a_parent_that_finishes_twice_readies_its_child_once(world: World) -> None:
    batch, parent = await family(world)
    await world.finish(parent, **READY)
    assert (await world.move(parent, "spooled", late=True, worker="w2", **READY)).status == "surplus"
    assert (await world.move(parent, "done", **READY)).status == "ok"
    assert len(await world.claim(9)) == 1
    assert (await world.look(batch)).counts["running"] == 1


async def test_a_child_comes_back_when_its_failed_parent_is_finished_after_all(world: World) -> None:
    batch, parent = await family(world)
    await world.walk(parent, "sent", "failed", **FAIL)
    fence = await late(world, parent)
    assert (await world.look(batch)).state == "running"
    for state in ("stored", "done"):
        await world.move(parent, state, fence=fence, cost=4, **READY)
    (child,) = await world.claim(9)
    await world.finish(child, cost=5)
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.spent_usd_micros) == ("completed", 2, 9)
    assert found.failures_by_class == {}


async def test_a_parent_that_fails_twice_fails_its_child_once(world: World) -> None:
    batch, parent = await family(world)
    await world.move(parent, "failed", **FAIL)
    await world.move(parent, "queued", from_state="failed")
    (again,) = await world.claim(9)
    await world.move(again, "failed", **FAIL)
    assert (await world.look(batch)).failures_by_class == {"bad_row": 1, "parent_failed": 1}


async def test_a_child_that_failed_for_a_reason_of_its_own_stays_failed(world: World) -> None:
    batch, parent = await family(world)
    await world.finish(parent, **READY)
    (child,) = await world.claim(9)
    await world.move(child, "failed")
    await world.move(parent, "done", **READY)
    assert await world.claim(9) == []
    assert (await world.look(batch)).counts["failed"] == 1


async def test_a_parked_parent_leaves_the_batch_completed_and_opens_it_when_it_resolves(world: World) -> None:
    batch, parent = await family(world)
    await world.walk(parent, "sent", "parked")
    parked = await world.look(batch)
    assert (parked.state, parked.counts["parked"], parked.counts["queued"]) == ("completed", 1, 1)
    fence = await late(world, parent)
    for state in ("stored", "done"):
        await world.move(parent, state, fence=fence, **READY)
    found = await world.look(batch)
    assert (found.state, found.finished_at_ms) == ("running", None)
    assert [child.index for child in await world.claim(9)] == [1]


async def test_the_child_of_a_cancelled_batch_is_not_readied_by_a_late_parent(world: World) -> None:
    batch, parent = await family(world)
    await world.move(parent, "sent")
    await world.batches.cancel("acme", batch.id)
    for state in ("spooled", "stored", "done"):
        await world.move(parent, state, cost=4, **READY)
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.counts["cancelled"]) == ("cancelled", 1, 1)
    assert await world.claim(9) == []


async def test_a_failed_child_of_a_cancelled_batch_stays_failed_when_its_parent_is_finished_after_all(
    world: World,
) -> None:
    await world.lane()
    batch = await world.batch([Block(1), Block(1, dependent=True), Block(1)])
    parent, other = await world.claim(9)
    await world.walk(parent, "sent", "failed", **FAIL)
    await world.move(other, "sent")
    await world.batches.cancel("acme", batch.id)
    fence = await late(world, parent)
    for state in ("stored", "done"):
        await world.move(parent, state, fence=fence, **READY)
    found = await world.look(batch)
    assert (found.counts["done"], found.failures_by_class) == (1, {"parent_failed": 1})
