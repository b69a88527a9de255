import pytest

from tests.acceptance.http.stage import MANIFEST, Service, pointers, problem


async def test_a_batch_is_paused_and_goes_on(service: Service) -> None:
    batch = await service.running()

    paused = await service.ask("POST", f"/v1/batches/{batch.id}/pause")
    assert (paused.status_code, paused.json()["state"], paused.json()["limited_by"]) == (
        200,
        "paused",
        "paused",
    )
    assert await service.world.claim(9) == []

    resumed = await service.ask("POST", f"/v1/batches/{batch.id}/resume")
    assert (resumed.json()["state"], resumed.json()["limited_by"]) == ("running", None)
    assert len(await service.world.claim(9)) == 4


async def test_every_change_has_an_etag_of_its_own(service: Service) -> None:
    batch = await service.running()

    tags = [(await service.get(f"/v1/batches/{batch.id}")).headers["etag"]]
    for verb in ("pause", "resume"):
        tags.append((await service.ask("POST", f"/v1/batches/{batch.id}/{verb}")).headers["etag"])

    assert len(set(tags)) == 3
    assert (await service.get(f"/v1/batches/{batch.id}")).headers["etag"] == tags[-1]


async def test_cap_and_priority_are_changed_together(service: Service) -> None:
    batch = await service.running({**MANIFEST, "spend": {"cap_usd": "2.00"}})

    answer = await service.ask(
        "PATCH", f"/v1/batches/{batch.id}", json={"cap_usd": "300.00", "priority": "bulk"}
    )

    assert answer.status_code == 200
    assert (answer.json()["cost"]["cap"], answer.json()["priority"]) == ("300.00", "bulk")


async def test_a_cap_under_what_is_held_and_spent_is_refused_with_the_figures(service: Service) -> None:
    batch = await service.running()
    claims = await service.world.claim(2)
    await service.world.finish(claims[0], cost=12_000)

    answer = await service.ask("PATCH", f"/v1/batches/{batch.id}", json={"cap_usd": "0.01"})

    detail = problem(answer, 409, "conflict")["detail"]
    assert "$0.012 is spent and $0.00001 is held" in detail
    assert (await service.get(f"/v1/batches/{batch.id}")).json()["cost"]["cap"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"cap_usd": None}, ""),
        ({"cap_usd": "0"}, "/cap_usd"),
        ({"cap_usd": "much"}, "/cap_usd"),
        ({"cap_usd": -3}, "/cap_usd"),
        ({"priority": "urgent"}, "/priority"),
        ({"name": "other"}, "/name"),
        ([], ""),
    ],
)
async def test_a_change_that_makes_no_sense_is_refused_with_its_place(
    service: Service, body: object, pointer: str
) -> None:
    batch = await service.running()

    answer = await service.ask("PATCH", f"/v1/batches/{batch.id}", json=body)

    assert pointers(problem(answer, 400, "bad_request")) == {pointer}


async def test_every_mistake_of_a_change_is_told_at_once(service: Service) -> None:
    batch = await service.running()

    answer = await service.ask("PATCH", f"/v1/batches/{batch.id}", json={"cap_usd": "0", "priority": "x"})

    assert pointers(problem(answer, 400, "bad_request")) == {"/cap_usd", "/priority"}


async def test_a_change_that_is_not_json_is_refused(service: Service) -> None:
    batch = await service.running()
    for content in (b"{", b"\xff", b""):
        answer = await service.ask(
            "PATCH",
            f"/v1/batches/{batch.id}",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        problem(answer, 400, "bad_request")

    answer = await service.ask("PATCH", f"/v1/batches/{batch.id}", content=b"priority: bulk")
    problem(answer, 415, "unsupported_media_type")


WAYS = pytest.mark.parametrize(("method", "rest"), [("POST", "/pause"), ("POST", "/resume"), ("PATCH", "")])
BULK = {"priority": "bulk"}


@WAYS
@pytest.mark.parametrize("tag", ['"1"', 'W/"{version}"', '"x"', "{version}", ""])
async def test_a_batch_that_has_changed_since_is_left_alone(
    service: Service, method: str, rest: str, tag: str
) -> None:
    batch = await service.running()
    headers = {"If-Match": tag.format(version=batch.version)}

    answer = await service.ask(method, f"/v1/batches/{batch.id}{rest}", headers=headers, json=BULK)

    problem(answer, 412, "precondition_failed")
    assert (await service.world.look(batch)) == batch


@WAYS
@pytest.mark.parametrize("tag", ['"{version}"', '"1", "{version}"', "*"])
async def test_a_batch_that_is_as_it_was_seen_is_steered(
    service: Service, method: str, rest: str, tag: str
) -> None:
    batch = await service.running()
    headers = {"If-Match": tag.format(version=batch.version)}

    answer = await service.ask(method, f"/v1/batches/{batch.id}{rest}", headers=headers, json=BULK)

    assert answer.status_code == 200


@WAYS
async def test_a_batch_that_has_ended_or_has_not_started_is_not_steered(
    service: Service, method: str, rest: str
) -> None:
    planning, ended = await service.batch(), await service.running()
    await service.ask("POST", f"/v1/batches/{ended.id}/cancel")

    for batch in (planning, ended):
        answer = await service.ask(method, f"/v1/batches/{batch.id}{rest}", json=BULK)
        problem(answer, 409, "conflict")


@WAYS
async def test_a_batch_that_does_not_exist_is_not_steered(service: Service, method: str, rest: str) -> None:
    answer = await service.ask(method, f"/v1/batches/batch_{'0' * 26}{rest}", json=BULK)

    problem(answer, 404, "not_found")
