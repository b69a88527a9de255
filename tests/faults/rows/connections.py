"""Connections that end or slow down on the way: the answers of the Images API, and everything of Redis."""

from __future__ import annotations

from functools import partial

from schemas.batch import Batch
from tests.faults.proxy import Ending, Fault, Way
from tests.faults.row import Figure, Result, Row, Size, row
from tests.faults.rows.deaths import all_quiet, has_gone_on
from tests.faults.rows.redis import noticed_by
from tests.faults.stage import Stage
from tests.studio import eventually, manifest, numbered

SLOTS = 8
INSIDE_BYTES = 3000
"""Behind the headers of an answer, and within the picture."""


def of_answers(name: str, ending: Ending) -> Row:
    """Answers of the Images API whose connection ends inside of the picture: doubts, never repeated. As many at once as a
    worker has slots, and then pictures again: a lane on which nothing else succeeds is asked ever more seldom."""

    def spoil(stage: Stage, times: int) -> None:
        stage.to_east.spoil(Way.DOWN, Fault(ending=ending, after_bytes=INSIDE_BYTES, times=times))

    @row(f"answers of the Images API: {name}", quick=Size(20, times=3), long=Size(400, times=64))
    async def broken(stage: Stage, size: Size) -> Result:
        lasting = {"DARKROOM_WORKER__CALL_DEADLINE_S": "5", "DARKROOM_WORKER__SLOTS": str(SLOTS)}
        studio = await stage.studio(lasting)
        studio.worker()
        spoil(stage, min(SLOTS, size.times))
        batch_id = await studio.submit(manifest(*numbered(size.tasks)))
        for struck in range(SLOTS, size.times, SLOTS):
            await studio.until(batch_id, partial(_has_parked, struck), size.within_s)
            stage.to_east.heal()
            await has_gone_on(studio, batch_id, size, struck)
            spoil(stage, min(SLOTS, size.times - struck))
        batch = await studio.ended(batch_id, size.within_s)
        stage.to_east.heal()
        await all_quiet(stage)
        books = await studio.books(batch_id)
        assert (batch.counts["parked"], books.done) == (size.times, size.tasks - size.times)
        assert len(studio.calls(batch_id)) == size.tasks
        assert books.settled + books.held >= books.charged
        return Result(books, (Figure("connections that ended", size.times),))

    return broken


def _has_parked(number: int, batch: Batch) -> bool:
    return batch.counts["parked"] == number


cut_answers = of_answers("cut", Ending.CUT)
reset_answers = of_answers("reset", Ending.RESET)
lost_answers = of_answers("blackhole", Ending.BLACKHOLE)


@row("answers of the Images API: bandwidth", quick=Size(8), long=Size(100))
async def slow_answers(stage: Stage, size: Size) -> Result:
    studio = await stage.studio()
    stage.to_east.spoil(Way.DOWN, Fault(bytes_per_s=60_000, latency_s=0.01))
    studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
    assert (books.settled, books.held) == (books.charged, 0)
    return Result(books)


def of_redis(name: str, way: Way, ending: Ending) -> Row:
    """Connections to Redis that end in the middle: a script may have run whose answer never came, or not."""

    @row(f"connections to Redis: {name}", quick=Size(30, times=3), long=Size(1500, times=150))
    async def broken(stage: Stage, size: Size) -> Result:
        studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "8"})
        stage.east.latency(0.03)
        worker = studio.worker()
        batch_id = await studio.submit(manifest(*numbered(size.tasks)))
        await studio.until(batch_id, lambda batch: batch.counts["done"] >= 2)
        stage.to_redis.spoil(way, Fault(ending=ending, after_bytes=400, times=size.times))
        await studio.ended(batch_id, size.within_s)
        struck = stage.to_redis.struck(way)
        books = await studio.books(batch_id)
        assert struck > 0
        assert (books.done, len(studio.calls(batch_id))) == (size.tasks, size.tasks)
        assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
        assert worker.is_running
        return Result(books, (Figure("connections that ended", struck),))

    return broken


cut_questions = of_redis("questions cut", Way.UP, Ending.CUT)
cut_replies = of_redis("answers cut", Way.DOWN, Ending.CUT)
reset_replies = of_redis("answers reset", Way.DOWN, Ending.RESET)


@row("connections to Redis: blackhole", quick=Size(40), long=Size(400, times=5))
async def unheard(stage: Stage, size: Size) -> Result:
    """What was asked arrives after it was given up, as TCP would repeat it, and after leases have run out."""
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "8"})
    stage.east.latency(0.05)
    worker = studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    for number in range(1, size.times + 1):
        await has_gone_on(studio, batch_id, size, number)
        noticed = noticed_by(worker)
        for way in Way:
            stage.to_redis.spoil(way, Fault(ending=Ending.BLACKHOLE))

        async def is_noticed(since: int = noticed) -> bool:
            return noticed_by(worker) > since

        await eventually(is_noticed)
        stage.to_redis.heal()
    await studio.until(batch_id, lambda batch: batch.counts["done"] == size.tasks, size.within_s)
    books = await studio.books(batch_id)
    assert len(studio.calls(batch_id)) == size.tasks
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert worker.is_running
    return Result(books, (Figure("breaks", size.times),))
