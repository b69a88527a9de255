"""Not a sample but all of it: whatever two workers, the provider, the clock and the reaper do, and in whatever order."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.state.connection import command, connect
from schemas.manifest import OnDoubt
from schemas.task import ENDED, TaskState
from tests.processes import RedisServer
from tests.state.small_world import PRICE, Limits, Now, SmallWorld, Step
from tests.state.snapshots import Image, View, go_back, take
from tests.state.world import World

ALLOWED = {OnDoubt.PARK: 1, OnDoubt.RETRY_ONCE: 2}
"""How often a task may be charged."""

Key = bytes
LIFE = re.compile(r"\b[AB]\d\b")


def key_of(now: Now, view: View) -> Key:
    """Equal for two moments from which the same can happen: what the workers are called makes no difference."""
    things = [*now.calls, *now.spool, *now.stored, *now.charged, *now.doubted]
    accidents = (now.crashes, now.expiries, now.troubles)
    return min(
        _renamed([*view.same, *map(repr, (*things, accidents))], now, order) for order in ((0, 1), (1, 0))
    )


def _renamed(lines: list[str], now: Now, order: tuple[int, int]) -> Key:
    living = [now.name(place) for place in order]
    text = "\n".join([*lines, *(f"{number} {now.hands[place]!r}" for number, place in enumerate(order))])
    dead = sorted(set(LIFE.findall(text)) - set(living), key=lambda name: (name[0] != living[0][0], name))
    names = {name: f"worker {number}" for number, name in enumerate([*living, *dead])}
    renamed = LIFE.sub(lambda found: names[found[0]], text)
    return blake2b("\n".join(sorted(renamed.splitlines())).encode(), digest_size=16).digest()


@dataclass
class Explored:
    """What was seen."""

    states: int = 0
    steps: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    most_charges: int = 0

    def __str__(self) -> str:
        endings = ", ".join(f"{count} {state}" for state, count in sorted(self.endings.items()))
        return f"{self.states:>8,} states  {self.steps:>8,} steps  {self.most_charges} charges at most  ends: {endings}"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[str]:
    """A Redis of its own, which is filled anew at every step and need not remember it."""
    server = RedisServer(tmp_path / "redis")
    yield server.url
    server.kill()


@dataclass(frozen=True, slots=True)
class Moment:
    """All that is at one moment."""

    key: Key
    now: Now
    image: Image
    view: View


class Explorer:
    """Goes through everything that can happen, breadth first, and each moment once."""

    def __init__(self, client: Redis, tasks: int, on_doubt: OnDoubt, limits: Limits) -> None:
        self._client = client
        self._world = World(client)
        self._tasks, self._on_doubt, self._limits = tasks, on_doubt, limits
        self._came_from: dict[Key, tuple[Key, str] | None] = {}  # the moment before, and the step from there
        self.found = Explored()

    async def explore(self) -> Explored:
        await self._world.lane()
        batch = await self._world.batch(self._tasks, on_doubt=self._on_doubt)
        small = SmallWorld(self._world, batch.id, self._on_doubt, self._limits)
        image, view = await take(self._client, batch.id, self._tasks)
        start = key_of(Now(), view)
        self._came_from[start] = None
        frontier: deque[Moment] = deque([Moment(start, Now(), image, view)])
        while frontier:
            here = frontier.popleft()
            is_end = True
            for step in small.steps(here.now, here.view):
                there = await self._after(here, step, batch.id)
                is_end = is_end and (step.is_accident or there.key == here.key)
                if there.key not in self._came_from:
                    self._came_from[there.key] = (here.key, step.name)
                    self._check_charges(there)
                    frontier.append(there)
            if is_end:
                await go_back(self._client, here.image)
                await self._check_end(here, batch.tenant, batch.id)
        self.found.states = len(self._came_from)
        return self.found

    async def _after(self, here: Moment, step: Step, batch_id: str) -> Moment:
        self.found.steps += 1
        if isinstance(step.take, Now):
            return Moment(key_of(step.take, here.view), step.take, here.image, here.view)
        await go_back(self._client, here.image)
        now = await step.take()
        image, view = await take(self._client, batch_id, self._tasks)
        return Moment(key_of(now, view), now, image, view)

    def _check_charges(self, moment: Moment) -> None:
        charges = Counter(index for index, _ in moment.now.charged)
        most = max(charges.values(), default=0)
        self.found.most_charges = max(self.found.most_charges, most)
        assert most <= ALLOWED[self._on_doubt], f"charged {most} times:\n{self._way(moment.key)}"

    async def _check_end(self, moment: Moment, tenant: str, batch_id: str) -> None:
        """Where nothing more happens by itself nothing is lost: neither a task, nor a picture, nor money."""
        now, way = moment.now, self._way(moment.key)
        batch = await self._world.batches.get(tenant, batch_id)
        tasks = await self._world.tasks.several(batch, range(self._tasks))
        self.found.endings["+".join(sorted(task.state for task in tasks))] += 1
        parked = sum(task.state is TaskState.PARKED for task in tasks)
        assert not now.spool, f"a paid picture is left in the spool:\n{way}"
        assert {task.state for task in tasks} <= ENDED | {TaskState.PARKED}, f"a task is lost:\n{way}"
        assert batch.held_usd_micros == PRICE * parked, f"{batch.held_usd_micros} are held:\n{way}"
        paid = PRICE * len(now.charged)
        if self._on_doubt is OnDoubt.PARK and not parked:
            assert batch.spent_usd_micros == paid, f"{batch.spent_usd_micros} are spent, {paid} paid:\n{way}"
        most = PRICE * sum(task.sends for task in tasks)
        assert paid <= batch.spent_usd_micros + batch.held_usd_micros <= most, f"{paid} are paid:\n{way}"
        for task in tasks:
            stored = {attempt for index, attempt, _ in now.stored if index == task.index}
            assert (task.state is TaskState.DONE) == bool(stored), (
                f"{task.state} with {stored} stored:\n{way}"
            )

    def _way(self, key: Key) -> str:
        """The steps that led there, the first one first."""
        steps: list[str] = []
        before = self._came_from[key]
        while before is not None:
            steps.append(before[1])
            before = self._came_from[before[0]]
        return "\n".join(reversed(steps))


async def explored(url: str, tasks: int, on_doubt: OnDoubt, limits: Limits) -> Explored:
    client = connect(url)
    try:
        await command(client, "CONFIG", "SET", "appendonly", "no")
        return await Explorer(client, tasks, on_doubt, limits).explore()
    finally:
        await client.aclose()


EVERYTHING = {
    "park": (1, OnDoubt.PARK, Limits(crashes=2, expiries=2, troubles=0)),
    "park, and the provider refuses": (1, OnDoubt.PARK, Limits(crashes=1, expiries=0, troubles=1)),
    "park, two tasks": (2, OnDoubt.PARK, Limits(crashes=1, expiries=0, troubles=0)),
    "retry_once": (1, OnDoubt.RETRY_ONCE, Limits(crashes=1, expiries=1, troubles=0)),
    "retry_once, and the provider refuses": (
        1,
        OnDoubt.RETRY_ONCE,
        Limits(crashes=0, expiries=0, troubles=1),
    ),
}


@pytest.mark.parametrize("what", EVERYTHING)
async def test_a_task_is_charged_no_more_often_than_its_policy_allows_and_nothing_is_lost(
    memory: str, what: str
) -> None:
    tasks, on_doubt, limits = EVERYTHING[what]
    found = await explored(memory, tasks, on_doubt, limits)
    print(f"\n{what}: {limits}\n{found}")
    assert found.most_charges == ALLOWED[on_doubt]
