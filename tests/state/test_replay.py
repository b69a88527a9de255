"""Tasks that are made again: what becomes of their batch, their money and their children."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from core.state import keys
from core.state.actions import PART, ActionState, ActionStore, BulkAction, Chosen
from core.state.batches import Change
from schemas.batch import Batch, BatchState
from schemas.claim import Claim
from schemas.errors import NotFoundError
from tests.state.world import Block, World

RUNNING, COMPLETED, STOPPED = ActionState.RUNNING, ActionState.COMPLETED, ActionState.STOPPED
_numbers = count()


async def create(
    world: World, batch: Batch, chosen: Sequence[int | tuple[int, int]], *, doubt: bool = False
) -> str:
    """A new action over tasks, or over pairs of a task and its parent; its id."""
    pairs = [Chosen(one, None) if isinstance(one, int) else Chosen(*one) for one in chosen]
    action_id = f"action_{next(_numbers)}"
    action = BulkAction(action_id, batch.tenant, batch.id, RUNNING, len(pairs), 0, 0, doubt, 1)
    await ActionStore(world.redis).create(action, pairs)
    return action_id


async def replay(
    world: World, batch: Batch, chosen: Sequence[int | tuple[int, int]], **more: Any
) -> BulkAction:
    """An action over tasks, done to its end."""
    store = ActionStore(world.redis)
    action_id = await create(world, batch, chosen, **more)
    while await store.advance(action_id) is RUNNING:
        pass
    return await store.get(batch.tenant, action_id)


async def failed(world: World, tasks: int, **about: Any) -> tuple[Batch, list[Claim]]:
    """A batch all of whose tasks failed."""
    await world.lane()
    batch = await world.batch(tasks, **about)
    claims = await world.claim(tasks)
    for claim in claims:
        await world.walk(claim, "sent", "failed", cost=3)
    return await world.look(batch), claims


async def test_failed_tasks_are_made_again_and_their_batch_with_them(world: World) -> None:
    batch, _ = await failed(world, 3)
    assert batch.state == "completed"
    action = await replay(world, batch, [0, 2])
    assert (action.state, action.moved) == (COMPLETED, 2)
    found = await world.look(batch)
    assert (found.state, found.counts["queued"], found.failures_by_class) == ("running", 2, {"bad_row": 1})
    assert found.finished_at_ms is None
    assert found.version > batch.version
    claims = await world.claim(9)
    assert [(claim.index, claim.attempt, claim.sends) for claim in claims] == [(0, 2, 1), (2, 2, 1)]
    for claim in claims:
        await world.finish(claim, cost=5)
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.spent_usd_micros, found.held_usd_micros) == (
        "completed", 2, 19, 0,
    )  # fmt: skip


async def test_an_action_that_is_asked_for_again_does_nothing_more(world: World) -> None:
    batch, _ = await failed(world, 3)
    store, action_id = ActionStore(world.redis), await create(world, batch, [0, 1, 2])
    assert [await store.advance(action_id) for _ in range(3)] == [COMPLETED] * 3
    assert (await store.get("acme", action_id)).moved == 3
    assert len(await world.claim(9)) == 3


async def test_a_task_that_is_under_way_or_done_is_left_alone(world: World) -> None:
    batch, _ = await failed(world, 3)
    await replay(world, batch, [0, 1])
    again, _ = await world.claim(2)
    await world.finish(again)
    assert (await replay(world, batch, [0, 1, 2])).moved == 1
    found = await world.look(batch)
    assert (found.counts["done"], found.counts["running"], found.counts["queued"]) == (1, 1, 1)


async def test_a_long_selection_is_done_in_parts_and_goes_on_after_a_crash(world: World) -> None:
    await world.lane()
    batch = await world.batch(PART * 2 + 1)
    batch = await world.batches.cancel("acme", batch.id)
    store, action_id = ActionStore(world.redis), await create(world, batch, range(PART * 2 + 1))
    assert await store.advance(action_id) is RUNNING
    assert (await store.get("acme", action_id)).moved == PART
    assert await ActionStore(world.redis).under_way() == [action_id]
    assert [await store.advance(action_id) for _ in range(2)] == [RUNNING, COMPLETED]
    assert await store.under_way() == []
    found = await world.look(batch)
    assert (found.state, found.counts["queued"]) == ("running", PART * 2 + 1)
    assert len(await world.claim(PART * 3)) == PART * 2 + 1
    assert await world.redis.keys("*:parts") == []


async def test_an_action_stops_when_its_batch_is_cancelled_meanwhile(world: World) -> None:
    await world.lane()
    batch = await world.batch(PART + 1)
    await world.batches.cancel("acme", batch.id)
    store, action_id = ActionStore(world.redis), await create(world, batch, range(PART + 1))
    await store.advance(action_id)
    await world.batches.cancel("acme", batch.id)
    assert await store.advance(action_id) is STOPPED
    found = await world.look(batch)
    assert (found.state, found.counts["cancelled"]) == ("cancelled", PART + 1)
    assert await store.under_way() == []


async def test_a_part_of_waiting_children_alone_does_not_stop_the_next_one(world: World) -> None:
    await world.lane()
    batch = await world.batch([Block(PART, dependent=True), Block(1)])
    await world.batches.cancel("acme", batch.id)
    chosen: list[int | tuple[int, int]] = [*((child, PART) for child in range(PART)), PART]
    action = await replay(world, batch, chosen)
    assert (action.state, action.moved) == (COMPLETED, PART + 1)
    assert [claim.index for claim in await world.claim(9)] == [PART]


async def test_expired_tasks_run_again_without_a_deadline(world: World) -> None:
    await world.lane()
    batch = await world.batch(3, deadline_ms=1)
    await world.batches.close(batch, reason="expired")
    await replay(world, batch, [1])
    (claim,) = await world.claim(9)
    await world.finish(claim)
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.failures_by_class) == ("completed", 1, {"expired": 2})


async def test_a_deadline_that_is_still_to_come_holds_for_what_is_made_again(world: World) -> None:
    batch, _ = await failed(world, 2, deadline_ms=10**14)
    assert await world.batches.overdue(10**15) == []
    await replay(world, batch, [0])
    assert await world.batches.overdue(10**15) == [batch.id]
    assert len(await world.claim(9)) == 1


async def test_tasks_of_a_paused_batch_wait_until_it_goes_on(world: World) -> None:
    await world.lane()
    batch = await world.batch(2)
    (claim,) = await world.claim(1)
    await world.move(claim, "failed")
    await world.batches.steer(batch, Change(BatchState.PAUSED))
    await replay(world, batch, [0])
    assert (await world.look(batch)).state == "paused"
    assert await world.claim(9) == []
    await world.batches.steer(batch, Change(BatchState.RUNNING))
    assert [claim.index for claim in await world.claim(9)] == [0, 1]


async def test_the_cap_holds_for_what_is_made_again(world: World) -> None:
    batch, _ = await failed(world, 3, cap=30)
    await replay(world, batch, [0, 1, 2])
    assert len(await world.claim(9)) == 2
    found = await world.look(batch)
    assert (found.spent_usd_micros, found.held_usd_micros, found.limited_by) == (9, 20, "budget")


async def parked(world: World) -> tuple[Batch, Claim]:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "parked", failure={"class": "doubtful"})
    return await world.look(batch), claim


async def test_a_parked_task_is_not_made_again_unless_a_double_charge_is_accepted(world: World) -> None:
    batch, _ = await parked(world)
    assert (await replay(world, batch, [0])).moved == 0
    assert (await world.look(batch)).held_usd_micros == 10


async def test_what_a_parked_task_held_is_spent_when_it_is_made_again(world: World) -> None:
    batch, claim = await parked(world)
    await replay(world, batch, [0], doubt=True)
    found, task = await world.look(batch), await world.task(claim)
    assert (found.state, found.held_usd_micros, found.spent_usd_micros) == ("running", 0, 10)
    assert (task.state, task.cost_usd_micros, task.failure) == ("queued", 10, None)
    (again,) = await world.claim(9)
    await world.finish(again, cost=4)
    found = await world.look(batch)
    assert (found.state, found.counts["parked"], found.spent_usd_micros) == ("completed", 0, 14)
    (month,) = await world.redis.keys("darkroom:budget:month:*")
    assert await world.redis.hmget(month, ["held", "spent"]) == [b"0", b"14"]


async def test_a_late_answer_to_a_call_that_is_made_again_is_kept_as_surplus(world: World) -> None:
    batch, claim = await parked(world)
    await replay(world, batch, [0], doubt=True)
    (again,) = await world.claim(9)
    await world.finish(again)
    assert (await world.move(claim, "spooled", late=True, worker="w2")).status == "surplus"


async def test_a_late_answer_to_a_call_that_counts_as_spent_posts_only_what_it_cost_beyond(
    world: World,
) -> None:
    batch, claim = await parked(world)
    await replay(world, batch, [0], doubt=True)
    (again,) = await world.claim(9)
    await world.finish(again, cost=4)
    before = (await world.look(batch)).spent_usd_micros
    for _ in range(2):
        await world.move(claim, "surplus", attempt=claim.attempt, cost=claim.hold_usd_micros + 3)
    assert (await world.look(batch)).spent_usd_micros == before + 3


FAMILY = [Block(2), Block(2, hold=30, dependent=True)]
READY: dict[int, Any] = {0: [2], 1: [3]}


async def finish_family(world: World, batch: Batch) -> Batch:
    """Everything that can be claimed is made, until nothing can."""
    while claims := await world.claim(9):
        for claim in claims:
            await world.finish(claim, ready=READY.get(claim.index, []))
    return await world.look(batch)


@pytest.mark.parametrize("order", [[0, 1, (2, 0), (3, 1)], [(3, 1), (2, 0), 1, 0]])
@pytest.mark.parametrize("reason", ["cancelled", "expired"])
async def test_children_that_ended_with_their_batch_come_back_after_their_parents(
    world: World, reason: str, order: list[int | tuple[int, int]]
) -> None:
    await world.lane()
    batch = await world.batch(FAMILY, deadline_ms=1)
    await world.batches.close(batch, reason=reason)
    assert (await replay(world, batch, order)).moved == 4
    found = await world.look(batch)
    assert (found.counts["queued"], found.failures_by_class) == (2, {"parent_failed": 2})
    page, _ = await world.tasks.page(found, start=0, limit=9)
    assert [task.state for task in page] == ["queued", "queued", "failed", "failed"]
    assert await world.redis.zcard(keys.members(batch.id, "failed")) == 2
    found = await finish_family(world, batch)
    assert (found.state, found.counts["done"], found.failures_by_class) == ("completed", 4, {})
    assert found.held_usd_micros == 0


async def test_children_that_failed_with_their_parent_come_back_after_it(world: World) -> None:
    await world.lane()
    batch = await world.batch(FAMILY)
    first, second = await world.claim(2)
    await world.move(first, "failed", fail=[2])
    await world.finish(second, ready=READY[1])
    (child,) = await world.claim(9)
    await world.finish(child)
    assert (await replay(world, batch, [0, (2, 0)])).moved == 2
    found = await finish_family(world, batch)
    assert (found.counts["done"], found.failures_by_class) == (4, {})


async def test_a_child_whose_parent_is_made_can_be_claimed_at_once(world: World) -> None:
    await world.lane()
    batch = await world.batch(FAMILY)
    first, _ = await world.claim(2)
    await world.finish(first, ready=READY[0])
    (child,) = await world.claim(9)
    await world.move(child, "failed")
    await replay(world, batch, [(2, 0)])
    assert [claim.index for claim in await world.claim(9)] == [2]


async def test_a_batch_of_waiting_children_alone_is_not_opened(world: World) -> None:
    await world.lane()
    batch = await world.batch(FAMILY)
    await world.batches.cancel("acme", batch.id)
    await replay(world, batch, [(2, 0)])
    assert (await world.look(batch)).state == "cancelled"


async def test_an_action_of_another_tenant_does_not_show(world: World) -> None:
    batch, _ = await failed(world, 1)
    action_id = await create(world, batch, [0])
    with pytest.raises(NotFoundError):
        await ActionStore(world.redis).get("zeta", action_id)


async def test_an_action_that_was_forgotten_is_not_under_way(world: World) -> None:
    store = ActionStore(world.redis)
    await world.redis.sadd(keys.ACTIONS, "action_gone")
    assert await store.advance("action_gone") is STOPPED
    assert (await store.under_way(), await world.redis.keys("*")) == ([], [])


async def test_an_estimate_is_the_part_of_the_holds(world: World) -> None:
    batch = await world.batch([Block(6, hold=10), Block(2, hold=30)])
    await world.redis.hset(keys.batch(batch.id), "estimated", 60)
    store, batch = ActionStore(world.redis), await world.look(batch)
    assert [await store.estimate(batch, chosen) for chosen in ([], [0], [6], range(8))] == [0, 5, 15, 60]
