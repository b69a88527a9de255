"""Connections to Redis, what the server behind them is like, and the translation of its errors into ours."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis import sentinel as blocking_sentinel
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    InvalidResponse,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from core.redis_address import RedisAddress
from schemas.errors import UnavailableError

_TIMEOUT_S = 10.0
_TIMEOUTS = {"socket_connect_timeout": _TIMEOUT_S, "socket_timeout": _TIMEOUT_S}

_NOT_NOW = re.compile(
    r"(?:^|: (?:-|\('|))(?:NOREPLICAS|MISCONF|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|LOADING)(?: |$)"
)
"""Refusals that are about the state of the server, not about the command: the first word of the answer, behind what a
pipeline or a transaction writes before it."""


class _PrimaryPool(BlockingConnectionPool, SentinelConnectionPool):
    """Connections to the primary that Sentinels name; like every pool of ours it waits when all are busy."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """At the end those to the Sentinels are closed as well, which redis-py leaves open."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def connect(address: RedisAddress | str) -> Redis:
    """An asyncio client. Commands that fail are not repeated: every write is a compare-and-set or safe to lose."""
    return Redis.from_pool(_pool(RedisAddress.of(address)))


def connect_for_jobs(address: RedisAddress | str) -> Redis:
    """A client whose connections arq may have: a command whose connection failed is tried once more.

    Only what the connection failed of is tried again. A `WatchError` says that another worker took the job: redis-py would
    repeat the transaction without its watch, and both would run it. Source: redis-py 5.3, asyncio/client.py, 2026-11.
    """
    again = [RedisConnectionError, RedisTimeoutError, OSError]
    return Redis.from_pool(_pool(RedisAddress.of(address), retry_on_error=again))


def _pool(where: RedisAddress, **more: Any) -> Any:
    """Connections that are waited for when all are busy, instead of failing at once."""
    settings: dict[str, Any] = {
        **_TIMEOUTS,
        "health_check_interval": 30,
        "max_connections": 50,
        "timeout": _TIMEOUT_S,
        **more,
    }
    if not where.sentinels:
        return BlockingConnectionPool.from_url(where.url, **settings, **_checked(where.url))
    told, is_encrypted = _told(where.url)
    pool: Any = _PrimaryPool  # untyped, as the rest of what redis-py has for Sentinels
    return pool(
        connection_class=SentinelManagedSSLConnection if is_encrypted else SentinelManagedConnection,
        service_name=where.primary,
        sentinel_manager=_sentinels(Sentinel, where),
        **told,
        **settings,
    )


def connect_blocking(address: RedisAddress | str) -> redis.Redis:
    """A client for threads: the lease is renewed from one, out of the event loop's reach."""
    where = RedisAddress.of(address)
    settings: dict[str, Any] = {**_TIMEOUTS, "retry": Retry(ExponentialBackoff(), 2)}
    if not where.sentinels:
        return redis.Redis.from_url(where.url, **settings, **_checked(where.url))
    told, is_encrypted = _told(where.url)
    sentinels = _sentinels(blocking_sentinel.Sentinel, where)
    client: redis.Redis = sentinels.master_for(where.primary, ssl=is_encrypted, **told, **settings)
    return client


def _sentinels(kind: Any, where: RedisAddress) -> Any:
    """They are spoken to as the primary is: encrypted, with the same certificates, or not."""
    told, is_encrypted = _told(where.url)
    encryption = {name: value for name, value in told.items() if name.startswith("ssl_")}
    return kind(where.sentinels, sentinel_kwargs={**_TIMEOUTS, **encryption, "ssl": is_encrypted})


def _checked(url: str) -> dict[str, Any]:
    """That an encrypted server has to be who it is called, which redis-py leaves away; an address may say otherwise."""
    told: Mapping[str, Any] = {**parse_url(url)}
    is_verified = told.get("connection_class") is SSLConnection and told.get("ssl_cert_reqs") != "none"
    return {"ssl_check_hostname": True} if is_verified else {}


def _told(url: str) -> tuple[dict[str, Any], bool]:
    """What an address tells but for host and port, which Sentinels know better; and whether it is encrypted."""
    told: dict[str, Any] = {**_checked(url), **parse_url(url)}
    is_encrypted = told.pop("connection_class", None) is SSLConnection
    return {name: value for name, value in told.items() if name not in {"host", "port"}}, is_encrypted


async def command(client: Redis, *words: bytes | str | int) -> Any:
    """One command's answer: redis-py 5 types its own methods as if they were not always awaitable."""
    run: Any = client.execute_command
    return await run(*words)


_CLOSED = "the handler is closed"
"""What uvloop says of a write to a connection that was reset; redis-py lets it through, and connects anew next time.
Source: uvloop 0.21, handles/handle.pyx, 2026-11."""


_UNANSWERED = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError, InvalidResponse)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the errors of a Redis that does not answer, or takes no writes, into `UnavailableError`."""
    try:
        yield
    except (*_UNANSWERED, OSError) as error:
        raise _unavailable(error) from error
    except ResponseError as error:
        if _NOT_NOW.search(str(error)) is None:
            raise
        raise _unavailable(error) from error
    except RuntimeError as error:
        if _CLOSED not in str(error):
            raise
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> UnavailableError:
    return UnavailableError(f"Redis does not answer: {_reason(error)}"[:300])


_CONNECTING = re.compile(r"Error (-?\d+) connecting to (\S+?)\. ")
_READING = re.compile(r"Timeout reading from (\S+)")


def _reason(error: Exception) -> str:
    """In our own words where we know what it means; the address is without its password, as redis-py tells it."""
    text = str(error)
    if isinstance(error, AuthenticationError):
        return f"it refuses the user or the password ({text.removesuffix('.')})"
    if isinstance(error, MasterNotFoundError | blocking_sentinel.MasterNotFoundError):
        return "no Sentinel that answers knows a primary of this name"
    if isinstance(error, InvalidResponse):
        return "what answers there is no Redis"
    if found := _CONNECTING.match(text):
        return _unreached(text, int(found[1]), found[2])
    if found := _READING.match(text):
        return f"{found[1]} said nothing for {_TIMEOUT_S:.0f} s"
    if text == "Timeout connecting to server":
        return f"no connection within {_TIMEOUT_S:.0f} s"
    return f"{type(error).__name__}: {text}"


def _unreached(text: str, number: int, place: str) -> str:
    if "[SSL: " in text:  # its numbers are not those of the system
        return (
            f"{place} cannot be trusted, or speaks no TLS ({text[text.index('[SSL: ') :].removesuffix('.')})"
        )
    if number == errno.ECONNREFUSED:
        return f"nothing listens at {place}"
    return f"{place} cannot be found" if number < 0 else f"{place} cannot be reached ({os.strerror(number)})"


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a Redis server tells of itself; what it does not tell, or this user may not ask, is missing.

    Args:
        info: what INFO answers.
        configuration: from CONFIG GET, which managed servers refuse.
        now_ms: its clock, UTC.
    """

    info: Mapping[str, Any]
    configuration: Mapping[str, str]
    now_ms: int


_CONFIGURED = ("appendfsync", "no-appendfsync-on-rewrite", "min-replicas-to-write")


async def facts_of(client: Redis) -> ServerFacts:
    """Asks a server about itself.

    Raises:
        UnavailableError: it does not answer.
    """
    info = await _allowed(client.info())
    configuration: dict[str, str] = {}
    for name in _CONFIGURED:
        configuration |= await _allowed(client.config_get(name))
    with translated():
        seconds, micros = await client.time()
    return ServerFacts(info, configuration, seconds * 1000 + micros // 1000)


async def _allowed(question: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The answer to a question; empty where the server does not know it, or not for this user."""
    try:
        with translated():
            return await question
    except ResponseError:
        return {}


async def check(client: Redis) -> list[str]:
    """What about this Redis is not as it should be, in sentences. INFO tells it, also where CONFIG may not be asked.

    Raises:
        UnavailableError: it does not answer, or it evicts, and must not be used.
    """
    info = await _allowed(client.info())
    policy, is_append_only = info.get("maxmemory_policy"), info.get("aof_enabled")
    if policy not in (None, "noeviction"):
        raise UnavailableError(
            f"This Redis must not be used: its maxmemory-policy is {policy}, so that it throws paid work away when its "
            "memory is full. Set maxmemory-policy noeviction, as deploy/redis.conf does."
        )
    found = []
    if policy is None:
        found.append("maxmemory-policy cannot be asked for here; see to it yourself that it is noeviction")
    if is_append_only is None:
        found.append("appendonly cannot be asked for here; see to it yourself that it is yes")
    elif not is_append_only:
        found.append("append-only files are off: a crash of Redis forgets what was paid; set appendonly yes")
    return found
