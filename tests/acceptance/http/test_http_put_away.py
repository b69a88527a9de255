"""Batches whose tasks were put away: whatever is asked of them is answered as before."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

from core.state import keys
from schemas.batch import Batch
from tests.acceptance.http.gallery import made, make, png, rows_of, running
from tests.acceptance.http.stage import Service
from workers.shelver import Shelver

READ = (
    "tasks",
    "tasks/1",
    "tasks?state=failed",
    "results.jsonl",
    "results.csv",
    "contact-sheet.html",
    "feeds/pictures.csv",
)


class FarAhead:
    def now_ms(self) -> int:
        return 10**14

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("nobody waits here")


async def put_away(service: Service) -> None:
    await service.desk.redis.delete(keys.SHELVING)
    shelver = Shelver(
        worker="w1",
        shelving=service.desk.shelving,
        batches=service.desk.batches,
        documents=service.desk.documents,
        keep_days=1,
        clock=FarAhead(),
    )
    assert await shelver.put_away() == 1


async def is_away(service: Service, batch: Batch) -> bool:
    return (await service.desk.batches.get(batch.tenant, batch.id)).put_away is not None


async def one_failed(service: Service) -> Batch:
    batch, (first, second) = await running(service, rows_of("Shirt"))
    await make(service, first, "row-1/hero-spring-1024x1024-1.png", png("#b5482f"))
    failure = {"class": "bad_row", "message": "It is bad.", "charged": "no"}
    assert (await service.world.move(second, "failed", failure=failure)).status == "ok"
    return batch


async def test_it_is_shown_and_listed_without_being_brought_back(service: Service) -> None:
    batch = await made(service, rows_of("Shirt", "Hat"))
    path = f"/v1/batches/{batch.id}"
    before = [await service.get(path), await service.get("/v1/batches")]
    await put_away(service)

    after = [await service.get(path), await service.get("/v1/batches")]

    assert [answer.json() for answer in after] == [answer.json() for answer in before]
    assert (await service.get(path, headers={"If-None-Match": before[0].headers["etag"]})).status_code == 304
    assert await is_away(service, batch)


async def test_tasks_results_and_exports_are_what_they_were(service: Service) -> None:
    batch = await one_failed(service)
    for what in READ:
        path = f"/v1/batches/{batch.id}/{what}"
        before = await service.get(path)
        await put_away(service)

        after = await service.get(path)

        assert (after.status_code, after.text) == (200, before.text), what
        assert not await is_away(service, batch)


async def test_several_may_ask_at_once(service: Service, logs: list[Any]) -> None:
    batch = await one_failed(service)
    path = f"/v1/batches/{batch.id}/results.jsonl"
    before = await service.get(path)
    await put_away(service)

    answers = await asyncio.gather(*(service.get(path) for _ in range(4)))

    assert {answer.text for answer in answers} == {before.text}
    assert "batch.brought_back" in {line["event"] for line in logs}


async def test_what_failed_in_it_can_be_made_again(service: Service) -> None:
    batch = await one_failed(service)
    await put_away(service)

    answer = await service.ask("POST", "/v1/bulk_actions", json={"action": "replay", "batch_id": batch.id})

    assert answer.json()["matched"] == 1
    counts = (await service.desk.batches.get(batch.tenant, batch.id)).counts
    assert (counts["queued"], counts["failed"]) == (1, 0)


async def test_where_storage_has_lost_it_that_is_said(service: Service, tmp_path: Path) -> None:
    batch = await one_failed(service)
    await put_away(service)
    shutil.rmtree(tmp_path / "store" / "tenants" / batch.tenant / "batches" / batch.id / "ended")

    answer = await service.get(f"/v1/batches/{batch.id}/tasks")

    assert answer.status_code == 404
    assert "Part 0 of the 1 in which the tasks" in answer.json()["detail"]
    assert (await service.get(f"/v1/batches/{batch.id}")).json()["counts"]["done"] == 1
