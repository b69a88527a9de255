"""Pictures that were paid for and are of no use, found in the spool of a process that died. Real Redis and storage."""

from __future__ import annotations

from pathlib import Path

from redis.asyncio import Redis

from core.clock import SystemClock
from core.documents import Documents
from core.state import keys
from core.storage.folder import FolderStore
from tests.faults.test_spooled_pictures import COST, money, sent, spooled
from tests.finishing import keeper_of
from tests.state.world import World
from workers.rescuer import Rescuer
from workers.shelf import CampaignShelf
from workers.spool import Spool


async def test_a_useless_picture_is_paid_also_where_its_task_failed_for_another_reason_meanwhile(
    redis: Redis, tmp_path: Path
) -> None:
    world, spool, clock = World(redis), Spool(tmp_path / "spool", 0), SystemClock()
    store = FolderStore(tmp_path / "store", threads=2)
    documents = Documents(store)
    claim = await sent(world)
    folder = spool.open("w1")
    spooled(folder, claim, side_px=8)
    folder.close()
    for state in ("parked", "queued"):  # taken for not charged
        await world.move(claim, state)
    await world.redis.hset(keys.batch(claim.batch_id), "deadline", 1)
    await world.batches.close(await world.batches.get(claim.tenant, claim.batch_id), reason="expired")
    rescuer = Rescuer(
        worker="w2",
        claims=world.claims,
        tasks=world.tasks,
        batches=world.batches,
        shelf=CampaignShelf(documents, world.batches),
        keeper=keeper_of("w2", documents, world.tasks, clock),
        spool=spool,
        clock=clock,
    )

    assert await rescuer.replay_spools() == 1

    assert (await world.task(claim)).state == "failed"
    assert (await money(world, claim))[:2] == (COST, 0)
    await store.aclose()
