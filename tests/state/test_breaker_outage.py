"""An outage from beginning to end, over the real scripts and the real policy. Its seconds are moved, not waited for."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from core.state import keys
from schemas.batch import Batch
from schemas.claim import Claim
from schemas.failure import Failure, FailureClass
from schemas.image import Answer, Generated
from schemas.manifest import OnDoubt
from schemas.verdict import RetryIn
from tests.state.world import World
from workers.admission.feedback import lesson_of
from workers.retry_policy import History, decide

LANE = keys.lane("lane")
TIMES = ("counted_at", "retries_at", "broken_until")
ERROR = Answer(Failure.of(FailureClass.SERVER_ERROR, "it failed"), 0.5)
PICTURE = Answer(Generated(Path("p.png"), "ab", 1, None, None), 0.5)
ONE_SECOND = """
for place = 2, #ARGV do
  if redis.call('HEXISTS', ARGV[1], ARGV[place]) == 1 then redis.call('HINCRBY', ARGV[1], ARGV[place], -1000000) end
end
local keys = redis.call('KEYS', '*:due:lane')
keys[#keys + 1] = ARGV[1] .. ':asleep'
for _, key in ipairs(keys) do
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, -1000000, member) end
end
"""
"""Moves whatever waits for a time by one second."""


@dataclass
class Provider:
    """An Images API that takes so many calls a second, and answers with errors from one second to another."""

    world: World
    per_second: float
    outage_s: tuple[int, int]
    second: int = 0
    sends: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    chance: Random = field(default_factory=lambda: Random(1))

    async def make(self, batch: Batch, *, within_s: int) -> None:
        """Works until the batch is done."""
        permits = 0.0
        while (await self.world.look(batch)).state == "running":
            assert self.second < within_s, "it takes too long"
            permits = min(permits + self.per_second, max(1.0, self.per_second))
            if permits >= 1:
                claims = await self.world.claim(int(permits))
                permits -= len(claims)
                await asyncio.gather(*map(self.answer, claims))
            await self.let_a_second_pass()

    async def answer(self, claim: Claim) -> None:
        self.sends += 1
        is_down = self.outage_s[0] <= self.second < self.outage_s[1]
        await self.world.move(claim, "sent")
        lesson = lesson_of(ERROR if is_down else PICTURE)
        learned = await self.world.lanes.learn("lane", lesson, attempt_id=claim.attempt_id)
        if not is_down:
            await self.world.walk(claim, "spooled", "stored", "done")
            return
        history = History(claim.sends + 1, claim.attempt, OnDoubt.PARK, self.chance.random(), learned.streak)
        assert isinstance(ERROR.outcome, Failure)
        verdict = decide(ERROR.outcome, history)
        self.verdicts[type(verdict).__name__] += 1
        failure = {"failure": {"class": "server_error"}}
        if isinstance(verdict, RetryIn):
            await self.world.move(claim, "waiting", delay_us=int(verdict.delay_s * 1e6), **failure)
        else:
            await self.world.move(claim, "failed", **failure)

    async def let_a_second_pass(self) -> None:
        self.second += 1
        await self.world.redis.eval(ONE_SECOND, 0, LANE, *TIMES)


@pytest.mark.parametrize(
    ("tasks", "per_second", "outage_s"),
    [
        (700, 6, (60, 300)),  # in the middle of a fast batch
        (700, 6, (0, 300)),  # from its start
        (400, 1, (60, 360)),
    ],
)
async def test_an_outage_costs_a_tenth_more_calls_at_most_and_no_task(
    world: World, tasks: int, per_second: float, outage_s: tuple[int, int]
) -> None:
    await world.lane()
    batch = await world.batch(tasks)
    provider = Provider(world, per_second, outage_s)

    await provider.make(batch, within_s=1500)

    done = (await world.look(batch)).counts
    assert (done["done"], provider.verdicts["GiveUp"]) == (tasks, 0)
    assert provider.sends / tasks <= 1.10


async def test_a_slow_lane_that_cannot_fill_the_window_loses_no_task_either(world: World) -> None:
    await world.lane()
    batch = await world.batch(60)
    provider = Provider(world, 5 / 60, (60, 360))

    await provider.make(batch, within_s=3000)

    assert ((await world.look(batch)).counts["done"], provider.verdicts["GiveUp"]) == (60, 0)


async def test_an_outage_at_the_very_end_of_a_batch_is_waited_for(world: World) -> None:
    await world.lane()
    batch = await world.batch(300)
    provider = Provider(world, 4, (60, 240))

    await provider.make(batch, within_s=1500)

    assert ((await world.look(batch)).counts["done"], provider.verdicts["GiveUp"]) == (300, 0)
