"""Rate limits: what a lane lets start, and when. Time is moved by moving what is stored."""

from __future__ import annotations

import asyncio

import pytest

from core.state import keys
from core.state.lanes import Lesson
from tests.state.world import Block, World

pytestmark = pytest.mark.usefixtures("still")

PACE = 0.97


async def arrival(world: World, dimension: str) -> int:
    return int(await world.redis.hget(keys.lane("lane"), f"arrival:{dimension}"))


async def now_us(world: World) -> int:
    seconds, micros = await world.redis.time()
    return int(seconds * 1_000_000 + micros)


async def let_pass(world: World, seconds: float, *dimensions: str) -> None:
    """As if `seconds` had gone by since the last claim."""
    for dimension in dimensions or ("images",):
        await world.redis.hincrby(keys.lane("lane"), f"arrival:{dimension}", -int(seconds * 1e6))


async def test_permits_are_spaced_by_the_interval_of_the_pace_and_reach_two_seconds_ahead(
    world: World,
) -> None:
    await world.lane(images=600)
    await world.batch(100)
    starts = [claim.start_in_ms for claim in await world.claim(50)]
    interval_ms = 60_000 / (600 * PACE)
    assert starts == pytest.approx([n * interval_ms for n in range(20)], abs=1.01)


async def test_a_lane_that_was_idle_does_not_send_a_burst(world: World) -> None:
    await world.lane(images=600)
    await world.batch(100)
    await world.claim(50)
    await let_pass(world, 3600)
    assert [claim.start_in_ms for claim in await world.claim(3)] == pytest.approx([0, 103, 206], abs=1.01)


async def test_fifty_claimants_together_follow_the_pace(world: World) -> None:
    await world.lane(images=250)
    await world.batch(1000)
    began, given, seconds = await now_us(world), 0, 30
    for _ in range(seconds):
        found = await asyncio.gather(*(world.claim(2, worker=f"w{n}") for n in range(50)))
        given += sum(len(claims) for claims in found)
        await let_pass(world, 1)
    passed = seconds - 1 + (await now_us(world) - began) / 1e6
    per_second = 250 * PACE / 60
    assert (seconds - 1 + 2) * per_second - 1 <= given <= (passed + 2) * per_second + 1


async def test_a_missing_arrival_time_is_an_empty_bucket(world: World) -> None:
    await world.lanes.configure("lane", limits={"images": 60}, max_concurrency=10)
    await world.batch(9)
    assert [claim.start_in_ms for claim in await world.claim(9)] == pytest.approx(
        [60_000 / (60 * PACE)], abs=2
    )


async def test_a_slow_lane_that_starts_with_an_empty_bucket_does_start(world: World) -> None:
    await world.lanes.configure("lane", limits={"images": 5}, max_concurrency=10)
    await world.batch(9)
    first = await world.wait()
    await let_pass(world, 6)
    second = await world.wait()
    await let_pass(world, 6)
    assert first and second
    assert first.limited_by == "images"
    assert second.wait_ms == pytest.approx(first.wait_ms - 6_000, abs=2)
    assert len(await world.claim(9)) == 1


async def test_a_task_that_takes_more_than_a_minute_of_tokens_waits_a_minute_and_not_for_ever(
    world: World,
) -> None:
    await world.lanes.configure("lane", limits={"tokens": 1000}, max_concurrency=10)
    await world.batch([Block(3, tokens=5000)])
    wait = await world.wait()
    assert wait
    assert wait.limited_by == "tokens"
    assert wait.wait_ms == pytest.approx(60_000 / PACE - 1000, abs=2)
    await let_pass(world, 61, "tokens")
    (claim,) = await world.claim(3)
    assert claim.tokens == 1000
    assert await arrival(world, "tokens") - await now_us(world) == pytest.approx(60e6 / PACE, abs=3e6)


async def test_after_the_clock_stepped_back_a_lane_stands_still_for_a_minute_at_most(world: World) -> None:
    await world.lane(images=250)
    await world.batch(9)
    await let_pass(world, -3600 * 24 * 365 * 100)
    first = await world.wait()
    await let_pass(world, 61)
    assert first
    assert first.wait_ms <= 61_900
    assert len(await world.claim(1)) == 1


async def test_a_clock_that_stepped_an_hour_back_costs_a_minute_once(world: World) -> None:
    await world.lane(images=250)
    await world.batch(9)
    await world.redis.hset(keys.lane("lane"), "arrival:images", await now_us(world) + 3_600_000_000)
    await world.wait()
    assert await arrival(world, "images") - await now_us(world) <= 61_900_000


async def test_a_refused_dimension_starts_nothing_until_the_provider_said(world: World) -> None:
    await world.lane(images=600, requests=6000)
    await world.batch(9)
    await world.lanes.learn("lane", Lesson(blocked_s=(("images", 1.5),)))
    assert (await world.claim(1))[0].start_in_ms == pytest.approx(1500, abs=2)


async def test_a_paused_lane_says_how_long(world: World) -> None:
    await world.lane()
    await world.batch(9)
    await world.lanes.learn("lane", Lesson(pause_s=30, reason="auth"))
    wait = await world.wait()
    assert wait
    assert wait.limited_by == "paused"
    assert wait.wait_ms == pytest.approx(30_000, abs=2)


async def test_a_lane_has_no_more_in_flight_than_it_may(world: World) -> None:
    await world.lane(max_concurrency=3)
    await world.batch(9)
    claims, wait = await world.claims.claim("lane", worker="w1", want=9)
    assert wait
    assert (len(claims), wait.limited_by) == (3, "concurrency")


async def test_a_permit_that_was_not_used_is_given_back(world: World) -> None:
    await world.lane(images=60, requests=60, tokens=60_000)
    await world.batch([Block(9, tokens=500)])
    await world.claim(1)
    before = [await arrival(world, dimension) for dimension in ("images", "requests", "tokens")]
    (claim,) = await world.claim(1)
    await world.move(claim, "queued", unused="all")
    after = [await arrival(world, dimension) for dimension in ("images", "requests", "tokens")]
    assert after == pytest.approx(before, abs=1e6)
    assert after[0] == pytest.approx(before[0], abs=2)


async def test_a_refused_call_gives_its_picture_back_but_not_its_request(world: World) -> None:
    await world.lane(images=60, requests=60)
    await world.batch(9)
    await world.claim(1)
    (claim,) = await world.claim(1)
    images, requests = await arrival(world, "images"), await arrival(world, "requests")
    await world.walk(claim, "sent", "queued", unused="images")
    assert await arrival(world, "images") == pytest.approx(images - 60e6 / (60 * PACE), abs=2)
    assert await arrival(world, "requests") == requests
    assert (await world.task(claim)).sends == 0


@pytest.mark.parametrize("used", [0, 400, 1000, 1700])
async def test_tokens_are_settled_at_what_was_used(world: World, used: int) -> None:
    await world.lane(tokens=60_000)
    await world.batch([Block(9, tokens=1000)])
    (claim,) = await world.claim(1)
    before = await arrival(world, "tokens")
    await world.finish(claim, tokens=used)
    assert await arrival(world, "tokens") - before == pytest.approx((used - 1000) * 1e3 / PACE, abs=2)


async def test_what_is_settled_twice_is_given_back_once(world: World) -> None:
    await world.lane(tokens=60_000)
    await world.batch([Block(9, tokens=1000)])
    (claim,) = await world.claim(1)
    before = await arrival(world, "tokens")
    await world.walk(claim, "sent", "waiting", unused="all", delay_us=10**9)
    await world.move(claim, "failed", unused="all")
    assert before - await arrival(world, "tokens") == pytest.approx(1e6 / PACE, abs=2)
