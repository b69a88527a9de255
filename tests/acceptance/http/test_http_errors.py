import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from service.problems import PROBLEM_TYPES
from service.routes import batches, exports, operation, plans, results, tasks, uploads
from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.stage import KEY, MANIFEST, Service, pointers, problem, serving
from tests.processes import RedisServer

NO_BATCH = "batch_" + "0" * 26


def addresses() -> Iterator[tuple[str, str]]:
    """Every method and path below /v1, with something in its holes."""
    for module in (batches, tasks, results, exports, plans, uploads):
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            path = re.sub(r"{(\w+)(:\w+)?}", lambda hole: {"index": "0"}.get(hole[1], NO_BATCH), route.path)
            yield from ((method, path) for method in sorted(route.methods or ()))


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", f"Basic {KEY}", KEY, "Bearer é"])
async def test_without_a_valid_key_nothing_is_answered(service: Service, header: str | None) -> None:
    service.client.headers.pop("Authorization")
    headers = {} if header is None else {b"Authorization": header.encode()}

    for method, path in addresses():
        answer = await service.client.request(method, path, headers=headers)

        problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
        assert KEY not in answer.text


async def test_a_service_without_a_key_serves_nobody_and_says_what_to_set(serve: Serve) -> None:
    async with serve(bootstrap_key=None) as service:
        for header in (KEY, ""):
            answer = await service.get("/v1/batches", headers={"Authorization": f"Bearer {header}"})
            assert "DARKROOM_SERVICE__BOOTSTRAP_KEY" in problem(answer, 401, "unauthorized")["detail"]


async def test_an_unknown_query_parameter_is_refused_everywhere(service: Service) -> None:
    batch = await service.batch()
    for method, path in addresses():
        answer = await service.ask(method, path.replace(NO_BATCH, batch.id), params={"stat/e": "done"})

        assert pointers(problem(answer, 400, "bad_request")) == {"/query/stat~1e"}


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/batches/", "/docs", "/redoc", "/v1/batches:estimate"])
async def test_an_address_that_leads_nowhere_is_not_found(service: Service, path: str) -> None:
    problem(await service.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/batches", {"GET", "POST"}),
        ("GET", "/v1/batches:plan", {"POST"}),
        ("POST", "/livez", {"GET"}),
    ],
)
async def test_another_method_is_refused_with_those_that_are_taken(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    answer = await service.ask(method, path)

    problem(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) <= allowed


async def test_a_mistake_of_the_service_is_a_problem_that_tells_nothing_of_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, logs: list[Any]
) -> None:
    async def fall(*_: object, **__: object) -> None:
        raise KeyError("a secret of the inside")

    monkeypatch.setattr(type(service.desk.batches), "page", fall)

    body = problem(await service.get("/v1/batches"), 500, "internal")

    assert "secret" not in str(body)
    assert body["retryable"]
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["request.failed"]


async def test_a_redis_that_does_not_answer_is_worth_another_try(
    redis_of_its_own: RedisServer, tmp_path: Path
) -> None:
    async with serving(redis_of_its_own.url, tmp_path) as service:
        redis_of_its_own.kill()
        answer = await service.get("/v1/batches")

    assert problem(answer, 503, "unavailable")["retryable"]
    assert answer.headers["retry-after"] == "5"


async def test_a_request_keeps_the_id_it_came_with(service: Service) -> None:
    answer = await service.get("/v1/batches/nope", headers={"X-Request-Id": "mine-1.2:3"})

    assert problem(answer, 404, "not_found")["request_id"] == "mine-1.2:3"


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "{}"])
async def test_an_id_that_could_upset_a_log_is_replaced(service: Service, given: str) -> None:
    answer = await service.get("/livez", headers={"X-Request-Id": given})

    assert re.fullmatch(r"req_[0-9a-z]{26}", answer.headers["x-request-id"])


async def test_answers_are_not_kept_by_caches_nor_guessed_at_by_browsers(service: Service) -> None:
    for answer in (await service.get("/v1/batches"), await service.get("/nope"), await service.submit()):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_every_type_of_problem_has_its_page(service: Service) -> None:
    for code, kind in PROBLEM_TYPES.items():
        page = (await service.get(f"/problems/{code}")).json()
        assert (page["code"], page["status"], page["title"]) == (code, kind.status, kind.title)
        assert page["advice"]
    problem(await service.get("/problems/nope"), 404, "not_found")


async def test_more_than_100_problems_are_cut_and_said_to_be(service: Service) -> None:
    templates = {f"t{number}": {"prompt": "x", "wrong": 1} for number in range(100)}

    body = problem(
        await service.submit({**MANIFEST, "templates": templates, "sizes": ["1x1"]}), 422, "manifest_invalid"
    )

    assert len(body["errors"]) == 100
    assert body["errors_truncated"]


def test_machines_and_operators_need_no_key() -> None:
    paths = {route.path for route in operation.router.routes if isinstance(route, APIRoute)}

    assert paths == {"/livez", "/readyz", "/metrics", "/problems/{code}"}
