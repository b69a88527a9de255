"""Workers that are killed, asked to stop, or frozen, with calls in flight."""

from __future__ import annotations

import signal

from schemas.batch import Batch
from schemas.task import TaskState
from tests.processes import Simulator
from tests.studio import Studio, eventually, manifest, numbered

SLOW = 0.1
"""Latency factor at which a call takes about 0.6 s."""


async def test_a_killed_worker_leaves_doubts_and_no_losses(studio: Studio, east: Simulator) -> None:
    east.latency(SLOW)
    victim = studio.worker(DARKROOM_WORKER__SLOTS="10")
    batch_id = await studio.submit(manifest(*numbered(40)))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 5 and east.in_flight >= 5)
    victim.send(signal.SIGKILL)
    studio.worker()

    batch = await studio.ended(batch_id)

    await eventually(lambda: is_quiet(east))
    books = await studio.books(batch_id)
    parked = batch.counts["parked"]
    assert 0 < parked <= 10
    assert (books.done, books.lost, books.duplicated, books.unaccounted) == (40 - parked, 0, 0, 0)
    assert books.held >= books.charged - books.settled > 0
    costs = [
        task.cost_usd_micros for task in await studio.task_list(batch_id) if task.state is TaskState.DONE
    ]
    assert books.settled == sum(costs)


async def test_a_worker_that_is_asked_to_stop_finishes_what_is_paid(studio: Studio, east: Simulator) -> None:
    east.latency(SLOW)
    leaving = studio.worker(DARKROOM_WORKER__SLOTS="10")
    batch_id = await studio.submit(manifest(*numbered(30)))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 5 and east.in_flight >= 5)

    leaving.send(signal.SIGTERM)

    assert leaving.exit_code() == 0
    left = await studio.batch(batch_id)
    assert (left.counts["running"], left.counts["parked"], left.held_usd_micros) == (0, 0, 0)
    studio.worker()
    await studio.ended(batch_id)
    books = await studio.books(batch_id)
    assert (books.done, books.lost, books.duplicated) == (30, 0, 0)
    assert (books.settled, books.held, len(east.calls(batch_id))) == (books.charged, 0, 30)


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


async def test_what_a_frozen_worker_has_paid_for_counts_when_it_thaws(
    studio: Studio, east: Simulator
) -> None:
    east.latency(SLOW)
    frozen = studio.worker(DARKROOM_WORKER__SLOTS="10")
    batch_id = await studio.submit(manifest(*numbered(30)))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 5 and east.in_flight >= 5)
    frozen.send(signal.SIGSTOP)
    studio.worker()
    batch = await studio.ended(batch_id)
    assert batch.counts["parked"] > 0

    frozen.send(signal.SIGCONT)

    await studio.until(batch_id, is_done)
    books = await studio.books(batch_id)
    assert (books.lost, books.duplicated, len(east.calls(batch_id))) == (0, 0, 30)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert frozen.is_running


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


async def is_quiet(simulator: Simulator) -> bool:
    return simulator.in_flight == 0


def is_done(batch: Batch) -> bool:
    return batch.counts["done"] == batch.counts["total"]
