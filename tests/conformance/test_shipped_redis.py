"""The configuration that is shipped for Redis keeps what Darkroom relies on."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.state.connection import check, connect
from tests.conftest import free_port, redis_binary, wait_for_redis

CONFIGURATION = Path(__file__).parent.parent.parent / "deploy" / "redis.conf"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    where = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    server = subprocess.Popen([redis_binary(), str(CONFIGURATION), *where], stdout=subprocess.DEVNULL)
    try:
        wait_for_redis(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.fixture
async def shipped(address: str) -> AsyncIterator[Any]:
    client = connect(address)
    yield client
    await client.aclose()


async def test_nothing_about_the_shipped_redis_is_amiss(shipped: Any) -> None:
    assert await check(shipped) == []


async def test_every_acknowledged_write_is_on_disk(shipped: Any) -> None:
    assert await shipped.config_get("appendfsync") == {"appendfsync": "always"}


async def test_the_records_of_ended_tasks_are_stored_compactly(shipped: Any) -> None:
    await shipped.hset("records", mapping={str(index): b"x" * 240 for index in range(100)})

    assert await shipped.object("encoding", "records") in (b"listpack", b"ziplist")
