"""Redis is lost in the middle of everything: what comes back from storage, and what is paid again."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from core.state import keys
from core.state.batches import Change
from core.state.connection import command
from core.state.recording import RecordStore
from schemas.batch import Batch, BatchState
from schemas.manifest import Priority
from schemas.task import TaskState
from tests.acceptance.rebuild.conftest import Rebuild, environment
from tests.processes import ROOT, Process, Simulator, Worker
from tests.state.test_replay import replay
from tests.state.world import World
from tests.studio import TENANT, Studio, eventually, manifest, numbered
from workers.recorder import Recorder

SLOW = 0.1
"""Latency factor at which a call takes about 0.6 s."""
CHAIN = {
    "hero": {"prompt": "A photo of {{ row.title }}."},
    "banner": {"prompt": "A wide scene around Image 1.", "from": "hero"},
    "card": {"prompt": "A card from Image 1.", "from": "banner"},
}


async def recorded(studio: Studio) -> None:
    """Waits until storage knows everything but what is in flight."""

    async def look() -> bool:
        return not await command(studio.client, "EXISTS", keys.UNRECORDED)

    await eventually(look)


async def lose_redis(studio: Studio) -> None:
    await recorded(studio)
    await command(studio.client, "FLUSHALL")


def only(records: list[dict[str, Any]], batch_id: str) -> dict[str, Any]:
    """The record of one batch; those of other tests are in the same storage."""
    (record,) = (record for record in records if record["batch"] == batch_id)
    return record


async def spent_today(studio: Studio) -> int:
    """Over all tenants and batches."""
    found = [
        await command(studio.client, "HGET", key, "spent")
        async for key in studio.client.scan_iter("*:budget:day:*")
    ]
    return sum(map(int, filter(None, found)))


async def half_way(studio: Studio, count: int, **changes: Any) -> Batch:
    batch_id = await studio.submit(manifest(*numbered(count), **changes))
    return await studio.until(batch_id, lambda batch: batch.counts["done"] >= count // 3)


async def test_a_batch_goes_on_after_redis_was_lost_beneath_its_workers(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW)
    batch = await half_way(studio, 60)
    await lose_redis(studio)

    code, records, _ = rebuild("--batch", batch.id)

    assert (code, only(records, batch.id)["status"]) == (0, "restored")
    ended = await studio.ended(batch.id)
    books = await studio.books(batch.id)
    assert ended.state is BatchState.COMPLETED
    assert (books.acknowledged, books.done, books.lost, books.unaccounted) == (60, 60, 0, 0)
    assert len(east.calls(batch.id)) <= 60 + 8
    assert ended.spent_usd_micros == books.charged == await spent_today(studio)
    assert ended.rows == 60
    assert ended.started_at_ms is not None


async def test_calls_of_workers_that_died_with_redis_are_all_that_is_paid_again(
    studio: Studio, worker: Worker, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW)
    batch = await half_way(studio, 40)
    worker.kill()
    in_flight = (await studio.batch(batch.id)).counts["running"]
    await command(studio.client, "FLUSHALL")
    rebuild("--batch", batch.id)
    studio.worker()

    ended = await studio.ended(batch.id)

    books = await studio.books(batch.id)
    assert (books.done, books.lost, books.held) == (40, 0, 0)
    assert len(east.calls(batch.id)) - 40 <= in_flight <= 8
    assert books.duplicated <= in_flight
    receipts = await studio.receipts(batch.id)
    assert len(receipts) == len({receipt.request_id for receipt in receipts}) >= 40
    assert ended.spent_usd_micros >= books.charged * 40 // len(east.calls(batch.id))


async def test_what_workers_brought_between_the_loss_and_the_rebuild_is_not_bought_again(
    studio: Studio, worker: Worker, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW)
    batch = await half_way(studio, 40)
    await lose_redis(studio)

    async def is_quiet() -> bool:
        return not east.in_flight and len(await studio.receipts(batch.id)) == len(east.calls(batch.id))

    await eventually(is_quiet)
    rebuild("--batch", batch.id)
    await studio.ended(batch.id)
    books = await studio.books(batch.id)
    assert (books.done, books.duplicated, len(east.calls(batch.id))) == (40, 0, 40)
    assert (books.settled, books.surplus, books.unaccounted) == (books.charged, 0, 0)
    assert worker.is_running


async def test_a_batch_that_was_done_comes_back_as_it_was_and_nothing_is_sent(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    before = await studio.ended(await studio.submit(manifest(*numbered(12), samples=2)))
    tasks = await studio.task_list(before.id)
    await lose_redis(studio)

    _, records, _ = rebuild("--tenant", TENANT)

    after = await studio.batch(before.id)
    assert only(records, before.id) | {"spent_usd": None} == {
        "batch": before.id, "tenant": TENANT, "status": "restored", "course": "completed", "total": 24, "done": 24,
        "parked": 0, "failed": 0, "left": 0, "spent_usd": None, "damaged": [], "detail": None,
    }  # fmt: skip
    for name in (
        "state",
        "counts",
        "spent_usd_micros",
        "rows",
        "name",
        "created_at_ms",
        "plan_id",
        "priority",
    ):
        assert getattr(after, name) == getattr(before, name), name
    same = ("state", "asset_key", "sha256", "cost_usd_micros", "attempts", "sends")
    for old, new in zip(tasks, await studio.task_list(before.id), strict=True):
        assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert len(east.calls(before.id)) == 24
    assert [found.id for found in await studio.batches.page(TENANT, limit=100)].count(before.id) == 1


async def test_what_the_checks_of_pictures_came_to_is_read_from_their_receipts(
    studio: Studio, rebuild: Rebuild
) -> None:
    before = await studio.ended(await studio.submit(manifest("cup", sizes=["amazon_main", "1024x1024"])))
    tasks = await studio.task_list(before.id)
    assert sum(before.checks.values()) == 1
    await lose_redis(studio)

    rebuild("--batch", before.id)

    assert (await studio.batch(before.id)).checks == before.checks
    assert [task.checks for task in await studio.task_list(before.id)] == [task.checks for task in tasks]


async def test_pictures_made_from_pictures_go_on_where_they_were(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW / 4)
    batch_id = await studio.submit(manifest(*numbered(12), templates=CHAIN))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 15)
    await lose_redis(studio)
    rebuild("--batch", batch_id)
    ended = await studio.ended(batch_id)
    books = await studio.books(batch_id)
    assert (ended.counts["done"], books.lost, books.unaccounted) == (36, 0, 0)
    assert len(east.calls(batch_id)) <= 36 + 8


async def test_doubts_and_failures_come_back_and_are_not_sent_again(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    east.script({"kind": "reset", "at_percent": 50, "match": {"prompt": "cup"}})
    before = await studio.ended(
        await studio.submit(manifest("cup", "[moderation:input]", "pot", "pot", templates=CHAIN))
    )
    tasks = await studio.task_list(before.id)
    assert (before.counts["parked"], before.counts["failed"], before.counts["skipped"]) == (1, 3, 3)
    calls = len(east.calls(before.id))
    await lose_redis(studio)

    _, records, _ = rebuild("--batch", before.id)

    after = await studio.ended(before.id)
    assert (only(records, before.id)["parked"], only(records, before.id)["failed"]) == (1, 3)
    assert (after.counts, after.failures_by_class) == (before.counts, before.failures_by_class)
    assert (after.held_usd_micros, after.spent_usd_micros) == (
        before.held_usd_micros,
        before.spent_usd_micros,
    )
    same = ("state", "failure", "same_as", "sends", "cost_usd_micros")
    for old, new in zip(tasks, await studio.task_list(before.id), strict=True):
        assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    assert len(east.calls(before.id)) == calls


async def test_a_paused_batch_stays_paused_with_the_cap_and_the_priority_it_was_given(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW)
    batch = await half_way(studio, 30)
    change = Change(BatchState.PAUSED, cap_usd_micros=9_000_000, priority=Priority.BULK)
    await studio.batches.steer(await studio.batch(batch.id), change)
    batch = await studio.until(batch.id, lambda found: found.counts["running"] == 0)
    await lose_redis(studio)

    _, records, _ = rebuild("--batch", batch.id)

    after = await studio.batch(batch.id)
    assert only(records, batch.id)["course"] == "paused"
    assert (after.state, after.cap_usd_micros, after.priority) == (
        BatchState.PAUSED,
        9_000_000,
        Priority.BULK,
    )
    assert after.version > batch.version
    assert (after.counts, len(east.calls(batch.id))) == (batch.counts, batch.counts["done"])
    await studio.batches.steer(after, Change(BatchState.RUNNING))
    assert (await studio.ended(batch.id)).counts["done"] == len(east.calls(batch.id)) == 30


async def test_a_cancelled_batch_does_not_come_back_to_life(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW)
    batch = await half_way(studio, 30)
    await studio.batches.cancel(TENANT, batch.id)
    before = await studio.ended(batch.id)
    calls = len(east.calls(batch.id))
    await lose_redis(studio)
    _, records, _ = rebuild("--batch", batch.id)
    after = await studio.batch(batch.id)
    assert only(records, batch.id)["left"] == 0
    assert (after.state, after.counts) == (BatchState.CANCELLED, before.counts)
    assert len(east.calls(batch.id)) == calls


async def test_of_a_cancelled_batch_that_was_replayed_only_what_was_made_again_is_made(
    studio: Studio, worker: Worker, east: Simulator, rebuild: Rebuild
) -> None:
    east.latency(SLOW)
    batch = await half_way(studio, 30)
    await studio.batches.cancel(TENANT, batch.id)
    before = await studio.ended(batch.id)
    await recorded(studio)
    worker.kill()
    again = [task.index for task in await studio.task_list(batch.id) if task.state is TaskState.CANCELLED][:4]
    await replay(World(studio.client), before, again)
    recorder = Recorder(records=RecordStore(studio.client), documents=studio.documents)
    while await recorder.record():
        pass
    await command(studio.client, "FLUSHALL")

    _, records, _ = rebuild("--batch", batch.id)

    assert (only(records, batch.id)["course"], only(records, batch.id)["left"]) == ("running", 4)
    studio.worker()
    after = await studio.ended(batch.id)
    assert (after.state, after.counts["done"], after.counts["cancelled"]) == (
        BatchState.COMPLETED,
        before.counts["done"] + 4,
        before.counts["cancelled"] - 4,
    )
    states = [task.state for task in await studio.task_list(batch.id)]
    assert {states[index] for index in again} == {TaskState.DONE}
    assert len(east.calls(batch.id)) == after.counts["done"]


async def test_a_batch_that_was_never_started_is_named_and_stays_away(
    studio: Studio, rebuild: Rebuild
) -> None:
    batch = await studio.ended(await studio.submit(manifest("cup")))
    await studio.documents.store.delete(f"tenants/{TENANT}/batches/{batch.id}/planned/00000001.json")
    await lose_redis(studio)
    code, records, _ = rebuild("--batch", batch.id)
    assert (code, only(records, batch.id)["status"]) == (0, "never_started")
    assert not await command(studio.client, "EXISTS", keys.batch(batch.id))


async def test_a_dry_run_says_what_would_come_back_and_changes_nothing(
    studio: Studio, rebuild: Rebuild
) -> None:
    batch = await studio.ended(await studio.submit(manifest(*numbered(5))))
    await lose_redis(studio)
    stored = sorted([key async for key in studio.documents.store.list_keys("tenants/")])
    _, records, _ = rebuild("--batch", batch.id, "--dry-run")
    record = only(records, batch.id)
    assert (record["status"], record["done"], record["left"]) == ("would_restore", 5, 0)
    assert not await command(studio.client, "EXISTS", keys.batch(batch.id))
    assert sorted([key async for key in studio.documents.store.list_keys("tenants/")]) == stored
    rebuild("--batch", batch.id)
    assert (await studio.batch(batch.id)).state is BatchState.COMPLETED
    before = await command(studio.client, "HGETALL", keys.batch(batch.id))
    code, records, said = rebuild("--batch", batch.id)
    assert (code, records) == (0, [])
    assert "Redis has it" in said
    assert await command(studio.client, "HGETALL", keys.batch(batch.id)) == before


async def test_a_damaged_receipt_is_named_the_others_go_on_and_its_picture_is_not_bought_again(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    batch = await studio.ended(await studio.submit(manifest(*numbered(6))))
    assets = [str(task.asset_key) for task in await studio.task_list(batch.id)]
    shelf = f"tenants/{TENANT}/batches/{batch.id}/pictures/"
    await studio.documents.store.put_bytes(
        f"{shelf}{assets[1]}.json", b'{"batch_id": ', media_type="application/json", overwrite=True
    )
    await studio.documents.store.delete(f"{shelf}{assets[4]}.json")
    await lose_redis(studio)

    code, records, said = rebuild("--batch", batch.id)

    assert code == 1
    damaged = only(records, batch.id)["damaged"]
    assert [place.rpartition(f"{batch.id}/")[2] for place in damaged] == [
        f"pictures/{assets[1]}.json",
        f"originals/{assets[4]}",
    ]
    assert f"{assets[1]}.json is damaged" in said
    after = await studio.ended(batch.id)
    assert (after.counts["done"], after.counts["parked"]) == (4, 2)
    assert after.held_usd_micros > 0
    states = [task.state for task in await studio.task_list(batch.id)]
    assert [index for index, state in enumerate(states) if state is TaskState.PARKED] == [1, 4]
    assert len(east.calls(batch.id)) == 6


async def test_records_that_cannot_be_read_keep_their_batch_away_and_not_the_others(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    east.script({"kind": "reset", "at_percent": 50, "match": {"prompt": "cup"}})
    broken = await studio.ended(await studio.submit(manifest("cup")))
    whole = await studio.ended(await studio.submit(manifest("pot")))
    await lose_redis(studio)
    name = f"tenants/{TENANT}/batches/{broken.id}/records/00000000.json"
    await studio.documents.store.put_bytes(name, b"[{", media_type="application/json", overwrite=True)
    code, records, _ = rebuild()
    assert (code, only(records, broken.id)["status"], only(records, whole.id)["status"]) == (
        1,
        "failed",
        "restored",
    )
    assert name in only(records, broken.id)["detail"]
    assert (await studio.batch(broken.id)).state is BatchState.PLANNING
    assert len(east.calls(broken.id)) == 1


async def test_a_rebuild_that_was_killed_is_run_again(
    studio: Studio, east: Simulator, rebuild: Rebuild
) -> None:
    batch = await studio.ended(await studio.submit(manifest(*numbered(150), samples=2)))
    await lose_redis(studio)
    argv = [sys.executable, "-m", "workers", "rebuild", "--batch", batch.id]
    first = Process(argv, studio.place.folder / "rebuild.log", studio.place.settings())

    async def has_begun() -> bool:
        return bool(await command(studio.client, "EXISTS", keys.batch(batch.id)))

    await eventually(has_begun)
    first.kill()
    rebuild("--batch", batch.id)
    after = await studio.ended(batch.id)
    assert (after.counts, after.spent_usd_micros) == (batch.counts, batch.spent_usd_micros)
    assert after.spent_usd_micros == await spent_today(studio)
    assert len(east.calls(batch.id)) == 300


def test_it_has_to_be_said_what_to_rebuild_from(studio: Studio) -> None:
    argv = [sys.executable, "-m", "cli.main", "rebuild"]
    ended = subprocess.run(
        argv, cwd=ROOT, env=environment(studio.place), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "--from-storage" in ended.stderr
