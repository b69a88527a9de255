import pytest

from core.queue import QUEUE
from schemas.ids import new_id
from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.stage import MANIFEST, NOW_MS, Service, problem
from tests.plans import plan_of

HOUR_MS = 3_600_000


async def plan(service: Service, **changes: object) -> None:
    """Plays the planner while the service waits: the newest manifest under `plans` gets its plan."""
    keys = [key async for key in service.desk.documents.store.list_keys("tenants/default/plans/")]
    plan_id = max(keys).split("/")[3]
    await service.desk.plans.put("default", plan_id, plan_of(plan_id, **changes))


async def test_a_plan_that_is_made_in_time_is_the_answer(serve: Serve) -> None:
    async with serve(plan_wait_s=10) as service:
        service.clock.on_sleep = lambda: plan(service)
        answer = await service.ask("POST", "/v1/batches:plan", json=MANIFEST)

        body = answer.json()
        assert (answer.status_code, body["accepted"], body["tasks"]["total"]) == (200, True, 4)
        assert (await service.get(f"/v1/plans/{body['id']}")).json() == body


async def test_a_dry_run_makes_no_batch(service: Service) -> None:
    await service.ask("POST", "/v1/batches:plan", json=MANIFEST)

    assert (await service.get("/v1/batches")).json()["data"] == []
    assert await service.desk.redis.zcard(QUEUE) == 1


async def test_a_plan_over_its_cap_is_an_answer(serve: Serve) -> None:
    async with serve(plan_wait_s=10) as service:
        service.clock.on_sleep = lambda: plan(service, accepted=False, refusal="Over the cap.")
        answer = await service.ask("POST", "/v1/batches:plan", json=MANIFEST)

    assert answer.status_code == 200
    assert (answer.json()["accepted"], answer.json()["refusal"]) == (False, "Over the cap.")


async def test_a_plan_with_problems_is_a_problem_that_carries_the_plan(serve: Serve) -> None:
    found = {"pointer": "/catalog/rows/17/title", "code": "empty_field", "detail": "row.title is empty"}
    async with serve(plan_wait_s=10) as service:
        service.clock.on_sleep = lambda: plan(service, accepted=False, errors=[found], errors_truncated=True)
        answer = await service.ask("POST", "/v1/batches:plan", json=MANIFEST)

        body = problem(answer, 422, "manifest_invalid")
        assert body["errors"] == [found]
        assert body["errors_truncated"]
        assert body["plan"]["tasks"]["total"] == 4
        assert (await service.get(f"/v1/plans/{body['plan']['id']}")).json() == body["plan"]


async def test_a_plan_that_takes_longer_is_fetched_later(serve: Serve) -> None:
    async with serve(plan_wait_s=3) as service:
        answer = await service.ask("POST", "/v1/batches:plan", json=MANIFEST)
        place = answer.headers["location"]

        assert answer.status_code == 202
        assert service.clock.slept_s == pytest.approx(3)
        assert answer.json() == {
            "id": place.removeprefix("/v1/plans/"),
            "object": "plan",
            "state": "planning",
        }
        waiting = await service.get(place)
        assert (waiting.status_code, waiting.json()) == (202, answer.json())
        await plan(service)
        assert (await service.get(place)).status_code == 200


async def test_a_manifest_with_problems_is_not_planned(service: Service) -> None:
    problem(
        await service.ask("POST", "/v1/batches:plan", json={**MANIFEST, "samples": 0}),
        422,
        "manifest_invalid",
    )

    assert await service.desk.redis.zcard(QUEUE) == 0


async def test_a_dry_run_takes_no_form(service: Service) -> None:
    answer = await service.ask("POST", "/v1/batches:plan", files={"manifest": (None, "name: x")})

    problem(answer, 415, "unsupported_media_type")


async def test_the_plan_of_a_batch_is_found_under_its_link(service: Service) -> None:
    batch = await service.batch()
    path = (await service.get(f"/v1/batches/{batch.id}")).json()["links"]["plan"]

    assert (await service.get(path)).status_code == 202
    await service.desk.plans.put("default", batch.plan_id, plan_of(batch.plan_id))
    assert (await service.get(path)).status_code == 200


async def test_the_plan_of_a_batch_that_was_cancelled_before_it_was_made_does_not_come(
    service: Service,
) -> None:
    batch = await service.batch()
    await service.ask("POST", f"/v1/batches/{batch.id}/cancel")

    problem(await service.get(f"/v1/plans/{batch.plan_id}"), 404, "not_found")


async def test_a_plan_is_gone_after_72_hours(service: Service) -> None:
    answer = await service.ask("POST", "/v1/batches:plan", json=MANIFEST)
    service.clock.slept_s += 73 * 3600

    problem(await service.get(answer.headers["location"]), 404, "not_found")


@pytest.mark.parametrize("plan_id", ["plan_1", "batch_" + "0" * 26, "plan_" + "0" * 26, "%2e%2e"])
async def test_a_plan_that_does_not_exist_is_not_found(service: Service, plan_id: str) -> None:
    problem(await service.get(f"/v1/plans/{plan_id}"), 404, "not_found")


async def test_a_plan_of_another_tenant_does_not_show(service: Service) -> None:
    plan_id = new_id("plan", now_ms=NOW_MS, random_bytes=bytes(10))
    await service.desk.plans.put("somebody-else", plan_id, plan_of(plan_id))

    problem(await service.get(f"/v1/plans/{plan_id}"), 404, "not_found")
