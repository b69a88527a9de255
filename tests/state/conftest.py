"""The world of the state machine, on an empty Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.documents import Documents
from core.state import scripts
from core.storage.folder import FolderStore
from tests.state.attic import Attic, Tomorrow
from tests.state.world import World


@pytest.fixture
async def still(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """All scripts run at the same moment, so that waits are told to the millisecond, however busy the machine is."""
    seconds, micros = await redis.time()
    text_of = scripts.text_of
    monkeypatch.setattr(
        scripts,
        "text_of",
        lambda name: text_of(name).replace("redis.call('TIME')", f"{{ {seconds}, {micros} }}"),
    )


@pytest.fixture
async def attic(world: World, tmp_path: Path) -> AsyncIterator[Attic]:
    store = FolderStore(tmp_path, threads=2)
    yield Attic(world, Documents(store), Tomorrow())
    await store.aclose()
