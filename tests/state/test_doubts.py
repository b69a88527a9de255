"""Doubts in Redis: listed until they are resolved, settled once, and what the lanes sent by the minute."""

from __future__ import annotations

import pytest

from core.state import keys
from core.state import overview as overview_of_redis
from core.state.actions import ActionState, ActionStore, BulkAction, Chosen
from core.state.doubts import Doubt, DoubtStore, Minute, Settled
from schemas.claim import Claim
from schemas.failure import Charged
from schemas.manifest import OnDoubt
from tests.state.world import Block, World

HOLD = 10


@pytest.fixture
def doubts(world: World) -> DoubtStore:
    return DoubtStore(world.redis)


async def parked(world: World, count: int = 1, *, of: int | None = None) -> list[Claim]:
    """Claims that were sent, and parked."""
    await world.lane()
    await world.batch([Block(of or count, HOLD)])
    claims = await world.claim(count)
    for claim in claims:
        await world.walk(claim, "sent", "parked", failure={"class": "doubtful", "http_status": 502})
    return claims


async def look(doubts: DoubtStore) -> list[Doubt]:
    return (await doubts.due(limit=100, again_ms=0))[0]


async def money(world: World, claim: Claim) -> tuple[int, int]:
    """What its batch has spent, and holds."""
    batch = await world.batches.get(claim.tenant, claim.batch_id)
    return batch.spent_usd_micros, batch.held_usd_micros


async def minutes(world: World, doubts: DoubtStore) -> Minute:
    """Everything that the lane sent lately, in one sum."""
    now = (await world.redis.time())[0] // 60
    found = (await doubts.minutes("lane", now - 2, now + 1)).values()
    names = ("sent", "closed", "charged", "unsure")
    return Minute(**{name: sum(getattr(one, name) for one in found) for name in names})


async def test_a_parked_task_is_listed_with_what_it_was_parked_from(world: World, doubts: DoubtStore) -> None:
    (claim,) = await parked(world)
    (found,) = await look(doubts)
    task = await world.redis.hgetall(keys.task(claim.batch_id, 0))
    assert found == Doubt(
        batch_id=claim.batch_id, tenant="acme", index=0, fence=claim.fence, attempt=1, sends=1, lane="lane",
        was="sent", since_ms=int(task[b"sent_at"]), on_doubt=OnDoubt.PARK,
    )  # fmt: skip


@pytest.mark.parametrize("to", ["queued", "waiting", "failed", "spooled"])
async def test_a_task_that_is_not_parked_any_more_is_not_listed(
    world: World, doubts: DoubtStore, to: str
) -> None:
    (claim,) = await parked(world)
    await world.move(claim, to)
    assert await look(doubts) == []
    assert await world.redis.exists(keys.DOUBTS) == 0


async def test_a_doubt_that_somebody_looks_at_is_given_to_nobody_else_meanwhile(
    world: World, doubts: DoubtStore
) -> None:
    await parked(world, 3)
    first, now_ms = await doubts.due(limit=2, again_ms=60_000)
    second, _ = await doubts.due(limit=2, again_ms=60_000)
    assert [len(first), len(second)] == [2, 1]
    assert {doubt.index for doubt in (*first, *second)} == {0, 1, 2}
    assert now_ms == pytest.approx((await world.redis.time())[0] * 1000, abs=2000)


async def test_a_call_that_was_not_charged_gives_its_money_back_and_is_queued_in_the_same_step(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    assert await doubts.settle(doubt, charged=Charged.NO, again=True) is Settled.QUEUE
    assert ((await world.task(claim)).state, await look(doubts)) == ("queued", [])
    assert await money(world, claim) == (0, 0)
    # The answer may have been lost: whoever asks again finds that it is done.
    assert await doubts.settle(doubt, charged=Charged.NO, again=True) is Settled.STALE
    (again,) = await world.claim()
    assert (again.index, again.attempt, await money(world, claim)) == (claim.index, 2, (0, HOLD))


async def test_a_call_that_was_charged_counts_as_spent_and_stays_parked(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    settled = await doubts.settle(doubt, charged=Charged.YES, again=False, says="it was charged")
    assert settled is Settled.PARKED
    assert await money(world, claim) == (HOLD, 0)
    assert await look(doubts) == []
    task = await world.task(claim)
    assert task.state == "parked"
    assert task.failure == {
        "class": "doubtful", "http_status": 502, "message": "it was charged", "charged": "yes"
    }  # fmt: skip


async def test_settling_twice_posts_once(world: World, doubts: DoubtStore) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    for _ in range(3):
        await doubts.settle(doubt, charged=Charged.YES, again=False)
    assert await money(world, claim) == (HOLD, 0)


async def test_the_picture_of_a_call_that_was_settled_as_charged_is_not_charged_again(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.YES, again=False)
    moved = await world.move(claim, "spooled", late=True, worker="w2")
    await world.move(claim, "stored", fence=moved.fence)
    await world.move(claim, "done", fence=moved.fence, attempt=1, cost=HOLD - 3)
    assert await money(world, claim) == (HOLD, 0)


async def test_a_late_picture_of_a_task_that_was_queued_as_not_charged_is_paid_for_all_the_same(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.NO, again=True)
    moved = await world.move(claim, "spooled", late=True, worker="w2")
    await world.move(claim, "stored", fence=moved.fence)
    await world.move(claim, "done", fence=moved.fence, attempt=1, cost=7)
    assert await money(world, claim) == (7, 0)


async def test_a_doubt_that_its_late_picture_has_ended_is_not_settled(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    moved = await world.move(claim, "spooled", late=True, worker="w2")
    assert await doubts.settle(doubt, charged=Charged.YES, again=True) is Settled.STALE
    await world.move(claim, "stored", fence=moved.fence)
    await world.move(claim, "done", fence=moved.fence, attempt=1, cost=7)
    assert await doubts.settle(doubt, charged=Charged.NO, again=True) is Settled.STALE
    assert await money(world, claim) == (7, 0)


async def test_what_nobody_can_tell_stays_held_unless_it_is_made_again(
    world: World, doubts: DoubtStore
) -> None:
    first, second = await parked(world, 2)
    kept, resent = sorted(await look(doubts), key=lambda doubt: doubt.index)
    assert await doubts.settle(kept, charged=Charged.UNKNOWN, again=False) is Settled.PARKED
    assert await money(world, first) == (0, 2 * HOLD)
    assert await doubts.settle(resent, charged=Charged.UNKNOWN, again=True) is Settled.QUEUE
    assert await money(world, second) == (HOLD, HOLD)


@pytest.mark.parametrize(("of", "budget"), [(8, 5), (700, 7)])
async def test_a_batch_is_sent_again_in_doubt_only_within_its_budget(
    world: World, doubts: DoubtStore, of: int, budget: int
) -> None:
    await parked(world, 8, of=of)
    answers = []
    for doubt in await look(doubts):
        answers.append(await doubts.settle(doubt, charged=Charged.YES, again=True))
        repeated = await doubts.settle(doubt, charged=Charged.YES, again=True)
        assert repeated is (Settled.STALE if answers[-1] is Settled.QUEUE else Settled.PARKED)
    assert answers.count(Settled.QUEUE) == budget
    assert answers.count(Settled.PARKED) == 8 - budget


async def test_what_was_not_charged_takes_nothing_of_that_budget(world: World, doubts: DoubtStore) -> None:
    await parked(world, 8)
    answers = [await doubts.settle(doubt, charged=Charged.NO, again=True) for doubt in await look(doubts)]
    assert set(answers) == {Settled.QUEUE}


async def test_a_worker_that_retries_in_doubt_draws_on_the_same_budget(world: World) -> None:
    await world.lane()
    batch = await world.batch([Block(7, HOLD)])
    for claim in await world.claim(7):
        failure = {"class": "doubtful", "charged": "unknown"}
        moved = await world.walk(claim, "sent", "waiting", failure=failure, cost=4, delay_us=10**9)
        assert moved.status == "ok"
        await world.move(claim, "surplus", attempt=claim.attempt, cost=4)  # is posted, or held, already
    found = await world.look(batch)
    assert (found.counts["waiting"], found.counts["parked"]) == (5, 2)
    assert (found.spent_usd_micros, found.held_usd_micros) == (5 * 4, 2 * HOLD)


async def test_a_useless_picture_is_paid_again_within_the_same_budget_and_beyond_it_has_failed(
    world: World,
) -> None:
    await world.lane()
    batch = await world.batch([Block(7, HOLD), Block(7, HOLD, dependent=True)])
    for claim in await world.claim(7):
        failure = {"class": "bad_output", "charged": "yes"}
        lost = [7 + claim.index]
        moved = await world.walk(
            claim, "sent", "spooled", "waiting", failure=failure, cost=4, fail=lost, delay_us=10**9
        )
        assert moved.status == "ok"
    found = await world.look(batch)
    assert (found.counts["waiting"], found.failures_by_class) == (5, {"bad_output": 2, "parent_failed": 2})
    assert (found.spent_usd_micros, found.held_usd_micros) == (7 * 4, 0)


async def test_other_retries_take_nothing_of_that_budget(world: World) -> None:
    await world.lane()
    batch = await world.batch(7)
    for claim in await world.claim(7):
        await world.walk(claim, "sent", "waiting", failure={"class": "server_error"}, delay_us=10**9)
    assert (await world.look(batch)).counts["waiting"] == 7


async def test_a_completed_batch_goes_on_with_what_was_not_charged(world: World, doubts: DoubtStore) -> None:
    (claim,) = await parked(world)
    assert (await world.batches.get("acme", claim.batch_id)).state == "completed"
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.NO, again=True)
    (again,) = await world.claim()
    await world.finish(again, cost=7)
    found = await world.batches.get("acme", claim.batch_id)
    assert (found.state, found.counts["done"], found.spent_usd_micros) == ("completed", 1, 7)


async def test_a_cancelled_batch_is_not_opened_again_by_a_resolved_doubt(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world, of=2)
    await world.batches.cancel("acme", claim.batch_id)
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.NO, again=True)
    found = await world.batches.get("acme", claim.batch_id)
    assert (found.state, found.counts["cancelled"], found.held_usd_micros) == ("cancelled", 2, 0)
    assert await look(doubts) == []


async def test_a_replay_of_a_doubt_that_was_settled_as_charged_posts_nothing_more(
    world: World, doubts: DoubtStore
) -> None:
    (claim,) = await parked(world)
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.YES, again=False)
    actions = ActionStore(world.redis)
    action = BulkAction("act_1", "acme", claim.batch_id, ActionState.RUNNING, 1, 0, 0, True, 1)
    await actions.create(action, [Chosen(0, None)])
    await actions.advance(action.id)
    assert await money(world, claim) == (HOLD, 0)
    assert len(await world.claim()) == 1


async def test_every_call_is_counted_in_the_minute_in_which_it_left(world: World, doubts: DoubtStore) -> None:
    await world.lane()
    await world.batch(8)
    done, refused, blocked, waiting, doubtful, unsent = await world.claim(6)
    await world.finish(done)
    await world.walk(refused, "sent", "failed", failure={"class": "invalid_request", "charged": "no"})
    await world.walk(blocked, "sent", "failed", failure={"class": "moderation", "charged": "unknown"})
    await world.walk(waiting, "sent", "waiting", failure={"class": "bad_output", "charged": "yes"}, cost=3)
    await world.walk(doubtful, "sent", "parked")
    await world.move(unsent, "queued", unused="all")
    assert await minutes(world, doubts) == Minute(sent=5, closed=4, charged=2, unsure=1)
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.YES, again=False)
    assert await minutes(world, doubts) == Minute(sent=5, closed=5, charged=3, unsure=1)


async def test_the_late_picture_of_an_earlier_call_does_not_close_the_present_one(
    world: World, doubts: DoubtStore
) -> None:
    (first,) = await parked(world)
    (doubt,) = await look(doubts)
    await doubts.settle(doubt, charged=Charged.NO, again=True)
    (second,) = await world.claim()
    await world.walk(second, "sent", "parked")
    moved = await world.move(first, "spooled", late=True)
    await world.move(first, "stored", fence=moved.fence)
    await world.move(first, "done", fence=moved.fence, attempt=first.attempt, cost=7)
    assert (await minutes(world, doubts)).open == 1


async def test_a_call_that_began_in_another_minute_has_crossed_the_border(
    world: World, doubts: DoubtStore
) -> None:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim()
    await world.move(claim, "sent")
    minute = (await world.redis.time())[0] // 60
    await world.redis.hset(keys.task(claim.batch_id, 0), "sent_at", (minute - 3) * 60_000)
    await world.walk(claim, "spooled", "stored", "done", cost=7)
    found = await doubts.minutes("lane", minute - 3, minute)
    crossed = {place: one.crossed for place, one in found.items() if place < minute}
    assert crossed == {minute - 3: 0, minute - 2: 1, minute - 1: 1}
    assert found[minute].crossed >= 1
    assert await world.redis.ttl(keys.calls("lane", minute - 2)) > 3600


async def test_doubts_that_are_too_many_for_their_sum_are_said_to_be_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview_of_redis, "MOST", 2)
    await parked(world, 3)

    found = await overview_of_redis.overview(world.redis)

    assert (found.doubts, found.doubts_unsummed) == (3, 1)
    assert sum(found.doubtful_usd_micros.values()) == 2 * HOLD
