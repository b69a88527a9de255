"""Small batches beside huge ones, and tenants that share alike."""

from __future__ import annotations

from collections import Counter

from schemas.batch import Batch
from tests.faults.row import Figure, Result, Size, row
from tests.faults.stage import Stage
from tests.studio import TENANT, Books, Studio, manifest, numbered

SMALL = 20
WORST = 2.5
"""A small batch may take so many times as long as alone: its half of the lane, and the permits that were given before."""


@row("20 tasks behind a huge batch", quick=Size(400), long=Size(20_000, times=5))
async def behind(stage: Stage, size: Size) -> Result:
    per_minute = 250 if size.is_long else 1200
    studio = await stage.studio({"DARKROOM_LANES__EAST__IMAGES_PER_MINUTE": str(per_minute)})
    stage.east.latency(0.3 if size.is_long else 0.02)
    stage.east.limits(images_per_minute=per_minute)
    studio.worker()
    alone = await small_batch(studio, size)
    huge_id = await studio.submit(manifest(*numbered(size.tasks)))
    await studio.until(huge_id, lambda batch: batch.counts["done"] >= SMALL, size.within_s)
    beside = [await small_batch(studio, size) for _ in range(size.times)]
    await studio.batches.cancel(TENANT, huge_id)
    await studio.ended(huge_id)
    turns = max(turns_of(stage, batch.id) for batch in beside)
    assert turns <= WORST * SMALL
    books = [await studio.books(batch_id) for batch_id in (huge_id, alone.id, *(each.id for each in beside))]
    ratio = max(took_s(batch) for batch in beside) / took_s(alone)
    return Result(total(books), (Figure("time behind / alone", ratio, at_most=WORST),))


async def small_batch(studio: Studio, size: Size) -> Batch:
    batch_id = await studio.submit(manifest(*numbered(SMALL)), tenant="small")
    return await studio.ended(batch_id, size.within_s)


def took_s(batch: Batch) -> float:
    assert batch.started_at_ms is not None
    assert batch.finished_at_ms is not None
    return (batch.finished_at_ms - batch.started_at_ms) / 1000


def turns_of(stage: Stage, batch_id: str) -> int:
    """How many calls of all batches were let in from the first to the last of this one."""
    order = [
        call["client_request_id"].split(":")[0]
        for call in sorted(stage.east.ledger()["calls"], key=lambda call: call["at"])
    ]
    return len(order) - order[::-1].index(batch_id) - order.index(batch_id)


def total(books: list[Books]) -> Books:
    return sum(books[1:], books[0])


TENANTS = 4


@row("equal tenants with one to four batches", quick=Size(48), long=Size(1200))
async def equal(stage: Stage, size: Size) -> Result:
    """Jain's index of what each tenant was served while all of them had work: 1 is perfect."""
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "16"})
    await studio.limit_slots(0)
    stage.east.latency(0.02)
    studio.worker()
    owners: dict[str, str] = {}
    for number in range(1, TENANTS + 1):
        for _ in range(number):
            batch_id = await studio.submit(
                manifest(*numbered(size.tasks // number)), tenant=f"tenant-{number}"
            )
            owners[batch_id] = f"tenant-{number}"
    for batch_id in owners:
        await studio.until(batch_id, lambda batch: batch.counts["queued"] > 0)
    await studio.limit_slots(16)
    for batch_id in owners:
        await studio.ended(batch_id, size.within_s)
    shares = served(stage, owners, TENANTS * size.tasks // 2)
    index = sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares))
    assert index >= 0.98, shares
    books = total([await studio.books(batch_id) for batch_id in owners])
    assert (books.settled, books.held) == (books.charged, 0)
    return Result(books, (Figure("Jain's index", index, at_least=0.98),))


def served(stage: Stage, owners: dict[str, str], first: int) -> list[int]:
    """How many of the first so many calls each tenant got."""
    calls = sorted(stage.east.ledger()["calls"], key=lambda call: call["at"])[:first]
    shares = Counter(owners[call["client_request_id"].split(":")[0]] for call in calls)
    return [shares[tenant] for tenant in sorted(set(owners.values()))]
