from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from cli.tables import folded, table_lines

ID = "batch_00000000000000000000000001"
ROOT = Path(__file__).parents[3]


def on_a_terminal(*arguments: str, columns: int = 80) -> list[str]:
    """What `darkroom ARGUMENTS` shows on a real terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    shown = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, env=environment, stdout=theirs
    )
    os.close(theirs)
    told = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # which is how Linux says that nobody writes any more
            break
        if not block:
            break
        told += block
    os.close(ours)
    assert shown.wait(timeout=60) == 0
    return told.decode().splitlines()


def test_what_fits_stands_on_one_line_and_numbers_are_aligned_at_their_right() -> None:
    rows = [["1", "done", "$0.40"], ["12", "failed", "$12.00"]]
    assert list(table_lines(["index", "state", "spent"], rows, 80)) == [
        "INDEX  STATE    SPENT",
        "    1  done     $0.40",
        "   12  failed  $12.00",
    ]


def test_what_finds_no_room_stands_below_its_row_whole() -> None:
    rows = [["7", "bad_output", "The answer is no picture that anybody could open.", "a/very/long/key.png"]]
    assert list(table_lines(["index", "class", "message", "picture"], rows, 40)) == [
        "INDEX  CLASS",
        "    7  bad_output",
        "       message: The answer is no picture",
        "       that anybody could open.",
        "       picture: a/very/long/key.png",
    ]


def test_columns_without_a_word_are_left_out_and_wide_characters_count_twice() -> None:
    lines = list(table_lines(["row", "class", "state"], [["日本", "", "done"], ["A", "", "done"]], 80))
    assert lines == ["ROW   STATE", "日本  done", "A     done"]


def test_an_id_is_broken_nowhere_however_narrow_the_terminal() -> None:
    assert list(table_lines(["id", "name"], [[ID, "autumn"]], 20))[1] == ID
    assert folded(f"see {ID}", 20) == ["see", ID]


def test_batches_fit_on_80_columns_with_their_ids_whole(service: Any) -> None:
    service.batches[0] |= {"name": "mugs for the autumn campaign, in four languages and two sizes"}
    service.batches[0]["counts"] |= {"total": 128, "done": 39, "skipped": 68, "failed": 17, "parked": 4}
    headings, first, *below = on_a_terminal("ls")
    assert max(map(cell_len, (headings, first, *below))) <= 80
    assert first.split() == [ID, "completed", "107/128", "17", "4", "$0.50"]
    name = "name: mugs for the autumn campaign, in four languages and two sizes"
    assert " ".join(" ".join(below).split()) == f"created, utc: 2026-11-21 06:00 {name}"


def test_a_wide_terminal_has_all_of_a_batch_on_a_line(service: Any) -> None:
    assert len(on_a_terminal("ls", columns=140)) == 2


def test_failed_pictures_tell_which_they_are_and_what_to_do(service: Any) -> None:
    failure = {"class": "moderation_blocked", "message": "Refused by the safety system, as it says.",
               "advice": "Change the prompt and submit again.", "charged": "unknown"}  # fmt: skip
    service.tasks = [
        {"index": 16, "state": "failed", "row_key": "MUG-BLUE-ENAMEL-350ML", "template": "hero", "sample": 2,
         "variant": {"light": "morning", "angle": "front"}, "size": "google_merchant", "failure": failure}
    ]  # fmt: skip
    lines = on_a_terminal("show", ID, "--failed")
    text = " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80
    assert "variant: morning-front size: google_merchant sample: 2 charged: unknown" in text
    assert "message: Refused by the safety system, as it says. advice: Change the prompt" in text


def test_checked_pictures_tell_the_rules_and_the_whole_key(service: Any) -> None:
    key = "MUG-WHITE-ENAMEL-350ML-EU/hero-morning-front-google_merchant-1.jpg"
    checks = {"result": "warn", "failed": [], "warned": ["fill"]}
    service.tasks = [
        {"index": 2, "state": "done", "row_key": "MUG-WHITE-ENAMEL-350ML-EU", "template": "hero", "sample": 1,
         "variant": {}, "size": "google_merchant", "asset": {"key": key, "checks": checks}}
    ]  # fmt: skip
    lines = on_a_terminal("show", ID, "--check", "warn")
    assert lines[0].split() == ["INDEX", "ROW", "TEMPLATE", "WARNED", "SIZE", "SAMPLE"]
    assert any(line.endswith(key) for line in lines)


def test_programs_get_every_column_and_the_variant_as_in_the_names_of_pictures(
    service: Any, run: Any
) -> None:
    service.tasks = [
        {"index": 0, "state": "skipped", "same_as": 4, "variant": {"a": "x", "b": "y"}, "sample": 1}
    ]
    headings, row = (line.split("\t") for line in run("show", ID, "--tasks").out.splitlines())
    told = dict(zip(headings, row, strict=True))
    assert (told["state"], told["same as"], told["variant"], told["sample"]) == ("skipped", "4", "x-y", "1")


def test_a_terminal_says_of_a_twin_whose_picture_it_has(service: Any) -> None:
    service.tasks = [{"index": 0, "state": "skipped", "same_as": 4, "cost": {"spent": "0.00"}}]
    assert "same as 4" in on_a_terminal("show", ID, "--tasks")[1]


def test_long_lines_of_one_thing_are_broken_between_words(service: Any) -> None:
    service.batches[0]["refusal"] = "It would cost more than its cap allows, " * 4
    lines = on_a_terminal("show", ID)
    assert max(map(len, lines)) <= 80
    assert f"batch     {ID}" in lines


@pytest.mark.parametrize("output", ["jsonl", "json"])
def test_json_is_the_same_on_a_terminal(service: Any, output: str) -> None:
    lines = on_a_terminal("show", ID, "-o", output)
    assert json.loads("\n".join(lines))["id"] == ID
