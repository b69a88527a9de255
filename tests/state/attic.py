"""A world whose old batches are put away: its storage, and shelvers that believe it is some days later."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from core.documents import Documents
from core.state import keys
from core.state.shelving import ShelvingStore
from schemas.batch import Batch
from schemas.claim import Claim
from schemas.rendition import Checked
from tests.state.truth import SNAPSHOT
from tests.state.world import World
from workers.shelver import Shelver

DAY_MS = 24 * 3600 * 1000
TASKS = 2_250
"""Two parts, and a hundred that is not full."""


@dataclass
class Tomorrow:
    """Some days from now."""

    days: int = 2
    now: int = 0

    def now_ms(self) -> int:
        return self.now + self.days * DAY_MS

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("nobody waits here")


@dataclass
class Attic:
    """A world, its storage, and shelvers."""

    world: World
    documents: Documents
    clock: Tomorrow

    @property
    def store(self) -> ShelvingStore:
        return ShelvingStore(self.world.redis)

    async def round(self, worker: str = "w1", documents: Documents | None = None) -> int:
        """One round of a shelver, whoever had the last one."""
        await self.world.redis.delete(keys.SHELVING)
        seconds, _ = await self.world.redis.time()
        self.clock.now = seconds * 1000
        return await self.shelver(worker, documents).put_away()

    def shelver(self, worker: str, documents: Documents | None = None) -> Shelver:
        return Shelver(
            worker=worker,
            shelving=self.store,
            batches=self.world.batches,
            documents=documents or self.documents,
            keep_days=1,
            clock=self.clock,
        )

    async def bring_back(self, batch: Batch) -> None:
        away, part = await self.world.look(batch), 0
        assert away.put_away is not None
        following: int | None = 0
        while following is not None:
            part = following
            kept = await self.documents.get_ended(batch.tenant, batch.id, away.put_away, part)
            following = await self.store.bring_back(away, away.put_away, part, kept)

    async def everything(self) -> dict[bytes, Any]:
        """All of Redis but when and how often something came back, and whose turn it is."""
        await self.world.redis.delete(keys.SHELVING)
        found = await self.world.redis.eval(SNAPSHOT, 0)
        return {key: _as_value(kind, content) for key, kind, content in found}

    async def per_task(self, batch: Batch) -> list[str]:
        """Names of the keys that grow with the tasks of a batch."""
        names = [
            key.decode() async for key in self.world.redis.scan_iter(f"{keys.batch(batch.id)}:*", count=1000)
        ]
        return [
            name for name in names if any(part in name for part in (":ended:", ":posted:", ":in:", ":task:"))
        ]


def _as_value(kind: bytes, content: Any) -> Any:
    if kind == b"hash":
        pairs = dict(zip(content[::2], content[1::2], strict=True))
        return {name: value for name, value in pairs.items() if name not in (b"fetched_at", b"times_back")}
    return sorted(content or []) if kind == b"set" else content


async def ended(world: World, count: int = 6) -> Batch:
    """A batch whose tasks came to every end there is, the rest of them to failure."""
    await world.lane()
    batch, claims = await world.batch(count), list[Claim]()
    while len(claims) < count:
        claims += await world.claim(64)
    done, warned, twin, *failed = claims
    await world.finish(done, cost=7)
    await world.walk(warned, "sent", "spooled")
    about = {"batch": batch.id, "index": warned.index, "fence": warned.fence, "worker": "w1"}
    await world.tasks.finish(
        **about, asset="b.png", sha256="0", checks=Checked(result="warn", warned=("x",)), cost=5
    )
    await world.move(twin, "skipped", same_as=0)
    failure = {"class": "bad_row", "message": "It is bad.", "charged": "no"}
    await asyncio.gather(*(world.move(claim, "failed", failure=failure) for claim in failed))
    return await world.look(batch)
