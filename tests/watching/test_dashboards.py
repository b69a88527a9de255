"""The dashboards: made from their code, complete, and every query is one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.house.tree import ROOT
from tests.watching.boards import FOLDER, boards, panels, queries
from tests.watching.promtool import complaints_about

NAMES = ["lanes", "money", "overview", "storage", "workers"]
GRAFANA = ROOT / "deploy" / "grafana"
UNITS = {
    "Bps", "bytes", "cpm", "currencyUSD", "dateTimeFromNow", "ops", "percentunit", "s", "short",
}  # fmt: skip


def test_the_dashboards_are_what_their_code_makes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "deploy.grafana", tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == made, "run `make docs`"
    assert sorted(boards()) == NAMES


def test_a_dashboard_is_found_by_a_name_that_stays() -> None:
    assert {name: board["uid"] for name, board in boards().items()} == {
        name: f"darkroom-{name}" for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_a_title_a_sentence_a_unit_and_named_queries(name: str) -> None:
    for panel in panels(boards()[name]):
        assert panel["title"]
        assert re.fullmatch(r"[A-Z1].+\.", panel["description"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_a_title_and_a_number_of_its_own_in_its_row(name: str) -> None:
    board = boards()[name]
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    titles = [panel["title"] for panel in panels(board)]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_covers_another_or_leaves_the_page(name: str) -> None:
    places = [panel["gridPos"] for panel in boards()[name]["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_that_are_offered_are_those_that_are_used(name: str) -> None:
    board = boards()[name]
    offered = [variable["name"] for variable in board["templating"]["list"]]
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps([board["panels"], board["annotations"]])))
    assert set(offered) == used
    assert offered[0] == "datasource"
    assert all(variable.get("allValue", ".*") == ".*" for variable in board["templating"]["list"])


def test_every_figure_of_every_query_is_of_the_environment_that_was_chosen() -> None:
    """Or two installations that one Prometheus watches would be summed."""
    figure = re.compile(r"\bdarkroom[_:][a-z0-9_:]+(\{environment=~\"\$environment\"[,}])?")
    found = [(where, list(figure.finditer(expression))) for where, expression in queries()]
    assert [where for where, figures in found if not figures or not all(each[1] for each in figures)] == []


@pytest.mark.parametrize("name", NAMES)
def test_grafana_is_given_nothing_that_it_has_put_away_or_does_not_know(name: str) -> None:
    """What its dashboard-linter looks for, and its schema for links and marks; an environment stands for job and instance.

    Source: https://github.com/grafana/dashboard-linter/blob/main/docs/index.md, 2026-11-22.
    """
    board = boards()[name]
    assert {panel["type"] for panel in board["panels"]} <= {"row", "timeseries", "stat", "bargauge"}
    assert board["schemaVersion"] >= 36
    assert board["editable"] is False
    assert "id" not in board  # the number of an installation; what is shipped has a uid
    assert all("placement" not in part for part in [*board["links"], *board["annotations"]["list"]])
    source, *variables = board["templating"]["list"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    assert {(variable["type"], variable["refresh"]) for variable in variables} == {("query", 2)}
    assert [
        panel["title"]
        for panel in panels(board)
        if len({t["refId"] for t in panel["targets"]}) < len(panel["targets"])
    ] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_rate_is_taken_over_a_time_that_fits_the_scrapes_or_the_page(name: str) -> None:
    taken = [
        (where, window)
        for where, expression in queries()
        if where.startswith(f"{name}: ")
        for window in re.findall(r"\b(?:rate|irate|increase)\([^()]*\[([^\]]+)\]", expression)
    ]
    assert [where for where, window in taken if window not in {"$__rate_interval", "$__range"}] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_query_asks_the_data_source_that_was_chosen(name: str) -> None:
    def sources(part: Any) -> set[str]:
        if isinstance(part, list):
            return set[str]().union(*map(sources, part))
        if not isinstance(part, dict):
            return set()
        mine = {part["datasource"]["uid"]} if "datasource" in part else set()
        return mine.union(*map(sources, part.values()))

    assert sources(boards()[name]) == {"${datasource}"}


@pytest.mark.parametrize("name", NAMES)
def test_every_dashboard_leads_to_the_others_and_marks_deployments_and_batches(name: str) -> None:
    board = boards()[name]
    (link,) = board["links"]
    assert (link["type"], link["tags"], link["includeVars"], link["keepTime"]) == (
        "dashboards",
        board["tags"],
        True,
        True,
    )
    assert [mark["name"] for mark in board["annotations"]["list"]] == ["Deployments", "Batches"]


@pytest.mark.needs("promtool")
def test_promtool_takes_every_query(tmp_path: Path) -> None:
    found = list(queries())
    assert len(found) > 70
    assert complaints_about(found, tmp_path) == ""


@pytest.mark.needs("promtool")
def test_promtool_refuses_a_query_that_is_none(tmp_path: Path) -> None:
    assert "here: A" in complaints_about(
        [("here: A", "sum by (lane) (rate(darkroom_x[$__rate_interval])")], tmp_path
    )


# Provisioning


def test_grafana_is_led_to_the_prometheus_and_the_dashboards_of_the_compose_file() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    mounts = dict(entry.split(":")[:2] for entry in services["grafana"]["volumes"])
    (source,) = provisioned("datasources")["datasources"]
    (provider,) = provisioned("dashboards")["providers"]

    assert source["type"] == "prometheus"
    assert source["url"].removeprefix("http://").split(":") == ["prometheus", "9090"]
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./grafana/provisioning"] == "/etc/grafana/provisioning"
    assert provider["allowUiUpdates"] is False


def provisioned(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((GRAFANA / "provisioning" / kind / "darkroom.yml").read_text())
    return found
