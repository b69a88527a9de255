"""The scripts allow exactly what the table of `schemas.task` says."""

from __future__ import annotations

import pytest

from core.state.tasks import Moved
from schemas.claim import Claim
from schemas.task import TRANSITIONS, TaskState
from tests.state.world import World

PATHS: dict[TaskState, tuple[str, ...]] = {
    TaskState.QUEUED: ("queued",),
    TaskState.CLAIMED: (),
    TaskState.SENT: ("sent",),
    TaskState.SPOOLED: ("sent", "spooled"),
    TaskState.STORED: ("sent", "spooled", "stored"),
    TaskState.WAITING: ("sent", "waiting"),
    TaskState.PARKED: ("sent", "parked"),
    TaskState.DONE: ("sent", "spooled", "stored", "done"),
    TaskState.FAILED: ("failed",),
    TaskState.CANCELLED: ("cancelled",),
    TaskState.SKIPPED: ("skipped",),
}


async def task_in(world: World, state: TaskState) -> Claim:
    """A fresh task that was taken to `state`."""
    batch = await world.batch(1, tenant=f"tenant{state}")
    (claim,) = [claim for claim in await world.claim(100) if claim.batch_id == batch.id]
    for step in PATHS[state]:
        assert (await world.move(claim, step, delay_us=10**9)).status == "ok"
    return claim


def expected(origin: TaskState, target: TaskState) -> str:
    if origin is target:
        return "ok"  # the repetition of a move that was made
    if origin is TaskState.DONE:
        return "stale"
    allowed = (
        target in TRANSITIONS[origin] and target is not TaskState.CLAIMED
    )  # claiming is the other script's
    return "ok" if allowed else "illegal"


@pytest.mark.parametrize("origin", list(TaskState))
async def test_a_task_goes_where_the_table_lets_it_and_nowhere_else(world: World, origin: TaskState) -> None:
    await world.lane()
    for target in TaskState:
        claim = await task_in(world, origin)
        moved = await world.move(claim, target.value, from_state=origin.value)
        assert moved.status == expected(origin, target), f"{origin} -> {target}"
        stands = await world.task(claim)
        assert stands.state is (target if moved.status == "ok" else origin)


@pytest.mark.parametrize("origin", [state for state in TaskState if state is not TaskState.DONE])
async def test_an_old_fence_moves_nothing(world: World, origin: TaskState) -> None:
    await world.lane()
    for target in TaskState:
        claim = await task_in(world, origin)
        assert (await world.move(claim, target.value, fence=claim.fence - 1)).status == "stale"
        assert (await world.task(claim)).state is origin


async def test_repeating_a_move_changes_nothing(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    for state in ("sent", "spooled", "stored", "done"):
        await world.move(claim, state, cost=7)
        assert await world.move(claim, state, cost=7) == Moved("ok")
    found = await world.look(batch)
    assert (found.counts["done"], found.spent_usd_micros) == (1, 7)
    assert ((await world.task(claim)).sends, found.state) == (1, "completed")


async def test_a_move_in_a_batch_that_never_started_is_stale(world: World) -> None:
    batch = await world.plan({})
    moved = await world.tasks.move(
        batch=batch.id, index=0, fence=0, to="failed", failure={"class": "bad_row"}
    )
    assert moved.status == "stale"
