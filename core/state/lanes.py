"""Lanes: their limits as configured and as learned from every answer, shared by the whole fleet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from core.state.scripts import Scripts, pack
from schemas.image import LimitReading


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one answer teaches a lane.

    Args:
        readings: every limit the answer told us about.
        blocked_s: dimension -> seconds in which the provider refuses it.
        pause_s: the account refuses everything; `reason` is the failure class.
    """

    readings: tuple[LimitReading, ...] = ()
    blocked_s: tuple[tuple[str, float], ...] = ()
    slow_down: bool = False
    pause_s: float | None = None
    reason: str | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.readings or self.blocked_s or self.slow_down or self.pause_s)


class LaneStore:
    """The shelf of lanes."""

    def __init__(self, client: Redis) -> None:
        self._scripts = Scripts(client)

    async def configure(self, lane: str, *, limits: dict[str, float], max_concurrency: int) -> bool:
        """Writes configured limits (per minute, by dimension) unless these were written before."""
        words = f"{sorted(limits.items())} {max_concurrency}"
        question = {
            "lane": lane,
            "digest": hashlib.sha256(words.encode()).hexdigest()[:16],
            "max_concurrency": max_concurrency,
            "limits": limits,
        }
        return bool(await self._scripts.run("configure", pack(question)))

    async def learn(self, lane: str, lesson: Lesson) -> Sequence[str]:
        """Adopts what an answer said; the names of the dimensions whose limit changed."""
        question = {
            "lane": lane,
            "readings": [
                {"dimension": r.dimension, "limit": r.limit, "remaining": r.remaining, "reset_s": r.reset_s}
                for r in lesson.readings
                if r.limit is not None
            ],
            "blocked": [
                {"dimension": dimension, "wait_us": int(wait_s * 1e6)}
                for dimension, wait_s in lesson.blocked_s
            ],
            "slow_down": lesson.slow_down,
            "paused_us": None if lesson.pause_s is None else int(lesson.pause_s * 1e6),
            "reason": lesson.reason,
        }
        changed: Sequence[str] = await self._scripts.ask("learn", question)
        return changed
