"""Makes the archive of a release: batches in every state that a worker can be stopped, or killed, in the middle of.

python -m tests.acceptance.upgrade.record 0.1.0
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from core.state.batches import Change
from schemas.batch import Batch, BatchState
from tests.acceptance.upgrade.leftovers import KEPT, save
from tests.processes import RedisServer, Simulator, Worker
from tests.studio import MODEL, TENANT, Place, Studio, eventually, manifest, numbered

SMALL = {"model": MODEL, "quality": "low", "format": "webp", "compression": 0}
"""Pictures of a few thousand bytes: the archive is kept for ever."""
SLOW = 2.0
"""Latency factor at which a call is still under way when its worker is killed."""
TITLES = [*numbered(5), "a cup [moderation:input]", "a jug that is lost"]
CHAIN = {
    "hero": {"prompt": "A photo of {{ row.title }}."},
    "banner": {"prompt": "A wide scene around Image 1.", "from": "hero"},
}


def place_in(folder: Path, ending: ExitStack) -> Place:
    """Redis and a simulator, whose calls that are `lost` break off in the middle of the picture."""
    redis = RedisServer(folder / "redis")
    ending.callback(redis.kill)
    east = Simulator(folder / "east.log")
    ending.callback(east.kill)
    east.script({"kind": "reset", "at_percent": 50, "match": {"prompt": "is lost"}})
    more = {"DARKROOM_WORKER__SLOTS": "4", "DARKROOM_WORKER__CALL_DEADLINE_S": "5"}
    return Place(folder, redis, {"east": east}, more=more)


async def half_made(studio: Studio) -> None:
    """A batch with a chain: done, failed and parked tasks, and calls that are under way."""
    batch_id = await studio.submit(manifest(*TITLES, image=SMALL, name="half made", templates=CHAIN))

    def is_half_made(batch: Batch) -> bool:
        return batch.counts["done"] >= 3 and batch.counts["failed"] >= 1 and batch.counts["parked"] >= 1

    await studio.until(batch_id, is_half_made)


async def paused(studio: Studio) -> None:
    batch_id = await studio.submit(manifest(*numbered(12), image=SMALL, name="paused"))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 1)
    await studio.batches.steer(await studio.batch(batch_id), Change(state=BatchState.PAUSED))
    await studio.until(batch_id, lambda batch: batch.counts["running"] == 0)


async def spooled(studio: Studio, worker: Worker) -> Path:
    """Pictures that are paid, and that storage does not take: a file is where their folder would be."""
    batch_id = await studio.submit(manifest(*numbered(2), image=SMALL, name="spooled"))
    in_the_way = studio.place.folder / "store" / "tenants" / TENANT / "batches" / batch_id / "originals"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()

    async def is_delayed() -> bool:
        return [line["event"] for line in worker.events()].count("storing.delayed") >= 2

    await eventually(is_delayed)
    return in_the_way


async def record(version: str) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as ending:
        place = place_in(Path(name), ending)
        studio = Studio(place)
        worker = studio.worker(DARKROOM_WORKER__NAME="worker-1")
        await paused(studio)
        in_the_way = await spooled(studio, worker)
        await half_made(studio)
        place.lanes["east"].latency(SLOW)
        await studio.submit(manifest(*numbered(6), image=SMALL, name="under way"))
        await eventually(lambda: _at_work(place.lanes["east"]))
        worker.kill()
        await studio.submit(manifest(*numbered(2), image=SMALL, name="planning"))
        in_the_way.unlink()
        KEPT.mkdir(exist_ok=True)
        save(place.redis.url, place.folder, place.lanes["east"].ledger()["calls"], KEPT / f"{version}.tar.gz")
        await studio.aclose()


async def _at_work(simulator: Simulator) -> bool:
    return simulator.in_flight >= 2


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1]))
