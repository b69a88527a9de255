"""Lanes: their limits as configured and as learned from every answer, shared by the whole fleet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from redis.asyncio import Redis

from core.state.claims import HORIZON_US
from core.state.scripts import Scripts, pack
from schemas.image import LimitReading


class Call(StrEnum):
    """How a call counts for the health of its lane: the breaker, the retry budget."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Learned:
    """What a lesson changed.

    Args:
        changed: the dimensions whose limit is new.
        streak: calls of the lane that failed since the last one that succeeded, this one included.
    """

    changed: Sequence[str] = ()
    streak: int = 0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one answer teaches a lane.

    Args:
        readings: every limit the answer told us about.
        blocked_s: dimension -> seconds in which the provider refuses it.
        pause_s: the account refuses everything; `reason` is the failure class.
        is_lost: no room for the call, or no answer to it: too much may be in flight.
        latency_s: of a picture; an error is quicker than one, or slower, and says nothing about the next.
    """

    readings: tuple[LimitReading, ...] = ()
    blocked_s: tuple[tuple[str, float], ...] = ()
    slow_down: bool = False
    pause_s: float | None = None
    reason: str | None = None
    call: Call = Call.NEITHER
    is_lost: bool = False
    latency_s: float | None = None

    @property
    def is_empty(self) -> bool:
        refuses = self.blocked_s or self.slow_down or self.pause_s
        return not (self.readings or refuses or self.is_lost) and self.call is Call.NEITHER


class LaneStore:
    """The shelf of lanes."""

    def __init__(self, client: Redis) -> None:
        self._scripts = Scripts(client)

    async def configure(
        self,
        lane: str,
        *,
        limits: dict[str, float],
        max_concurrency: int,
        group: str | None = None,
        breaker_open_s: float | None = None,
        breaker_window_s: float | None = None,
    ) -> bool:
        """Writes configured limits (per minute, by dimension) unless these were written before.

        Args:
            group: the lanes that share their work with this one; by default it has work of its own.
            breaker_open_s: first wait of the breaker, doubled up to ten times as much; by default 30.
            breaker_window_s: how far back it looks; by default 120.
        """
        spans_s = {"open_us": breaker_open_s, "window_us": breaker_window_s}
        breaker = {field: int(span_s * 1e6) for field, span_s in spans_s.items() if span_s is not None}
        words = f"{sorted(limits.items())} {max_concurrency} {sorted(breaker.items())}"
        question = {
            "lane": lane,
            "group": group or lane,
            "digest": hashlib.sha256(words.encode()).hexdigest()[:16],
            "max_concurrency": max_concurrency,
            "limits": limits,
            "breaker": breaker,
        }
        return bool(await self._scripts.run("configure", pack(question)))

    async def learn(self, lane: str, lesson: Lesson, *, attempt_id: str | None = None) -> Learned:
        """Adopts what an answer said.

        Args:
            attempt_id: whose answer it was; a breaker that is half open listens to its probe alone.
        """
        question = {
            "lane": lane,
            "attempt": attempt_id,
            "horizon_us": HORIZON_US,
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
            "call": lesson.call.value,
            "is_lost": lesson.is_lost,
            "latency_s": lesson.latency_s,
        }
        answer = await self._scripts.ask("learn", question)
        return Learned(**answer)
