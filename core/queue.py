"""The one door to arq, with `workers/jobs.py`, where its Worker is set up: coarse jobs, never single tasks.

Serialised as msgpack: with arq's default, pickle, write access to Redis would be code execution. Jobs hold ids
and the trace of whoever asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from redis.asyncio import Redis
from redis.exceptions import RedisError

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


def over(client: Redis) -> ArqRedis:
    """arq's client on the connections of another one, which has no use of its own any more."""
    queue = ArqRedis(
        client.connection_pool,
        job_serializer=serialize,
        job_deserializer=deserialize,
        default_queue_name=QUEUE,
        expires_extra_ms=EXPIRES_EXTRA_MS,
    )
    queue.auto_close_connection_pool = True
    return queue


class JobQueue:
    """Puts jobs into the queue; it closes the connections of the client that it was given."""

    def __init__(self, client: Redis) -> None:
        self._pool = over(client)

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
