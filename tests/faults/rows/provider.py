"""A provider that changes its limits, fails, or answers nonsense."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from core.state import keys
from core.state.connection import command
from schemas.task import TaskState
from tests.faults.row import Figure, Result, Size, row
from tests.faults.stage import LANE, SLOW, Stage
from tests.studio import WITHIN_S, Studio, eventually, manifest, numbered


@row("limit cut tenfold, unannounced", quick=Size(28), long=Size(500))
async def cut(stage: Stage, size: Size) -> Result:
    before, after = 1200, 120
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "4"})
    stage.east.latency(SLOW)
    stage.east.limits(images_per_minute=before)
    studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= size.tasks // 2)

    stage.east.limits(images_per_minute=after)

    count = await answers_until_known(stage, studio, after)
    await studio.ended(batch_id, size.within_s)
    books, refused = await studio.books(batch_id), stage.east.ledger()["totals"]["rate_limited"]
    assert (books.done, books.settled, books.held) == (size.tasks, books.charged, 0)
    figures = (
        Figure("answers until the new limit was kept", count, at_most=2),  # one, and one beside it
        Figure("429s", 100 * refused / size.tasks, " %", at_most=0.5),
    )
    return Result(books, figures)


async def answers_until_known(stage: Stage, studio: Studio, images_per_minute: int) -> int:
    """How many answers came before the lane knew its new limit."""
    answered, end_s = answers(stage), time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        known = await command(studio.client, "HGET", keys.lane(LANE), "limit:images")
        if known and float(known) == images_per_minute:
            return answers(stage) - answered
        await asyncio.sleep(0.002)
    raise AssertionError("the new limit was not learnt")


def answers(stage: Stage) -> int:
    return int(stage.east.ledger(since=1_000_000)["totals"]["calls"])


@row("one answer in five is a 500", quick=Size(16), long=Size(300))
async def often_failing(stage: Stage, size: Size) -> Result:
    """Not charged; a task of which three tries failed is given up by its name, and can be made again."""
    studio = await stage.studio()
    stage.east.script({"kind": "error_500", "probability": 0.2})
    studio.worker()
    batch_id = await studio.submit(manifest(*numbered(size.tasks)))
    batch = await studio.ended(batch_id, size.within_s)
    books, sends = await studio.books(batch_id), len(studio.calls(batch_id))
    failed = batch.counts["failed"]
    assert batch.failures_by_class in ({}, {"server_error": failed})
    assert (books.done, books.settled, books.held) == (size.tasks - failed, books.charged, 0)
    assert sends <= 3 * size.tasks
    return Result(books, (Figure("sends a task", sends / size.tasks), Figure("given up", failed)))


OUTAGE_S = 60.0


@row("every answer is a 503 for a while", quick=Size(60), long=Size(1000))
async def failing(stage: Stage, size: Size) -> Result:
    """The breaker opens, one probe at a time finds out, and nothing is given up. The quick one has a quick breaker."""
    studio = await stage.studio()
    if not size.is_long:
        await command(studio.client, "HSET", keys.lane(LANE), "open_us", 500_000)
    stage.east.script({"kind": "error_503", "retry_after_s": 1})
    studio.worker()
    batch_id, began_s = await studio.submit(manifest(*numbered(size.tasks))), time.monotonic()

    async def has_tried_again() -> bool:
        is_over = not size.is_long or time.monotonic() - began_s >= OUTAGE_S
        return is_over and await is_broken(studio) and len(studio.calls(batch_id)) >= 21

    await eventually(has_tried_again, size.within_s)
    stage.east.script()
    healed_s = time.monotonic()
    await studio.until(batch_id, lambda batch: batch.counts["done"] > 0, size.within_s)
    recovery_s = time.monotonic() - healed_s
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    refused = [
        call["client_request_id"].split(":")[1] for call in studio.calls(batch_id) if call["status"] == 503
    ]
    assert (books.done, books.settled, books.held) == (size.tasks, books.charged, 0)
    figures = (
        Figure("sends a task in the outage", len(refused) / len(set(refused)), at_most=1.10),
        Figure("recovery", recovery_s, " s", at_most=60),
    )
    return Result(books, figures)


async def is_broken(studio: Studio) -> bool:
    return await command(studio.client, "HGET", keys.lane(LANE), "broken_until") is not None


DOUBTS: dict[str, dict[str, Any]] = {
    "hang": {"kind": "hang", "seconds": 30},
    "reset before the headers": {"kind": "reset", "at_percent": 0},
    "reset at 1 percent": {"kind": "reset", "at_percent": 1},
    "reset at 50 percent": {"kind": "reset", "at_percent": 50},
    "reset at 99 percent": {"kind": "reset", "at_percent": 99},
    "a byte at a time": {"kind": "slow_drip", "bytes_per_s": 1},
    "half of the answer": {"kind": "truncated_json", "at_percent": 50},
    "all but its end": {"kind": "truncated_json", "at_percent": 99.9},
    "a gateway that gave up": {"kind": "gateway_html", "status": 504},
    "a gateway that failed": {"kind": "gateway_html", "status": 502},
}
USELESS: dict[str, dict[str, Any]] = {
    "base64 that is none": {"kind": "bad_base64"},
    "a page for a picture": {"kind": "not_an_image"},
    "another size": {"kind": "wrong_size"},
    "no data": {"kind": "empty_data"},
}
FINE = "fine"


@row("every fault of an answer's body", quick=Size(14 * 3, times=3), long=Size(14 * 50, times=50))
async def garbled(stage: Stage, size: Size) -> Result:
    """Each ends in its class. Beside every one goes a good one, so that the provider does not seem to be down."""
    faults = DOUBTS | USELESS
    studio = await stage.studio({"DARKROOM_WORKER__CALL_DEADLINE_S": "5", "DARKROOM_WORKER__SLOTS": "16"})
    stage.east.script(*({**rule, "match": {"prompt": f"[{name}]"}} for name, rule in faults.items()))
    studio.worker()
    names = [name for _ in range(size.times) for fault in faults for name in (FINE, FINE, fault)]
    titles = [f"[{name}] {number}" for number, name in enumerate(names)]
    batch_id = await studio.submit(manifest(*titles))
    await studio.ended(batch_id, size.within_s)
    books = await studio.books(batch_id)
    for task in await studio.task_list(batch_id):
        failure = task.failure["class"] if task.failure else None
        assert (task.state, failure) == end_of(names[task.index]), f"{names[task.index]}: {task}"
    calls = studio.calls(batch_id)
    assert len(calls) == len(titles)
    assert books.settled + books.held >= books.charged
    return Result(books, (Figure("kinds", len(faults)), Figure("of each", size.times)))


def end_of(name: str) -> tuple[TaskState, str | None]:
    """The state and the failure class in which a call of this name has to end."""
    if name in DOUBTS:
        return TaskState.PARKED, "doubtful"
    return (TaskState.FAILED, "bad_output") if name in USELESS else (TaskState.DONE, None)
