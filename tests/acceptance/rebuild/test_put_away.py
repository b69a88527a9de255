"""A worker puts the tasks of an ended batch away; neither money nor what a rebuild brings back is changed by it."""

from __future__ import annotations

from core.state import keys
from core.state.connection import command
from schemas.batch import Batch
from tests.acceptance.rebuild.conftest import Rebuild
from tests.acceptance.rebuild.test_rebuild import lose_redis, only, recorded, spent_today
from tests.studio import Studio, manifest, numbered


async def put_away(studio: Studio, batch: Batch) -> Batch:
    """As if it had ended long ago, and it were a worker's turn."""
    await recorded(studio)
    await command(studio.client, "HSET", keys.batch(batch.id), "finished_at", 1)
    await command(studio.client, "DEL", keys.SHELVING)
    return await studio.until(batch.id, lambda batch: batch.put_away is not None)


async def test_a_worker_puts_an_old_batch_away_and_its_books_stay(studio: Studio, rebuild: Rebuild) -> None:
    batch = await studio.ended(await studio.submit(manifest(*numbered(5))))
    books, spent = await studio.books(batch.id), await spent_today(studio)

    away = await put_away(studio, batch)

    assert (away.counts, await studio.books(batch.id), await spent_today(studio)) == (
        batch.counts,
        books,
        spent,
    )
    code, records, _ = rebuild("--batch", batch.id)
    assert (code, records) == (0, [])


async def test_a_batch_that_was_put_away_comes_back_after_redis_was_lost(
    studio: Studio, rebuild: Rebuild
) -> None:
    batch = await studio.ended(await studio.submit(manifest(*numbered(5))))
    spent = await spent_today(studio)
    await put_away(studio, batch)
    await lose_redis(studio)

    code, records, _ = rebuild("--batch", batch.id)

    assert (code, only(records, batch.id)["status"]) == (0, "restored")
    found = await studio.ended(batch.id)
    assert (found.counts, found.put_away, await spent_today(studio)) == (batch.counts, None, spent)
    assert [task.state for task in await studio.task_list(batch.id)] == ["done"] * 5
