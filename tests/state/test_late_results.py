"""Paid results whose worker was given up, and workers that come back."""

from __future__ import annotations

from typing import Any

import pytest

from core.state import keys
from core.state.doubts import DoubtStore
from core.state.recording import RecordStore
from core.state.restoring import Paid, RestoredTask
from schemas.claim import Claim
from schemas.failure import Charged
from tests.state.test_restoring import ID, planned, restored
from tests.state.world import Block, World


@pytest.mark.parametrize(
    "states", [("sent",), ("sent", "queued"), ("sent", "waiting"), ("sent", "parked"), ("sent", "failed")]
)
async def test_a_late_result_is_taken_with_a_new_fence_and_belongs_to_who_brought_it(
    world: World, states: tuple[str, ...]
) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, *states)
    moved = await world.move(claim, "spooled", late=True, worker="w2")
    assert (moved.status, moved.fence) == ("ok", claim.fence + 1)
    await world.lose("w2")
    assert [(lost.worker, lost.index, lost.fence) for lost in await world.claims.lost()] == [
        ("w2", 0, claim.fence + 1)
    ]
    assert await world.claim(9) == []
    assert (await world.look(batch)).counts["running"] == 1


async def test_the_worker_that_was_given_up_can_write_no_more(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.move(claim, "sent")
    await world.move(claim, "spooled", late=True, worker="w2")
    assert (await world.move(claim, "spooled")).status == "stale"


async def test_bringing_a_late_result_twice_changes_nothing(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "parked")
    first = await world.move(claim, "spooled", late=True, worker="w2")
    assert await world.move(claim, "spooled", late=True, worker="w2") == first


async def test_a_result_for_a_task_that_is_done_is_a_surplus(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await world.finish(claim, cost=10)
    assert (await world.move(claim, "spooled", late=True, worker="w2")).status == "surplus"
    assert (await world.look(batch)).spent_usd_micros == 10


async def test_what_was_paid_beside_the_picture_is_posted_once_for_each_attempt(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await world.finish(claim, cost=10)
    for attempt in (1, 2, 2, 3):  # the first is that of the picture
        assert (await world.move(claim, "surplus", fence=0, attempt=attempt, cost=3)).status == "ok"
    assert (await world.look(batch)).spent_usd_micros == 16
    assert (await world.task(claim)).cost_usd_micros == 10


async def test_a_worker_that_comes_back_to_a_parked_task_holds_it_again(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "parked")
    assert (await world.move(claim, "spooled")).status == "ok"
    await world.lose("w1")
    assert [lost.state for lost in await world.claims.lost()] == ["spooled"]


async def test_claims_of_a_worker_that_never_renewed_its_lease_are_missed_after_a_minute(
    world: World,
) -> None:
    await world.lane()
    await world.batch(1)
    await world.claim(1, worker="newborn")
    seconds, _ = await world.redis.time()
    assert await world.claims.lost() == []
    assert await world.redis.zscore(keys.WORKERS, "newborn") == pytest.approx((seconds + 60) * 1000, abs=2000)


async def test_a_lost_worker_with_more_claims_than_are_asked_for_is_named_again(world: World) -> None:
    await world.lane()
    await world.batch(7)
    claims = {claim.index: claim for claim in await world.claim(7)}
    await world.lose()
    found: list[int] = []
    while lost := await world.claims.lost(limit=3):
        assert len(lost) <= 3
        found += [each.index for each in lost]
        for each in lost:
            await world.move(claims[each.index], "queued", crash=True, unused="all")
    assert sorted(found) == list(range(7))


async def test_crashes_are_counted_over_all_attempts(world: World) -> None:
    await world.lane()
    await world.batch(1)
    for crashes in range(3):
        (claim,) = await world.claim(1)
        await world.lose()
        (lost,) = await world.claims.lost()
        assert (lost.crashes, lost.attempt) == (crashes, crashes + 1)
        await world.move(claim, "queued", crash=True)


async def test_a_task_that_was_ended_before_its_turn_is_passed_over(world: World) -> None:
    await world.lane()
    batch = await world.batch(3)
    for index in (0, 1):
        moved = await world.tasks.move(
            batch=batch.id, index=index, fence=0, to="failed", failure={"class": "bad_row"}
        )
        assert moved.status == "ok"
    assert [claim.index for claim in await world.claim(9)] == [2]
    assert (await world.look(batch)).counts["failed"] == 2


async def test_a_waiting_task_that_got_its_late_result_is_not_claimed_again(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "waiting", delay_us=0)
    await world.move(claim, "spooled", late=True, worker="w2")
    assert await world.claim(9) == []


async def test_a_late_result_of_a_task_that_is_claimed_again_is_taken_before_the_new_call_is_sent(
    world: World,
) -> None:
    await world.lane()
    batch = await world.batch(1)
    (first,) = await world.claim(1)
    await world.walk(first, "sent", "queued")
    (again,) = await world.claim(1)
    moved = await world.move(first, "spooled", late=True, worker="w2")
    assert (moved.status, moved.fence) == ("ok", again.fence + 1)
    assert (await world.move(again, "sent")).status == "stale"
    await world.move(first, "stored", fence=moved.fence)
    await world.move(first, "done", fence=moved.fence, cost=7)
    found = await world.look(batch)
    assert (found.state, found.spent_usd_micros, found.held_usd_micros) == ("completed", 7, 0)


async def test_a_late_result_of_a_task_that_redis_never_saw_is_kept_and_paid(world: World) -> None:
    await world.lane()
    batch = await world.batch(2)
    facts: dict[str, Any] = {"batch": batch.id, "index": 1, "worker": "w2"}
    moved = await world.tasks.move(**facts, fence=0, to="spooled", late=True)
    await world.tasks.move(**facts, fence=moved.fence, to="stored", asset="picture.png", sha256="ab")
    await world.tasks.move(**facts, fence=moved.fence, to="done", cost=7)
    found = await world.look(batch)
    assert (found.counts["done"], found.counts["queued"], found.spent_usd_micros) == (1, 1, 7)
    assert [claim.index for claim in await world.claim(9)] == [0]


async def test_a_cost_whose_task_ended_with_its_batch_is_not_posted_again(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await world.move(claim, "sent")
    await world.batches.cancel("acme", batch.id)
    assert [(await world.move(claim, "waiting", cost=7)).status for _ in range(2)] == ["ok", "illegal"]
    await world.move(claim, "surplus", attempt=claim.attempt, cost=7)
    assert (await world.look(batch)).spent_usd_micros == 7


async def test_a_late_result_that_names_its_attempt_leaves_the_cost_of_the_other_to_be_posted(
    world: World,
) -> None:
    await world.lane()
    batch = await world.batch(1)
    (first,) = await world.claim(1)
    await world.walk(first, "sent", "waiting")
    (second,) = await world.claim(1)
    await world.walk(second, "sent", "parked")
    moved = await world.move(first, "spooled", late=True)
    await world.move(first, "stored", fence=moved.fence)
    await world.move(first, "done", fence=moved.fence, attempt=1, cost=7)
    for attempt in (1, 2):
        await world.move(first, "surplus", attempt=attempt, cost=7)
    assert (await world.look(batch)).spent_usd_micros == 14


async def test_a_move_that_was_decided_on_another_state_is_stale(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.move(claim, "sent")
    assert (await world.move(claim, "queued", from_state="claimed", unused="all")).status == "stale"
    assert (await world.task(claim)).state == "sent"
    assert (await world.move(claim, "parked", from_state="sent")).status == "ok"
    assert (await world.move(claim, "parked", from_state="sent")).status == "ok"


async def test_a_late_result_waits_for_another_attempt_of_its_task_in_the_hands_of_the_same_worker(
    world: World,
) -> None:
    await world.lane()
    batch = await world.batch(1)
    (first,) = await world.claim(1)
    await world.walk(first, "sent", "parked")
    await world.move(first, "queued")
    (second,) = await world.claim(1)
    await world.walk(second, "sent", "spooled")
    late = {"late": True, "attempt": 1}
    assert (await world.move(first, "spooled", **late)).status == "illegal"
    await world.walk(second, "stored", "done", attempt=2, cost=7)
    assert (await world.move(first, "spooled", **late)).status == "surplus"
    await world.move(first, "surplus", attempt=1, cost=7)
    assert (await world.look(batch)).spent_usd_micros == 14


async def test_a_late_result_whose_answer_was_not_heard_is_announced_again(world: World) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "parked")
    late = {"late": True, "attempt": 1, "worker": "w2"}
    answers = [await world.move(claim, "spooled", **late) for _ in range(2)]
    assert [(answer.status, answer.fence) for answer in answers] == [("ok", 2), ("ok", 2)]


async def doubted_after_a_late_result(world: World) -> Claim:
    """The second claim of a task: its first call's picture came late and was useless, its own call is in doubt."""
    await world.lane()
    await world.batch(1)
    (first,) = await world.claim(1)
    await world.walk(first, "sent", "parked")
    moved = await world.move(first, "spooled", late=True, attempt=1)
    await world.move(first, "waiting", fence=moved.fence, attempt=1, cost=3)
    (second,) = await world.claim(1)
    await world.walk(second, "sent", "parked", failure={"class": "doubtful"})
    return second


async def charged(world: World) -> None:
    """The doubt is settled: the provider says that it charged the call."""
    doubts = DoubtStore(world.redis)
    (doubt,), _ = await doubts.due(limit=9, again_ms=0)
    await doubts.settle(doubt, charged=Charged.YES, again=False)


async def delivered(world: World, batch_id: str) -> None:
    """The picture of the second call turns up after all."""
    about: dict[str, Any] = {"batch": batch_id, "index": 0, "worker": "w2"}
    moved = await world.tasks.move(**about, fence=0, to="spooled", late=True, attempt=2)
    ended = await world.tasks.finish(
        **about, fence=moved.fence, asset="a.png", sha256="ab", attempt=2, cost=7
    )
    assert ended.status == "ok"


async def test_a_call_that_counts_as_charged_after_an_earlier_late_result_is_not_posted_again_when_it_delivers(
    world: World,
) -> None:
    claim = await doubted_after_a_late_result(world)
    await charged(world)

    await delivered(world, claim.batch_id)

    batch = await world.batches.get(claim.tenant, claim.batch_id)
    assert (batch.spent_usd_micros, batch.held_usd_micros) == (3 + claim.hold_usd_micros, 0)
    assert (await world.task(claim)).cost_usd_micros == 3 + claim.hold_usd_micros


async def test_it_is_not_posted_again_where_redis_was_lost_before_the_doubt_was_settled(world: World) -> None:
    claim = await doubted_after_a_late_result(world)
    (record,) = await RecordStore(world.redis).tasks(claim.batch_id, 0)
    await world.redis.flushdb()
    task = RestoredTask(
        0, record.state, record.attempt, record.fence, record.sends, record.at_ms, hold=record.hold_usd_micros,
        claim_fence=record.claim_fence, lane="lane", doubt="sent", failure=record.failure,
        paid=[Paid(attempt, cost, record.at_ms) for attempt, cost in record.paid.items()],
    )  # fmt: skip
    await restored(world, planned([Block(1)]), task)
    await charged(world)

    await delivered(world, ID)

    batch = await world.batches.get("acme", ID)
    assert (batch.spent_usd_micros, batch.held_usd_micros) == (3 + claim.hold_usd_micros, 0)
