import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.stage import Service, pointers, problem

CONTENT = b"sku,title\na,Shirt\n"


async def test_a_file_is_kept_under_its_name(service: Service, tmp_path: Path) -> None:
    answer = await service.ask("PUT", "/v1/uploads/summer/products.csv", content=CONTENT)

    digest = hashlib.sha256(CONTENT).hexdigest()
    assert answer.status_code == 201
    assert answer.json() == {
        "name": "summer/products.csv",
        "sha256": digest,
        "bytes": len(CONTENT),
        "media_type": "application/octet-stream",
    }
    assert (await service.get("/v1/uploads/summer/products.csv")).json() == answer.json()
    await service.desk.documents.get_upload("default", digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


async def test_a_name_moves_to_what_was_uploaded_last(service: Service) -> None:
    await service.ask("PUT", "/v1/uploads/products.csv", content=CONTENT)
    await service.ask("PUT", "/v1/uploads/products.csv", content=b"sku\n")

    assert (await service.get("/v1/uploads/products.csv")).json()["bytes"] == 4


@pytest.mark.parametrize(
    "name", ["Blue shirt (1), front.jpg", "größe/übersicht.csv", "a=b&c.csv", "100%.csv", "a:b"]
)
async def test_ordinary_file_names_are_taken(service: Service, name: str) -> None:
    answer = await service.ask("PUT", f"/v1/uploads/{quote(name)}", content=CONTENT)

    assert (answer.status_code, answer.json()["name"]) == (201, name)
    assert (await service.get(f"/v1/uploads/{quote(name)}")).status_code == 200


async def test_a_folder_is_kept_as_the_list_of_its_pictures(service: Service) -> None:
    answer = await service.ask("PUT", "/v1/uploads/photos/", content=b"a.jpg\n")

    assert (answer.status_code, answer.json()["name"]) == (201, "photos/")
    assert (await service.get("/v1/uploads/photos/")).json() == answer.json()
    problem(await service.get("/v1/uploads/photos"), 404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "GET"])
@pytest.mark.parametrize(
    "name",
    ["%2e%2e/secret", "a/%2e%2e/b", "%2fetc/passwd", "a//b", "a//", "%2f", "a%5cb", "a%00b", "x" * 256, "a/" * 400 + "b",
     "https%3a//example.com/a"],
)  # fmt: skip
async def test_a_name_that_could_lead_elsewhere_is_refused(service: Service, method: str, name: str) -> None:
    answer = await service.ask(
        method, f"/v1/uploads/{name}", **({"content": CONTENT} if method == "PUT" else {})
    )

    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "bad_request")
    assert pointers(body) == {"/path/name"}


async def test_a_file_over_the_limit_is_refused_and_not_kept(serve: Serve) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    async with serve(max_upload_bytes=3000) as service:
        problem(await service.ask("PUT", "/v1/uploads/big", content=endless()), 413, "too_large")
        problem(await service.ask("PUT", "/v1/uploads/big", content=b"x" * 3001), 413, "too_large")
        problem(await service.get("/v1/uploads/big"), 404, "not_found")
        assert (await service.ask("PUT", "/v1/uploads/fits", content=b"x" * 3000)).status_code == 201


async def test_what_another_tenant_uploaded_does_not_show(service: Service, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    await service.desk.documents.put_upload("somebody-else", "products.csv", tmp_path / "file")

    problem(await service.get("/v1/uploads/products.csv"), 404, "not_found")
