import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.state.actions import ActionState, ActionStore, BulkAction, Chosen
from schemas.batch import Batch
from schemas.errors import UnavailableError
from service.replay import finish
from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.stage import MANIFEST, Service, pointers, problem

FAILURES = ("bad_row", "server_error", "bad_row")
"""Of tasks 0, 1 and 2; task 3 is parked."""


CANCELLED: dict[str, Any] = {"class": ["cancelled"]}
BAD_ROWS: dict[str, Any] = {"class": ["bad_row"]}


async def failed(service: Service, manifest: dict[str, Any] = MANIFEST) -> Batch:
    """A batch that has ended: three failures of two classes, and a doubt."""
    batch = await service.running(manifest)
    *lost, doubtful = await service.world.claim(4)
    for claim, reason in zip(lost, FAILURES, strict=True):
        await service.world.walk(claim, "sent", "failed", failure={"class": reason})
    await service.world.walk(doubtful, "sent", "parked", failure={"class": "doubtful"})
    return batch


async def replay(service: Service, batch: Batch, *, dry_run: bool = False, **filters: Any) -> Any:
    body = {"action": "replay", "batch_id": batch.id, "filter": filters, "dry_run": dry_run}
    return await service.ask("POST", "/v1/bulk_actions", json=body)


async def states(service: Service, batch: Batch) -> list[str]:
    tasks = (await service.get(f"/v1/batches/{batch.id}/tasks")).json()["data"]
    return [task["state"] for task in tasks]


async def test_everything_that_failed_is_made_again(service: Service) -> None:
    batch = await failed(service)

    answer = await replay(service, batch)

    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["location"] == made["links"]["self"] == f"/v1/bulk_actions/{made['id']}"
    assert (made["object"], made["action"], made["state"]) == ("bulk_action", "replay", "running")
    assert (made["matched"], made["estimated_cost_usd"]) == (3, "0.03")
    assert await states(service, batch) == ["queued", "queued", "queued", "parked"]
    found = (await service.get(made["links"]["self"])).json()
    assert (found["state"], found["moved"], found["batch_id"]) == ("completed", 3, batch.id)
    assert (await service.get(made["links"]["batch"])).json()["state"] == "running"


async def test_a_dry_run_counts_and_prices_and_moves_nothing(service: Service) -> None:
    batch = await failed(service)

    answer = await replay(service, batch, dry_run=True, **BAD_ROWS)

    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["matched"], answer.json()["estimated_cost_usd"]) == (
        "dry_run",
        2,
        "0.02",
    )
    assert (await service.get(answer.headers["location"])).json() == answer.json()
    assert (await states(service, batch))[:3] == ["failed"] * 3


@pytest.mark.parametrize(
    ("filters", "again"),
    [
        ({"class": ["server_error"]}, {1}),
        ({"class": ["server_error", "bad_row"]}, {0, 1, 2}),
        ({"class": ["cancelled"]}, set()),
        ({"class": ["doubtful"]}, set()),
        ({"template": ["hero"]}, {0, 1, 2}),
        ({"rows": [10]}, {0, 1}),
        ({"rows": [10, 99], "class": ["bad_row"]}, {0}),
        ({"class": ["doubtful"], "accept_double_charge": True}, {3}),
    ],
)
async def test_a_filter_chooses_what_is_made_again(
    service: Service, filters: dict[str, Any], again: set[int]
) -> None:
    batch = await failed(service)

    made = (await replay(service, batch, **filters)).json()

    found = await states(service, batch)
    assert {index for index, state in enumerate(found) if state == "queued"} == again
    assert made["matched"] == len(again)


async def test_what_was_cancelled_is_made_again(service: Service) -> None:
    batch = await service.running()
    await service.ask("POST", f"/v1/batches/{batch.id}/cancel")

    assert (await replay(service, batch, **CANCELLED)).json()["matched"] == 4
    assert len(await service.world.claim(9)) == 4


FAMILY = {
    **MANIFEST,
    "templates": {
        "shadow": {"prompt": "The same with a shadow.", "from": "hero"},
        "hero": {"prompt": "A photo of {{ row.title }}."},
    },
    "variants": {},
}
"""Tasks 0 and 1 start from the pictures of 2 and 3."""


@pytest.mark.parametrize(
    ("filters", "matched"), [({}, 4), ({"template": ["hero"]}, 2), ({"template": ["shadow"]}, 0)]
)
async def test_a_picture_is_chosen_only_with_the_one_it_starts_from(
    service: Service, filters: dict[str, Any], matched: int
) -> None:
    batch = await service.running(FAMILY)
    await service.ask("POST", f"/v1/batches/{batch.id}/cancel")

    assert (await replay(service, batch, dry_run=True, **filters)).json()["matched"] == matched


@pytest.mark.parametrize(
    ("filters", "pointer"),
    [
        ({"template": ["hero", "nope"]}, "/filter/template/1"),
        ({"class": ["nope"]}, "/filter/class/0"),
        ({"class": []}, "/filter/class"),
        ({"rows": [0]}, "/filter/rows/0"),
        ({"row": [1]}, "/filter/row"),
        ({"accept_double_charge": True}, "/filter"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_refused_with_its_place(
    service: Service, filters: dict[str, Any], pointer: str
) -> None:
    batch = await failed(service)

    answer = await replay(service, batch, **filters)

    assert pointers(problem(answer, 400, "bad_request")) == {pointer}
    assert (await states(service, batch))[:3] == ["failed"] * 3


async def test_a_batch_that_has_not_started_or_does_not_exist_is_not_replayed(service: Service) -> None:
    batch = await service.batch()
    unknown = {"action": "replay", "batch_id": "batch_1"}

    problem(await replay(service, batch), 409, "conflict")
    problem(await service.ask("POST", "/v1/bulk_actions", json=unknown), 404, "not_found")
    problem(await service.ask("POST", "/v1/bulk_actions", json={"action": "drop"}), 400, "bad_request")


@pytest.mark.parametrize("action_id", ["action_" + "0" * 26, "batch_" + "0" * 26, "x"])
async def test_a_bulk_action_that_does_not_exist_is_not_found(service: Service, action_id: str) -> None:
    problem(await service.get(f"/v1/bulk_actions/{action_id}"), 404, "not_found")


async def test_what_a_service_left_behind_is_finished_by_the_next_one(
    service: Service, serve: Serve, logs: list[Any]
) -> None:
    batch = await failed(service)
    action = BulkAction("action_1", "default", batch.id, ActionState.RUNNING, 1, 0, 0, False, 1)
    await service.desk.actions.create(action, [Chosen(1, None)])

    async with serve():
        await _until_something_has_ended(logs)

    assert (await states(service, batch))[1] == "queued"


async def _until_something_has_ended(logs: list[Any]) -> None:
    async with asyncio.timeout(60):
        while "action.ended" not in {line["event"] for line in logs}:
            await asyncio.sleep(0.01)


async def test_an_action_goes_on_when_redis_answers_again(
    service: Service, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = await failed(service)
    action = BulkAction("action_1", "default", batch.id, ActionState.RUNNING, 1, 0, 0, False, 1)
    await service.desk.actions.create(action, [Chosen(1, None)])
    answers: Iterator[Any] = iter([UnavailableError("Redis does not answer."), None])
    advance = ActionStore.advance

    async def broken(self: ActionStore, action_id: str) -> ActionState:
        if error := next(answers):
            raise error
        return await advance(self, action_id)

    monkeypatch.setattr(ActionStore, "advance", broken)
    with capture_logs() as lines:
        await finish(service.desk, action.id)

    assert [line["event"] for line in lines] == ["action.delayed", "action.ended"]
    assert (await states(service, batch))[1] == "queued"
