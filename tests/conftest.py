"""Equipment for every kind of test: real servers on free ports, and a clock that is moved by hand."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis as blocking_redis
from redis.asyncio import Redis

from core.state.connection import connect


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_binary() -> str:
    """The Redis server that `darkroom up` would take."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    bundled = Path(__file__).parent.parent / ".darkroom" / "bin" / "redis-server"
    if not bundled.exists():
        from cli.redis_server import find_server

        return str(find_server())
    return str(bundled)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a real Redis server, alive for the whole run, configured as Darkroom ships it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="darkroom-redis-") as folder:
        server = subprocess.Popen(
            [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for_redis(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=10)


def wait_for_redis(port: int) -> None:
    """Returns when the server answers, which it has to within 10 seconds."""
    client = blocking_redis.Redis(port=port)
    for _ in range(200):
        try:
            client.ping()
            return
        except blocking_redis.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError("the Redis server did not start within 10 s")


@pytest.fixture
async def redis_url(redis_server: str) -> AsyncIterator[str]:
    """The address of an empty Redis."""
    client = connect(redis_server)
    await client.flushall()
    yield redis_server
    await client.aclose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    yield client
    await client.aclose()
