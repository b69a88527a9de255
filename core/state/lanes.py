"""Lanes: their limits as configured and as learned from every answer, shared by the whole fleet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from redis.asyncio import Redis

from core.state import keys
from core.state.claims import HORIZON_US
from core.state.connection import command, translated
from core.state.scripts import Scripts, pack
from schemas.image import LimitReading

SERVED_S = 600
"""A lane that no worker has named as its own for so long is served by nobody. Each does so in every round, which are five
minutes apart at most."""


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


@dataclass(frozen=True, slots=True)
class Demand:
    """How many calls in flight would use the whole image limits of some lanes, and how many workers there are."""

    slots_needed: int
    workers: int


class LaneStore:
    """The shelf of lanes."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)

    async def mean_latency_s(self, lane: str) -> float | None:
        """How long a picture has taken on the lane of late; None when it has made none yet."""
        with translated():
            found = await command(self._client, "HGET", keys.lane(lane), "mean_s")
        return None if found is None else float(found)

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

    async def demand(self, lanes: Sequence[str]) -> Demand:
        """What these lanes need; one that has made no picture yet needs nothing that is known."""
        with translated():
            seconds, _ = await self._client.time()
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.zcount(keys.WORKERS, seconds * 1000, "+inf")
                for lane in lanes:
                    pipe.hget(keys.lane(lane), "slots_needed")
                workers, *needed = await pipe.execute()
        return Demand(sum(int(slots or 0) for slots in needed), workers)

    async def unserved(self) -> dict[str, int]:
        """How many batches have work that no lane takes, by the name it waits under: a lane was moved into a group, or
        out of one, after they were planned, or no worker has it in its settings any more."""
        with translated():
            now_s, _ = await self._client.time()
            names = sorted(name.decode() for name in await command(self._client, "SMEMBERS", keys.LANES))
            async with self._client.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hmget(keys.lane(name), ["served_at", "group"])
                    pipe.zcard(f"{keys.lane(name)}:ready")
                    pipe.zcard(f"{keys.lane(name)}:asleep")
                answers = await pipe.execute()
        served = {
            group.decode() if group else name
            for name, (served_at, group) in zip(names, answers[::3], strict=True)
            if now_s - int(served_at or 0) / 1000 < SERVED_S
        }
        waiting = zip(names, answers[1::3], answers[2::3], strict=True)
        return {
            name: ready + asleep for name, ready, asleep in waiting if ready + asleep and name not in served
        }
