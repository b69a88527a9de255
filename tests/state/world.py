"""A small world around the state machine: stores on a real Redis, and batches made in one line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from redis.asyncio import Redis

from core.state import keys
from core.state.batches import BatchStore, Flow, NewBatch
from core.state.claims import Caps, ClaimStore
from core.state.lanes import LaneStore
from core.state.tasks import Moved, TaskStore
from schemas.batch import Batch
from schemas.claim import Claim, Wait
from schemas.manifest import Priority
from schemas.task import Task
from tests.plans import plan_of, planned

PLENTY = 10**12

FENCE = 1
"""Of the one plan that a batch has here."""


@dataclass(frozen=True)
class Block:
    """A template's range of tasks; `hold` and `tokens` of each."""

    count: int
    hold: int = 10
    tokens: int = 0
    dependent: bool = False


def flows_of(blocks: dict[str, list[Block]]) -> list[Flow]:
    """The flows of a batch whose blocks follow each other, lane by lane."""
    flows, first = [], 0
    for lane, of_lane in blocks.items():
        packed = []
        for block in of_lane:
            packed.append(
                {
                    "first": first,
                    "count": block.count,
                    "samples": 1,
                    "dependent": block.dependent,
                    "holds": [block.hold],
                    "tokens": [block.tokens],
                }
            )
            first += block.count
        length = sum(block.count for block in of_lane if not block.dependent)
        flows.append(Flow(lane, length, tuple(packed)))
    return flows


class World:
    """The stores on one Redis."""

    def __init__(self, client: Redis, *, month_cap: int | None = PLENTY, day_cap: int | None = None) -> None:
        self.redis: Any = client  # redis-py types its own methods as if they were not always awaitable
        self.batches = BatchStore(client)
        self.tasks = TaskStore(client)
        self.claims = ClaimStore(client, Caps(month_cap, day_cap))
        self.lanes = LaneStore(client)
        self._numbers = count(1)

    async def lane(self, name: str = "lane", *, max_concurrency: int = 100_000, **limits: float) -> None:
        """Configures a lane whose buckets are as if it had been running for long."""
        await self.lanes.configure(name, limits=limits, max_concurrency=max_concurrency)
        await self.redis.hset(
            keys.lane(name), mapping={f"arrival:{dimension}": 1 for dimension in limits} or {"x": 1}
        )

    async def plan(
        self,
        blocks: dict[str, list[Block]],
        *,
        tenant: str = "acme",
        priority: Priority = Priority.NORMAL,
        cap: int | None = None,
        deadline_ms: int | None = None,
        on_doubt: str = "park",
    ) -> Batch:
        """A batch in planning, whose plan is taken under FENCE."""
        batch_id = f"batch_{next(self._numbers):03}"
        new = NewBatch(batch_id, tenant, "", priority, {}, "plan", cap, on_doubt, "none", deadline_ms, 1)
        batch = await self.batches.create(new)
        assert await self.batches.take_plan(batch_id) == FENCE
        return batch

    async def start(
        self, batch: Batch, blocks: dict[str, list[Block]], deadline_ms: int | None = None
    ) -> bool:
        """Starts a planned batch."""
        total = sum(block.count for of_lane in blocks.values() for block in of_lane)
        return await self.open(batch, flows_of(blocks), total=total, rows=total, deadline_ms=deadline_ms)

    async def open(self, batch: Batch, flows: list[Flow], **figures: Any) -> bool:
        """Starts a planned batch with these flows. What its plan would show is left out: nothing here looks at it."""
        made, plan = planned(batch, flows, fence=FENCE, **figures), plan_of(batch.plan_id)
        is_open = await self.batches.start(made, plan)
        await self.redis.delete(keys.plan(batch.tenant, plan.id))
        return is_open

    async def batch(self, blocks: int | list[Block] | dict[str, list[Block]], **about: Any) -> Batch:
        """A running batch; a number is that many tasks on `lane`."""
        if isinstance(blocks, int):
            blocks = [Block(blocks)]
        if isinstance(blocks, list):
            blocks = {"lane": blocks}
        batch = await self.plan(blocks, **about)
        await self.start(batch, blocks, about.get("deadline_ms"))
        return await self.look(batch)

    async def claim(self, want: int = 1, *, lane: str = "lane", worker: str = "w1") -> list[Claim]:
        """Claims, where the wait does not matter."""
        return (await self.claims.claim(lane, worker=worker, want=want))[0]

    async def wait(self, *, lane: str = "lane") -> Wait | None:
        """What a claimant is told that gets nothing."""
        claims, wait = await self.claims.claim(lane, worker="w1", want=1)
        assert not claims
        return wait

    async def move(self, claim: Claim, to: str, **more: Any) -> Moved:
        """Moves a claimed task, with what that state asks for."""
        asked: dict[str, dict[str, Any]] = {
            "stored": {"asset": "picture.png", "sha256": "ab"},
            "waiting": {"delay_us": 0},
            "failed": {"failure": {"class": "bad_row"}},
        }
        move = {"fence": claim.fence, "worker": "w1", **asked.get(to, {}), **more}
        return await self.tasks.move(batch=claim.batch_id, index=claim.index, to=to, **move)

    async def walk(self, claim: Claim, *states: str, **more: Any) -> Moved:
        """Moves a claimed task through several states; `more` goes with the last."""
        for state in states[:-1]:
            assert (await self.move(claim, state)).status == "ok"
        return await self.move(claim, states[-1], **more)

    async def finish(self, claim: Claim, *, cost: int = 10, **more: Any) -> Moved:
        """Takes a claimed task to its picture."""
        return await self.walk(claim, "sent", "spooled", "stored", "done", cost=cost, **more)

    async def look(self, batch: Batch) -> Batch:
        """The batch as it stands now."""
        return await self.batches.get(batch.tenant, batch.id)

    async def task(self, claim: Claim) -> Task:
        """A claimed task as it stands now."""
        return await self.tasks.get(await self.batches.get(claim.tenant, claim.batch_id), claim.index)

    async def lose(self, worker: str = "w1") -> None:
        """A worker's lease runs out."""
        await self.redis.zadd(keys.WORKERS, {worker: 1})

    async def time_passes(self, lane: str = "lane") -> None:
        """Whatever sleeps in a lane may wake now, and what is due later is due now."""
        sleeping = f"{keys.lane(lane)}:asleep"
        dues = await self.redis.keys(f"{keys.PREFIX}batch:*:due:{lane}")
        for key in (sleeping, *dues):
            members = await self.redis.zrange(key, 0, -1)
            if members:
                await self.redis.zadd(key, dict.fromkeys(members, 0))
