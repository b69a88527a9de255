"""The page of workflows: every example has its section, its lines are those of the file, its figures those of the plan."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from cli.client import ServiceClient
from cli.commands.planning import prepare
from tests.docs.checkout import Checkout
from tests.docs.pages import blocks
from tests.house.tree import DOCS, ROOT

PAGE = DOCS / "workflows.md"
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
ROW = re.compile(r"^\| \[(.+?)\]\(#.+?\) \| `(.+?)` \| (.+?) \| (.+?) \|$", re.MULTILINE)
"""Heading, manifest, pictures, likely dollars."""
ROWS = {cells[1]: cells for cells in ROW.findall(PAGE.read_text())}


def section(heading: str) -> str:
    return PAGE.read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_example_has_its_row_and_its_section() -> None:
    assert set(ROWS) == {path.name for path in EXAMPLES}
    for heading, name, *_ in ROWS.values():
        assert f"darkroom submit examples/{name}" in section(heading)


def test_a_section_says_what_comes_out_or_where_people_trip() -> None:
    for heading, *_ in ROWS.values():
        assert "**Traps**" in section(heading)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_lines_that_are_shown_are_those_of_the_manifest(path: Path) -> None:
    heading = ROWS[path.name][0]
    shown = [
        block.text for block in blocks(PAGE) if block.language == "yaml" and block.text in section(heading)
    ]
    assert shown
    assert [text for text in shown if text not in path.read_text()] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_figures_are_those_of_the_plan(checkout: Checkout, path: Path) -> None:
    with closing(ServiceClient(checkout.reader["DARKROOM_URL"], checkout.reader["DARKROOM_KEY"])) as service:
        plan = prepare(service, path).plan
    assert ROWS[path.name][2:] == (str(plan["tasks"]["total"]), f"{float(plan['cost']['likely']):.2f}")
