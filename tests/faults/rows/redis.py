"""Redis that is killed under load, or forgets everything."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

from core.state.connection import command
from tests.faults.row import Figure, Result, Size, row
from tests.faults.rows.deaths import has_gone_on
from tests.faults.stage import Stage
from tests.processes import ROOT, Worker
from tests.studio import Studio, eventually, manifest, numbered


@row("kill -9 of Redis, and a restart", quick=Size(60), long=Size(2000, times=10))
async def killed(stage: Stage, size: Size) -> Result:
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "10"})
    stage.east.latency(0.05)
    worker = studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    forgotten = 0
    for number in range(1, size.times + 1):
        await has_gone_on(studio, batch_id, size, number)
        before = await studio.batch(batch_id)
        noticed = noticed_by(worker)
        stage.redis.send(signal.SIGKILL)
        stage.redis.exit_code()

        async def is_noticed(since: int = noticed) -> bool:
            return noticed_by(worker) > since

        await eventually(is_noticed)
        stage.redis.restart()
        forgotten += max(0, before.counts["done"] - (await studio.batch(batch_id)).counts["done"])
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert forgotten == 0
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert worker.is_running
    return Result(books, (Figure("acknowledged and forgotten", forgotten, at_most=0),))


def noticed_by(worker: Worker) -> int:
    """How often a worker has said that it could not write what is paid for."""
    return sum(event["event"] == "storing.delayed" for event in worker.events())


SLOTS = 8


@row("FLUSHALL, then a rebuild from storage", quick=Size(40), long=Size(10_000))
async def flushed(stage: Stage, size: Size) -> Result:
    """The worker lives on. What was in flight, of which storage knows nothing yet, may be paid once more."""
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": str(SLOTS)})
    stage.east.latency(0.05)
    worker = studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    await has_gone_on(studio, batch_id, size, 1)
    await command(studio.client, "FLUSHALL")
    began_s = time.monotonic()
    await asyncio.to_thread(rebuild, studio, batch_id, size.within_s)
    took_s = time.monotonic() - began_s
    await studio.ended(batch_id, size.within_s)
    books, calls = await studio.books(batch_id), len(studio.calls(batch_id))
    assert books.done == size.tasks
    assert calls - size.tasks <= SLOTS
    assert worker.is_running
    figures = (
        Figure("rebuild", took_s, " s", at_most=120),
        Figure("made again", calls - size.tasks, at_most=SLOTS),
    )
    return Result(books, figures, forgotten=SLOTS)


def rebuild(studio: Studio, batch_id: str, within_s: float) -> None:
    """Runs the command."""
    argv = [sys.executable, "-m", "cli.main", "rebuild", "--from-storage", "--batch", batch_id]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    subprocess.run(
        argv,
        cwd=ROOT,
        env=kept | studio.place.settings(),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=within_s,
    )
