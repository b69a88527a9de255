"""Others who use the same account: their share of the provider's bucket is left to them. Answers can only tighten."""

from __future__ import annotations

import pytest

from core.state import keys
from core.state.lanes import Lesson
from schemas.image import LimitReading
from tests.state.world import Block, World

pytestmark = pytest.mark.usefixtures("still")

LANE = keys.lane("lane")


def told(remaining: float, limit: float, dimension: str = "images") -> Lesson:
    return Lesson(readings=(LimitReading(dimension, limit, remaining),))


async def start_ms(world: World) -> int:
    """When the next task may start."""
    claims, wait = await world.claims.claim("lane", worker="w1", want=1)
    if claims:
        return claims[0].start_in_ms
    assert wait
    return wait.wait_ms + 1000  # a claimant comes back when half of the two seconds ahead are left


@pytest.mark.parametrize(
    ("limit", "remaining", "expected_ms"),
    [
        (60, 60, 0),
        (60, 30, 0),  # half of it used by others is no reason to wait: the rest is more than comes next
        (60, 2, 0),
        (60, 1.5, 500),
        (60, 0.5, 1_500),
        (60, 0, 2_000),  # one for us, and one that others may take meanwhile
        (600, 0, 200),
        (5, 1, 12_000),
        (5, 0, 24_000),
        (1, 0, 60_000),  # a bucket of one is used to the full
    ],
)
async def test_a_task_starts_when_the_bucket_can_hold_it(
    world: World, limit: float, remaining: float, expected_ms: int
) -> None:
    await world.lane(images=limit)
    await world.batch(9)
    await world.lanes.learn("lane", told(remaining, limit))
    assert await start_ms(world) == pytest.approx(expected_ms, abs=2)


@pytest.mark.parametrize(("remaining", "expected_ms"), [(60_000, 0), (8_000, 0), (2_000, 6_000)])
async def test_tokens_are_left_room_for_as_a_task_needs_them(
    world: World, remaining: float, expected_ms: int
) -> None:
    await world.lane(tokens=60_000)
    await world.batch([Block(9, tokens=4_000)])
    await world.lanes.learn("lane", told(remaining, 60_000, "tokens"))
    assert await start_ms(world) == pytest.approx(expected_ms, abs=2)


async def test_a_fuller_bucket_does_not_loosen_what_an_emptier_one_said(world: World) -> None:
    await world.lane(images=60)
    await world.batch(9)
    await world.lanes.learn("lane", told(0.5, 60))
    await world.lanes.learn("lane", told(59, 60))
    assert await start_ms(world) == pytest.approx(1_500, abs=2)


async def test_the_same_reading_told_often_is_told_once(world: World) -> None:
    await world.lane(images=60)
    await world.batch(9)
    for _ in range(10):
        await world.lanes.learn("lane", told(0.5, 60))
    assert await start_ms(world) == pytest.approx(1_500, abs=2)


async def test_our_own_permits_are_taken_from_what_is_left(world: World) -> None:
    await world.lane(images=600)
    await world.batch(40)
    await world.lanes.learn("lane", told(3, 600))
    await world.redis.hset(LANE, "arrival:images", 1)
    starts = []
    for _ in range(4):
        starts.append((await world.claim(1))[0].start_in_ms)
        await world.redis.hset(LANE, "arrival:images", 1)
    assert starts == pytest.approx([0, 0, 100, 200], abs=2)


async def test_a_bucket_that_refilled_is_used_at_the_full_pace(world: World) -> None:
    await world.lane(images=600)
    await world.batch(40)
    await world.lanes.learn("lane", told(0, 600))
    await world.redis.hincrby(LANE, "full:images", -60_000_000)
    assert [claim.start_in_ms for claim in await world.claim(3)] == pytest.approx([0, 103, 206], abs=2)


async def test_after_the_clock_stepped_back_nothing_waits_for_ever(world: World) -> None:
    await world.lane(images=5)
    await world.batch(9)
    await world.lanes.learn("lane", told(5, 5))
    await world.redis.hincrby(LANE, "full:images", 3_600_000_000)
    first = await start_ms(world)
    await world.redis.hincrby(LANE, "full:images", -60_000_000)
    assert first <= 2_000 + 24_000
    assert await start_ms(world) <= 2_000
