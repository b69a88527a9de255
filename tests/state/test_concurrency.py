"""How many attempts a lane may have in flight: an output of its quota, cut by lost calls, never by slow ones."""

from __future__ import annotations

from random import Random

import pytest

from core.state import keys
from core.state.lanes import Call, Demand, Lesson
from core.state.overview import overview
from tests.state.world import World

LANE = keys.lane("lane")
LOST = Lesson(call=Call.FAILED, is_lost=True)


def picture(latency_s: float) -> Lesson:
    return Lesson(call=Call.SUCCEEDED, latency_s=latency_s)


async def teach(world: World, latency_s: float, times: int = 20) -> None:
    for _ in range(times):
        await world.lanes.learn("lane", picture(latency_s))


async def room(world: World) -> int:
    """How many a lane with plenty of permits lets start; all of them are in flight after that."""
    await world.redis.hdel(LANE, "limit:requests")
    await world.redis.hset(LANE, "arrival:images", 1)
    count = 0
    while claims := await world.claim(64):
        await world.redis.hset(LANE, "arrival:images", 1)
        count += len(claims)
    return count


@pytest.mark.parametrize(
    ("images", "latency_s", "most", "expected"),
    [
        (60, 10.0, 1000, 18),  # 1 a second x (10 s + 2 s ahead) x 1.5
        (60, 10.0, 12, 12),
        (5, 0.5, 1000, 4),
        (5, 0.5, 3, 3),
        (250, 55.0, 1000, 357),
    ],
)
async def test_slots_follow_from_the_quota_and_the_time_a_picture_takes(
    world: World, images: int, latency_s: float, most: int, expected: int
) -> None:
    await world.lane(max_concurrency=most, images=images)
    await world.batch(500)
    await world.redis.hset(LANE, mapping={"latencies": 20, "p95_s": latency_s})
    assert await room(world) == expected


async def test_before_twenty_pictures_what_was_configured_holds(world: World) -> None:
    await world.lane(max_concurrency=40, images=60)
    await world.batch(100)
    await teach(world, 1.0, times=19)
    assert await room(world) == 40


async def test_without_an_image_limit_what_was_configured_holds(world: World) -> None:
    await world.lane(max_concurrency=40)
    await world.batch(100)
    await teach(world, 0.5)
    assert len(await world.claim(100)) == 40
    assert (await overview(world.redis)).lanes[0].slots_needed is None


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_ninety_fifth_percentile_is_found(world: World, seed: int) -> None:
    await world.lane(images=60)
    chance = Random(seed)
    for _ in range(400):
        await world.lanes.learn("lane", picture(chance.uniform(10, 50)))
    assert 40 < float(await world.redis.hget(LANE, "p95_s")) < 60


async def test_the_overview_says_how_many_slots_use_the_whole_limit(world: World) -> None:
    await world.lane(images=250)
    await teach(world, 30.0)
    assert (await overview(world.redis)).lanes[0].slots_needed == 125


async def test_the_demand_of_some_lanes_is_summed_beside_the_workers_that_live(world: World) -> None:
    for name, latency_s in (("lane", 30.0), ("other", 60.0)):
        await world.lane(name, images=250)
        for _ in range(20):
            await world.lanes.learn(name, picture(latency_s))
    await world.lane("new", images=250)
    await world.redis.zadd(keys.WORKERS, {"alive": 10**14, "gone": 1})
    assert await world.lanes.demand(["lane", "new"]) == Demand(slots_needed=125, workers=1)
    assert (await world.lanes.demand(["lane", "other"])).slots_needed == 125 + 250


async def test_a_lost_call_cuts_the_slots_once_in_half_a_minute(world: World) -> None:
    await world.lane(max_concurrency=100)
    await world.batch(200)
    for _ in range(5):
        await world.lanes.learn("lane", LOST)
    assert len(await world.claim(200)) == 70


async def test_one_lost_call_among_many_cuts_nothing(world: World) -> None:
    await world.lane(max_concurrency=100)
    await world.batch(200)
    await teach(world, 1.0, times=40)
    await world.lanes.learn("lane", LOST)
    assert len(await world.claim(200)) == 100


async def test_slow_pictures_and_server_errors_cut_nothing(world: World) -> None:
    await world.lane(max_concurrency=100)
    await world.batch(200)
    await teach(world, 500.0, times=12)
    for _ in range(10):
        await world.lanes.learn("lane", Lesson(call=Call.FAILED))
    assert len(await world.claim(200)) == 100


async def test_slots_come_back_one_in_half_a_minute(world: World) -> None:
    await world.lane(max_concurrency=100)
    await world.batch(200)
    await world.lanes.learn("lane", LOST)
    await world.redis.hincrby(LANE, "cut:slots", -305_000_000)
    assert len(await world.claim(200)) == 80


async def test_slots_are_never_cut_below_four(world: World) -> None:
    await world.lane(max_concurrency=5)
    await world.batch(200)
    for _ in range(3):
        await world.lanes.learn("lane", LOST)
        await world.redis.hset(LANE, "cut:slots", 1)
        await world.redis.hset(LANE, "slots", 4)
    await world.lanes.learn("lane", LOST)
    assert len(await world.claim(200)) == 4
