"""A desk for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.unit.planning.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path, redis: Redis) -> AsyncIterator[Desk]:
    made = Desk.at(tmp_path, redis)
    yield made
    await made.aclose()
