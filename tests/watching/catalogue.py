"""The metrics of docs/telemetry.md, as Prometheus keeps them."""

from __future__ import annotations

import re

from tests.house.test_docs import page, table

METRIC = re.compile(r"\bdarkroom_\w+")
RECORDED = re.compile(r"\bdarkroom:[\w:]+")


def catalogue() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of every metric, by its name in the catalogue."""
    return {
        name.strip("`"): (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels, *_ in table(page("telemetry.md"), "metric")
    }


def names() -> dict[str, str]:
    """The catalogue's name of a metric, by each name under which Prometheus keeps it."""
    return {name: metric for metric, (kind, _) in catalogue().items() for name in _kept_as(metric, kind)}


def _kept_as(metric: str, kind: str) -> set[str]:
    if kind == "counter":
        return {f"{metric}_total"}
    if kind == "histogram":
        return {f"{metric}_{part}" for part in ("bucket", "sum", "count")}
    return {metric}
