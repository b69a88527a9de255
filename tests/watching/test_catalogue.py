"""Metrics: what is shown or alerted about exists, and what exists is shown or alerted about."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.watching.boards import boards, queries
from tests.watching.catalogue import METRIC, RECORDED, catalogue, names
from tests.watching.promtool import rules

RULES = {rule["record"]: rule["expr"] for rule in rules("rules.yml")}
SELECTOR = re.compile(r"\b(darkroom_\w+)\{([^}]*)\}")
MADE_BY_PROMETHEUS = {"instance", "job", "le", "environment"}


def expressions() -> Iterator[tuple[str, str]]:
    """Where an expression stands, and the expression: of panels, marks, variables, rules and alerts."""
    yield from queries()
    for name, board in boards().items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{name}: ${variable['name']}", variable["query"]
    for rule in [*rules("rules.yml"), *rules("alerts.yml")]:
        yield rule.get("record") or rule["alert"], rule["expr"]


def test_every_metric_that_is_asked_for_is_in_the_catalogue() -> None:
    known = names()
    assert {
        (where, name) for where, text in expressions() for name in METRIC.findall(text) if name not in known
    } == set()


def test_every_metric_of_the_catalogue_is_in_a_panel_or_a_rule() -> None:
    known = names()
    used = {known.get(name) for _, text in expressions() for name in METRIC.findall(text)}
    assert set(catalogue()) - used == set()


def test_every_metric_that_an_alert_needs_is_to_be_seen_in_a_panel() -> None:
    shown = " ".join(text for _, text in queries())
    for _ in range(3):  # a rule may be made of rules
        shown += " ".join(text for name, text in RULES.items() if name in shown)
    alerted = {name for rule in rules("alerts.yml") for name in METRIC.findall(rule["expr"])}
    assert {name for name in alerted if name not in shown} == set()


def test_every_figure_that_is_recorded_is_used_and_every_one_that_is_used_is_recorded() -> None:
    used = {name for _, text in expressions() for name in RECORDED.findall(text)}
    assert used == set(RULES)


def test_every_label_that_is_asked_for_is_one_of_its_metric() -> None:
    known, labels = names(), catalogue()
    wrong = set()
    for where, text in expressions():
        for metric, matchers in SELECTOR.findall(text):
            asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            wrong |= {(where, label) for label in asked - labels[known[metric]][1] - MADE_BY_PROMETHEUS}
    assert wrong == set()
