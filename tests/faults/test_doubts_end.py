"""Workers that die with calls in flight: what becomes of each doubt, without anybody's help."""

from __future__ import annotations

from typing import Any

from schemas.batch import Batch
from schemas.task import TaskState
from tests.processes import Simulator, Worker
from tests.studio import Studio, eventually, manifest, numbered

SOON = {"DARKROOM_WORKER__CALL_DEADLINE_S": "6", "DARKROOM_LANES__EAST__USAGE_LAG_S": "0.5"}
"""For who looks at doubts; those that are to die in the middle of a call wait as long as calls can take."""

AUDITED = SOON | {"DARKROOM_LANES__EAST__ADMIN_KEY": "sk-admin-of-east"}


def stuck(count: int) -> list[str]:
    return [f"stuck thing {number}" for number in range(count)]


def hang(**more: Any) -> dict[str, Any]:
    """Calls that have no answer, of pictures of something stuck."""
    return {"kind": "hang", "seconds": 60, "match": {"prompt": "stuck"}, **more}


async def are_asked(studio: Studio, count: int, *batches: str) -> None:
    """Waits until so many calls are in the ledgers."""

    async def look() -> bool:
        return sum(len(studio.calls(batch_id)) for batch_id in batches) == count

    await eventually(look)


def resolved(worker: Worker) -> list[tuple[str, str, str]]:
    events = [event for event in worker.events() if event["event"] == "doubt.resolved"]
    return [(event["by"], event["charged"], event["to"]) for event in events]


async def resolves(worker: Worker, count: int) -> list[tuple[str, str, str]]:
    """Waits until a worker has resolved so many doubts; how."""

    async def look() -> bool:
        return len(resolved(worker)) >= count

    await eventually(look)
    return resolved(worker)


async def test_calls_that_the_usage_report_counts_are_spent_and_never_made_again(
    studio: Studio, east: Simulator
) -> None:
    east.script(hang())
    victim = studio.worker()
    batch_id = await studio.submit(manifest(*numbered(10), *stuck(6)))
    await studio.until(batch_id, lambda batch: batch.counts["done"] == 10)
    await are_asked(studio, 16, batch_id)
    victim.kill()
    east.script()

    how = await resolves(studio.worker(**AUDITED), 6)

    assert how == [("report", "yes", "parked")] * 6
    books, tasks = await studio.books(batch_id), await studio.task_list(batch_id)
    assert (books.done, books.lost, books.duplicated, len(east.calls(batch_id))) == (10, 0, 0, 16)
    assert (books.held, books.surplus, books.unaccounted) == (0, 0, 0)
    assert books.settled == sum(task.cost_usd_micros for task in tasks)
    assert {(task.failure or {}).get("charged") for task in tasks if task.state is TaskState.PARKED} == {
        "yes"
    }


async def test_calls_that_the_usage_report_does_not_count_are_made_again_for_nothing(
    studio: Studio, east: Simulator
) -> None:
    east.script(hang(charged=False))
    victim = studio.worker()
    batch_id = await studio.submit(manifest(*numbered(10), *stuck(6), spend={"cap_usd": "10"}))
    await studio.until(batch_id, lambda batch: batch.counts["done"] == 10)
    await are_asked(studio, 16, batch_id)
    victim.kill()
    east.script()

    how = await resolves(studio.worker(**AUDITED), 6)

    assert how == [("report", "no", "queued")] * 6
    await studio.until(batch_id, is_done)
    books = await studio.books(batch_id)
    assert (books.lost, books.duplicated, len(east.calls(batch_id))) == (0, 0, 22)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)


async def test_where_nobody_can_be_asked_each_batch_decides_within_its_budget(
    studio: Studio, east: Simulator
) -> None:
    east.script(hang())
    victim = studio.worker()
    careful = await studio.submit(manifest(*stuck(3)))
    bold = await studio.submit(manifest(*stuck(7), spend={"on_doubt": "retry_once"}))
    await are_asked(studio, 10, careful, bold)
    victim.kill()
    east.script()

    how = await resolves(studio.worker(**SOON), 10)

    assert sorted(how) == [("on_doubt", "unknown", "parked")] * 5 + [("on_doubt", "unknown", "queued")] * 5
    await studio.until(bold, lambda batch: batch.counts["done"] == 5)
    assert (await studio.batch(careful)).counts["parked"] == 3
    books, bolder = await studio.books(careful), await studio.books(bold)
    assert (books.settled, books.unaccounted, len(east.calls(careful))) == (0, 0, 3)
    assert books.held >= books.charged > 0
    assert (bolder.duplicated, bolder.lost, bolder.unaccounted, len(east.calls(bold))) == (5, 0, 0, 12)
    parked, _ = await studio.tasks.page(await studio.batch(bold), start=0, limit=10, state=TaskState.PARKED)
    assert len(parked) == 2


async def test_a_living_worker_asks_the_report_as_well_before_it_pays_twice(
    studio: Studio, east: Simulator
) -> None:
    east.script({"kind": "reset", "times": 1, "charged": False})
    worker = studio.worker(**AUDITED)
    batch_id = await studio.submit(manifest("cup", spend={"on_doubt": "retry_once"}))

    how = await resolves(worker, 1)

    assert how == [("report", "no", "queued")]
    await studio.until(batch_id, is_done)
    books = await studio.books(batch_id)
    assert (books.lost, books.held, books.unaccounted, len(east.calls(batch_id))) == (0, 0, 0, 2)
    assert (books.duplicated, books.settled) == (0, books.charged)


def is_done(batch: Batch) -> bool:
    return batch.counts["done"] == batch.counts["total"]
