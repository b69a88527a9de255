"""The retry budget of a lane: counted in tenths, so that ten successes pay for one retry."""

from __future__ import annotations

import pytest

from core.state import keys
from core.state.lanes import Call, Lesson
from schemas.claim import Claim
from tests.state.world import Block, World

LANE = keys.lane("lane")
FAILED, SUCCEEDED = Lesson(call=Call.FAILED), Lesson(call=Call.SUCCEEDED)
SERVER_ERROR = {"class": "server_error"}


async def fail(world: World, claims: list[Claim], **facts: object) -> None:
    """Sent, answered with an error, and due again at once."""
    for claim in claims:
        await world.walk(claim, "sent", "waiting", delay_us=0, **{"failure": SERVER_ERROR, **facts})


async def left(world: World) -> float:
    return float(await world.redis.hget(LANE, "retry_tenths") or 100) / 10


async def test_a_lane_starts_with_ten_retries_and_then_they_wait(world: World) -> None:
    await world.lane()
    await world.batch(15)
    await fail(world, await world.claim(15))
    claims, wait = await world.claims.claim("lane", worker="w1", want=15)
    assert wait
    assert (len(claims), wait.limited_by) == (10, "retries")
    assert 3_000 < wait.wait_ms <= 5_000


async def test_ten_successes_pay_for_one_retry(world: World) -> None:
    await world.lane()
    await world.batch(15)
    await fail(world, await world.claim(15))
    await world.claim(15)
    for _ in range(10):
        await world.lanes.learn("lane", SUCCEEDED)
    await world.time_passes()
    assert len(await world.claim(15)) == 1


async def test_a_retry_that_waits_gets_its_turn_with_time_alone(world: World) -> None:
    await world.lane()
    await world.batch(15)
    await fail(world, await world.claim(15))
    await world.claim(15)
    await world.redis.hincrby(LANE, "retries_at", -20_000_000)
    await world.time_passes()
    assert len(await world.claim(15)) == 2


async def test_retries_without_a_budget_do_not_hold_up_what_was_never_sent(world: World) -> None:
    await world.lane()
    await world.batch([Block(130)])
    await fail(world, await world.claim(120))
    await world.redis.hset(LANE, "retry_tenths", 0)
    found, left_over = await world.claim(20), await world.claim(20)
    assert {claim.sends for claim in found + left_over} == {0}
    assert len(found + left_over) == 10


async def test_a_task_that_was_never_sent_is_served_though_due_behind_retries(world: World) -> None:
    await world.lane()
    await world.batch(5)
    first, *others = await world.claim(5)
    await fail(world, others)
    await world.move(first, "waiting", delay_us=1, unused="all")
    await world.redis.hset(LANE, "retry_tenths", 0)
    (claim,) = await world.claim(5)
    assert claim.index == first.index


async def test_what_could_not_be_sent_is_no_retry(world: World) -> None:
    await world.lane()
    await world.batch(15)
    await fail(world, await world.claim(15), failure={"class": "not_sent"})
    assert (len(await world.claim(15)), await left(world)) == (15, 10)


@pytest.mark.parametrize(("calls", "most"), [(0, 10), (99, 10), (400, 40)])
async def test_a_tenth_of_the_calls_of_a_quarter_of_an_hour_are_kept(
    world: World, calls: int, most: float
) -> None:
    await world.lane()
    await world.redis.hset(LANE, mapping={"calls": calls, "retry_tenths": 10**6})
    await world.lanes.learn("lane", SUCCEEDED)
    assert await left(world) == pytest.approx(most, abs=0.2)


async def test_after_two_failures_in_a_row_something_new_is_tried_first(world: World) -> None:
    await world.lane()
    await world.batch(5)
    await fail(world, await world.claim(1))
    for _ in range(2):
        await world.lanes.learn("lane", FAILED)
    assert [claim.sends for claim in await world.claim(1)] == [0]
    await world.lanes.learn("lane", SUCCEEDED)
    await world.time_passes()
    assert [claim.sends for claim in await world.claim(1)] == [1]
