"""A cancelled batch of which tasks were being made again when Redis was lost: those go on, the others stay cancelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.documents import Documents, owned_key
from core.record import Course, Steering, TaskRecord
from core.state.recording import Note, RecordStore
from core.state.restoring import Paid, RestoreStore
from core.storage.folder import FolderStore
from schemas.batch import BatchState
from schemas.task import TaskState
from tests.state.test_replay import replay
from tests.state.test_restoring import ID, NOVEMBER_MS, done, ended, planned, records, restored
from tests.state.world import Block, World
from workers.rebuilding.salvage import Surveyor


async def test_of_a_cancelled_batch_that_is_replayed_what_is_made_again_is_on_record(world: World) -> None:
    await world.lane()
    batch, store = await world.batch(5), RecordStore(world.redis)
    (claim,) = await world.claim()
    await world.finish(claim)
    await world.batches.cancel("acme", batch.id)
    assert await records(world, batch) == {}
    await replay(world, batch, [2, 3])
    assert Note(batch.id, None) in await store.take(9)
    assert await store.steering(batch.id) == Steering(Course.RUNNING, None, "normal", is_replayed=True)
    assert [found.state for found in await store.tasks(batch.id, 0)] == [TaskState.QUEUED] * 2
    (again,) = await world.claim()
    assert [found.state for found in await store.tasks(batch.id, 0)] == [TaskState.CLAIMED, TaskState.QUEUED]
    await world.finish(again)
    assert [found.index for found in await store.tasks(batch.id, 0)] == [3]
    await world.batches.cancel("acme", batch.id)
    assert await store.steering(batch.id) == Steering(Course.CANCELLED, None, "normal")


@pytest.mark.parametrize("deadline_ms", [None, 3000])
async def test_of_a_cancelled_batch_that_was_replayed_nothing_but_that_is_made(
    world: World, deadline_ms: int | None
) -> None:
    await world.lane()
    blocks = [Block(6), Block(2, dependent=True)]
    tasks = (
        done(0),
        ended(1, TaskState.CANCELLED, failure={"class": "cancelled"}, paid=(Paid(1, 3, NOVEMBER_MS),)),
        ended(2, TaskState.QUEUED),
        ended(3, TaskState.FAILED, failure={"class": "bad_row"}),
        ended(6, TaskState.QUEUED),
    )
    steering = Steering(Course.RUNNING, None, "normal", lives=1, is_replayed=True)
    batch = await restored(
        world, planned(blocks, deadline_ms=deadline_ms), *tasks, steering=steering, ready=(7,)
    )
    counted = {"done": 1, "failed": 1, "cancelled": 4, "queued": 2}
    assert (batch.state, {name: batch.counts[name] for name in counted}) == (BatchState.RUNNING, counted)
    assert await world.batches.overdue(NOVEMBER_MS) == []
    listed = (await world.tasks.page(batch, start=0, limit=9, state=TaskState.CANCELLED))[0]
    assert [task.index for task in listed] == [1, 4, 5, 7]
    claims = await world.claim(9)
    assert sorted(claim.index for claim in claims) == [2, 6]
    for claim in claims:
        await world.finish(claim)
    batch = await world.look(batch)
    assert (batch.state, batch.counts["done"], batch.counts["cancelled"]) == (BatchState.COMPLETED, 3, 4)
    await replay(world, batch, [4])
    assert [claim.index for claim in await world.claim(9)] == [4]


async def test_a_late_result_of_a_task_that_was_cancelled_is_taken_while_its_batch_comes_back(
    world: World,
) -> None:
    await world.lane()
    store = RestoreStore(world.redis)
    await store.begin(planned([Block(3)]), Steering(Course.RUNNING, None, "normal", is_replayed=True))
    about: dict[str, Any] = {"batch": ID, "index": 1, "fence": 1, "worker": "w1"}
    moved = await world.tasks.move(**about, to="spooled", late=True, attempt=1)
    assert moved.status == "ok"
    await world.tasks.finish(**about | {"fence": moved.fence}, asset="1.png", sha256="ab", attempt=1, cost=7)
    await store.write(ID, [ended(1, TaskState.QUEUED)])
    await store.open(ID, Course.RUNNING, finished_at_ms=NOVEMBER_MS)
    batch = await world.batches.get("acme", ID)
    assert (batch.state, batch.counts["done"], batch.counts["cancelled"]) == (BatchState.COMPLETED, 1, 2)
    assert (batch.spent_usd_micros, batch.counts["queued"]) == (7, 0)


async def test_a_picture_without_a_receipt_is_not_bought_again_though_its_task_was_at_work(
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path, threads=1)
    documents, lost = Documents(store), planned([Block(3)])
    original = owned_key("acme", ID, "originals/1.png")
    await store.put_bytes(
        original, b"x", media_type="image/png", metadata={"attempt": "1.2"}, overwrite=False
    )
    about: dict[str, Any] = {"attempt": 2, "fence": 2, "sends": 1, "crashes": 0, "paid": {}, "at_ms": 1}
    sent = [TaskRecord(index, TaskState.SENT, hold_usd_micros=10, **about) for index in (1, 2)]
    await documents.put_records("acme", ID, 0, sent)

    found = await Surveyor(documents, lost).survey()

    await store.aclose()
    assert [(task.index, task.state, task.hold) for task in found.tasks] == [
        (1, TaskState.PARKED, 10),
        (2, TaskState.QUEUED, 0),
    ]
