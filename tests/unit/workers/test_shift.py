"""Claims of a shift, on a real Redis: answers that are lost, and slots that two lanes share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from core.clock import SystemClock
from core.state.claims import Caps, ClaimStore
from core.state.tasks import TaskStore
from core.telemetry.metrics import WorkerMetrics
from schemas.claim import Claim, Wait
from schemas.errors import UnavailableError
from tests.state.world import PLENTY, Block, World
from workers.reporter import Reporter
from workers.runner import AttemptRunner
from workers.shift import Shift
from workers.slots import Slots


class DeafClaims(ClaimStore):
    """Claims whose answers are lost while it is deaf."""

    is_deaf = False

    async def claim(
        self, lane: str, *, worker: str, want: int, group: str | None = None
    ) -> tuple[list[Claim], Wait | None]:
        answer = await super().claim(lane, worker=worker, want=want, group=group)
        if self.is_deaf:
            raise UnavailableError("the answer was lost")
        return answer


class Collector:
    """In the place of a runner: what it is given never ends."""

    worker = "w1"

    def __init__(self, tasks: TaskStore) -> None:
        self.tasks = tasks
        self.clock = SystemClock()
        self.reporter = Reporter(WorkerMetrics())
        self.given: list[tuple[int, int]] = []

    async def run(self, claim: Claim, start_at_s: float) -> None:
        self.given.append((claim.index, claim.attempt))
        await asyncio.Event().wait()


class Hall:
    """Shifts that share a process."""

    def __init__(self, redis: Redis, slots: int) -> None:
        self.world = World(redis)
        self.claims = DeafClaims(redis, Caps(PLENTY, None))
        self.collector = Collector(self.world.tasks)
        self.slots = Slots(slots)
        self.shifts: list[Shift] = []

    def shift(self, lane: str) -> Shift:
        runner: Any = self.collector
        shift = Shift(
            lane,
            group=lane,
            claims=self.claims,
            runner=cast(AttemptRunner, runner),
            slots=self.slots,
            has_room=lambda: True,
        )
        self.shifts.append(shift)
        return shift


@pytest.fixture
async def hall(redis: Redis) -> AsyncIterator[Hall]:
    made = Hall(redis, slots=3)
    yield made
    for shift in made.shifts:
        shift._claimed_last.set()
        await shift.drain(0)


async def test_claims_whose_answer_was_lost_are_given_back_and_claimed_again(hall: Hall) -> None:
    await hall.world.lane()
    batch = await hall.world.batch(2)
    shift, hall.claims.is_deaf = hall.shift("lane"), True
    with pytest.raises(UnavailableError):
        await shift._claim()
    hall.claims.is_deaf = False

    await shift._claim()

    await asyncio.sleep(0)
    assert sorted(hall.collector.given) == [(0, 2), (1, 2)]
    assert ((await hall.world.look(batch)).counts["running"], hall.slots.free) == (2, 1)


async def test_claims_that_run_are_kept_when_a_later_answer_is_lost(hall: Hall) -> None:
    await hall.world.lane()
    batch = await hall.world.batch(1)
    shift = hall.shift("lane")
    await shift._claim()
    hall.claims.is_deaf = True
    with pytest.raises(UnavailableError):
        await shift._claim()
    hall.claims.is_deaf = False

    await shift._claim()

    assert hall.collector.given == [(0, 1)]
    assert ((await hall.world.look(batch)).counts["running"], hall.slots.free) == (1, 2)


async def test_what_another_lane_has_claimed_is_left_alone(hall: Hall) -> None:
    await hall.world.lane()
    await hall.world.lane("other")
    await hall.world.batch({"lane": [Block(1)], "other": [Block(1)]})
    await hall.shift("other")._claim()
    shift, hall.claims.is_deaf = hall.shift("lane"), True
    with pytest.raises(UnavailableError):
        await shift._claim()
    hall.claims.is_deaf = False

    await shift._claim()

    await asyncio.sleep(0)
    assert hall.collector.given == [(1, 1), (0, 2)]


async def test_two_lanes_never_run_more_than_the_process_has_slots(hall: Hall) -> None:
    for lane in ("lane", "other"):
        await hall.world.lane(lane)
    await hall.world.batch({"lane": [Block(5)], "other": [Block(5)]})

    first = asyncio.create_task(hall.shift("lane")._claim())
    second = asyncio.create_task(hall.shift("other")._claim())
    await first
    await asyncio.sleep(0)

    assert (len(hall.collector.given), hall.slots.free, second.done()) == (3, 0, False)
    second.cancel()
