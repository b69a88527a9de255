"""A batch that Redis has lost, and the way back: what is on record, and what it becomes."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from core.record import ATTEMPTS_PER_LIFE, Course, PlannedBatch, Steering, TaskRecord
from core.state import keys
from core.state.batches import Change
from core.state.recording import Note, RecordStore
from core.state.restoring import Paid, RestoredTask, RestoreStore
from schemas.batch import Batch, BatchState
from schemas.errors import ConflictError
from schemas.manifest import Priority
from schemas.task import TaskState
from tests.state.world import Block, World, flows_of

OCTOBER_MS = int(datetime(2026, 10, 31, 23, 59, tzinfo=UTC).timestamp() * 1000)
NOVEMBER_MS = int(datetime(2026, 11, 1, 0, 1, tzinfo=UTC).timestamp() * 1000)
ID = "batch_lost"
RUNNING = Steering(Course.RUNNING, None, "normal", lives=1)


def planned(blocks: list[Block], **about: Any) -> PlannedBatch:
    total = sum(block.count for block in blocks)
    facts: dict[str, Any] = {
        "id": ID,
        "tenant": "acme",
        "name": "lost",
        "priority": "normal",
        "metadata": {"season": "spring"},
        "plan_id": "plan_lost",
        "cap_usd_micros": None,
        "on_doubt": "park",
        "reuse": "batch",
        "deadline_ms": None,
        "created_at_ms": 1000,
        "started_at_ms": 2000,
        "total": total,
        "rows": total,
        "rows_fence": 1,
        "estimated_usd_micros": 70,
        "flows": [asdict(flow) for flow in flows_of({"lane": blocks})],
    }
    return PlannedBatch(**{**facts, **about})


def done(index: int, *, cost: int = 7, at: int = NOVEMBER_MS, **more: Any) -> RestoredTask:
    facts = {"asset": f"{index}.png", "sha256": "ab", "paid": (Paid(1, cost, at),)}
    return RestoredTask(index, TaskState.DONE, attempt=1, fence=1, sends=1, at=at, **{**facts, **more})


def ended(index: int, state: TaskState, **more: Any) -> RestoredTask:
    return RestoredTask(index, state, attempt=1, fence=1, sends=1, at=NOVEMBER_MS, **more)


async def restored(
    world: World,
    batch: PlannedBatch,
    *tasks: RestoredTask,
    steering: Steering = RUNNING,
    ready: tuple[int, ...] = (),
    fail: tuple[int, ...] = (),
) -> Batch:
    store = RestoreStore(world.redis)
    assert await store.begin(batch, steering)
    assert await store.write(batch.id, tasks)
    assert await store.link(batch.id, ready=ready, fail=fail)
    assert await store.open(batch.id, steering.course, finished_at_ms=NOVEMBER_MS)
    return await world.batches.get("acme", batch.id)


async def spent(world: World, key: str) -> int:
    return int(await world.redis.hget(key, "spent") or 0)


async def test_a_batch_goes_on_with_what_is_not_done_and_keeps_its_money_in_the_periods_it_was_paid_in(
    world: World,
) -> None:
    await world.lane()
    batch = await restored(
        world, planned([Block(5)]), done(0, cost=5, at=OCTOBER_MS), done(3), steering=RUNNING
    )
    assert (batch.state, batch.counts["done"], batch.counts["queued"]) == (BatchState.RUNNING, 2, 3)
    assert (batch.name, batch.metadata, batch.created_at_ms, batch.started_at_ms) == (
        "lost", {"season": "spring"}, 1000, 2000
    )  # fmt: skip
    assert (batch.spent_usd_micros, batch.held_usd_micros, batch.estimated_usd_micros) == (12, 0, 70)
    assert await spent(world, keys.month_budget("acme", "2026-10")) == 5
    assert await spent(world, keys.day_budget("2026-10-31")) == 5
    assert await spent(world, keys.month_budget("acme", "2026-11")) == 7
    claims = await world.claim(9)
    assert [claim.index for claim in claims] == [1, 2, 4]
    for claim in claims:
        await world.finish(claim)
    assert (await world.look(batch)).state is BatchState.COMPLETED


async def test_a_task_that_is_back_is_as_it_was(world: World) -> None:
    await world.lane()
    failure = {"class": "moderation_blocked", "message": "no"}
    tasks = (
        done(0),
        ended(1, TaskState.FAILED, failure=failure, paid=(Paid(1, 3, NOVEMBER_MS),)),
        ended(2, TaskState.SKIPPED, same_as=0),
    )
    batch = await restored(world, planned([Block(4)]), *tasks)
    found, failed, skipped, queued = (await world.tasks.page(batch, start=0, limit=9))[0]
    assert (found.state, found.asset_key, found.sha256, found.cost_usd_micros, found.updated_at_ms) == (
        TaskState.DONE, "0.png", "ab", 7, NOVEMBER_MS
    )  # fmt: skip
    assert (failed.state, failed.failure, failed.cost_usd_micros) == (TaskState.FAILED, failure, 3)
    assert (skipped.state, skipped.same_as, queued.state) == (TaskState.SKIPPED, 0, TaskState.QUEUED)
    assert batch.failures_by_class == {"moderation_blocked": 1}
    assert [
        task.index for task in (await world.tasks.page(batch, start=0, limit=9, state=TaskState.FAILED))[0]
    ] == [1]


async def test_a_doubt_stays_a_doubt_with_its_money_held_and_its_late_result_is_taken(world: World) -> None:
    await world.lane()
    failure = {"class": "doubtful", "message": "cut"}
    parked = ended(0, TaskState.PARKED, hold=10, failure=failure, lane="lane", doubt="sent")
    batch = await restored(world, planned([Block(1)]), parked)
    assert (batch.state, batch.counts["parked"], batch.held_usd_micros) == (BatchState.COMPLETED, 1, 10)
    assert await world.claim(9) == []
    assert await world.redis.zrange("darkroom:doubts", 0, -1) == [b"batch_lost:0"]
    facts: dict[str, Any] = {"batch": ID, "index": 0, "fence": 1, "worker": "w1"}
    for move in (
        {"to": "spooled"},
        {"to": "stored", "asset": "a.png", "sha256": "ab"},
        {"to": "done", "cost": 8},
    ):
        assert (await world.tasks.move(**facts, **move)).status == "ok"
    batch = await world.look(batch)
    assert (batch.state, batch.spent_usd_micros, batch.held_usd_micros) == (BatchState.COMPLETED, 8, 0)
    assert await spent(world, keys.month_budget("acme", "2026-11")) == 8


async def test_a_batch_of_which_all_is_done_has_ended_when_its_last_picture_came(world: World) -> None:
    batch = await restored(world, planned([Block(2)]), done(0, at=OCTOBER_MS), done(1))
    assert (batch.state, batch.finished_at_ms) == (BatchState.COMPLETED, NOVEMBER_MS)


@pytest.mark.parametrize("step", ["begin", "write", "link"])
async def test_nothing_is_claimed_until_the_last_step(world: World, step: str) -> None:
    await world.lane()
    store, batch = RestoreStore(world.redis), planned([Block(2), Block(1, dependent=True)])
    await store.begin(batch, RUNNING)
    if step != "begin":
        await store.write(ID, [done(0)])
    if step == "link":
        await store.link(ID, ready=[2], fail=[])
    assert await world.claim(9) == []
    assert not await store.is_there(ID)
    assert (await world.batches.get("acme", ID)).state is BatchState.PLANNING
    with pytest.raises(ConflictError):
        await world.batches.cancel("acme", ID)
    await store.open(ID, Course.RUNNING, finished_at_ms=0)
    assert await store.is_there(ID)
    assert await world.claim(9) != []


async def test_it_can_be_interrupted_anywhere_and_done_again(world: World) -> None:
    await world.lane()
    store, batch = RestoreStore(world.redis), planned([Block(3), Block(3, dependent=True)])
    tasks = [
        done(0, surplus=(Paid(2, 4, NOVEMBER_MS),)),
        ended(1, TaskState.PARKED, hold=10, failure={"class": "doubtful"}, paid=(Paid(1, 1, NOVEMBER_MS),)),
        done(3),
        ended(2, TaskState.QUEUED, paid=(Paid(1, 2, NOVEMBER_MS),)),
    ]
    for _ in range(3):
        await store.begin(batch, RUNNING)
        await store.write(ID, tasks[:2])
        await store.write(ID, tasks)
        await store.link(ID, ready=[3, 4], fail=[])
    await store.open(ID, Course.RUNNING, finished_at_ms=0)
    found = await world.batches.get("acme", ID)
    assert (found.counts["done"], found.counts["parked"], found.counts["queued"]) == (2, 1, 3)
    assert (found.spent_usd_micros, found.held_usd_micros) == (7 + 4 + 1 + 7 + 2, 10)
    assert await spent(world, keys.day_budget("2026-11-01")) == found.spent_usd_micros
    before = await world.redis.hgetall(keys.batch(ID))
    assert not await store.begin(batch, RUNNING)
    assert not await store.write(ID, tasks)
    assert not await store.open(ID, Course.PAUSED, finished_at_ms=0)
    assert await world.redis.hgetall(keys.batch(ID)) == before
    assert sorted(claim.index for claim in await world.claim(9)) == [2, 4]


async def test_what_was_paid_for_a_task_without_a_picture_is_spent_and_it_is_made_all_the_same(
    world: World,
) -> None:
    await world.lane()
    waiting = ended(1, TaskState.QUEUED, paid=(Paid(1, 5, NOVEMBER_MS),))
    batch = await restored(world, planned([Block(2)]), waiting)
    assert (batch.spent_usd_micros, batch.counts["queued"]) == (5, 2)
    claims = {claim.index: claim for claim in await world.claim(9)}
    assert (claims[1].sends, claims[0].sends) == (1, 0)
    for claim in claims.values():
        await world.finish(claim, cost=10)
    batch = await world.look(batch)
    assert (batch.state, batch.spent_usd_micros) == (BatchState.COMPLETED, 25)


async def test_attempts_go_on_from_the_next_thousand_so_that_none_is_taken_for_one_from_before(
    world: World,
) -> None:
    await world.lane()
    await restored(world, planned([Block(2)]), ended(1, TaskState.QUEUED, paid=(Paid(1, 1, NOVEMBER_MS),)))
    claims = await world.claim(9)
    assert [(claim.attempt, claim.fence) for claim in claims] == [
        (ATTEMPTS_PER_LIFE + 1, ATTEMPTS_PER_LIFE + 1)
    ] * 2
    (fresh,) = (claim for claim in claims if claim.index == 0)
    await world.move(fresh, "sent")
    late: dict[str, Any] = {"batch": ID, "index": 0, "worker": "w0"}
    assert (await world.tasks.move(**late, fence=1, to="spooled")).status == "stale"
    moved = await world.tasks.move(**late, fence=1, to="spooled", late=True)
    assert moved.fence == ATTEMPTS_PER_LIFE + 2
    await world.tasks.move(**late, fence=moved.fence, to="stored", asset="a.png", sha256="ab")
    await world.tasks.move(**late, fence=moved.fence, to="done", attempt=1, cost=7)
    await world.move(fresh, "surplus", attempt=fresh.attempt, cost=7)
    assert (await world.batches.get("acme", ID)).spent_usd_micros == 1 + 7 + 7


async def test_a_late_result_that_comes_during_the_work_is_taken_and_paid_once(world: World) -> None:
    await world.lane()
    store, batch = RestoreStore(world.redis), planned([Block(2)])
    await store.begin(batch, RUNNING)
    late: dict[str, Any] = {"batch": ID, "index": 0, "worker": "w0"}
    moved = await world.tasks.move(**late, fence=1, to="spooled", late=True)
    await world.tasks.move(**late, fence=moved.fence, to="stored", asset="0.png", sha256="ab")
    await world.tasks.move(**late, fence=moved.fence, to="done", attempt=1, cost=7)
    await store.write(ID, [done(0), done(1)])
    assert (await world.batches.get("acme", ID)).state is BatchState.PLANNING
    await store.open(ID, Course.RUNNING, finished_at_ms=NOVEMBER_MS)
    found = await world.batches.get("acme", ID)
    assert (found.state, found.counts["done"], found.spent_usd_micros) == (BatchState.COMPLETED, 2, 14)


async def test_the_result_of_an_attempt_that_is_on_record_is_known_for_what_it_is(world: World) -> None:
    await world.lane()
    await restored(world, planned([Block(2)]), done(0))
    moved = await world.tasks.move(batch=ID, index=0, fence=1, to="spooled", late=True, worker="w0")
    assert (moved.status, moved.asset) == ("surplus", "0.png")
    await world.tasks.move(batch=ID, index=0, fence=0, to="surplus", attempt=1, cost=7)
    assert (await world.batches.get("acme", ID)).spent_usd_micros == 7


async def test_children_come_with_their_parents(world: World) -> None:
    await world.lane()
    blocks = [Block(3), Block(3, dependent=True)]
    broken = ended(1, TaskState.FAILED, failure={"class": "moderation_blocked"})
    batch = await restored(world, planned(blocks), done(0), broken, done(3), ready=(3,), fail=(4,))
    assert (batch.counts["done"], batch.counts["failed"], batch.counts["queued"]) == (2, 2, 2)
    (last,) = await world.claim(9)
    assert last.index == 2
    await world.finish(last, ready=[5])
    (child,) = await world.claim(9)
    assert child.index == 5
    await world.finish(child)
    assert (await world.look(batch)).state is BatchState.COMPLETED


async def test_a_paused_batch_stays_paused_and_goes_on_when_it_is_resumed(world: World) -> None:
    await world.lane()
    steering = Steering(Course.PAUSED, 500, "bulk", lives=1)
    batch = await restored(world, planned([Block(2)]), done(0), steering=steering)
    assert (batch.state, batch.limited_by, batch.cap_usd_micros, batch.priority) == (
        BatchState.PAUSED, "paused", 500, Priority.BULK
    )  # fmt: skip
    assert await world.claim(9) == []
    await world.batches.steer(batch, Change(BatchState.RUNNING))
    assert [claim.index for claim in await world.claim(9)] == [1]


async def test_a_cancelled_batch_does_not_come_back_to_life(world: World) -> None:
    await world.lane()
    steering = Steering(Course.CANCELLED, None, "normal", lives=1)
    batch = await restored(world, planned([Block(3)]), done(0), steering=steering)
    assert (batch.state, batch.counts["done"], batch.counts["cancelled"]) == (BatchState.CANCELLED, 1, 2)
    assert batch.spent_usd_micros == 7
    assert await world.claim(9) == []


async def test_a_batch_whose_deadline_has_passed_expires(world: World) -> None:
    await world.lane()
    batch = await restored(world, planned([Block(2)], deadline_ms=3000), done(0))
    assert await world.claim(9) == []
    assert await world.batches.overdue(NOVEMBER_MS) == [ID]
    batch = await world.batches.close(batch, reason="expired")
    assert batch.failures_by_class == {"expired": 1}


async def test_a_batch_that_redis_has_is_left_alone(world: World) -> None:
    await world.lane()
    batch = await world.batch(2)
    before = await world.redis.hgetall(keys.batch(batch.id))
    store = RestoreStore(world.redis)
    assert await store.is_there(batch.id)
    assert not await store.begin(planned([Block(2)], id=batch.id), RUNNING)
    assert not await store.write(batch.id, [done(0)])
    assert await world.redis.hgetall(keys.batch(batch.id)) == before


# What is on record


async def records(world: World, batch: Batch) -> dict[int, TaskRecord]:
    """Takes every note, and reads what it is about."""
    store = RecordStore(world.redis)
    notes = await store.take(100)
    await store.told(notes)
    pages = {note.page for note in notes if note.batch_id == batch.id}
    return {
        record.index: record
        for page in pages
        if page is not None
        for record in await store.tasks(batch.id, page)
    }


async def test_pictures_leave_no_record_and_everything_else_does(world: World) -> None:
    await world.lane()
    batch = await world.batch(300)
    claims = await world.claim(300)
    for claim in claims[:5]:
        await world.finish(claim)
    assert await RecordStore(world.redis).take(9) == []
    await world.walk(claims[5], "sent", "parked", failure={"class": "doubtful"})
    await world.walk(claims[6], "sent", "failed", failure={"class": "moderation_blocked"})
    await world.move(claims[7], "skipped", same_as=0)
    await world.walk(claims[8], "sent", "spooled", "waiting", cost=3)
    await world.walk(claims[9], "sent", "waiting")
    await world.move(claims[250], "failed")
    found = await records(world, batch)
    assert {index: record.state.value for index, record in found.items()} == {
        5: "parked", 6: "failed", 7: "skipped", 8: "waiting", 250: "failed"
    }  # fmt: skip
    assert (found[5].hold_usd_micros, found[5].doubt, found[5].lane) == (10, "sent", "lane")
    assert found[6].failure == {"class": "moderation_blocked"}
    assert (found[7].same_as, found[8].paid, found[8].sends) == (0, {1: 3}, 1)


async def test_what_an_earlier_attempt_cost_stays_on_record_beside_the_picture(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (first,) = await world.claim()
    await world.walk(first, "sent", "spooled", "waiting", cost=3)
    assert (await records(world, batch))[0].paid == {1: 3}
    (second,) = await world.claim()
    await world.finish(second)
    assert (await records(world, batch))[0].paid == {1: 3, 2: 10}


async def test_a_doubt_that_is_resolved_leaves_the_record(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim()
    await world.walk(claim, "sent", "parked")
    assert 0 in await records(world, batch)
    await world.walk(claim, "spooled", "stored", "done", cost=10)
    assert await RecordStore(world.redis).take(9) == [Note(batch.id, 0)]
    assert await RecordStore(world.redis).tasks(batch.id, 0) == []


async def test_how_a_batch_is_steered_is_noted(world: World) -> None:
    await world.lane()
    batch, store = await world.batch(2), RecordStore(world.redis)
    await world.batches.steer(batch, Change(BatchState.PAUSED, cap_usd_micros=90, priority=Priority.BULK))
    notes = await store.take(9)
    assert notes == [Note(batch.id, None)]
    assert await store.steering(batch.id) == Steering(Course.PAUSED, 90, "bulk", lives=0)
    await world.batches.cancel("acme", batch.id)
    await store.told(notes)
    assert Note(batch.id, None) in await store.take(9)
    assert (await store.steering(batch.id)).course is Course.CANCELLED


async def test_nothing_is_recorded_of_a_batch_while_it_is_brought_back(world: World) -> None:
    store = RecordStore(world.redis)
    await RestoreStore(world.redis).begin(planned([Block(1)]), RUNNING)
    with pytest.raises(LookupError):
        await store.tenant_of(ID)
    await RestoreStore(world.redis).open(ID, Course.RUNNING, finished_at_ms=0)
    assert await store.tenant_of(ID) == "acme"
    assert await store.tenant_of("batch_unknown") is None
