"""What the command line says of pictures that their channel might not take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ID = "batch_00000000000000000000000001"


def checks(**counts: int) -> dict[str, int]:
    return {"pass": 0, "warn": 0, "fail": 0, **counts}


def picture(index: int, result: str, *failed: str) -> dict[str, Any]:
    asset = {"key": f"{index}.png", "checks": {"result": result, "failed": list(failed), "warned": []}}
    return {"index": index, "state": "done", "row_key": "A", "template": "hero", "size": "x", "asset": asset}


def test_watching_ends_with_how_many_pictures_fail_a_check_and_how_to_see_them(
    service: Any, run: Any
) -> None:
    service.batches[0]["checks"] = checks(fail=12, warn=1)
    said = run("watch", ID)
    assert f"12 pictures fail a check of their channel: darkroom show {ID} --check fail" in said.err
    assert f"1 picture should be looked at: darkroom show {ID} --check warn" in said.err
    assert said.code == 0


@pytest.mark.parametrize("found", [None, checks(**{"pass": 4})])
def test_watching_says_nothing_of_checks_where_there_is_nothing_to_tell(
    service: Any, run: Any, found: dict[str, int] | None
) -> None:
    if found is not None:
        service.batches[0]["checks"] = found
    assert "check" not in run("watch", ID).err


def test_a_batch_shows_its_pictures_by_what_their_checks_came_to(service: Any, run: Any) -> None:
    service.batches[0]["checks"] = checks(fail=1, **{"pass": 3})
    assert "checks    3 pass, 1 fail" in run("show", ID).out
    service.batches[0]["checks"] = checks()
    assert "checks" not in run("show", ID).out


def test_pictures_are_listed_by_what_their_checks_came_to_with_the_rules_by_name(
    service: Any, run: Any
) -> None:
    service.tasks = [picture(0, "fail", "white_corners", "fill"), picture(1, "pass")]
    said = run("show", ID, "--check", "fail")
    head, *rows = [line.split("\t") for line in said.out.splitlines()]
    assert [dict(zip(head, row, strict=True))["failed_rules"] for row in rows] == ["white_corners, fill"]
    assert any("check=fail" in asked for asked in service.asked)


def test_what_failed_has_no_picture_to_check(run: Any, service: Any) -> None:
    said = run("show", ID, "--failed", "--check", "fail")
    assert said.code == 2
    assert "no picture to check" in said.err


@pytest.mark.parametrize(
    ("options", "address", "told"),
    [
        (
            (),
            "feeds/merchant.tsv",
            "2 pictures of this batch fail a check of their channel: in it all the same",
        ),
        (
            ("--leave-out", "fail"),
            "feeds/merchant.tsv?leave_out=fail",
            "2 pictures of this batch fail a check of their channel: left out.",
        ),
        (
            ("--leave-out", "warn"),
            "feeds/merchant.tsv?leave_out=warn",
            "left out.\n5 pictures of this batch should be looked at: left out as well.",
        ),
    ],
)
def test_a_feed_is_written_with_a_word_on_what_fails(
    service: Any, run: Any, tmp_path: Path, options: tuple[str, ...], address: str, told: str
) -> None:
    service.exports = {address: [b"id"]}
    service.export_headers = {"Darkroom-Failed-Checks": "2", "Darkroom-Warned-Checks": "5"}
    said = run("results", ID, "--format", "merchant", "--to", tmp_path / "feed.tsv", *options)
    assert (said.code, (tmp_path / "feed.tsv").read_bytes()) == (0, b"id")
    assert told in said.err


@pytest.mark.parametrize("options", [(), ("--format", "zip")])
def test_only_feeds_leave_pictures_out(run: Any, service: Any, options: tuple[str, ...]) -> None:
    said = run("results", ID, "--leave-out", "fail", *options, "--to", "x")
    assert (said.code, "--leave-out is for feeds" in said.err) == (2, True)
