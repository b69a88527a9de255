"""Queue-wide figures for gauges: read by the service alone, so that no two processes report the same thing."""

from __future__ import annotations

from dataclasses import dataclass

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import command, translated


@dataclass(frozen=True, slots=True)
class LaneOverview:
    """One lane now: batches with work, batches asleep until a time, attempts in flight, why it is paused.

    `slots_needed` is how many attempts in flight would use the whole image limit, once pictures told how long they take.
    """

    name: str
    ready: int
    asleep: int
    in_flight: int
    paused_for: str | None
    slots_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole queue now."""

    lanes: tuple[LaneOverview, ...]
    workers: int


async def overview(client: Redis) -> Overview:
    """Reads the figures. Raises `UnavailableError`."""
    with translated():
        seconds, micros = await client.time()
        now_ms = seconds * 1000 + micros // 1000
        names = await command(client, "SMEMBERS", keys.LANES)
        lanes = [await _lane(client, name.decode(), now_ms) for name in sorted(names)]
        return Overview(tuple(lanes), await client.zcount(keys.WORKERS, now_ms, "+inf"))


async def _lane(client: Redis, name: str, now_ms: int) -> LaneOverview:
    key = keys.lane(name)
    async with client.pipeline(transaction=False) as pipe:
        pipe.zcard(f"{key}:ready")
        pipe.zcard(f"{key}:asleep")
        pipe.zcard(f"{key}:inflight")
        pipe.hmget(key, ["paused_until", "paused_for", "slots_needed"])
        ready, asleep, in_flight, (until_us, reason, slots) = await pipe.execute()
    paused = until_us is not None and int(until_us) // 1000 > now_ms
    paused_for = reason.decode() if paused and reason else None
    return LaneOverview(name, ready, asleep, in_flight, paused_for, None if slots is None else int(slots))
