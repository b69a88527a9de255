import asyncio
import json
from typing import Any

import pytest

from schemas.batch import Batch
from tests.acceptance.http.stage import Service, pointers, problem


async def mixed(service: Service) -> Batch:
    """Four tasks: done, failed, parked, queued."""
    batch = await service.running()
    done, failed, parked = await service.world.claim(3)
    await service.world.finish(done, cost=5_000)
    failure = {
        "class": "moderation_blocked",
        "message": "refused",
        "code": "moderation_blocked",
        "stage": "input",
    }
    await service.world.walk(failed, "sent", "failed", failure=failure, cost=0)
    await service.world.walk(parked, "sent", "parked", failure={"class": "doubtful", "message": "no answer"})
    return batch


async def listed(service: Service, batch: Batch, **query: Any) -> list[int]:
    answer = await service.get(f"/v1/batches/{batch.id}/tasks", params=query)
    assert answer.status_code == 200, answer.text
    return [task["index"] for task in answer.json()["data"]]


async def test_a_task_says_what_it_stands_for(service: Service) -> None:
    batch = await mixed(service)

    tasks = (await service.get(f"/v1/batches/{batch.id}/tasks")).json()["data"]

    facts = [(task["index"], task["row"], task["row_key"], task["variant"]) for task in tasks]
    assert facts == [
        (0, 10, "row-1", {"season": "spring"}),
        (1, 10, "row-1", {"season": "autumn"}),
        (2, 20, "row-2", {"season": "spring"}),
        (3, 20, "row-2", {"season": "autumn"}),
    ]
    assert {(task["object"], task["template"], task["size"], task["sample"]) for task in tasks} == {
        ("task", "hero", "1024x1024", 1)
    }
    assert [task["state"] for task in tasks] == ["done", "failed", "parked", "queued"]


async def test_a_finished_task_shows_its_picture_and_its_cost(service: Service) -> None:
    batch = await mixed(service)

    task = (await service.get(f"/v1/batches/{batch.id}/tasks/0")).json()

    assert task["cost"] == {"currency": "USD", "spent": "0.005"}
    assert (task["attempts"], task["sends"]) == (1, 1)
    assert task["asset"]["key"] == "picture.png"
    assert task["asset"]["sha256"] == "ab"
    assert task["asset"]["link"] is None
    assert task["asset"]["url"].startswith("file:///")
    assert task["asset"]["url"].endswith("/picture.png")
    assert task["failure"] is None and task["same_as"] is None and task["next_at"] is None
    assert task["updated_at"].endswith("Z")


async def test_a_failed_task_shows_its_failure_with_advice_and_every_field(service: Service) -> None:
    batch = await mixed(service)

    failure = (await service.get(f"/v1/batches/{batch.id}/tasks/1")).json()["failure"]

    assert "safety system" in failure.pop("advice")
    assert failure == {
        "class": "moderation_blocked",
        "charged": "unknown",
        "message": "refused",
        "code": "moderation_blocked",
        "param": None,
        "http_status": None,
        "request_id": None,
        "stage": "input",
    }


@pytest.mark.parametrize("charged", ["no", "yes", "unknown"])
async def test_a_failure_says_whether_the_money_of_its_task_was_taken(service: Service, charged: str) -> None:
    batch = await service.running()
    (claim,) = await service.world.claim()
    failure = {"class": "moderation_blocked", "stage": "output", "charged": charged}
    await service.world.walk(claim, "sent", "failed", failure=failure, cost=5_955)

    task = (await service.get(f"/v1/batches/{batch.id}/tasks/0")).json()

    assert (task["cost"]["spent"], task["failure"]["charged"]) == ("0.005955", charged)


async def test_a_waiting_task_says_when_it_is_due(service: Service) -> None:
    batch = await service.running()
    (claim,) = await service.world.claim()
    await service.world.move(claim, "waiting", delay_us=60_000_000, failure={"class": "not_sent"})

    task = (await service.get(f"/v1/batches/{batch.id}/tasks/0")).json()

    assert task["state"] == "waiting"
    assert task["next_at"] > task["updated_at"]


async def test_an_untouched_task_of_a_cancelled_batch_shows_why_it_ended(service: Service) -> None:
    batch = await service.running()
    await service.ask("POST", f"/v1/batches/{batch.id}/cancel")

    task = (await service.get(f"/v1/batches/{batch.id}/tasks/3")).json()

    assert (task["state"], task["failure"]["class"]) == ("cancelled", "cancelled")
    assert task["failure"]["charged"] == "no"


async def test_tasks_are_listed_page_by_page(service: Service) -> None:
    batch = await mixed(service)
    path = f"/v1/batches/{batch.id}/tasks"

    first = (await service.get(path, params={"limit": 3})).json()
    second = (await service.get(path, params={"limit": 3, "cursor": first["next_cursor"]})).json()

    assert [task["index"] for task in first["data"]] == [0, 1, 2]
    assert [task["index"] for task in second["data"]] == [3]
    assert (first["has_more"], second["has_more"], second["next_cursor"]) == (True, False, None)


async def test_tasks_are_filtered_by_state_and_by_class(service: Service) -> None:
    batch = await mixed(service)

    assert await listed(service, batch, state="parked") == [2]
    assert await listed(service, batch, state="queued") == [3]
    assert await listed(service, batch, **{"class": "moderation_blocked"}) == [1]
    assert await listed(service, batch, state="done", **{"class": "doubtful"}) == []


async def test_a_cursor_belongs_to_its_filters(service: Service) -> None:
    batch = await mixed(service)
    path = f"/v1/batches/{batch.id}/tasks"
    cursor = (await service.get(path, params={"limit": 1})).json()["next_cursor"]

    answer = await service.get(path, params={"limit": 1, "cursor": cursor, "state": "done"})

    problem(answer, 400, "bad_request")


@pytest.mark.parametrize("query", ["state=finished", "class=bad_luck", "stat=done", "failure_class=doubtful"])
async def test_a_filter_that_is_none_is_refused(service: Service, query: str) -> None:
    batch = await service.running()

    body = problem(await service.get(f"/v1/batches/{batch.id}/tasks?{query}"), 400, "bad_request")

    assert pointers(body) == {f"/query/{query.partition('=')[0]}"}


@pytest.mark.parametrize("index", ["4", "99999999999999999999", "-1", "x", "1.0"])
async def test_a_task_that_does_not_exist_is_not_found(service: Service, index: str) -> None:
    batch = await service.running()

    problem(await service.get(f"/v1/batches/{batch.id}/tasks/{index}"), 404, "not_found")


async def test_a_batch_that_is_still_being_planned_has_no_tasks(service: Service) -> None:
    batch = await service.batch()

    assert await listed(service, batch) == []
    assert (await service.get(f"/v1/batches/{batch.id}/results.jsonl")).content == b""


async def test_the_results_are_the_tasks_that_rest_one_a_line(service: Service) -> None:
    batch = await mixed(service)

    answer = await service.get(f"/v1/batches/{batch.id}/results.jsonl")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.headers["content-type"] == "application/jsonl"
    assert lines == (await service.get(f"/v1/batches/{batch.id}/tasks")).json()["data"][:3]
    assert answer.text.endswith("\n")


async def test_the_results_leave_in_pieces_as_they_are_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.exports.pictures.PAGE", 1)
    batch = await mixed(service)
    pieces: list[bytes] = []

    async def send(message: Any) -> None:
        pieces.append(message.get("body", b""))

    await answered(service, f"/v1/batches/{batch.id}/results.jsonl", send)

    assert [piece.count(b"\n") for piece in pieces if piece] == [1, 1, 1]


async def test_results_that_break_off_end_the_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads them must not take half for the whole."""
    monkeypatch.setattr("service.exports.pictures.PAGE", 1)
    batch, sent = await mixed(service), asyncio.Event()

    async def send(message: Any) -> None:
        if message.get("body") and not sent.is_set():
            sent.set()
            await service.desk.documents.store.delete(
                f"tenants/default/batches/{batch.id}/rows/1/000000.jsonl"
            )
            service.desk.documents._pages._kept.clear()

    with pytest.raises(RuntimeError):
        await answered(service, f"/v1/batches/{batch.id}/results.jsonl", send)


async def answered(service: Service, path: str, send: Any) -> None:
    """One request at the border of the application, where its pieces can be seen."""
    transport: Any = service.client._transport

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"authorization", service.client.headers["authorization"].encode())],
        "scheme": "http", "server": ("x", 80), "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip
    await transport.app(scope, receive, send)
