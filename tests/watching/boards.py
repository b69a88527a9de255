"""The committed dashboards, as Grafana reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.house.tree import ROOT

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
INTERVALS = {"__rate_interval": "5m", "__range": "6h"}
"""What Grafana puts in for its own variables."""


def boards() -> dict[str, dict[str, Any]]:
    """Every dashboard by the name of its file."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels without the rows that they stand in."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, as `lanes: Breaker A`, and its expression: of every panel, and of every mark in time."""
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield f"{name}: {panel['title']} {target['refId']}", target["expr"]
        for mark in board["annotations"]["list"]:
            yield f"{name}: {mark['name']} marks", mark["expr"]


def filled(expression: str) -> str:
    """The expression with every variable put in, as with everything selected."""
    return re.sub(r"\$(\w+)", lambda found: INTERVALS.get(found[1], ".*"), expression)
