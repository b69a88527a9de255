"""Of what a batch made, an export has the templates, sizes and samples that it was asked for."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile

import pytest

from schemas.batch import Batch
from schemas.task import TaskState
from tests.acceptance.http.gallery import made, make, png, rows_of, running
from tests.acceptance.http.stage import Service, pointers, problem

TWO = {
    "templates": {
        "plain": {"prompt": "A photo of {{ row.title }}"},
        "hero": {
            "prompt": "{{ row.title }} in a garden",
            "sizes": ["1024x1024", "1024x1536"],
            "samples": 2,
        },
    },
    "variants": {},
}
"""Of each row: task 0 of `plain`, then `hero` in two sizes, twice each."""
EXPORTS = (
    "results.jsonl",
    "results.csv",
    "pictures.zip",
    "contact-sheet.html",
    "feeds/shopify.csv",
    "feeds/merchant.tsv",
    "feeds/pictures.csv",
)
QUERIES = {
    "": [0, 1, 2, 3, 4],
    "template=hero": [1, 2, 3, 4],
    "template=hero&size=1024x1536": [3, 4],
    "template=hero&size=1024x1024&sample=1": [1],
    "sample=2": [2, 4],
    "template=plain&template=hero&size=1024x1024&sample=1&sample=2": [0, 1, 2],
}


async def two_templates(service: Service) -> Batch:
    return await made(service, rows_of("Shirt", sku="s"), **TWO)


async def indexes_in(service: Service, batch: Batch, export: str, query: str) -> list[int]:
    """The pictures that an export names, which are called by their index."""
    answer = await service.get(f"/v1/batches/{batch.id}/{export}?{query}")
    assert answer.status_code == 200, answer.text
    is_zip = export.endswith(".zip")
    text = " ".join(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()) if is_zip else answer.text
    return sorted({int(found) for found in re.findall(r"row-1/(\d)\.png", text)})


@pytest.mark.parametrize("export", EXPORTS)
async def test_an_export_has_what_it_was_asked_for(service: Service, export: str) -> None:
    batch = await two_templates(service)

    assert {query: await indexes_in(service, batch, export, query) for query in QUERIES} == QUERIES


async def test_results_have_what_failed_as_well_where_it_was_asked_for(service: Service) -> None:
    batch, claims = await running(service, rows_of("Shirt"), **TWO)
    await make(service, claims[0], "row-1/0.png", png("#fff"))
    await service.world.move(claims[1], TaskState.FAILED, failure={"class": "bad_output"})

    lines = (await service.get(f"/v1/batches/{batch.id}/results.jsonl?template=hero")).text.splitlines()
    table = (await service.get(f"/v1/batches/{batch.id}/results.csv?template=hero")).text

    assert [json.loads(line)["index"] for line in lines] == [1]
    assert [line["index"] for line in csv.DictReader(io.StringIO(table))] == ["1"]


async def test_the_next_sheet_shows_what_the_first_one_was_asked_for(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.routes.exports.HTML_PICTURES", 1)
    batch = await two_templates(service)

    first = await service.get(
        f"/v1/batches/{batch.id}/contact-sheet.html?template=hero&size=1024x1536&size=1024x1024&sample=2"
    )
    second = await service.get(first.links["next"]["url"])

    assert re.findall(r"row-1/(\d)\.png\"", first.text) == ["2"]
    assert re.findall(r"row-1/(\d)\.png\"", second.text) == ["4"]
    assert "next" not in second.links


async def test_a_link_to_an_archive_is_one_to_what_was_asked_for(service: Service) -> None:
    batch = await two_templates(service)

    made_link = await service.ask("POST", f"/v1/batches/{batch.id}/archive_links?template=hero&sample=1")
    answer = await service.get(made_link.json()["url"])

    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert names == ["row-1/1.png", "row-1/3.png"]


@pytest.mark.parametrize("export", [*EXPORTS, "contact-sheet.png"])
async def test_an_unknown_name_is_refused_with_those_that_there_are(service: Service, export: str) -> None:
    batch = await two_templates(service)
    path = f"/v1/batches/{batch.id}/{export}"

    template = problem(await service.get(f"{path}?template=heroes&size=square"), 400, "bad_request")
    others = problem(await service.get(f"{path}?template=plain&size=square&sample=2"), 400, "bad_request")

    assert template["detail"] == "there is no template 'heroes' here, but plain, hero."
    assert pointers(template) == {"/query/template"}
    assert others["detail"] == (
        "there is no size 'square' here, but 1024x1024; there is no sample '2' here, but 1."
    )
    assert pointers(others) == {"/query/size", "/query/sample"}
    assert pointers(problem(await service.get(f"{path}?sample=first"), 400, "bad_request")) == {
        "/query/sample/0"
    }
    problem(await service.get(f"{path}?templates=hero"), 400, "bad_request")


async def test_a_link_to_an_unknown_name_is_not_made(service: Service) -> None:
    batch = await two_templates(service)

    answer = await service.ask("POST", f"/v1/batches/{batch.id}/archive_links?template=heroes")

    assert pointers(problem(answer, 400, "bad_request")) == {"/query/template"}
