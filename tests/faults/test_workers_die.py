"""Workers that are killed, asked to stop, or frozen, with calls in flight."""

from __future__ import annotations

import signal

from schemas.batch import Batch
from tests.processes import Simulator
from tests.studio import Studio, eventually, manifest, numbered

SLOW = 0.1
"""Latency factor at which a call takes about 0.6 s."""


async def test_a_worker_whose_time_to_stop_is_up_says_so_and_leaves_doubts(
    studio: Studio, east: Simulator
) -> None:
    east.script({"kind": "hang", "seconds": 60})
    leaving = studio.worker(DARKROOM_WORKER__DRAIN_S="0.5")
    batch_id = await studio.submit(manifest(*numbered(3)))

    async def are_charged() -> bool:
        return len(east.calls(batch_id)) == 3

    await eventually(are_charged)
    leaving.send(signal.SIGTERM)

    assert leaving.exit_code() == 1
    studio.worker()
    batch = await studio.until(batch_id, lambda batch: batch.counts["parked"] == 3)
    books = await studio.books(batch_id)
    assert (books.lost, books.duplicated, books.settled, books.unaccounted) == (0, 0, 0, 0)
    assert batch.held_usd_micros >= books.charged > 0


async def test_a_result_that_comes_after_another_is_kept_beside_it_and_paid_for(
    studio: Studio, east: Simulator
) -> None:
    east.latency(SLOW)
    frozen = studio.worker()
    batch_id = await studio.submit(manifest("cup"))
    await eventually(lambda: is_busy(east))
    frozen.send(signal.SIGSTOP)
    studio.worker()
    await studio.until(batch_id, lambda batch: batch.counts["parked"] == 1)
    await studio.replay(batch_id, 0)
    await studio.until(batch_id, is_done)

    frozen.send(signal.SIGCONT)

    async def is_counted() -> bool:
        return (await studio.books(batch_id)).surplus > 0

    await eventually(is_counted)
    books, (task,) = await studio.books(batch_id), await studio.task_list(batch_id)
    assert (books.done, books.lost, books.held, books.unaccounted) == (1, 0, 0, 0)
    assert books.settled + books.surplus == books.charged
    assert books.settled == task.cost_usd_micros
    first, second = await studio.receipts(batch_id)
    assert {(first.attempt, first.surplus), (second.attempt, second.surplus)} == {(1, True), (2, False)}
    assert task.asset_key == next(receipt.asset for receipt in (first, second) if not receipt.surplus)


async def test_a_task_that_makes_workers_fail_is_tried_three_times(studio: Studio, east: Simulator) -> None:
    templates = {
        "hero": {"prompt": "A photo of {{ row.title }}."},
        "banner": {"prompt": "A wide scene around Image 1.", "from": "hero"},
    }
    await studio.forget()
    await studio.limit_slots(0)
    worker = studio.worker()
    batch_id = await studio.submit(manifest("cup", templates=templates))
    await studio.until(batch_id, lambda batch: batch.counts["queued"] == 2)
    await studio.lose_rows(batch_id)
    await studio.limit_slots(1)

    async def has_ended() -> Batch | None:
        await studio.hurry(batch_id, "east")
        batch = await studio.batch(batch_id)
        return batch if batch.counts["failed"] == 2 else None

    batch = await eventually(has_ended)
    assert batch.failures_by_class == {"poison": 1, "parent_failed": 1}
    assert (batch.held_usd_micros, batch.spent_usd_micros, east.calls(batch_id)) == (0, 0, [])
    assert sum(event["event"] == "attempt.crashed" for event in worker.events()) == 3


async def is_busy(simulator: Simulator) -> bool:
    return simulator.in_flight > 0


def is_done(batch: Batch) -> bool:
    return batch.counts["done"] == batch.counts["total"]
