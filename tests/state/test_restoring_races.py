"""What happens to a batch while it is brought back from storage, and to what was under way when it was lost."""

from __future__ import annotations

from typing import Any

from core.state.actions import ActionState, ActionStore, BulkAction, Chosen
from core.state.restoring import Paid, RestoredTask, RestoreStore
from schemas.batch import BatchState
from schemas.task import TaskState
from tests.state.test_restoring import ID, NOVEMBER_MS, RUNNING, ended, planned, restored
from tests.state.world import Block, World


async def test_a_late_result_of_a_task_that_came_back_into_the_queue_is_paid_once(world: World) -> None:
    await world.lane()
    task = RestoredTask(
        0, TaskState.QUEUED, attempt=2, fence=2, sends=2, at=NOVEMBER_MS, paid=(Paid(1, 3, NOVEMBER_MS),)
    )
    await restored(world, planned([Block(1)]), task)
    late: dict[str, Any] = {"batch": ID, "index": 0, "worker": "w2"}
    moved = await world.tasks.move(**late, fence=2, to="spooled", late=True, attempt=2)
    await world.tasks.move(**late, fence=moved.fence, to="stored", asset="picture.png", sha256="ab")
    await world.tasks.move(**late, fence=moved.fence, to="done", attempt=2, cost=7, tokens=100)
    found = await world.batches.get("acme", ID)
    assert (found.state, found.spent_usd_micros, found.held_usd_micros) == (BatchState.COMPLETED, 10, 0)
    assert (await world.tasks.get(found, 0)).cost_usd_micros == 10


async def test_a_replay_does_not_open_a_batch_that_is_being_brought_back(world: World) -> None:
    await world.lane()
    store, actions = RestoreStore(world.redis), ActionStore(world.redis)
    batch = planned([Block(3)])
    await store.begin(batch, RUNNING)
    await store.write(batch.id, [ended(0, TaskState.FAILED, failure={"class": "bad_row"})])
    action = BulkAction("action_1", "acme", ID, ActionState.RUNNING, 1, 0, 0, False, 1)
    await actions.create(action, [Chosen(0, None)])
    assert await actions.advance("action_1") is ActionState.STOPPED
    assert (await world.batches.get("acme", ID)).state is BatchState.PLANNING
    assert await world.claim(9) == []
