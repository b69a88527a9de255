"""What shelvers leave in storage that were overtaken or died is removed, and never the only copy of anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from core.documents import Documents
from core.storage.folder import FolderStore
from core.storage.store import ObjectStore
from schemas.errors import UnavailableError
from tests.state.attic import TASKS, Attic, ended


async def test_what_an_earlier_time_away_has_left_is_removed_by_the_next(attic: Attic) -> None:
    batch = await ended(attic.world, TASKS)
    before = await attic.everything()
    await attic.documents.put_ended(batch.tenant, batch.id, "of-a-shelver-that-lost", 0, [])
    for _ in range(2):
        assert await attic.round() == 1
        await attic.bring_back(batch)
    assert await attic.round() == 1

    token = (await attic.world.look(batch)).put_away
    assert token is not None
    assert await attic.documents.ended_keys(batch.tenant, batch.id, but=token) == []
    await attic.bring_back(batch)
    assert await attic.everything() == before


class Stubborn(FolderStore):
    """A store that does not answer when it is to remove something."""

    async def delete(self, key: str) -> None:
        raise UnavailableError("Storage does not answer.")


async def test_what_a_shelver_did_not_come_to_remove_is_removed_by_the_next(
    attic: Attic, tmp_path: Path
) -> None:
    batch = await ended(attic.world, TASKS)
    before = await attic.everything()
    await attic.documents.put_ended(batch.tenant, batch.id, "of-a-shelver-that-lost", 0, [])
    stubborn = Stubborn(tmp_path, threads=1)
    with pytest.raises(UnavailableError):
        await attic.round("w1", Documents(stubborn))
    await stubborn.aclose()
    token = (await attic.world.look(batch)).put_away
    assert token is not None

    assert await attic.round("w2") == 1

    assert await attic.documents.ended_keys(batch.tenant, batch.id, but=token) == []
    await attic.bring_back(batch)
    assert await attic.everything() == before


class Frozen(Documents):
    """Documents of a shelver that is frozen before or after it looks for leftovers, and wakes up when this has happened."""

    def __init__(self, store: ObjectStore, meanwhile: Callable[[], Awaitable[Any]], *, after: bool) -> None:
        super().__init__(store)
        self._meanwhile = meanwhile
        self._after = after

    async def ended_keys(self, tenant: str, batch_id: str, *, but: str) -> list[str]:
        if not self._after:
            await self._meanwhile()
        found = await super().ended_keys(tenant, batch_id, but=but)
        if self._after:
            await self._meanwhile()
        return found


@pytest.mark.parametrize("after", [False, True])
async def test_a_shelver_that_was_frozen_for_long_removes_nothing_of_a_later_time_away(
    attic: Attic, after: bool
) -> None:
    batch = await ended(attic.world, TASKS)
    before = await attic.everything()

    async def a_month_passes() -> None:
        assert await attic.round("w2") == 1
        await attic.bring_back(batch)
        assert await attic.round("w2") == 1

    slow = Frozen(attic.documents.store, a_month_passes, after=after)
    await attic.round("w1", slow)

    await attic.bring_back(batch)
    assert await attic.everything() == before
