import json
from typing import Any

import httpx
import pytest

from core.queue import QUEUE
from schemas.errors import Problem
from schemas.ids import is_id, new_id
from service.submission import fingerprint_of
from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.stage import MANIFEST, NOW_MS, Service, pointers, problem
from tests.plans import plan_of, rejected

YAML = """\
name: autumn
catalog: {source: products.csv, key: sku}
image: {model: gpt-image-2, quality: low}
templates:
  hero: {prompt: "A photo of {{ row.title }}."}
"""


async def jobs(service: Service) -> int:
    return int(await service.desk.redis.zcard(QUEUE))


async def test_a_manifest_becomes_a_batch_whose_plan_is_asked_for(service: Service) -> None:
    answer = await service.submit({**MANIFEST, "metadata": {"campaign": "x"}, "spend": {"cap_usd": "1.5"}})

    batch = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}" == batch["links"]["self"]
    assert answer.headers["retry-after"] == "5"
    assert "idempotent-replayed" not in answer.headers
    assert is_id(batch["id"], "batch")
    assert (batch["object"], batch["name"], batch["state"]) == ("batch", "autumn", "planning")
    assert (batch["tenant"], batch["priority"], batch["metadata"]) == ("default", "normal", {"campaign": "x"})
    assert batch["cost"] == {
        "currency": "USD",
        "estimated": "0.00",
        "held": "0.00",
        "spent": "0.00",
        "cap": "1.50",
    }
    assert batch["created_at"] == "2026-11-21T08:00:00Z"
    assert batch["started_at"] is None and batch["finished_at"] is None
    assert await jobs(service) == 1


async def test_the_manifest_is_kept_as_it_was_written(service: Service) -> None:
    batch = await service.batch()

    kept = await service.desk.documents.get_manifest("default", batch.id)
    assert kept.model_dump(by_alias=True, exclude_unset=True, mode="json") == MANIFEST


@pytest.mark.parametrize("media_type", ["application/yaml", "text/yaml; charset=utf-8", "application/x-yaml"])
async def test_yaml_is_taken_under_each_of_its_names(service: Service, media_type: str) -> None:
    answer = await service.ask("POST", "/v1/batches", content=YAML, headers={"Content-Type": media_type})

    assert answer.status_code == 202


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_kind_of_body_is_refused(service: Service, media_type: str) -> None:
    answer = await service.ask("POST", "/v1/batches", content=YAML, headers={"Content-Type": media_type})

    assert "application/yaml" in problem(answer, 415, "unsupported_media_type")["detail"]


async def test_every_problem_of_a_manifest_is_told_at_once_and_nothing_is_kept(service: Service) -> None:
    wrong = {
        **MANIFEST,
        "nmae": "x",
        "samples": 0,
        "templates": {"hero": {"prompt": "{{ variant.seasn }}"}},
        "deadline": "2026-11-21T07:59:59Z",
    }

    body = problem(await service.submit(wrong), 422, "manifest_invalid")

    assert pointers(body) == {"/nmae", "/samples", "/templates/hero/prompt", "/deadline"}
    assert (await service.get("/v1/batches")).json()["data"] == []
    assert await jobs(service) == 0


async def test_more_pictures_than_a_batch_may_have_are_refused(serve: Serve) -> None:
    async with serve(max_tasks=3) as service:
        body = problem(await service.submit(), 422, "manifest_invalid")

    assert [one["code"] for one in body["errors"]] == ["too_many_tasks"]


async def test_a_deadline_that_lies_ahead_is_taken(service: Service) -> None:
    assert (await service.submit({**MANIFEST, "deadline": "2026-11-21T10:00:01+02:00"})).status_code == 202


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"name: a\nname: b\n", "line 2: the key 'name' was already written on line 1"),
        (b"name: a\n\tb: c\n", "spaces"),
        (b"name: caf\xe9\n", "line 1: byte 9 is not UTF-8"),
        (b"name: &a [*a]\n", "part of"),
        (b"", "empty"),
    ],
)
async def test_a_text_that_cannot_be_read_is_told_with_its_place(
    service: Service, text: bytes, sentence: str
) -> None:
    answer = await service.ask(
        "POST", "/v1/batches", content=text, headers={"Content-Type": "application/yaml"}
    )

    (error,) = problem(answer, 422, "manifest_invalid")["errors"]
    assert error["pointer"] == ""
    assert sentence in error["detail"]


async def test_a_body_over_the_limit_is_refused_by_what_its_header_says(serve: Serve) -> None:
    async with serve(max_body_bytes=1024) as service:
        answer = await service.submit({**MANIFEST, "name": "x" * 2000})

    problem(answer, 413, "too_large")


async def test_a_body_over_the_limit_is_refused_by_what_arrives(serve: Serve) -> None:
    async def endless() -> Any:
        while True:
            yield b"#" * 1000 + b"\n"

    async with serve(max_body_bytes=1024) as service:
        answer = await service.ask(
            "POST", "/v1/batches", content=endless(), headers={"Content-Type": "application/yaml"}
        )

    problem(answer, 413, "too_large")


async def test_a_batch_rejected_while_the_service_waits_is_answered_with_its_problems(serve: Serve) -> None:
    async with serve(submit_wait_s=5) as service:
        found = [Problem("/catalog/rows/2/title", "empty_field", "row.title is empty")]

        async def reject() -> None:
            (batch,) = await service.desk.batches.page("default", limit=1)
            plan = plan_of(batch.plan_id, errors_truncated=True)
            await rejected(service.desk.batches, batch, "1 problem.", found, plan=plan)

        service.clock.on_sleep = reject
        body = problem(await service.submit(), 422, "manifest_invalid")

        assert body["errors"] == [found[0].as_dict()]
        assert body["errors_truncated"]
        assert (await service.get(f"/v1/batches/{body['batch_id']}")).json()["state"] == "rejected"


async def test_a_batch_over_its_cap_is_refused_as_a_matter_of_money(serve: Serve) -> None:
    async with serve(submit_wait_s=5) as service:

        async def reject() -> None:
            (batch,) = await service.desk.batches.page("default", limit=1)
            await rejected(service.desk.batches, batch, "Over the cap.")

        service.clock.on_sleep = reject
        body = problem(await service.submit(), 402, "spend_refused")

    assert body["detail"] == "Over the cap."


async def test_a_planner_that_takes_longer_is_not_waited_for(serve: Serve) -> None:
    async with serve(submit_wait_s=0.7) as service:
        answer = await service.submit()

        assert answer.status_code == 202
        assert service.clock.slept_s == pytest.approx(0.7)


# Repetitions


async def test_the_same_submission_with_its_key_is_the_same_batch(service: Service) -> None:
    first = await service.submit(headers={"Idempotency-Key": "k"})
    again = await service.submit(headers={"Idempotency-Key": "k"})

    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert len((await service.get("/v1/batches")).json()["data"]) == 1
    assert await jobs(service) == 1


async def test_another_submission_with_a_used_key_is_refused(service: Service) -> None:
    await service.submit(headers={"Idempotency-Key": "k"})
    answer = await service.submit({**MANIFEST, "name": "other"}, headers={"Idempotency-Key": "k"})

    problem(answer, 422, "idempotency_key_reused")


async def test_a_key_is_not_used_up_by_a_manifest_with_problems(service: Service) -> None:
    await service.submit({**MANIFEST, "samples": 0}, headers={"Idempotency-Key": "k"})

    assert (await service.submit(headers={"Idempotency-Key": "k"})).status_code == 202


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_has_1_to_255_characters(service: Service, key: str) -> None:
    answer = await service.submit(headers={"Idempotency-Key": key})

    assert pointers(problem(answer, 400, "bad_request")) == {"/header/idempotency-key"}


async def remember(service: Service, key: str, *, age_ms: int) -> str:
    """A submission that got as far as its key and no further."""
    content = httpx.Request("POST", "http://x", json=MANIFEST).read()
    batch_id = new_id("batch", now_ms=NOW_MS - age_ms, random_bytes=bytes(range(10)))
    assert await service.desk.batches.idempotent("default", key, fingerprint_of(content), batch_id) is None
    return batch_id


async def test_a_submission_whose_first_request_is_under_way_is_asked_to_come_back(service: Service) -> None:
    await remember(service, "k", age_ms=1000)

    answer = await service.submit(headers={"Idempotency-Key": "k"})

    assert problem(answer, 409, "submission_under_way")["retryable"]
    assert answer.headers["retry-after"] == "1"


async def test_a_submission_that_died_half_way_is_finished_by_the_next_with_its_key(service: Service) -> None:
    batch_id = await remember(service, "k", age_ms=60_000)

    answer = await service.submit(headers={"Idempotency-Key": "k"})

    assert answer.status_code == 202
    assert answer.json()["id"] == batch_id
    assert await jobs(service) == 1


# Forms


async def test_a_form_brings_the_catalog_along(service: Service) -> None:
    manifest = {name: value for name, value in MANIFEST.items() if name != "catalog"}
    files = {
        "manifest": (None, json.dumps(manifest)),
        "catalog": ("products.csv", b"sku,title\na,Shirt\n", "text/csv"),
    }

    answer = await service.ask("POST", "/v1/batches", files=files)

    kept = await service.desk.documents.get_manifest("default", answer.json()["id"])
    assert kept.catalog is not None and kept.catalog.source == "products.csv"
    upload = await service.desk.documents.find_upload("default", "products.csv")
    assert upload is not None and upload.bytes == 18


async def test_a_form_may_hold_the_manifest_as_a_file_of_yaml(service: Service) -> None:
    files = {"manifest": ("manifest.yaml", YAML.encode(), "application/yaml")}

    assert (await service.ask("POST", "/v1/batches", files=files)).status_code == 202


async def test_a_form_with_its_key_is_one_submission_whatever_its_boundary(service: Service) -> None:
    async def send(catalog: bytes) -> httpx.Response:
        files = {"manifest": (None, YAML), "catalog": ("products.csv", catalog)}
        return await service.ask("POST", "/v1/batches", files=files, headers={"Idempotency-Key": "k"})

    first, again, other = await send(b"sku\na\n"), await send(b"sku\na\n"), await send(b"sku\nb\n")

    assert again.json()["id"] == first.json()["id"]
    problem(other, 422, "idempotency_key_reused")


async def test_a_form_with_a_wrong_manifest_uploads_nothing(service: Service) -> None:
    files = {"manifest": (None, "name: x"), "catalog": ("products.csv", b"sku\na\n")}

    problem(await service.ask("POST", "/v1/batches", files=files), 422, "manifest_invalid")

    assert await service.desk.documents.find_upload("default", "products.csv") is None


async def test_rows_in_the_manifest_and_a_catalog_beside_it_contradict_each_other(service: Service) -> None:
    files = {"manifest": (None, json.dumps(MANIFEST)), "catalog": ("products.csv", b"sku\na\n")}

    body = problem(await service.ask("POST", "/v1/batches", files=files), 422, "manifest_invalid")

    assert pointers(body) == {"/catalog"}


@pytest.mark.parametrize(
    "files",
    [
        {"catalog": ("products.csv", b"sku\na\n")},
        {"manifest": (None, YAML), "catalogue": ("products.csv", b"sku\na\n")},
        {"manifest": (None, YAML), "catalog": (None, "sku")},
        {"manifest": (None, YAML), "catalog": ("../products.csv", b"sku\na\n")},
    ],
    ids=["no manifest", "an unknown part", "a catalog that is no file", "a catalog with a bad name"],
)
async def test_a_form_that_is_not_as_it_should_be_is_refused(service: Service, files: Any) -> None:
    problem(await service.ask("POST", "/v1/batches", files=files), 400, "bad_request")


async def test_a_part_that_comes_twice_is_refused(service: Service) -> None:
    files = [("manifest", (None, YAML)), ("manifest", (None, YAML))]

    assert pointers(problem(await service.ask("POST", "/v1/batches", files=files), 400, "bad_request")) == {
        "/form/manifest"
    }


@pytest.mark.parametrize("media_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_a_broken_form_is_refused(service: Service, media_type: str) -> None:
    answer = await service.ask(
        "POST", "/v1/batches", content=b"nonsense", headers={"Content-Type": media_type}
    )

    problem(answer, 400, "bad_request")


async def test_the_parts_of_a_form_have_limits_of_their_own(serve: Serve) -> None:
    async with serve(max_body_bytes=1024, max_upload_bytes=2000) as service:
        for manifest in (("manifest.yaml", b"#" * 1500), (None, "#" * 1500)):
            problem(await service.ask("POST", "/v1/batches", files={"manifest": manifest}), 413, "too_large")
        whole = {"manifest": (None, YAML), "catalog": ("products.csv", b"#" * 4000)}
        problem(await service.ask("POST", "/v1/batches", files=whole), 413, "too_large")
