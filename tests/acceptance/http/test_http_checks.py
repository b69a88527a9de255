"""A picture that its channel might not take shows wherever somebody looks at a batch."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from PIL import Image

from schemas.batch import Batch
from schemas.rendition import Checked
from tests.acceptance.http.gallery import COLOURS, make, png, rows_of, running
from tests.acceptance.http.stage import Service, problem
from tests.acceptance.http.test_http_exports import Page

FAILED = Checked(result="fail", failed=("white_corners", "pixels"), warned=("fill",))
FOUND = (FAILED, Checked(result="pass"), Checked(result="warn", warned=("fill",)), None)
RED, AMBER = (0xB3, 0x26, 0x1E), (0x8A, 0x5A, 0x00)


async def checked_batch(service: Service) -> Batch:
    """Two rows in two variants; their four pictures fail, pass, want a look, and have no rules."""
    batch, claims = await running(service, rows_of("Shirt", "Hat"))
    for claim, checks in zip(claims, FOUND, strict=True):
        await make(service, claim, f"{claim.index}.png", png(COLOURS[claim.index]), checks)
    return await service.desk.batches.get(batch.tenant, batch.id)


async def lines_of(service: Service, batch: Batch, export: str) -> list[dict[str, str]]:
    answer = await service.get(f"/v1/batches/{batch.id}/{export}")
    assert answer.status_code == 200, answer.text
    delimiter = "\t" if ".tsv" in export else ","
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=delimiter))


async def results(service: Service, batch: Batch) -> list[dict[str, Any]]:
    answer = await service.get(f"/v1/batches/{batch.id}/results.jsonl")
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_batch_counts_its_pictures_by_the_worst_of_their_checks(service: Service) -> None:
    batch = await checked_batch(service)

    found = (await service.get(f"/v1/batches/{batch.id}")).json()

    assert found["checks"] == {"pass": 1, "warn": 1, "fail": 1}
    assert (await service.batch()).checks == {"pass": 0, "warn": 0, "fail": 0}


async def test_a_task_names_the_rules_that_its_picture_does_not_pass(service: Service) -> None:
    lines = await results(service, await checked_batch(service))

    assert [line["asset"]["checks"] for line in lines] == [
        {"result": "fail", "failed": ["white_corners", "pixels"], "warned": ["fill"]},
        {"result": "pass", "failed": [], "warned": []},
        {"result": "warn", "failed": [], "warned": ["fill"]},
        None,
    ]


async def test_the_table_names_them_in_columns(service: Service) -> None:
    lines = await lines_of(service, await checked_batch(service), "results.csv")

    assert [(line["check"], line["failed_rules"], line["warned_rules"]) for line in lines] == [
        ("fail", "white_corners, pixels", "fill"),
        ("pass", "", ""),
        ("warn", "", "fill"),
        ("", "", ""),
    ]


@pytest.mark.parametrize(("check", "indexes"), [("fail", [0]), ("warn", [2]), ("pass", [1])])
async def test_tasks_are_listed_by_what_their_checks_came_to(
    service: Service, check: str, indexes: list[int]
) -> None:
    batch = await checked_batch(service)
    path = f"/v1/batches/{batch.id}/tasks"

    found = (await service.get(path, params={"check": check})).json()["data"]

    assert [task["index"] for task in found] == indexes
    assert (await service.get(path, params={"check": check, "state": "failed"})).json()["data"] == []
    problem(await service.get(path, params={"check": "poor"}), 400, "bad_request")


async def test_a_skipped_task_has_the_checks_of_the_picture_that_serves_for_it_and_counts_no_more(
    service: Service,
) -> None:
    batch, (first, second) = await running(service, rows_of("Shirt"))
    await make(service, first, "0.png", png(COLOURS[0]), FAILED)
    await service.world.move(second, "skipped", same_as=first.index)

    lines = await results(service, batch)

    assert [line["asset"]["checks"]["result"] for line in lines] == ["fail", "fail"]
    assert (await service.get(f"/v1/batches/{batch.id}")).json()["checks"]["fail"] == 1


async def test_a_contact_sheet_marks_what_somebody_has_to_look_at_and_counts_it(service: Service) -> None:
    batch = await checked_batch(service)

    answer = await service.get(f"/v1/batches/{batch.id}/contact-sheet.html")

    words = Page(answer.text).words
    assert "fails: white_corners, pixels; look at: fill" in words
    assert "look at: fill" in words
    assert any("1 fail a check of their channel, 1 should be looked at" in word for word in words)
    assert [answer.text.count(f'<figure class="{kind}">') for kind in ("fail", "warn")] == [1, 1]
    assert answer.text.count("<figure") == 4


async def test_a_sheet_on_which_all_is_well_says_nothing_of_checks(service: Service) -> None:
    batch, claims = await running(service, rows_of("Shirt"))
    for claim in claims:
        await make(service, claim, f"{claim.index}.png", png(COLOURS[0]), Checked(result="pass"))

    page = (await service.get(f"/v1/batches/{batch.id}/contact-sheet.html")).text

    assert "Marked" not in page and "<b>" not in page


async def test_a_drawn_sheet_has_a_frame_around_each_of_them(service: Service) -> None:
    batch = await checked_batch(service)

    answer = await service.get(f"/v1/batches/{batch.id}/contact-sheet.png")

    with Image.open(io.BytesIO(answer.content)) as sheet:
        frames = [sheet.getpixel((12 - 2 + 212 * place, 44 + 100)) for place in range(4)]
        inside = [sheet.getpixel((12 + 100 + 212 * place, 44 + 100)) for place in range(4)]
    white = (255, 255, 255)
    assert frames == [RED, white, AMBER, white]
    assert inside == [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS[:4]]


@pytest.mark.parametrize("name", ["shopify.csv", "merchant.tsv", "pictures.csv"])
async def test_a_feed_says_how_many_pictures_fail_and_goes_without_them_if_it_is_asked_to(
    service: Service, name: str
) -> None:
    batch = await checked_batch(service)
    addresses = {"shopify.csv": "Product image URL", "pictures.csv": "url", "merchant.tsv": ""}

    async def shown(query: str) -> list[int]:
        lines = await lines_of(service, batch, f"feeds/{name}{query}")
        text = " ".join(
            line[addresses[name]] if addresses[name] else " ".join(line.values()) for line in lines
        )
        return [index for index in range(4) if f"/{index}.png" in text]

    answer = await service.get(f"/v1/batches/{batch.id}/feeds/{name}")
    assert answer.headers["darkroom-failed-checks"] == "1"
    assert await shown("") == [0, 1, 2, 3]
    assert await shown("?leave_out=fail") == [1, 2, 3]
    assert await shown("?leave_out=warn") == [1, 3]
    problem(await service.get(f"/v1/batches/{batch.id}/feeds/{name}?leave_out=pass"), 400, "bad_request")


async def test_who_takes_the_pictures_is_told_of_performers_that_are_no_persons(service: Service) -> None:
    batch, claims = await running(
        service, rows_of("Shirt"), disclosure={"contains_synthetic_performer": True}
    )
    for claim in claims:
        await make(service, claim, f"{claim.index}.png", png(COLOURS[0]), None)

    assert [line["asset"]["contains_synthetic_performer"] for line in await results(service, batch)] == [
        True
    ] * 2
    for table in ("results.csv", "feeds/pictures.csv"):
        lines = await lines_of(service, batch, table)
        assert [line["contains_synthetic_performer"] for line in lines] == ["true"] * 2


async def test_a_feed_for_anything_else_has_the_checks_in_its_columns(service: Service) -> None:
    lines = await lines_of(service, await checked_batch(service), "feeds/pictures.csv")

    assert [(line["check"], line["failed_rules"]) for line in lines] == [
        ("fail", "white_corners, pixels"),
        ("pass", ""),
        ("warn", ""),
        ("", ""),
    ]
