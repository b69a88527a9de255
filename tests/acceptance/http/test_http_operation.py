from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from core.state import keys
from service.app import openapi_document
from tests.acceptance.http.stage import Service, pointers, problem, serving
from tests.processes import RedisServer


async def samples(service: Service) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = (await service.get("/metrics")).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_process_that_runs_is_alive(service: Service) -> None:
    service.client.headers.pop("Authorization")

    assert (await service.get("/livez")).json() == {"status": "ok", "warnings": []}


async def test_a_service_whose_doors_answer_is_ready(service: Service) -> None:
    service.client.headers.pop("Authorization")

    assert (await service.get("/readyz")).json() == {"status": "ok", "warnings": []}


async def test_a_redis_that_may_forget_what_was_paid_is_warned_of(service: Service) -> None:
    await service.desk.redis.config_set("appendonly", "no")
    try:
        (warning,) = (await service.get("/readyz")).json()["warnings"]
    finally:
        await service.desk.redis.config_set("appendonly", "yes")

    assert "appendonly yes" in warning


async def test_a_redis_that_was_told_to_evict_makes_the_service_unready(service: Service) -> None:
    await service.desk.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        body = problem(await service.get("/readyz"), 503, "unavailable")
    finally:
        await service.desk.redis.config_set("maxmemory-policy", "noeviction")

    assert "noeviction" in body["detail"]


async def test_a_service_with_both_doors_shut_says_so_of_both(
    redis_of_its_own: RedisServer, tmp_path: Path
) -> None:
    async with serving(redis_of_its_own.url, tmp_path) as service:
        redis_of_its_own.kill()
        (tmp_path / "store").write_text("not a folder")

        body = problem(await service.get("/readyz"), 503, "unavailable")
        alive = await service.get("/livez")

    assert pointers(body) == {"/redis", "/storage"}
    assert alive.status_code == 200


async def test_requests_are_counted_by_the_pattern_of_their_address(service: Service) -> None:
    batch = await service.batch()
    await service.get(f"/v1/batches/{batch.id}/tasks/7")
    for path in ("/v1/nope", "/wp-login.php"):
        await service.get(path)

    found = await samples(service)

    def requests(method: str, route: str, status: str) -> float:
        return found[
            "darkroom_http_requests_total", (("method", method), ("route", route), ("status", status))
        ]

    assert requests("GET", "/v1/batches/{batch_id}/tasks/{index}", "404") == 1
    assert requests("any", "unmatched", "404") == 2
    assert found["darkroom_http_request_seconds_count", (("method", "POST"), ("route", "/v1/batches"))] == 1


async def test_figures_of_the_whole_queue_are_shown(service: Service) -> None:
    await service.running()
    await service.world.claim()
    await service.desk.redis.zadd(keys.WORKERS, {"w1": 10**14})

    found = await samples(service)

    assert found["darkroom_redis_up", ()] == 1
    assert found["darkroom_workers", ()] == 1
    assert found["darkroom_lane_flows", (("lane", "lane"), ("state", "ready"))] == 1
    assert found["darkroom_lane_in_flight", (("lane", "lane"),)] == 1
    assert found["darkroom_lane_paused", (("lane", "lane"), ("reason", "none"))] == 0


async def test_what_redis_says_of_keeping_everything_and_of_its_memory_is_shown(service: Service) -> None:
    redis = service.desk.redis
    found = await samples(service)
    assert found["darkroom_redis_persists", (("part", "append_only"),)] == 1
    assert found["darkroom_redis_persists", (("part", "last_write"),)] == 1
    assert found["darkroom_redis_persists", (("part", "sync"),)] == 0  # this one has `everysec`

    await redis.config_set("appendfsync", "always")
    await redis.config_set("maxmemory", 10**9)
    try:
        found = await samples(service)
    finally:
        await redis.config_set("appendfsync", "everysec")
        await redis.config_set("maxmemory", 0)

    assert found["darkroom_redis_persists", (("part", "sync"),)] == 1
    assert found["darkroom_redis_memory_limit_bytes", ()] == 10**9
    assert 0 < found["darkroom_redis_memory_bytes", ()] < 10**9


async def test_tasks_that_end_are_counted_by_how_and_what_never_happened_is_shown_as_none(
    service: Service,
) -> None:
    batch = await service.running()
    (claim,) = await service.world.claim(1)
    await service.world.finish(claim)
    await service.ask("POST", f"/v1/batches/{batch.id}/cancel")

    found = await samples(service)

    counted = {
        dict(labels)["outcome"]: value for (name, labels), value in found.items() if "darkroom_tasks" in name
    }
    assert {outcome: value for outcome, value in counted.items() if value} == {"done": 1, "cancelled": 3}
    assert counted["expired"] == counted["parent_failed"] == counted["over_budget"] == 0


async def test_figures_are_shown_without_redis_as_well(redis_of_its_own: RedisServer, tmp_path: Path) -> None:
    async with serving(redis_of_its_own.url, tmp_path) as service:
        redis_of_its_own.kill()
        found = await samples(service)

    assert found["darkroom_redis_up", ()] == 0
    assert "darkroom_workers" not in {name for name, _ in found}


async def test_the_document_of_the_api_is_published(service: Service) -> None:
    assert (await service.get("/openapi.json")).json() == openapi_document()
