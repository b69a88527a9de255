"""The kinds of panels that the dashboards are made of. Every panel has a title, a sentence, a unit and its queries."""

from __future__ import annotations

import re
from collections.abc import Sequence

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as models

DATASOURCE = options.DataSourceRef(type_val="prometheus", uid="${datasource}")
SECONDS, USD, BYTES, SHARE = "s", "currencyUSD", "bytes", "percentunit"
COUNT, PER_SECOND, PER_MINUTE, BYTES_PER_SECOND = "short", "ops", "cpm", "Bps"
MOMENT = "dateTimeFromNow"
GRAPH_HEIGHT, FIGURE_HEIGHT = 8, 4

Panel = Builder[models.Panel]
Query = tuple[str, str]
"""An expression, and the name of its series, with labels as `{{lane}}`."""


_FIGURE = re.compile(r"\b(darkroom[_:][a-z0-9_:]+)(?:\{([^}]*)\})?")


def chosen(expression: str) -> str:
    """The expression, of the environments that were chosen alone."""
    return _FIGURE.sub(
        lambda found: f'{found[1]}{{environment=~"$environment"{"," if found[2] else ""}{found[2] or ""}}}',
        expression,
    )


def graph(
    title: str,
    says: str,
    unit: str,
    *queries: Query,
    stacked: bool = False,
    exemplars: bool = False,
    span: int = 12,
) -> Panel:
    """Lines over time; `stacked` for parts of a whole, `exemplars` with single calls as dots."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(says)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .span(span)
        .height(GRAPH_HEIGHT)
        .line_width(1)
        .fill_opacity(30 if stacked else 8)
        .show_points(options.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(options.LegendDisplayMode.LIST)
            .placement(options.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
        )
        .tooltip(common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI))
        .targets(_targets(queries, exemplars=exemplars))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    return panel


def quantiles(
    title: str, says: str, histogram: str, by: str = "lane", where: str = "", span: int = 12
) -> Panel:
    """The median and the 95th percentile of a histogram in seconds, for each value of the label `by`."""
    buckets = f"sum by (le, {by}) (rate({histogram}_bucket{where}[$__rate_interval]))"
    queries = [
        (f"histogram_quantile({share}, {buckets})", f"{{{{{by}}}}} {name}")
        for share, name in ((0.5, "median"), (0.95, "p95"))
    ]
    return graph(title, says, SECONDS, *queries, exemplars=True, span=span)


def figure(
    title: str, says: str, unit: str, *queries: Query, steps: Sequence[tuple[float, str]] = (), span: int = 4
) -> Panel:
    """One number as it is now, green below the first of `steps`, then in their colours."""
    return (
        stat.Panel()
        .title(title)
        .description(says)
        .datasource(DATASOURCE)
        .unit(unit)
        .span(span)
        .height(FIGURE_HEIGHT)
        .graph_mode(options.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps))
        .targets(_targets(queries))
    )


def bars(
    title: str, says: str, unit: str, *queries: Query, steps: Sequence[tuple[float, str]] = (), span: int = 12
) -> Panel:
    """A bar for each series as it is now, or over the whole range that is looked at."""
    return (
        bargauge.Panel()
        .title(title)
        .description(says)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        .span(span)
        .height(GRAPH_HEIGHT)
        .orientation(options.VizOrientation.HORIZONTAL)
        .display_mode(options.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps))
        .targets(_targets(queries, at_once=True))
    )


def _thresholds(steps: Sequence[tuple[float, str]]) -> Builder[models.ThresholdsConfig]:
    colours = [models.Threshold(value=None, color="green")]
    colours += [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(colours)


def _targets(
    queries: Sequence[Query], *, at_once: bool = False, exemplars: bool = False
) -> list[Builder[Dataquery]]:
    return [
        _target(expression, name, "ABCDEFGH"[place], at_once=at_once, exemplars=exemplars)
        for place, (expression, name) in enumerate(queries)
    ]


def _target(expression: str, name: str, letter: str, *, at_once: bool, exemplars: bool) -> Builder[Dataquery]:
    query = (
        prometheus.Dataquery()
        .expr(chosen(expression))
        .legend_format(name)
        .ref_id(letter)
        .datasource(DATASOURCE)
    )
    if exemplars:
        query.exemplar(exemplar=True)
    return query.instant() if at_once else query.range()
