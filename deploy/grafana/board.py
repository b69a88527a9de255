"""What the dashboards have in common: variables, links to each other, and marks for deployments and batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.panels import DATASOURCE, Panel, chosen

TAG = "darkroom"
VALUES = {
    "environment": "label_values(darkroom_redis_up, environment)",
    "lane": "label_values(darkroom_lane_flows, lane)",
    "model": "label_values(darkroom_attempts_total, model)",
    "tenant": "label_values(darkroom_cost_usd_total, tenant)",
}
"""Variables that a dashboard may use, and where their values come from. Every dashboard has the environment."""


def board(
    uid: str, title: str, says: str, rows: Mapping[str, Sequence[Panel]], variables: Sequence[str] = ()
) -> models.Dashboard:
    """A dashboard of rows of panels; `uid` never changes, because alerts and bookmarks lead to it."""
    made = (
        dashboard.Dashboard(f"Darkroom: {title}")
        .uid(uid)
        .description(says)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .link(_others())
        .annotation(_deployments())
        .annotation(_batches())
    )
    for name in ("environment", *variables):
        made.with_variable(_variable(name))
    for name, panels in rows.items():
        made.with_row(dashboard.Row(name))
        for panel in panels:
            made.with_panel(panel)
    return _finished(made.build())


def _finished(made: models.Dashboard) -> models.Dashboard:
    """With numbers for its panels, so that a link to one of them lasts, and its links where everybody sees them."""
    for number, panel in enumerate(made.panels or [], start=1):
        panel.id_val = number
    for link in made.links or []:
        link.placement = None  # type: ignore[assignment] # the builder hides it in a menu, which is the one place it knows
    for mark in made.annotations.list_val or []:
        mark.placement = None  # type: ignore[assignment]
    return made


def _variable(name: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(name.capitalize())
        .datasource(DATASOURCE)
        .query(VALUES[name])
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .current(models.VariableOption(selected=True, text="All", value="$__all"))
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def _others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Darkroom")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def _deployments() -> dashboard.AnnotationQuery:
    """The first minutes of a version that did not run before."""
    now, before = (
        f"count by (environment, version) (darkroom_build_info{when})" for when in ("", " offset 5m")
    )
    return _marks("Deployments", f"{now} unless {before}", "version {{version}}", "blue")


def _batches() -> dashboard.AnnotationQuery:
    """The number of batches with work in a lane has changed: one has begun, or one has ended.

    How often it changed, and not what it is now: Grafana makes no mark of a value under 1. It looks once a minute, and
    back to one figure before that, so that no change falls between.
    """
    changed = "changes(darkroom:lane_flows:sum[75s]) > 0"
    return _marks("Batches", changed, "batches of {{lane}}", "purple")


def _marks(name: str, expression: str, title: str, colour: str) -> dashboard.AnnotationQuery:
    expression = chosen(expression)
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATASOURCE)
        .enable(enable=True)
        .icon_color(colour)
        .expr(expression)
        .step("60s")
        .title_format(title)
        .target(prometheus.Dataquery().expr(expression).ref_id("Marks").range())
    )
