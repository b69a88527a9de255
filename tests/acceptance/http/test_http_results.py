import csv
import io
import json

import pytest

from schemas.batch import Batch
from tests.acceptance.http.gallery import made, pieces_of, rows_of, running, with_a_twin
from tests.acceptance.http.stage import Service


async def table(service: Service, batch: Batch) -> list[dict[str, str]]:
    answer = await service.get(f"/v1/batches/{batch.id}/results.csv")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_the_table_says_what_the_lines_say(service: Service) -> None:
    batch, (done, failed, *_) = await running(service, rows_of("Shirt", "Hat"))
    await service.world.finish(done, cost=5_000)
    failure = {
        "class": "moderation_blocked",
        "message": "refused",
        "code": "moderation_blocked",
        "stage": "input",
    }
    await service.world.walk(failed, "sent", "failed", failure={**failure, "charged": "no"}, cost=0)

    rows = await table(service, batch)

    lines = [
        json.loads(line)
        for line in (await service.get(f"/v1/batches/{batch.id}/results.jsonl")).text.splitlines()
    ]
    assert [row["index"] for row in rows] == [str(line["index"]) for line in lines] == ["0", "1"]
    for row, line in zip(rows, lines, strict=True):
        assert (row["state"], row["row_key"], row["cost_usd"]) == (
            line["state"],
            "row-1",
            line["cost"]["spent"],
        )
        assert row["variant.season"] == line["variant"]["season"]
        assert row["updated_at"] == line["updated_at"]
    assert rows[0]["url"] == lines[0]["asset"]["url"] and rows[0]["failure_class"] == ""
    assert rows[1]["failure_advice"] == lines[1]["failure"]["advice"] and rows[1]["key"] == ""
    assert rows[1]["failure_charged"] == lines[1]["failure"]["charged"] == "no"


async def test_every_cell_of_the_table_is_in_quotes_and_it_is_saved_under_a_name(service: Service) -> None:
    batch = await made(service, rows_of("Shirt"), name='Herbst "ä/é"')

    answer = await service.get(f"/v1/batches/{batch.id}/results.csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="Herbst_-results.csv"; '
        "filename*=UTF-8''Herbst%20%22%C3%A4_%C3%A9%22-results.csv"
    )
    assert all(line.startswith('"') and line.endswith('"') for line in answer.text.splitlines())


async def test_no_cell_of_the_table_is_a_formula(service: Service) -> None:
    batch, (claim, _) = await running(service, [*rows_of("Shirt")])
    failure = {"class": "invalid_request", "message": '=HYPERLINK("http://evil.example")'}
    await service.world.walk(claim, "sent", "failed", failure=failure, cost=0)

    (row,) = await table(service, batch)

    assert row["failure_message"].startswith("'=")


async def test_a_skipped_task_has_the_picture_that_serves_for_it_under_its_own_key(service: Service) -> None:
    batch = await with_a_twin(service)

    first, second = (
        json.loads(line)
        for line in (await service.get(f"/v1/batches/{batch.id}/results.jsonl")).text.splitlines()
    )

    assert (second["state"], second["same_as"]) == ("skipped", 0)
    assert second["asset"]["key"] == "row-1/hero-autumn-1024x1024-1.png"
    assert {**second["asset"], "key": ""} == {**first["asset"], "key": ""}


async def test_the_table_leaves_in_pieces(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.exports.pictures.PAGE", 1)
    batch = await made(service, rows_of("Shirt", "Hat"))

    pieces = await pieces_of(service, f"/v1/batches/{batch.id}/results.csv")

    assert [piece.split(b",")[0] for piece in pieces] == [b'"index"', b'"0"', b'"1"', b'"2"', b'"3"']
