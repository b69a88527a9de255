"""Services on an empty Redis and an empty folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.acceptance.http.stage import Service, serving
from tests.processes import RedisServer

Serve = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """Lines that would have been logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def serve(redis_url: str, tmp_path: Path) -> Serve:
    """Starts a service; arguments are its own settings."""
    return partial(serving, redis_url, tmp_path)


@pytest.fixture
async def service(serve: Serve) -> AsyncIterator[Service]:
    """A service that does not wait for planners."""
    async with serve() as started:
        yield started


@pytest.fixture
def redis_of_its_own(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that a test may kill."""
    server = RedisServer(tmp_path / "redis")
    yield server
    server.kill()
