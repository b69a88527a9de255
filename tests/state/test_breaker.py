"""The breaker of a lane: what opens it, what closes it, who may probe. Time is moved by moving what is stored."""

from __future__ import annotations

import pytest

from core.state import keys
from core.state.lanes import Call, Lesson
from schemas.claim import Claim
from tests.state.world import World

pytestmark = pytest.mark.usefixtures("still")

LANE = keys.lane("lane")
FAILED, SUCCEEDED, NEITHER = Lesson(call=Call.FAILED), Lesson(call=Call.SUCCEEDED), Lesson(slow_down=True)


async def answers(world: World, *lessons: Lesson) -> None:
    for lesson in lessons:
        await world.lanes.learn("lane", lesson)


async def open_breaker(world: World) -> None:
    await world.lane()
    await world.batch(200)
    await answers(world, *[FAILED] * 20)


async def let_pass(world: World, seconds: float) -> None:
    await world.redis.hincrby(LANE, "broken_until", -int(seconds * 1e6))


async def breaker_wait_s(world: World) -> float:
    wait = await world.wait()
    assert wait
    assert wait.limited_by == "breaker"
    return wait.wait_ms / 1000


async def probe(world: World) -> Claim:
    """The one claim of a half-open breaker."""
    (claim,) = await world.claim(10)
    return claim


async def conclude(world: World, claim: Claim, lesson: Lesson) -> None:
    """A claim's answer comes, and its task waits a while."""
    await world.move(claim, "sent")
    await world.lanes.learn("lane", lesson, attempt_id=claim.attempt_id)
    await world.move(claim, "waiting", delay_us=10**9)


@pytest.mark.parametrize(
    ("lessons", "opens"),
    [
        ([FAILED] * 19, False),
        ([FAILED] * 20, True),
        ([SUCCEEDED] * 10 + [FAILED] * 10, True),
        ([SUCCEEDED] * 11 + [FAILED] * 9, False),
        ([NEITHER] * 40 + [FAILED] * 19, False),
        ([FAILED] * 9 + [SUCCEEDED] * 11 + [FAILED] * 2, True),
    ],
)
async def test_half_of_twenty_calls_open_it(world: World, lessons: list[Lesson], opens: bool) -> None:
    await world.lane()
    await world.batch(200)
    await answers(world, *lessons)
    assert (await world.claim(1) == []) is opens


async def test_a_long_success_does_not_hide_an_outage(world: World) -> None:
    await world.lane()
    await world.batch(200)
    await answers(world, *[SUCCEEDED] * 200, *[FAILED] * 40)
    assert await breaker_wait_s(world) > 0


async def test_what_is_long_past_does_not_count(world: World) -> None:
    await world.lane()
    await world.batch(200)
    await answers(world, *[FAILED] * 19)
    await world.redis.hincrby(LANE, "counted_at", -600_000_000)
    await answers(world, *[FAILED] * 19)
    assert len(await world.claim(1)) == 1


async def test_an_open_breaker_stops_claims_for_half_a_minute(world: World) -> None:
    await open_breaker(world)
    assert await breaker_wait_s(world) == pytest.approx(30, abs=0.01)


async def test_the_spans_of_a_lane_can_be_configured(world: World) -> None:
    await world.lanes.configure(
        "lane", limits={}, max_concurrency=10, breaker_open_s=2, breaker_window_s=0.001
    )
    await world.batch(9)
    await world.redis.hset(LANE, mapping={"failed": 19, "counted_at": 1})
    await answers(world, FAILED)
    assert len(await world.claim(1)) == 1
    await world.redis.hset(LANE, mapping={"window_us": 10**9})
    await answers(world, *[FAILED] * 19)
    assert await breaker_wait_s(world) == pytest.approx(2, abs=0.01)


async def test_half_open_it_lets_one_probe_through_at_a_time(world: World) -> None:
    await open_breaker(world)
    await let_pass(world, 31)
    claims, wait = await world.claims.claim("lane", worker="w1", want=50)
    assert wait
    assert (len(claims), wait.limited_by) == (1, "breaker")
    assert await breaker_wait_s(world) == 1.0


async def test_a_probe_that_succeeds_closes_it_with_a_clean_window(world: World) -> None:
    await open_breaker(world)
    await let_pass(world, 31)
    await conclude(world, await probe(world), SUCCEEDED)
    await answers(world, *[FAILED] * 18)
    assert len(await world.claim(50)) == 50


async def test_a_probe_that_fails_doubles_the_wait_up_to_five_minutes(world: World) -> None:
    await open_breaker(world)
    waits = []
    for _ in range(5):
        await let_pass(world, 301)
        await conclude(world, await probe(world), FAILED)
        waits.append(await breaker_wait_s(world))
    assert waits == pytest.approx([60, 120, 240, 300, 300], abs=1)


@pytest.mark.parametrize("lesson", [FAILED, SUCCEEDED])
async def test_answers_to_calls_from_before_do_not_decide(world: World, lesson: Lesson) -> None:
    await world.lane()
    await world.batch(200)
    (old,) = await world.claim(1)
    await answers(world, *[FAILED] * 20)
    await let_pass(world, 31)
    asked = await probe(world)
    await conclude(world, old, lesson)
    assert await breaker_wait_s(world) == 1.0
    await conclude(world, asked, SUCCEEDED)
    assert len(await world.claim(2)) == 2


async def test_a_probe_that_says_nothing_of_the_provider_is_followed_by_another(world: World) -> None:
    await open_breaker(world)
    await let_pass(world, 31)
    first = await probe(world)
    await conclude(world, first, NEITHER)
    assert (await probe(world)).index != first.index


async def test_a_probe_whose_worker_dies_does_not_block_the_lane(world: World) -> None:
    await open_breaker(world)
    await let_pass(world, 31)
    first = await probe(world)
    await world.lose()
    (lost,) = await world.claims.lost()
    await world.tasks.move(
        batch=lost.batch_id, index=lost.index, fence=lost.fence, worker="w1", to="queued", crash=True
    )
    assert (await probe(world)).fence == first.fence + 1


async def test_the_streak_is_told_with_every_lesson(world: World) -> None:
    await world.lane()
    told = [
        (await world.lanes.learn("lane", lesson)).streak for lesson in (FAILED, FAILED, SUCCEEDED, FAILED)
    ]
    assert told == [1, 2, 0, 1]
