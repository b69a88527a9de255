"""Every query against a real Prometheus that reads the running processes under load."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.studio import manifest, numbered
from tests.watching.boards import boards, panels
from tests.watching.catalogue import RECORDED, catalogue, names
from tests.watching.house import House
from tests.watching.prometheus import HERE, Prometheus
from tests.watching.promtool import rules

pytestmark = pytest.mark.needs("prometheus", "promtool")

SETTINGS = {
    "DARKROOM_LANES__EAST__IMAGES_PER_MINUTE": "1200",
    "DARKROOM_BUDGETS__HOUSE_DAY_USD": "1000",
    "DARKROOM_WORKER__SLOTS": "8",
    "DARKROOM_FINISHING__PROCESSES": "1",
}
FAULTS = (
    {"kind": "rate_limit", "times": 1, "match": {"prompt": "product 1"}},
    {"kind": "error_500", "times": 3, "match": {"prompt": "product 2"}},
    {"kind": "reset", "match": {"prompt": "cut off"}},
    {"kind": "not_an_image", "match": {"prompt": "spoilt"}},
    {"kind": "bad_request_400", "match": {"prompt": "refused"}},
)
EDITED = {
    "hero": {"prompt": "A photo of {{ row.title }}."},
    "scene": {"prompt": "A scene around Image 1.", "from": "hero"},
}
MADE_BY_PROMETHEUS = {"instance", "job", "le", *HERE}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has seen the house at work, with all that can go wrong."""
    folder = tmp_path_factory.mktemp("watched")
    limits = ("--images-per-minute", "1200", "--latency-factor", "0.05")
    with House(folder, SETTINGS, workers=2, simulator=limits) as house:
        found = {
            "darkroom-service": [{"targets": [house.service.url.removeprefix("http://")], "labels": HERE}],
            "darkroom-worker": [{"targets": [f"127.0.0.1:{port}" for port in house.workers], "labels": HERE}],
        }
        prometheus = Prometheus(folder / "prometheus", found)
        try:
            prometheus.wait_for_more()
            put_load_on(house)
            prometheus.wait_for_more()
            yield prometheus
        finally:
            prometheus.kill()


def put_load_on(house: House) -> None:
    """Batches of every kind, with faults; nothing is left to run at the end but what is in doubt."""
    house.east.script(*FAULTS)
    first = house.submit(manifest(*numbered(60), "cut off", "spoilt", "refused", "[moderation:input]"))
    finished = house.submit({**manifest("jug"), "sizes": ["amazon_main"]})
    edited = house.submit({**manifest("cup", templates=EDITED), "reuse": "tenant"})
    for batch_id in (first, finished, edited):
        house.ended(batch_id)
    again = house.ended(house.submit({**manifest(*numbered(8)), "reuse": "tenant"}))
    assert again["counts"]["done"] == 8
    counts = house.batch(first)["counts"]
    assert (counts["parked"], counts["failed"]) == (1, 3), "the faults did not do what they are here for"


class Query(NamedTuple):
    """A query of a panel, which names its series by their labels, or of marks."""

    where: str
    expression: str
    legend: str
    at_once: bool


def queries() -> Iterator[Query]:
    for name, board in boards().items():
        for panel in panels(board):
            for target in panel["targets"]:
                where = f"{name}: {panel['title']} {target['refId']}"
                yield Query(where, target["expr"], target["legendFormat"], not target["range"])
        for mark in board["annotations"]["list"]:
            yield Query(f"{name}: {mark['name']} marks", mark["target"]["expr"], mark["titleFormat"], False)


def chosen(prometheus: Prometheus) -> dict[str, str]:
    """Every variable with all that it offers, chosen by name as Grafana writes it."""
    offered = {
        variable["name"]: prometheus.values(variable["query"])
        for board in boards().values()
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    }
    assert all(offered.values()), offered
    return {name: f"({'|'.join(values)})" for name, values in offered.items()}


@pytest.mark.parametrize("everything", [True, False], ids=["all", "by name"])
def test_every_query_of_every_panel_and_mark_returns_a_series(watched: Prometheus, everything: bool) -> None:
    words = chosen(watched)
    if everything:
        words = dict.fromkeys(words, ".*")
    empty = [
        query.where
        for query in queries()
        if not has_a_value(watched.looked_at(query.expression, at_once=query.at_once, chosen=words))
    ]
    assert empty == []


def has_a_value(found: list[tuple[dict[str, str], list[float]]]) -> bool:
    return any(math.isfinite(value) for _, values in found for value in values)


def test_series_are_named_by_labels_that_they_have(watched: Prometheus) -> None:
    words, wrong = chosen(watched), []
    for query in queries():
        named = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
        found = watched.looked_at(query.expression, at_once=query.at_once, chosen=words)
        if not all(named <= {*labels, *may_be_empty(labels)} for labels, _ in found):
            wrong.append(query.where)
    assert wrong == []


def may_be_empty(labels: dict[str, str]) -> set[str]:
    """The day of the house is nobody's of the tenants."""
    return {"tenant"} if labels.get("scope") == "house_day" else set()


def test_every_metric_of_the_catalogue_is_read_with_the_labels_that_it_is_said_to_have(
    watched: Prometheus,
) -> None:
    kept, told = names(), catalogue()
    wrong: dict[str, Any] = {}
    for name, metric in kept.items():
        found = [
            {label for label, value in series.items() if value} - {"__name__", *MADE_BY_PROMETHEUS}
            for series in watched.ask("series", **{"match[]": name})
        ]
        if not any(labels == told[metric][1] for labels in found):
            wrong[name] = found[:3]
    assert wrong == {}


def test_nothing_is_read_of_darkroom_that_the_catalogue_does_not_name(watched: Prometheus) -> None:
    read = {name for name in watched.ask("label/__name__/values") if name.startswith("darkroom_")}
    assert read - set(names()) == set()


@pytest.mark.parametrize("metric", ["darkroom_call_seconds_bucket", "darkroom_attempts_total"])
def test_calls_are_kept_beside_their_figures(watched: Prometheus, metric: str) -> None:
    found = watched.exemplars(metric)
    assert found
    assert all(re.fullmatch(r"batch_\w+:\d+:\d+", labels["attempt"]) for labels in found)


def test_every_rule_is_evaluated_without_an_error_and_every_figure_is_recorded(watched: Prometheus) -> None:
    groups = watched.ask("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in found} == {
        rule.get("record") or rule["alert"] for name in ("rules.yml", "alerts.yml") for rule in rules(name)
    }
    assert [(rule["name"], rule.get("lastError")) for rule in found if rule["health"] != "ok"] == []
    recorded = {rule["record"] for rule in rules("rules.yml")}
    assert {name for name in watched.ask("label/__name__/values") if RECORDED.fullmatch(name)} == recorded


def test_every_process_is_read(watched: Prometheus) -> None:
    found = watched.ask("targets")["activeTargets"]
    assert len(found) == 3
    assert [(target["scrapeUrl"], target["lastError"]) for target in found if target["health"] != "up"] == []
