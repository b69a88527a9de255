"""Batches that end early, and what still arrives then."""

from __future__ import annotations

from typing import Any

import pytest

from core.state import keys
from core.state.batches import CLOSING
from schemas.batch import Batch
from schemas.claim import Claim
from schemas.errors import ConflictError
from schemas.failure import FailureClass
from schemas.task import TaskState
from tests.state.world import FENCE, Block, World

LONG_AGO_MS = 1


async def opened(world: World, tasks: int = 5, **about: object) -> tuple[Batch, Claim]:
    """A running batch with one claim."""
    await world.lane()
    batch = await world.batch(tasks, **about)
    (claim,) = await world.claim(1)
    return batch, claim


async def expire(world: World, batch: Batch) -> Batch:
    """The deadline passes and is noticed."""
    await world.redis.hset(keys.batch(batch.id), "deadline", LONG_AGO_MS)
    return await world.batches.close(batch, reason="expired")


async def late_result(world: World, claim: Claim, *, cost: int) -> str:
    moved = await world.move(claim, "spooled", late=True, worker="w2")
    assert moved.status == "ok"
    await world.move(claim, "stored", fence=moved.fence)
    return (await world.move(claim, "done", fence=moved.fence, cost=cost)).status


async def test_cancelling_ends_what_waits_and_keeps_what_is_in_flight(world: World) -> None:
    batch, claim = await opened(world)
    await world.move(claim, "sent")
    found = await world.batches.cancel("acme", batch.id)
    assert (found.state, found.counts["cancelled"], found.counts["running"]) == ("cancelling", 4, 1)
    await world.walk(claim, "spooled", "stored", "done", cost=7)
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.spent_usd_micros, found.held_usd_micros) == (
        "cancelled",
        1,
        7,
        0,
    )
    assert await world.claim(9) == []


async def test_a_claimed_task_of_a_cancelled_batch_is_not_sent(world: World) -> None:
    batch, claim = await opened(world)
    await world.batches.cancel("acme", batch.id)
    assert (await world.move(claim, "sent")).status == "cancelled"
    await world.move(claim, "cancelled", unused="all")
    assert (await world.look(batch)).state == "cancelled"


@pytest.mark.parametrize("to", ["queued", "waiting"])
@pytest.mark.parametrize("states", [(), ("sent",), ("sent", "parked")])
async def test_a_task_that_would_be_tried_again_ends_with_its_cancelled_batch(
    world: World, to: str, states: tuple[str, ...]
) -> None:
    batch, claim = await opened(world)
    for state in states:
        await world.move(claim, state)
    await world.batches.cancel("acme", batch.id)
    assert (await world.move(claim, to, cost=3)).status == "ok"
    found = await world.look(batch)
    assert (found.state, found.counts["cancelled"], found.spent_usd_micros) == ("cancelled", 5, 3)
    assert (await world.task(claim)).failure == {"class": "cancelled"}


async def test_a_task_that_would_be_tried_again_fails_with_its_expired_batch(world: World) -> None:
    batch, claim = await opened(world)
    await world.move(claim, "sent")
    assert (await expire(world, batch)).state == "running"
    await world.move(claim, "waiting")
    found = await world.look(batch)
    assert (found.state, found.failures_by_class) == ("completed", {"expired": 5})


async def test_waiting_and_released_tasks_end_when_their_batch_is_closed(world: World) -> None:
    batch, first = await opened(world)
    (second,) = await world.claim(1)
    await world.walk(first, "sent", "waiting", cost=2, delay_us=10**9)
    await world.move(second, "queued", unused="all")
    found = await world.batches.cancel("acme", batch.id)
    assert (found.state, found.counts["cancelled"], found.counts["waiting"]) == ("cancelled", 5, 0)
    assert ((await world.task(first)).state, (await world.task(first)).cost_usd_micros) == ("cancelled", 2)


async def test_a_batch_in_planning_can_be_cancelled_and_then_does_not_start(world: World) -> None:
    await world.lane()
    batch = await world.plan({})
    assert (await world.batches.cancel("acme", batch.id)).state == "cancelled"
    assert await world.start(batch, {"lane": [Block(3)]}) is False
    assert await world.claim(9) == []


async def test_a_batch_that_was_cancelled_while_it_was_planned_is_not_rejected(world: World) -> None:
    batch = await world.plan({})
    await world.batches.cancel("acme", batch.id)
    about: dict[str, Any] = {"plan": None, "problems": [], "finished_at_ms": 5}
    assert not await world.batches.reject(batch.id, fence=FENCE, refusal="over_cap", **about)
    assert (await world.look(batch)).state == "cancelled"


async def test_a_batch_that_has_ended_can_not_be_cancelled(world: World) -> None:
    batch, claim = await opened(world, 1)
    await world.finish(claim)
    with pytest.raises(ConflictError):
        await world.batches.cancel("acme", batch.id)


async def test_a_batch_of_no_tasks_is_completed_when_it_starts(world: World) -> None:
    await world.lane()
    batch = await world.batch(0)
    assert batch.state == "completed"


async def test_a_late_result_in_a_cancelled_batch_is_kept_and_paid_and_the_batch_stays_cancelled(
    world: World,
) -> None:
    batch, claim = await opened(world)
    await world.walk(claim, "sent", "queued")
    await world.batches.cancel("acme", batch.id)
    assert await late_result(world, claim, cost=7) == "ok"
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.counts["cancelled"]) == ("cancelled", 1, 4)
    assert (found.spent_usd_micros, found.held_usd_micros) == (7, 0)


async def test_a_late_result_of_a_failed_task_is_kept_and_paid(world: World) -> None:
    batch, claim = await opened(world, 1)
    await world.walk(claim, "sent", "failed", cost=3)
    assert await late_result(world, claim, cost=7) == "ok"
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.spent_usd_micros) == ("completed", 1, 10)
    assert found.failures_by_class == {}


async def test_a_replayed_task_opens_its_cancelled_batch_and_nothing_else_of_it(world: World) -> None:
    batch, claim = await opened(world)
    await world.move(claim, "sent")
    await world.batches.cancel("acme", batch.id)
    await world.move(claim, "failed")
    untouched = await world.tasks.move(batch=batch.id, index=3, fence=0, to="queued", from_state="cancelled")
    assert untouched.status == "ok"
    assert (await world.look(batch)).state == "running"
    assert [again.index for again in await world.claim(9)] == [3]


@pytest.mark.parametrize("reason", ["cancelled", "expired"])
async def test_a_release_that_is_repeated_does_not_bring_back_a_task_that_ended_with_its_batch(
    world: World, reason: str
) -> None:
    batch, claim = await opened(world, 1)
    await world.move(claim, "sent")
    if reason == "expired":
        await expire(world, batch)
    else:
        await world.batches.cancel("acme", batch.id)
    assert [(await world.move(claim, "queued")).status for _ in range(2)] == ["ok", "stale"]
    ended = "cancelled" if reason == "cancelled" else "completed"
    assert (await world.look(batch)).state == ended
    assert await world.claim(9) == []


async def test_a_replayed_task_of_an_expired_batch_runs_without_a_deadline(world: World) -> None:
    batch, claim = await opened(world)
    await expire(world, batch)
    await world.move(claim, "failed")
    await world.tasks.move(batch=batch.id, index=2, fence=0, to="queued", from_state="failed")
    (again,) = await world.claim(9)
    await world.finish(again)
    found = await world.look(batch)
    assert (found.state, found.counts["done"], found.failures_by_class) == (
        "completed",
        1,
        {"bad_row": 1, "expired": 3},
    )


async def test_tasks_that_ended_untouched_are_listed_with_the_others(world: World) -> None:
    batch, claim = await opened(world, 300)
    await world.move(claim, "failed")
    await expire(world, batch)
    batch = await world.look(batch)
    page, following = await world.tasks.page(batch, start=0, limit=100, state=TaskState.FAILED)
    assert ([task.index for task in page], following) == (list(range(100)), 100)
    (alone,), end = await world.tasks.page(
        batch, start=0, limit=5, failure_class=FailureClass.BAD_ROW, state=TaskState.FAILED
    )
    assert (alone.index, end) == (0, None)
    expired, _ = await world.tasks.page(batch, start=0, limit=2, failure_class=FailureClass.EXPIRED)
    assert [task.index for task in expired] == [1, 2]


@pytest.mark.parametrize("deadline_ms", [None, 10**14])
async def test_a_batch_does_not_expire_before_its_deadline(world: World, deadline_ms: int | None) -> None:
    batch = await world.batch(5, deadline_ms=deadline_ms)
    with pytest.raises(ConflictError):
        await world.batches.close(batch, reason="expired")
    assert await world.look(batch) == batch


async def test_a_batch_that_has_ended_keeps_no_fingerprints(world: World) -> None:
    batch, claim = await opened(world, 1)
    await world.move(claim, "sent", fingerprint="print")
    assert await world.redis.exists(f"{keys.batch(batch.id)}:prints")
    await world.walk(claim, "spooled", "stored", "done")
    assert not await world.redis.exists(f"{keys.batch(batch.id)}:prints")


async def test_overdue_batches_are_named_until_they_have_ended(world: World) -> None:
    await world.lane()
    batch = await world.batch(3, deadline_ms=5)
    assert await world.batches.overdue(10) == [batch.id]
    assert await world.claim(9) == []
    await world.batches.close(batch, reason="expired")
    assert await world.batches.overdue(10) == []


async def test_closing_a_million_tasks_is_as_quick_as_closing_one(world: World) -> None:
    await world.lane()
    batch = await world.batch(1_000_000)
    await world.claim(3)
    found = await world.batches.cancel("acme", batch.id)
    assert found.counts["cancelled"] == 999_997
    assert len(await world.redis.keys("*")) < 25


async def waiting(world: World, tasks: int) -> Batch:
    """A batch all of whose tasks were tried once, and wait."""
    await world.lane()
    batch = await world.batch(tasks)
    for claim in await world.claim(tasks):
        await world.walk(claim, "sent", "waiting", delay_us=10**9, cost=2)
    return batch


async def close_part(world: World, batch: Batch, most: int, reason: str = "cancelled") -> str:
    """One call of those that close a batch."""
    answer: bytes = await world.batches._scripts.run("close", batch.id, reason, "", most)
    return answer.decode()


async def test_a_batch_is_closed_in_parts_and_each_task_ends_once(world: World) -> None:
    batch = await waiting(world, 5)
    found = []
    for answer in ("closing", "closing", "cancelled"):
        assert await close_part(world, batch, 2) == answer
        after = await world.look(batch)
        found.append((after.state, after.counts["cancelled"], after.counts["waiting"]))
    assert found == [("cancelling", 2, 3), ("cancelling", 4, 1), ("cancelled", 5, 0)]
    assert await world.redis.hgetall(keys.ENDINGS) == {b"cancelled": b"5"}
    after = await world.look(batch)
    assert (after.spent_usd_micros, after.held_usd_micros) == (10, 0)


async def test_nothing_starts_once_the_first_part_of_a_closing_was_done(world: World) -> None:
    batch = await waiting(world, 5)
    assert await close_part(world, batch, 2) == "closing"
    await world.time_passes()
    assert await world.claim(9) == []


async def test_a_closing_whose_caller_died_is_named_and_whoever_goes_on_with_it_ends_it(world: World) -> None:
    batch = await waiting(world, 5)
    await close_part(world, batch, 2)
    assert await world.batches.closing() == [batch.id]
    found = await world.batches.close(batch, reason="expired")  # as a worker asks, whatever the reason was
    assert (found.state, found.counts["cancelled"], await world.batches.closing()) == ("cancelled", 5, [])


async def test_a_late_result_between_two_parts_is_kept_and_the_batch_ends_with_the_last_part(
    world: World,
) -> None:
    await world.lane()
    batch = await world.batch(3)
    claims = await world.claim(2)
    for claim in claims:
        await world.walk(claim, "sent", "waiting", delay_us=10**9)
    assert await close_part(world, batch, 1) == "closing"
    (left,) = [claim for claim in claims if (await world.task(claim)).state == "waiting"]

    assert await late_result(world, left, cost=7) == "ok"

    assert (await world.look(batch)).state == "cancelling"
    assert await close_part(world, batch, 1) == "cancelled"
    found = await world.look(batch)
    assert (found.counts["done"], found.counts["cancelled"], found.spent_usd_micros) == (1, 2, 7)


async def test_a_cancellation_ends_what_an_expiry_has_not_ended_yet(world: World) -> None:
    batch = await waiting(world, 5)
    await world.redis.hset(keys.batch(batch.id), "deadline", LONG_AGO_MS)
    assert await close_part(world, batch, 2, "expired") == "closing"
    found = await world.batches.cancel("acme", batch.id)
    assert (found.state, found.counts["cancelled"]) == ("cancelled", 3)
    assert found.failures_by_class == {"expired": 2}


async def test_no_part_of_a_closing_holds_redis_up_for_long(world: World) -> None:
    """By what a part does, not by a clock."""
    batch, ended = await waiting(world, 1_200), [0]
    while await world.batches._scripts.run("close", batch.id, "cancelled") == CLOSING:
        ended.append((await world.look(batch)).counts["cancelled"])
    ended.append((await world.look(batch)).counts["cancelled"])
    assert ended == [0, 500, 1_000, 1_200]
