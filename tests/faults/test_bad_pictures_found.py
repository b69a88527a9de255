"""Pictures that were paid for and are of no use, found in the spool of a process that died. Real Redis and storage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.documents import Documents
from core.state import keys
from core.storage.folder import FolderStore
from schemas.claim import Claim
from tests.faults.test_spooled_pictures import COST, money, sent, spooled
from tests.finishing import keeper_of
from tests.state.world import World
from workers.rescuer import Rescuer
from workers.shelf import CampaignShelf
from workers.spool import Spool


@pytest.fixture
async def rescuer(world: World, tmp_path: Path) -> AsyncIterator[Rescuer]:
    store, clock = FolderStore(tmp_path / "store", threads=2), SystemClock()
    documents = Documents(store)
    yield Rescuer(
        worker="w2",
        claims=world.claims,
        tasks=world.tasks,
        batches=world.batches,
        shelf=CampaignShelf(documents, world.batches),
        keeper=keeper_of("w2", documents, world.tasks, clock),
        spool=Spool(tmp_path / "spool", 0),
        clock=clock,
    )
    await store.aclose()


async def left_behind(world: World, tmp_path: Path, *states: str) -> Claim:
    """The claim of a task that went through these states after its worker had died with a useless picture."""
    claim = await sent(world)
    folder = Spool(tmp_path / "spool", 0).open("w1")
    spooled(folder, claim, side_px=8)
    folder.close()
    for state in states:
        assert (await world.move(claim, state)).status == "ok"
    return claim


@pytest.mark.parametrize("states", [(), ("parked",), ("spooled",), ("spooled", "parked")])
async def test_a_task_whose_only_picture_is_useless_fails_at_its_cost(
    world: World, rescuer: Rescuer, tmp_path: Path, states: tuple[str, ...]
) -> None:
    claim = await left_behind(world, tmp_path, *states)

    assert await rescuer.replay_spools() == 1

    assert (await world.task(claim)).state == "failed"
    assert (await money(world, claim))[:2] == (COST, 0)


@pytest.mark.parametrize("states", [("parked", "queued"), ("waiting",)])
async def test_a_useless_picture_that_is_found_late_does_not_fail_a_task_that_is_to_be_made_again(
    world: World, rescuer: Rescuer, tmp_path: Path, states: tuple[str, ...]
) -> None:
    claim = await left_behind(world, tmp_path, *states)

    assert await rescuer.replay_spools() == 1

    assert (await world.task(claim)).state == states[-1]
    assert (await money(world, claim))[:2] == (COST, 0)
    (again,) = await world.claim()
    assert (again.index, again.attempt) == (claim.index, 2)


async def test_a_useless_picture_is_paid_also_where_its_task_failed_for_another_reason_meanwhile(
    world: World, rescuer: Rescuer, tmp_path: Path
) -> None:
    claim = await left_behind(world, tmp_path, "parked", "queued")  # taken for not charged
    await world.redis.hset(keys.batch(claim.batch_id), "deadline", 1)
    await world.batches.close(await world.batches.get(claim.tenant, claim.batch_id), reason="expired")

    assert await rescuer.replay_spools() == 1

    assert (await world.task(claim)).state == "failed"
    assert (await money(world, claim))[:2] == (COST, 0)
