"""Storage that is down, slow, or refuses, and a disk of the spool that takes nothing. Nothing is bought again for it."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from tests.faults.front import CONFLICT, INTERNAL_ERROR, SLOW_DOWN, Asked, Refusal
from tests.faults.proxy import Fault, Way
from tests.faults.row import Figure, Result, Row, Size, row
from tests.faults.rows.deaths import FEW, has_gone_on
from tests.faults.stage import SLOW, Stage
from tests.processes import Worker
from tests.studio import Studio, eventually, manifest, numbered


def of_pictures(method: str, path: str) -> bool:
    """What is bought: originals, pictures and receipts."""
    return method == "PUT" and ("/pictures/" in path or "/originals/" in path)


def first_of_each(times: int) -> Asked:
    """The first so many tries to store each file."""
    tries: Counter[str] = Counter()

    def asked(method: str, path: str) -> bool:
        if of_pictures(method, path):
            tries[path] += 1
        return of_pictures(method, path) and tries[path] <= times

    return asked


def every_second() -> Asked:
    """Half of the tries, whatever they store."""
    tries: Counter[str] = Counter()

    def asked(method: str, path: str) -> bool:
        tries["all"] += of_pictures(method, path)
        return of_pictures(method, path) and tries["all"] % 2 == 1

    return asked


async def all_stored(studio: Studio, batch_id: str, size: Size) -> Result:
    """Waits for the end: every picture was bought once, and is there once, with its receipt."""
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert len(await studio.keys(batch_id, "pictures")) == 2 * size.tasks
    assert len(await studio.receipts(batch_id)) == size.tasks
    again = len(studio.calls(batch_id)) - size.tasks
    return Result(books, (Figure("bought again", again, at_most=0),))


async def is_delayed(worker: Worker) -> None:
    """Waits until a worker says that it cannot store."""

    async def says_so() -> bool:
        return worker.has_logged("storing.delayed")

    await eventually(says_so)


@row("storage down", quick=Size(10), long=Size(200))
async def down(stage: Stage, size: Size) -> Result:
    """It refuses until all is bought, and then nothing listens there for a while. A worker buys no more than it has slots,
    which are 200: what is not stored yet keeps its own."""
    studio = await stage.studio(on_s3=True)
    worker = studio.worker()
    stage.front.refuse(of_pictures)
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))

    async def all_bought() -> bool:
        return len(studio.calls(batch_id)) == size.tasks

    await eventually(all_bought, size.within_s)
    stage.to_storage.shut()
    stage.front.open()
    await is_delayed(worker)
    stage.to_storage.open()
    return await all_stored(studio, batch_id, size)


@row("storage slow", quick=Size(8), long=Size(120))
async def slow(stage: Stage, size: Size) -> Result:
    """Each connection takes 50 KB/s of what is stored."""
    studio = await stage.studio(on_s3=True)
    stage.to_storage.spoil(Way.UP, Fault(bytes_per_s=50_000))
    studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    return await all_stored(studio, batch_id, size)


def refusing(name: str, asked: Asked, answer: Refusal) -> Row:
    """Storage that answers what is asked with a refusal."""

    @row(f"storage: {name}", quick=Size(10), long=Size(500))
    async def refused(stage: Stage, size: Size) -> Result:
        studio = await stage.studio(on_s3=True)
        stage.front.refuse(asked, answer)
        studio.worker()
        batch_id = await studio.submit(manifest(*numbered(size.tasks)))
        result = await all_stored(studio, batch_id, size)
        assert stage.front.refused > 0
        return replace(result, figures=(*result.figures, Figure("refused", stage.front.refused)))

    return refused


errors = refusing("every second write a 503", every_second(), SLOW_DOWN)
late_errors = refusing(
    "500 after it was written, then 412",
    first_of_each(1),
    Refusal(INTERNAL_ERROR.status, INTERNAL_ERROR.code, is_late=True),
)
conflicts = refusing("409, six times for each file", first_of_each(6), CONFLICT)


@row("storage: another file in its place, 412", quick=Size(6), long=Size(100))
async def taken(stage: Stage, size: Size) -> Result:
    """An original that is not ours is never overwritten; ours goes beside it, and so does all that is made of it."""
    studio = await stage.studio(on_s3=True)
    await studio.limit_slots(0)
    studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    await studio.until(batch_id, lambda batch: batch.counts["queued"] == size.tasks)
    strange = f"tenants/acme/batches/{batch_id}/originals/row-0/hero-default-1024x1024-1.jpg"
    await studio.documents.store.put_bytes(strange, b"not ours", media_type="image/jpeg", overwrite=False)
    await studio.limit_slots(50)
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert await studio.documents.store.get_bytes(strange) == b"not ours"
    assert (await studio.task_list(batch_id))[0].asset_key == "row-0/hero-default-1024x1024-1.attempt-1.jpg"
    return Result(books)


FILL_BYTES = 1_000_000_000


@row("the spool's disk nearly full", quick=Size(24), long=Size(300, times=3))
async def nearly_full(stage: Stage, size: Size) -> Result:
    """Claims stop first; what is in flight finds room. A quota stands for the disk, so that it runs anywhere."""
    free = shutil.disk_usage(stage.folder).free
    studio = await stage.studio(FEW | {"DARKROOM_SPOOL__MIN_FREE_BYTES": str(free - FILL_BYTES // 2)})
    stage.east.latency(SLOW)
    worker = studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    for number in range(1, size.times + 1):
        await has_gone_on(studio, batch_id, size, number)
        filler, warned = filled(stage.folder), warnings(worker)

        async def stands_still(since: int = warned) -> bool:
            batch = await studio.batch(batch_id)
            return warnings(worker) > since and batch.counts["running"] == 0

        await eventually(stands_still)
        assert (await studio.batch(batch_id)).counts["queued"] > 0
        filler.unlink()
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held) == (books.charged, 0)
    return Result(books, (Figure("paid pictures lost", 0, at_most=0),))


def filled(folder: Path) -> Path:
    """A file that takes the room."""
    path = folder / "filler"
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, FILL_BYTES)
    return path


def warnings(worker: Worker) -> int:
    return sum(event["event"] == "spool.filled" for event in worker.events())


FILE_BLOCKS = 100
"""Of 512 bytes: longer than an order or a log of this row, shorter than a picture."""


@row("a disk that takes orders and no pictures", quick=Size(4), long=Size(40))
async def full(stage: Stage, size: Size) -> Result:
    """It fills up while calls are in flight: what is paid and lost is a doubt that keeps its money, and no more."""
    studio = await stage.studio()
    studio.worker("sh", "-c", f'ulimit -f {FILE_BLOCKS}; exec "$0" -m workers', sys.executable)
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    batch = await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert (batch.counts["parked"], len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert books.charged <= books.settled + books.held
    return Result(books, (Figure("paid and lost, known", batch.counts["parked"]),))
