"""The one door to arq, with `workers/app.py`, where its Worker is set up: coarse jobs, never single tasks.

Serialised as msgpack: with arq's default, pickle, write access to Redis would be code execution. Jobs hold ids
and the trace of whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import in_progress_key_prefix
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.redis_address import RedisAddress
from schemas.errors import UnavailableError

QUEUE = "darkroom:jobs"
EXPIRES_EXTRA_MS = 365 * 24 * 3600 * 1000
"""arq drops a job silently so long after its enqueueing; its default is one day, which a busy queue can exceed."""


def _named(thing: object) -> str:
    """Of a job that failed arq writes down its exception; what that says may be a prompt, and is left out."""
    if isinstance(thing, BaseException):
        return type(thing).__name__
    raise TypeError(f"A job cannot hold a {type(thing).__name__}.")


serialize = msgspec.msgpack.Encoder(enc_hook=_named).encode


def deserialize(data: bytes) -> Any:
    return msgspec.msgpack.decode(data)


@dataclass(frozen=True, slots=True)
class PlanJob:
    """Read, check and price a manifest; with a batch, start it. `trace` is the traceparent of whoever asked."""

    plan_id: str
    tenant: str
    batch_id: str | None
    trace: str | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> PlanJob:
        """The job as it was queued; what only a later version knows of is left out."""
        return cls(**{each.name: facts[each.name] for each in fields(cls) if each.name in facts})


def in_progress(job_id: str) -> str:
    """The key that keeps a job with the worker that took it, for as long as it is there."""
    return f"{in_progress_key_prefix}{job_id}"


def redis_settings(address: RedisAddress | str) -> RedisSettings:
    """arq's connection settings; without retries its worker would die one second after Redis goes away.

    Only what the connection failed of is tried again. A `WatchError` says that another worker took the job: redis-py would
    repeat the transaction without its watch, and both would run it. Source: redis-py 5.3, asyncio/client.py, 2026-11.
    """
    where = RedisAddress.of(address)
    settings = RedisSettings.from_dsn(where.url)
    if where.sentinels:
        settings.host, settings.sentinel, settings.sentinel_master = [*where.sentinels], True, where.primary
    settings.conn_timeout = 10
    settings.conn_retries = 30
    settings.retry_on_timeout = True
    settings.retry_on_error = [RedisConnectionError, RedisTimeoutError, OSError]
    return settings


class JobQueue:
    """Puts jobs into the queue."""

    def __init__(self, pool: ArqRedis) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, address: RedisAddress | str) -> JobQueue:
        """Connects.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            pool = await create_pool(
                redis_settings(address),
                job_serializer=serialize,
                job_deserializer=deserialize,
                default_queue_name=QUEUE,
                expires_extra_ms=EXPIRES_EXTRA_MS,
            )
        except (RedisError, OSError) as error:
            raise UnavailableError(f"Redis does not answer: {error}"[:300]) from error
        return cls(pool)

    async def enqueue_plan(self, job: PlanJob) -> None:
        """Asks for a plan; asking twice for the same one changes nothing.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            await self._pool.enqueue_job("plan", asdict(job), _job_id=f"plan:{job.plan_id}")
        except (RedisError, OSError) as error:
            raise UnavailableError(f"Redis does not answer: {error}"[:300]) from error

    async def aclose(self) -> None:
        await self._pool.aclose()
        manager = getattr(self._pool.connection_pool, "sentinel_manager", None)
        for sentinel in manager.sentinels if manager else ():  # redis-py leaves these open
            await sentinel.aclose()
