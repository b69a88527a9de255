import pytest

from core.state import keys
from core.state.connection import command
from schemas.errors import Problem
from schemas.ids import new_id
from tests.acceptance.http.stage import MANIFEST, NOW_MS, Service, pointers, problem
from tests.plans import rejected


async def batches(service: Service, count: int) -> list[str]:
    """Ids of that many batches, oldest first."""
    made = []
    for _ in range(count):
        made.append((await service.batch()).id)
        service.clock.slept_s += 1
    return made


async def test_batches_are_listed_newest_first_page_by_page(service: Service) -> None:
    made = await batches(service, 5)

    first = (await service.get("/v1/batches?limit=2")).json()
    second = (await service.get("/v1/batches", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    third = (await service.get("/v1/batches", params={"limit": 2, "cursor": second["next_cursor"]})).json()

    pages = [[batch["id"] for batch in page["data"]] for page in (first, second, third)]
    assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert third["next_cursor"] is None
    assert first["object"] == "list"


async def test_a_last_page_that_is_full_leads_nowhere(service: Service) -> None:
    await batches(service, 2)

    page = (await service.get("/v1/batches?limit=2")).json()

    assert (len(page["data"]), page["has_more"], page["next_cursor"]) == (2, False, None)


async def test_a_cursor_that_was_changed_is_refused(service: Service) -> None:
    await batches(service, 2)
    cursor = (await service.get("/v1/batches?limit=1")).json()["next_cursor"]

    for forged in (f"{cursor[:-4]}AAAA", "nonsense", "@", "é"):
        answer = await service.get("/v1/batches", params={"cursor": forged})
        assert pointers(problem(answer, 400, "bad_request")) == {"/query/cursor"}


async def test_a_cursor_of_one_list_does_not_open_another(service: Service) -> None:
    await batches(service, 2)
    cursor = (await service.get("/v1/batches?limit=1")).json()["next_cursor"]
    batch = await service.running()

    answer = await service.get(f"/v1/batches/{batch.id}/tasks", params={"cursor": cursor})

    problem(answer, 400, "bad_request")


@pytest.mark.parametrize("limit", ["0", "201", "x", "-1"])
async def test_a_page_has_1_to_200_entries(service: Service, limit: str) -> None:
    assert pointers(problem(await service.get(f"/v1/batches?limit={limit}"), 400, "bad_request")) == {
        "/query/limit"
    }


async def test_a_running_batch_shows_its_counts_its_money_and_its_links(service: Service) -> None:
    batch = await service.running({**MANIFEST, "spend": {"cap_usd": "2.00"}})
    claims = await service.world.claim(2)
    await service.world.finish(claims[0], cost=12_345)

    shown = (await service.get(f"/v1/batches/{batch.id}")).json()

    assert shown["state"] == "running"
    assert {name: count for name, count in shown["counts"].items() if count} == {
        "total": 4, "queued": 2, "running": 1, "done": 1,
    }  # fmt: skip
    assert shown["cost"]["spent"] == "0.012345"
    assert shown["cost"]["held"] == "0.00001"
    assert shown["cost"]["estimated"] == "0.04"
    assert (shown["budget_state"], shown["limited_by"], shown["rows"]) == ("ok", None, 2)
    assert shown["started_at"].endswith("Z")
    here = f"/v1/batches/{batch.id}"
    assert shown["links"] == {
        "self": here,
        "tasks": f"{here}/tasks",
        "results": f"{here}/results.jsonl",
        "cancel": f"{here}/cancel",
        "plan": f"/v1/plans/{batch.plan_id}",
    }
    for link in ("self", "tasks", "results"):
        assert (await service.get(shown["links"][link])).status_code == 200


async def test_a_rejected_batch_shows_why(service: Service) -> None:
    batch = await service.batch()
    found = Problem("/catalog/rows/2", "bad_row", "no title")
    await rejected(service.desk.batches, batch, "1 problem.", [found])

    shown = (await service.get(f"/v1/batches/{batch.id}")).json()

    assert (shown["state"], shown["refusal"], shown["errors"]) == (
        "rejected",
        "1 problem.",
        [found.as_dict() | {"row": None}],
    )
    assert shown["finished_at"] == "2026-11-21T08:00:00Z"


async def test_a_batch_that_has_not_changed_is_not_sent_again(service: Service) -> None:
    batch = await service.running()
    etag = (await service.get(f"/v1/batches/{batch.id}")).headers["etag"]

    for sent in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        answer = await service.get(f"/v1/batches/{batch.id}", headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


async def test_a_batch_that_has_changed_is_sent_with_another_etag(service: Service) -> None:
    batch = await service.running()
    etag = (await service.get(f"/v1/batches/{batch.id}")).headers["etag"]
    (claim,) = await service.world.claim()
    await service.world.finish(claim)

    answer = await service.get(f"/v1/batches/{batch.id}", headers={"If-None-Match": etag})

    assert answer.status_code == 200
    assert answer.headers["etag"] != etag


async def test_a_cancelled_batch_ends_with_what_is_in_flight(service: Service) -> None:
    batch = await service.running()
    (claim,) = await service.world.claim()
    await service.world.move(claim, "sent")

    answer = await service.ask("POST", f"/v1/batches/{batch.id}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelling")

    await service.world.walk(claim, "spooled", "stored", "done", cost=10)
    shown = (await service.get(f"/v1/batches/{batch.id}")).json()
    assert (shown["state"], shown["counts"]["done"], shown["counts"]["cancelled"]) == ("cancelled", 1, 3)


async def test_a_batch_that_has_ended_cannot_be_cancelled(service: Service) -> None:
    batch = await service.batch()
    await service.ask("POST", f"/v1/batches/{batch.id}/cancel")

    problem(await service.ask("POST", f"/v1/batches/{batch.id}/cancel"), 409, "conflict")


@pytest.mark.parametrize(
    "batch_id", ["batch_1", "batch_" + "0" * 26, "plan_" + "0" * 26, "%2e%2e", "x" * 500]
)
@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("POST", "/cancel"), ("GET", "/tasks"), ("GET", "/tasks/0"), ("GET", "/results.jsonl")],
)
async def test_a_batch_that_does_not_exist_is_not_found(
    service: Service, batch_id: str, method: str, rest: str
) -> None:
    problem(await service.ask(method, f"/v1/batches/{batch_id}{rest}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "rest"),
    [("GET", ""), ("POST", "/cancel"), ("GET", "/tasks"), ("GET", "/tasks/0"), ("GET", "/results.jsonl")],
)
async def test_a_batch_of_another_tenant_does_not_show(service: Service, method: str, rest: str) -> None:
    ours = await service.batch()
    theirs = new_id("batch", now_ms=NOW_MS, random_bytes=bytes(10))
    await command(service.desk.redis, "COPY", keys.batch(ours.id), keys.batch(theirs))
    await command(service.desk.redis, "HSET", keys.batch(theirs), "tenant", "somebody-else")

    problem(await service.ask(method, f"/v1/batches/{theirs}{rest}"), 404, "not_found")
