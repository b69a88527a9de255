"""The world of the state machine, on an empty Redis."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from tests.state.world import World


@pytest.fixture
def world(redis: Redis) -> World:
    return World(redis)
