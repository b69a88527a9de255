"""What a lane learns from answers. Readings are given as a provider with a continuously refilled bucket would."""

from __future__ import annotations

import pytest

from core.state import keys
from core.state.lanes import Lesson
from core.state.overview import overview
from schemas.image import LimitReading
from tests.state.world import Block, World

pytestmark = pytest.mark.usefixtures("still")

LANE = keys.lane("lane")
QUARTER_US = 15 * 60_000_000


def reading(
    remaining: float = 240, *, limit: float = 250, dimension: str = "images", fits: bool = True
) -> Lesson:
    """An answer of a bucket of `limit`, whose reset says when it would be full again (or does not)."""
    full_in_s = (limit - remaining) / limit * 60
    return Lesson(readings=(LimitReading(dimension, limit, remaining, full_in_s if fits else full_in_s * 2),))


async def interval_ms(world: World) -> float:
    """The present distance between two starts."""
    first, second = [claim.start_in_ms for claim in await world.claim(2)]
    return second - first


async def stored(world: World, field: str) -> float:
    return float(await world.redis.hget(LANE, field))


async def now_us(world: World) -> int:
    seconds, micros = await world.redis.time()
    return int(seconds * 1_000_000 + micros)


async def test_a_new_limit_is_adopted_with_the_next_claim(world: World) -> None:
    await world.lane(images=600)
    await world.batch(9)
    assert (await world.lanes.learn("lane", reading(limit=60, remaining=50))).changed == ["images"]
    assert (await world.lanes.learn("lane", reading(limit=60, remaining=50))).changed == []
    assert await interval_ms(world) == pytest.approx(1000 / 0.97, abs=2)


async def test_what_was_learned_survives_the_next_start_with_the_same_configuration(world: World) -> None:
    await world.lanes.configure("lane", limits={"images": 600}, max_concurrency=5)
    await world.lanes.learn("lane", reading(limit=60, remaining=50))
    assert await world.lanes.configure("lane", limits={"images": 600}, max_concurrency=5) is False
    assert await stored(world, "limit:images") == 60
    assert await world.lanes.configure("lane", limits={"images": 700}, max_concurrency=5) is True
    assert await stored(world, "limit:images") == 700


async def test_twenty_answers_that_fit_prove_the_bucket_and_the_whole_limit_is_used(world: World) -> None:
    await world.lane(images=250)
    await world.batch(99)
    for remaining in range(221, 240):
        await world.lanes.learn("lane", reading(remaining))
    assert await interval_ms(world) == pytest.approx(240 / 0.97, abs=1.01)
    await world.lanes.learn("lane", reading(240))
    await world.claim(25)
    assert await interval_ms(world) == pytest.approx(240, abs=1.01)


async def prove(world: World, limit: int, *dimensions: str) -> None:
    for dimension in dimensions or ("images",):
        for _ in range(20):
            await world.lanes.learn("lane", reading(limit - limit // 50, limit=limit, dimension=dimension))


async def test_a_rested_account_with_a_proven_bucket_is_asked_for_a_tenth_of_a_minute_at_once(
    world: World,
) -> None:
    await world.lane(images=250)
    await world.batch(99)
    await prove(world, 250)
    starts = [claim.start_in_ms for claim in await world.claim(40)]
    assert starts[:25] == [0] * 25
    assert starts[25:29] == pytest.approx([240, 480, 720, 960], abs=2)


async def test_a_burst_is_counted_in_the_units_of_its_limit(world: World) -> None:
    await world.lane(tokens=60_000)
    await world.batch([Block(99, tokens=1500)])
    await prove(world, 60_000, "tokens")
    starts = [claim.start_in_ms for claim in await world.claim(6)]
    assert starts == pytest.approx([0, 0, 0, 0, 1500], abs=2)


async def test_a_pace_that_was_cut_sends_no_burst(world: World) -> None:
    await world.lane(images=250)
    await world.batch(99)
    await prove(world, 250)
    await world.lanes.learn("lane", Lesson(slow_down=True))
    assert await interval_ms(world) == pytest.approx(480, abs=2)


async def test_a_lane_that_forgot_its_arrival_time_sends_no_burst(world: World) -> None:
    await world.lane(images=60)
    await world.batch(99)
    await prove(world, 60)
    await world.redis.hdel(LANE, "arrival:images")
    assert [claim.start_in_ms for claim in await world.claim(9)] == pytest.approx([1000, 2000], abs=5)


async def test_one_answer_that_does_not_fit_takes_the_proof_back(world: World) -> None:
    await world.lane(images=250)
    await world.batch(9)
    for _ in range(20):
        await world.lanes.learn("lane", reading())
    await world.lanes.learn("lane", reading(fits=False))
    assert await interval_ms(world) == pytest.approx(240 / 0.97, abs=1.01)


async def test_readings_that_were_rounded_down_prove_the_bucket_too(world: World) -> None:
    await world.lane(images=250)
    for true in (2.1 + 11.77 * step for step in range(20)):
        rounded = LimitReading("images", 250, int(true), (250 - true) / 250 * 60)
        await world.lanes.learn("lane", Lesson(readings=(rounded,)))
    assert await stored(world, "proven") == 1


async def test_a_full_bucket_proves_nothing(world: World) -> None:
    await world.lane(images=250)
    for _ in range(30):
        await world.lanes.learn("lane", reading(250))
    assert await world.redis.hget(LANE, "proven") is None


async def test_a_bucket_that_others_emptied_is_left_alone_until_it_holds_two(world: World) -> None:
    await world.lane(images=60)
    await world.batch(9)
    await world.lanes.learn("lane", reading(0.5, limit=60))
    assert (await world.claim(1))[0].start_in_ms == pytest.approx(1500, abs=2)


async def test_a_limit_of_one_a_minute_is_used_to_the_full(world: World) -> None:
    await world.lane(images=1)
    await world.lanes.learn("lane", reading(0, limit=1))
    await world.batch(1)
    wait = await world.wait()
    assert wait
    assert wait.wait_ms == pytest.approx(60_000 - 1000, abs=2)


async def test_slow_down_halves_the_pace_for_a_quarter_of_an_hour(world: World) -> None:
    await world.lane(images=600)
    await world.batch(40)
    await world.lanes.learn("lane", Lesson(slow_down=True, blocked_s=(("requests", 5.0),)))
    assert await interval_ms(world) == pytest.approx(100 / 0.485, abs=1.01)
    assert await stored(world, "pace_from") - await now_us(world) == pytest.approx(QUARTER_US, abs=1e6)


async def test_after_the_quarter_the_pace_climbs_by_a_hundredth_a_minute(world: World) -> None:
    await world.lane(images=600)
    await world.batch(40)
    await world.lanes.learn("lane", Lesson(slow_down=True))
    await world.redis.hset(LANE, "pace_from", await now_us(world) - 10 * 60_000_000)
    assert await interval_ms(world) == pytest.approx(100 / 0.585, abs=1.01)
    await world.redis.hset(LANE, "pace_from", await now_us(world) - 100 * 60_000_000)
    assert await interval_ms(world) == pytest.approx(100 / 0.97, abs=1.01)


async def test_calls_that_are_slowed_down_together_cut_the_pace_once(world: World) -> None:
    await world.lane(images=600)
    for _ in range(10):
        await world.lanes.learn("lane", Lesson(slow_down=True))
    assert await stored(world, "pace") == pytest.approx(0.485)
    await world.redis.hset(LANE, "cut:slow_down", await now_us(world) - 31_000_000)
    await world.lanes.learn("lane", Lesson(slow_down=True))
    assert await stored(world, "pace") == pytest.approx(0.2425)


async def test_a_refusal_takes_a_tenth_of_the_pace_and_never_raises_it(world: World) -> None:
    await world.lane(images=600)
    refused = Lesson(blocked_s=(("images", 0.1),))
    await world.lanes.learn("lane", refused)
    assert await stored(world, "pace") == pytest.approx(0.873)
    await world.redis.hset(LANE, mapping={"pace": 0.1, "pace_from": await now_us(world), "cut:blocked": 0})
    await world.lanes.learn("lane", refused)
    assert await stored(world, "pace") == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize(("remaining", "is_cut"), [(2, False), (1, True)])
async def test_a_refusal_beside_which_the_limit_has_room_is_waited_out_at_the_same_pace(
    world: World, remaining: float, is_cut: bool
) -> None:
    await world.lane(images=600)
    seen = (LimitReading("images", 600, remaining, None), LimitReading("requests", 600, 500, None))
    await world.lanes.learn("lane", Lesson(readings=seen, blocked_s=(("images", 1.8), ("requests", 1.8))))
    assert bool(await world.redis.hexists(LANE, "pace")) is is_cut
    assert await stored(world, "blocked:images") > await now_us(world)


async def test_a_shorter_wait_does_not_undo_a_longer_one(world: World) -> None:
    await world.lane(images=600)
    await world.lanes.learn("lane", Lesson(blocked_s=(("images", 1.8),)))
    await world.batch(3)
    await world.lanes.learn("lane", Lesson(blocked_s=(("images", 0.2),)))
    assert (await world.claim(1))[0].start_in_ms == pytest.approx(1800, abs=2)


async def test_the_overview_says_why_a_lane_is_paused(world: World) -> None:
    await world.lane()
    await world.batch(3)
    await world.claim(2)
    await world.lanes.learn("lane", Lesson(pause_s=30, reason="quota_exhausted"))
    (lane,) = (await overview(world.redis)).lanes
    assert (lane.name, lane.ready, lane.in_flight, lane.paused_for) == ("lane", 1, 2, "quota_exhausted")


async def test_a_pause_without_a_reason_is_a_pause(world: World) -> None:
    await world.lane()
    await world.lanes.learn("lane", Lesson(pause_s=30))
    (lane,) = (await overview(world.redis)).lanes
    assert lane.paused_for == "paused"
