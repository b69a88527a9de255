"""Connections to Redis, and the translation of its errors into ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from schemas.errors import UnavailableError

_TIMEOUT_S = 10.0

_NOT_NOW = re.compile(
    r"(?:^|: (?:-|\('|))(?:NOREPLICAS|MISCONF|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|LOADING)(?: |$)"
)
"""Refusals that are about the state of the server, not about the command: the first word of the answer, behind what a
pipeline or a transaction writes before it."""


def connect(url: str) -> Redis:
    """An asyncio client. Commands that fail are not repeated: every write is a compare-and-set or safe to lose.

    When all connections are busy a command waits for one, instead of failing at once.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S,
        health_check_interval=30,
        max_connections=50,
        timeout=_TIMEOUT_S,
    )
    return Redis.from_pool(pool)


def connect_blocking(url: str) -> redis.Redis:
    """A client for threads: the lease is renewed from one, out of the event loop's reach."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(), 2),
    )


async def command(client: Redis, *words: bytes | str | int) -> Any:
    """One command's answer: redis-py 5 types its own methods as if they were not always awaitable."""
    run: Any = client.execute_command
    return await run(*words)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the errors of a Redis that does not answer, or takes no writes, into `UnavailableError`."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError, OSError) as error:
        raise _unavailable(error) from error
    except ResponseError as error:
        if _NOT_NOW.search(str(error)) is None:
            raise
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(f"Redis does not answer: {type(error).__name__}: {error}"[:300])


async def check(client: Redis) -> list[str]:
    """What about this Redis is not as it has to be, in sentences.

    Raises:
        UnavailableError: it does not answer.
    """
    with translated():
        memory, persistence = await client.info("memory"), await client.info("persistence")
    found = []
    if memory.get("maxmemory_policy") != "noeviction":
        found.append(
            f"maxmemory-policy is {memory.get('maxmemory_policy')}, which may throw paid work away; set noeviction"
        )
    if not int(persistence.get("aof_enabled", 0)):
        found.append(
            "append-only persistence is off; a crash of Redis would lose what was paid; set appendonly yes"
        )
    return found
