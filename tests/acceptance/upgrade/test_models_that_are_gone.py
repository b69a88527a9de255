"""Batches whose model a later release no longer takes: they end with a sentence, and everything else goes on as before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.state import keys
from core.state.batches import Change
from core.state.connection import command
from schemas.batch import Batch, BatchState
from tests.acceptance.rebuild.conftest import environment
from tests.acceptance.upgrade.record import CHAIN, SMALL, place_in
from tests.processes import ENDED_WITHIN_S, ROOT, Service
from tests.studio import MODEL, Studio, eventually, manifest, numbered

GONE = "dall-e-2"
SENTENCE = f"{GONE} is no longer taken"
TENANT = "default"
KEY = "the-key-of-these-tests"
EXPORTS = ("results.jsonl", "results.csv", "pictures.zip", "feeds/pictures.csv", "contact-sheet.html")


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    with ExitStack() as ending:
        studio = Studio(place_in(tmp_path, ending))
        yield studio
        await studio.aclose()


def retire(studio: Studio, batch_id: str) -> None:
    """The manifest as an earlier release accepted it, with a model that is gone by now."""
    path = studio.place.folder / "store" / "tenants" / TENANT / "batches" / batch_id / "manifest.json"
    text = path.read_text()
    assert MODEL in text
    path.write_text(text.replace(MODEL, GONE))


async def half_made(studio: Studio) -> Batch:
    """A batch of today that was stopped in the middle, paused, with its workers gone."""
    worker = studio.worker(DARKROOM_WORKER__SLOTS="1")
    batch_id = await studio.submit(manifest(*numbered(8), image=SMALL, templates=CHAIN), tenant=TENANT)
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 2)
    await studio.batches.steer(await studio.batch(batch_id), Change(state=BatchState.PAUSED))
    batch = await studio.until(batch_id, lambda batch: batch.counts["running"] == 0)
    worker.kill()
    retire(studio, batch_id)
    return batch


async def test_what_is_left_of_a_batch_fails_unsent_and_names_what_to_use(studio: Studio) -> None:
    before = await half_made(studio)
    paid = len(studio.calls(before.id))

    studio.worker()
    await studio.batches.steer(await studio.batch(before.id), Change(state=BatchState.RUNNING))
    batch = await studio.ended(before.id)

    assert (batch.state, batch.counts["done"]) == (BatchState.COMPLETED, before.counts["done"])
    assert set(batch.failures_by_class) <= {"invalid_request", "parent_failed"}
    assert sum(batch.failures_by_class.values()) == 16 - batch.counts["done"]
    assert (batch.held_usd_micros, len(studio.calls(batch.id))) == (0, paid)
    tasks = await studio.task_list(batch.id)
    told = {
        str(task.failure["message"])
        for task in tasks
        if task.failure is not None and task.failure["class"] == "invalid_request"
    }
    assert len(told) == 1
    assert told.pop().startswith(SENTENCE)


async def test_a_batch_that_was_not_planned_yet_is_rejected_by_name(studio: Studio) -> None:
    batch_id = await studio.submit(manifest("cup"), tenant=TENANT)
    retire(studio, batch_id)

    studio.worker()
    batch = await studio.until(batch_id, lambda batch: batch.state is BatchState.REJECTED)

    (problem,) = batch.problems
    assert (problem.pointer, problem.code) == ("/templates/hero/image/model", "gone")
    assert problem.detail.startswith(SENTENCE)


async def test_a_batch_can_be_shown_exported_replayed_cancelled_and_rebuilt(studio: Studio) -> None:
    before = await half_made(studio)
    done = before.counts["done"]
    settings = studio.place.settings() | {"DARKROOM_SERVICE__BOOTSTRAP_KEY": KEY}
    service = Service(studio.place.folder / "service.log", settings)
    try:
        with httpx.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60
        ) as client:
            check_reading(client, before.id, done)
            check_ending(client, before.id, left=16 - done)
    finally:
        service.kill()

    studio.worker()
    await eventually(lambda: _is_recorded(studio))
    await command(studio.client, "FLUSHALL")
    assert rebuilt(studio, before.id)["status"] == "restored"
    batch = await studio.batch(before.id)
    assert (batch.state, batch.counts["done"]) == (BatchState.CANCELLED, done)


def check_reading(client: httpx.Client, batch_id: str, done: int) -> None:
    assert client.get(f"/v1/batches/{batch_id}").json()["counts"]["done"] == done
    assert client.get(f"/v1/batches/{batch_id}/tasks").status_code == 200
    for export in EXPORTS:
        answer = client.get(f"/v1/batches/{batch_id}/{export}")
        assert answer.status_code == 200, f"{export}: {answer.text}"
    lines = client.get(f"/v1/batches/{batch_id}/results.jsonl").text.splitlines()
    assert sum(json.loads(line)["state"] == "done" for line in lines) == done


def check_ending(client: httpx.Client, batch_id: str, *, left: int) -> None:
    answer = client.post(f"/v1/batches/{batch_id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    asked = {"action": "replay", "batch_id": batch_id, "dry_run": True}
    assert client.post("/v1/bulk_actions", json=asked).json()["matched"] == left


async def _is_recorded(studio: Studio) -> bool:
    return not await command(studio.client, "EXISTS", keys.UNRECORDED)


def rebuilt(studio: Studio, batch_id: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "cli.main", "rebuild", "--from-storage", "-o", "json", "--batch", batch_id]
    ended = subprocess.run(
        argv, cwd=ROOT, env=environment(studio.place), capture_output=True, text=True,
        timeout=ENDED_WITHIN_S, check=False,
    )  # fmt: skip
    (record,) = json.loads(ended.stdout)
    return dict(record)
