"""What the processes wrote while the pages were read is as docs/telemetry.md says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.docs.checkout import Checkout
from tests.house.test_docs import page, table

ON_STANDARD_OUTPUT = "service listening on "
"""The one line that is no log: it is for whoever started the service."""
EVERY_LINE = {"event", "level", "timestamp", "process"}
OF_AN_ATTEMPT = {"batch", "task", "attempt", "tenant", "lane"}


@pytest.fixture(scope="module")
def logs(checkout: Checkout) -> str:
    folder = checkout.folder / ".darkroom" / "logs"
    return "".join(path.read_text() for path in [folder / "service.log", *folder.glob("worker-*.log")])


@pytest.fixture(scope="module")
def lines(logs: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logs.splitlines() if not line.startswith(ON_STANDARD_OUTPUT)]


def test_every_line_is_an_object_that_says_what_happened_where(lines: list[dict[str, Any]]) -> None:
    known = {event.strip("`") for event, *_ in table(page("telemetry.md"), "event")}
    assert {line["event"] for line in lines} <= known
    assert [line for line in lines if not set(line) >= EVERY_LINE] == []


def test_lines_of_an_attempt_and_of_a_request_carry_their_ids(lines: list[dict[str, Any]]) -> None:
    attempts = [line for line in lines if line["event"].startswith("attempt.")]
    requests = [line for line in lines if line["event"].startswith("request.")]
    assert attempts
    assert requests
    assert [line for line in attempts if not set(line) >= OF_AN_ATTEMPT] == []
    assert [line for line in requests if "request_id" not in line] == []


def test_the_page_names_what_every_line_carries() -> None:
    sentence = page("telemetry.md").partition("## Logs")[2].partition("Keys,")[0]
    assert [name for name in {*EVERY_LINE, *OF_AN_ATTEMPT, "request_id"} if f"`{name}`" not in sentence] == []


def test_neither_keys_nor_prompts_are_written(checkout: Checkout, logs: str) -> None:
    assert checkout.reader["DARKROOM_KEY"] not in logs
    assert "enamel mug" not in logs
