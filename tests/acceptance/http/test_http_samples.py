"""Samples, and submissions that name the plan they were shown."""

from __future__ import annotations

import pytest

from schemas.errors import Problem
from schemas.plan import PLAN_CHANGED, PLAN_FAILED
from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.stage import MANIFEST, Service, pointers, problem
from tests.plans import rejected

DIGEST = "0123456789abcdef" * 4


async def test_a_sample_is_a_batch_of_its_own_and_named_so(service: Service) -> None:
    whole = (await service.submit(headers={"Idempotency-Key": "k1"})).json()
    few = (await service.submit(params={"sample": 3}, headers={"Idempotency-Key": "k2"})).json()

    kept = await service.desk.documents.get_manifest("default", few["id"])
    assert (whole["name"], few["name"]) == ("autumn", "autumn (sample of 3)")
    assert (kept.sample, kept.name) == (3, "autumn")


async def test_a_key_that_was_used_for_everything_is_not_taken_for_a_sample(service: Service) -> None:
    key = {"Idempotency-Key": "k"}
    await service.submit(headers=key)

    problem(await service.submit(params={"sample": 3}, headers=key), 422, "idempotency_key_reused")


async def test_a_sample_can_be_planned(service: Service) -> None:
    answer = await service.ask("POST", "/v1/batches:plan", json=MANIFEST, params={"sample": 2})

    kept = await service.desk.documents.get_manifest("default", answer.json()["id"])
    assert kept.sample == 2


async def test_the_plan_that_was_looked_at_is_kept_with_the_batch_for_the_planner(service: Service) -> None:
    batch = (await service.submit(params={"plan": DIGEST})).json()

    assert (await service.desk.batches.get("default", batch["id"])).expects == DIGEST


async def test_the_same_submission_under_another_plan_is_still_the_same(service: Service) -> None:
    key = {"Idempotency-Key": "k"}

    first = await service.submit(params={"plan": DIGEST}, headers=key)
    again = await service.submit(headers=key)

    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(("code", "status"), [(PLAN_CHANGED, 412), (PLAN_FAILED, 500)])
async def test_a_plan_that_has_changed_or_that_we_could_not_make_is_told_as_that(
    serve: Serve, code: str, status: int
) -> None:
    async with serve(submit_wait_s=10) as service:

        async def reject() -> None:
            [batch] = await service.desk.batches.page("default", limit=1)
            found = [Problem("", code, "Something has happened.")]
            await rejected(service.desk.batches, batch, "Something has happened.", found)

        service.clock.on_sleep = reject
        body = problem(await service.submit(params={"plan": DIGEST}), status, code)

    assert body["detail"] == "Something has happened."
    assert body["batch_id"].startswith("batch_")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"sample": "0"}, "/query/sample"),
        ({"sample": "101"}, "/query/sample"),
        ({"plan": "latest"}, "/query/plan"),
        ({"samples": "3"}, "/query/samples"),
    ],
)
async def test_a_parameter_that_cannot_be_meant_is_refused(
    service: Service, query: dict[str, str], pointer: str
) -> None:
    body = problem(await service.submit(params=query), 400, "bad_request")

    assert pointers(body) == {pointer}
    assert (await service.get("/v1/batches")).json()["data"] == []
