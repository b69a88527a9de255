"""Workers that are killed, replaced, frozen, or die of what they work on."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from schemas.batch import Batch, BatchState
from tests.benchmarks.rig.fleet import AS_SHIPPED
from tests.faults.front import StorageFront
from tests.faults.row import Figure, Result, Size, row
from tests.faults.stage import SLOW, Stage
from tests.processes import Worker
from tests.studio import WITHIN_S, Studio, eventually, manifest, numbered

FEW = {"DARKROOM_WORKER__SLOTS": "4"}


def ended(batch: Batch) -> int:
    """How many tasks have an end, or are in doubt."""
    return sum(batch.counts[name] for name in ("done", "failed", "parked", "skipped", "cancelled"))


async def has_gone_on(studio: Studio, batch_id: str, size: Size, number: int) -> None:
    """Waits for the part of the batch after which the fault comes for the `number`th time."""
    goal = size.tasks * number // (size.times + 1)
    await studio.until(batch_id, lambda batch: ended(batch) >= goal, size.within_s)


async def joined(studio: Studio) -> Worker:
    """One more worker. Nothing new starts meanwhile: a slow machine must not end the batch before the next fault."""
    await studio.limit_slots(0)
    worker = await asyncio.to_thread(studio.worker)
    await studio.limit_slots(1000)
    return worker


@row("kill -9 of a random worker", quick=Size(48, times=2), long=Size(1200, times=12))
async def killed(stage: Stage, size: Size) -> Result:
    """In the long size the lease is as long as in production, and tasks wait for their permit when it comes."""
    studio = await stage.studio(FEW | (AS_SHIPPED if size.is_long else {}))
    stage.east.latency(SLOW)
    if size.is_long:
        stage.east.limits(images_per_minute=600)
    count = 3 if size.is_long else 2
    alive, chance, deaths = [studio.worker() for _ in range(count)], random.Random(7), dict[int, float]()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    for number in range(1, size.times + 1):
        await has_gone_on(studio, batch_id, size, number)
        victim = alive.pop(chance.randrange(count))
        deaths[victim.pid] = time.time()
        victim.kill()
        alive.append(await joined(studio))
    await studio.ended(batch_id, size.within_s)
    await all_quiet(stage)
    books = await studio.books(batch_id)
    parked = (await studio.batch(batch_id)).counts["parked"]
    assert books.done == size.tasks - parked
    assert 0 < parked <= 4 * size.times
    assert books.settled + books.held >= books.charged
    return Result(books, (Figure("in doubt", parked), *resumption(studio, batch_id, deaths)))


async def all_quiet(stage: Stage) -> None:
    """What was charged is in the ledger when no call is in flight any more."""

    async def is_quiet() -> bool:
        return stage.east.in_flight == 0

    await eventually(is_quiet)


@dataclass(frozen=True, slots=True)
class Back:
    """A task that a worker held when it died, taken back at a unix second."""

    task: int
    died_s: float
    back_s: float
    was: str


def resumption(studio: Studio, batch_id: str, deaths: dict[int, float]) -> tuple[Figure, ...]:
    """How long it took until tasks of dead workers ran again; those that had been sent are parked by then."""
    calls = studio.calls(batch_id)
    waits = []
    for found in taken_back(studio.workers, deaths):
        at = [call["at"] for call in calls if call["client_request_id"].split(":")[1] == str(found.task)]
        again = [moment for moment in at if moment > found.back_s] if found.was == "claimed" else []
        waits.append(min(again, default=found.back_s) - found.died_s)
    worst = sorted(waits)[int(0.95 * (len(waits) - 1))]
    return Figure("tasks taken back", len(waits)), Figure("death to going on p95", worst, " s", at_most=45)


def taken_back(workers: list[Worker], deaths: dict[int, float]) -> list[Back]:
    lost = [event for worker in workers for event in worker.events() if event["event"] == "claim.lost"]
    found = []
    for event in lost:
        pid = int(event["worker"].split("-")[-2])
        if event["status"] == "ok" and pid in deaths:
            back_s = datetime.fromisoformat(event["timestamp"]).timestamp()
            found.append(Back(event["task"], deaths[pid], back_s, event["was"]))
    return found


class Held:
    """Holds back the first page of rows that storage is told, so that its plan is half made; used as a context."""

    def __init__(self, front: StorageFront) -> None:
        self._front = front
        self._reached, self._let_go = threading.Event(), threading.Event()

    def __enter__(self) -> Self:
        self._front.refuse(self._waits)
        return self

    def __exit__(self, *_: object) -> None:
        self._front.open()
        self._let_go.set()

    async def reached(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, WITHIN_S)

    def _waits(self, method: str, path: str) -> bool:
        if method == "PUT" and "/rows/" in path and not self._reached.is_set():
            self._reached.set()
            self._let_go.wait(WITHIN_S)
        return False


@row("kill -9 in the middle of a plan", quick=Size(6), long=Size(600, times=4))
async def killed_planning(stage: Stage, size: Size) -> Result:
    """Another worker makes the plan once the lease has run out."""
    studio = await stage.studio(AS_SHIPPED if size.is_long else {}, on_s3=True)
    worker, waits, books = studio.worker(), [], []
    for _ in range(size.times):
        with Held(stage.front) as held:
            batch_id = await studio.submit(manifest(*numbered(size.tasks)))
            await held.reached()
            worker.kill()
            died_s = time.monotonic()
        worker = await asyncio.to_thread(studio.worker)
        await studio.until(batch_id, lambda batch: batch.state is not BatchState.PLANNING, size.within_s)
        waits.append(time.monotonic() - died_s)
        await studio.ended(batch_id, size.within_s)
        books.append(await studio.books(batch_id))
        assert (books[-1].done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    made = [event for one in studio.workers for event in one.events() if event["event"] == "plan.made"]
    assert len(made) == size.times
    return Result(sum(books[1:], books[0]), (Figure("death to planned", max(waits), " s", at_most=45),))


@row("SIGTERM, one worker after the other", quick=Size(48, times=2), long=Size(1500, times=20))
async def rolled(stage: Stage, size: Size) -> Result:
    studio = await stage.studio(FEW)
    stage.east.latency(SLOW)
    alive = [studio.worker(), studio.worker()]
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    codes = []
    for number in range(1, size.times + 1):
        await has_gone_on(studio, batch_id, size, number)
        alive.append(await joined(studio))
        leaving = alive.pop(0)
        leaving.send(signal.SIGTERM)
        codes.append(leaving.exit_code())
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert set(codes) == {0}
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    return Result(books, (Figure("paid calls that were dropped", 0, at_most=0),))


@row("SIGSTOP past the lease", quick=Size(48), long=Size(500, times=5))
async def frozen(stage: Stage, size: Size) -> Result:
    """What a frozen worker has paid for counts when it thaws."""
    studio = await stage.studio(FEW)
    stage.east.latency(SLOW)
    sleeper, _ = studio.worker(), studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    parked = 0
    for number in range(1, size.times + 1):
        await has_gone_on(studio, batch_id, size, number)
        await studio.until(
            batch_id, lambda batch: batch.counts["running"] >= 5
        )  # so that some are the sleeper's
        sleeper.send(signal.SIGSTOP)
        doubts = await studio.until(batch_id, lambda batch: batch.counts["parked"] > 0, size.within_s)
        parked += doubts.counts["parked"]
        sleeper.send(signal.SIGCONT)
        await studio.until(batch_id, lambda batch: batch.counts["parked"] == 0)
    await studio.until(batch_id, lambda batch: batch.counts["done"] == size.tasks, size.within_s)
    books = await studio.books(batch_id)
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert sleeper.is_running
    return Result(books, (Figure("doubts that resolved", parked),))


POISON = "a poisoned row"


@row("rows that kill their worker", quick=Size(12, times=1), long=Size(200, times=10))
async def poisoned(stage: Stage, size: Size) -> Result:
    """Workers die of preparing them; three deaths are enough, and no other task is given up for it."""
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "3"})
    step = size.tasks // size.times
    titles = [
        f"{POISON} {number}" if number % step == 1 else name
        for number, name in enumerate(numbered(size.tasks))
    ]
    words = (sys.executable, "-m", "tests.faults.fragile", POISON)
    worker = studio.worker(*words)
    batch_id = await studio.submit(manifest(*titles))

    async def has_ended() -> Batch | None:
        nonlocal worker
        if not worker.is_running:
            worker = studio.worker(*words)
        batch = await studio.batch(batch_id)
        return batch if ended(batch) == size.tasks else None

    batch = await eventually(has_ended, size.within_s)
    books = await studio.books(batch_id)
    assert batch.failures_by_class.get("poison") == size.times, batch.failures_by_class
    assert books.done == size.tasks - size.times - batch.counts["parked"]
    assert books.settled + books.held >= books.charged
    deaths = len(studio.workers) - 1
    return Result(books, (Figure("deaths for each such row", deaths / size.times, at_most=3),))
