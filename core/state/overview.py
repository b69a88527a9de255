"""Queue-wide figures for gauges: read by the service alone, so that no two processes report the same thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from core.state import keys
from core.state.connection import ServerFacts, command, facts_of, translated

DIMENSIONS = ("requests", "images", "tokens")
PAGE, MOST = 1000, 100_000
"""Flows of a lane, and doubts, are looked into by so many at once, and by so many at most: a scrape does not wait longer
than seconds for them. Beyond that figures are too small, and of doubts it is said how many are left out."""

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Doubtful:
    """What calls in doubt asked for, and on whose account; `unknown` where a version sent them that did not say."""

    model: str
    quality: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Paid:
    """What calls asked for, and on whose account; the tenant is `other` where it has no figures of its own."""

    lane: str
    model: str
    quality: str
    tenant: str


@dataclass(frozen=True, slots=True)
class LaneOverview:
    """One lane now, or one group of lanes, which has the flows of all of its lanes and nothing else.

    Args:
        ready, asleep: batches with work, and those that rest until a time.
        waiting: pictures that could be claimed, now or later, and are not; without those of batches at their own cap.
        slots_needed: attempts in flight that would use the whole image limit, once pictures told how long they take.
        is_broken: the breaker holds its claims back.
        limits, remaining: a minute's allowance by dimension, and what of it is left by the provider's last word.
        retries: calls again that the retry budget still covers.
        oldest_s: since when the oldest batch runs that has pictures waiting; 0 where none waits.
        group: where its pictures wait; its own name where it has work of its own.
        claimed_at_s: when the last of its pictures was claimed, in Unix time.
    """

    name: str
    ready: int
    asleep: int
    in_flight: int
    paused_for: str | None
    slots_needed: int | None = None
    is_broken: bool = False
    waiting: int = 0
    limits: Mapping[str, float] = field(default_factory=dict)
    remaining: Mapping[str, float] = field(default_factory=dict)
    retries: float | None = None
    oldest_s: float = 0.0
    group: str = ""
    claimed_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class BudgetOverview:
    """What is used of one budget; the house's where there is no tenant."""

    tenant: str | None
    held_usd_micros: int
    spent_usd_micros: int


@dataclass(frozen=True, slots=True)
class RedisOverview:
    """How Redis keeps what is written to it, as far as it says.

    Args:
        evicts: a full one would throw work away; None where it does not say.
        persists: by part, whether that is as it has to be: `append_only` it is on; `sync` each write reaches the disk;
            `last_write`, `last_rewrite`, `last_snapshot` the last one went well.
        used_bytes, limit_bytes: memory, and what it may take: `maxmemory`, or else what the machine has.
    """

    evicts: bool | None = None
    persists: Mapping[str, bool] = field(default_factory=dict)
    used_bytes: int | None = None
    limit_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole queue now.

    Args:
        doubts, doubtful_usd_micros: parked pictures that may have been charged, and what is held for them.
        doubts_unsummed: of these, how many are too many for the sum.
        endings: how many tasks ended since Redis was empty, by `done`, `skipped`, `cancelled` or their failure class; one
            that is made again ends again.
        costs_usd_micros: what was ever spent since Redis was empty.
        named: tenants with figures of their own: the first fifty that submitted, the same for every process.
        workers, lost_workers: those whose lease is alive, and those that are missing: they did not say that they stop, and
            no other has begun in their place.
        stranded: paid pictures on the disks of workers that are gone.
        redis: what the server says of itself.
    """

    lanes: tuple[LaneOverview, ...]
    workers: int
    lost_workers: int = 0
    stranded: int = 0
    doubts: int = 0
    doubts_unsummed: int = 0
    doubtful_usd_micros: Mapping[Doubtful, int] = field(default_factory=dict)
    budgets: tuple[BudgetOverview, ...] = ()
    redis: RedisOverview = RedisOverview()
    endings: Mapping[str, int] = field(default_factory=dict)
    costs_usd_micros: Mapping[Paid, int] = field(default_factory=dict)
    named: frozenset[str] = frozenset()


async def overview(client: Redis) -> Overview:
    """Reads the figures. Raises `UnavailableError`."""
    with translated():
        seconds, micros = await client.time()
        now_us = seconds * 1_000_000 + micros
        names = await command(client, "SMEMBERS", keys.LANES)
        lanes = [await _lane(client, name.decode(), now_us) for name in sorted(names)]
        doubts, doubtful = await _doubts(client)
        alive = await client.zcount(keys.WORKERS, now_us // 1000, "+inf")
        expected = int(await command(client, "HGET", keys.FLEET, "expected") or 0)
        return Overview(
            lanes=tuple(lanes),
            workers=alive,
            lost_workers=max(0, expected - alive),
            stranded=await command(client, "SCARD", keys.STRANDED),
            doubts=doubts,
            doubts_unsummed=max(0, doubts - MOST),
            doubtful_usd_micros=doubtful,
            budgets=await _budgets(client, datetime.fromtimestamp(seconds, UTC)),
            redis=_of_server(await facts_of(client)),
            endings=await _endings(client),
            costs_usd_micros=await _costs(client),
            named=frozenset(found.decode() for found in await command(client, "SMEMBERS", keys.NAMED)),
        )


_WENT_WELL = {
    "last_write": "aof_last_write_status",
    "last_rewrite": "aof_last_bgrewrite_status",
    "last_snapshot": "rdb_last_bgsave_status",
}


def _of_server(facts: ServerFacts) -> RedisOverview:
    info, sync = facts.info, facts.configuration.get("appendfsync")
    policy, append_only = info.get("maxmemory_policy"), info.get("aof_enabled")
    persists = {part: info[name] == "ok" for part, name in _WENT_WELL.items() if name in info}
    if append_only is not None:
        persists["append_only"] = bool(append_only)
    if sync is not None:
        persists["sync"] = sync == "always"
    return RedisOverview(
        None if policy is None else policy != "noeviction",
        persists,
        info.get("used_memory"),
        info.get("maxmemory") or info.get("total_system_memory"),
    )


async def _lane(client: Redis, name: str, now_us: int) -> LaneOverview:
    key = keys.lane(name)
    async with client.pipeline(transaction=False) as pipe:
        pipe.zrange(f"{key}:ready", 0, -1)
        pipe.zrange(f"{key}:asleep", 0, -1)
        pipe.zcard(f"{key}:inflight")
        pipe.hgetall(key)
        ready, asleep, in_flight, fields = await pipe.execute()
    known = {found.decode(): value.decode() for found, value in fields.items()}
    paused = int(known.get("paused_until", 0)) > now_us
    batches = [found.decode() for found in (*ready, *asleep)][:MOST]
    waiting, since_ms = await _waiting(client, name, batches)
    limits = {each: float(known[f"limit:{each}"]) for each in DIMENSIONS if f"limit:{each}" in known}
    return LaneOverview(
        name,
        len(ready),
        len(asleep),
        in_flight,
        known.get("paused_for") if paused else None,
        int(known["slots_needed"]) if "slots_needed" in known else None,
        "broken_until" in known,
        waiting,
        limits,
        {each: _remaining(limit, known.get(f"full:{each}"), now_us) for each, limit in limits.items()},
        float(known["retry_tenths"]) / 10 if "retry_tenths" in known else None,
        0.0 if since_ms is None else max(0.0, now_us / 1e6 - since_ms / 1e3),
        known.get("group", name),
        int(known["claimed_at"]) / 1000 if "claimed_at" in known else None,
    )


def _remaining(limit: float, full_at_us: str | None, now_us: int) -> float:
    """A bucket that is full again in a minute is empty now."""
    missing_s = max(0, int(full_at_us or 0) - now_us) / 1e6
    return max(0.0, limit * (1 - missing_s / 60))


async def _waiting(client: Redis, lane: str, batches: list[str]) -> tuple[int, int | None]:
    """Pictures that wait, and since when the oldest of their batches runs, in milliseconds.

    A batch that its own cap holds back waits for whoever set it, and not for the lane.
    """
    waiting, started = 0, []
    for page in _pages(batches):
        async with client.pipeline(transaction=False) as pipe:
            for batch in page:
                pipe.hmget(keys.flow(batch, lane), ["length", "cursor"])
                pipe.zcard(keys.due(batch, lane))
                pipe.hmget(keys.batch(batch), ["started_at", "limited_by", "refused_by"])
            answers: list[Any] = await pipe.execute()
        for (length, cursor), due, (started_at, *held_back) in zip(
            answers[::3], answers[1::3], answers[2::3], strict=True
        ):
            left = max(0, int(length or 0) - int(cursor or 0)) + int(due)
            if held_back == [b"budget", b"batch"] or not left:
                continue
            waiting += left
            started += [int(started_at)] if started_at else []
    return waiting, min(started, default=None)


def _pages(members: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(members), PAGE):
        yield members[first : first + PAGE]


async def _doubts(client: Redis) -> tuple[int, dict[Doubtful, int]]:
    count = await client.zcard(keys.DOUBTS)
    members = [found.decode().rpartition(":") for found in await client.zrange(keys.DOUBTS, 0, MOST - 1)]
    tenants: dict[str, str] = {}
    held: Counter[Doubtful] = Counter()
    for page in _pages(members):
        new = sorted({batch for batch, _, _ in page} - tenants.keys())
        async with client.pipeline(transaction=False) as pipe:
            for batch in new:
                pipe.hget(keys.batch(batch), "tenant")
            for batch, _, index in page:
                pipe.hmget(keys.task(batch, int(index)), ["model", "quality", "hold"])
            answers: list[Any] = await pipe.execute()
        tenants |= {batch: (tenant or b"").decode() for batch, tenant in zip(new, answers, strict=False)}
        for (batch, _, _), (model, quality, hold) in zip(page, answers[len(new) :], strict=True):
            asked, how = (each.decode() if each else UNKNOWN for each in (model, quality))
            held[Doubtful(asked, how, tenants[batch])] += int(hold or 0)
    return count, dict(held)


async def _endings(client: Redis) -> dict[str, int]:
    found = await command(client, "HGETALL", keys.ENDINGS)
    return {outcome.decode(): int(count) for outcome, count in found.items()}


async def _costs(client: Redis) -> dict[Paid, int]:
    found = await command(client, "HGETALL", keys.COSTS)
    return {Paid(*kind.decode().split(" ", 3)): int(micros) for kind, micros in found.items()}


async def _budgets(client: Redis, now: datetime) -> tuple[BudgetOverview, ...]:
    tenants = sorted(found.decode() for found in await command(client, "SMEMBERS", keys.TENANTS))
    async with client.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.day_budget(f"{now:%Y-%m-%d}"), ["held", "spent"])
        for tenant in tenants:
            pipe.hmget(keys.month_budget(tenant, f"{now:%Y-%m}"), ["held", "spent"])
        answers = await pipe.execute()
    return tuple(
        BudgetOverview(tenant, int(held or 0), int(spent or 0))
        for tenant, (held, spent) in zip([None, *tenants], answers, strict=True)
    )
