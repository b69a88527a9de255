"""Figures of the whole queue, read once per scrape; the service alone reports them, so that nothing is counted twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.settings import BudgetSettings
from core.state.overview import (
    UNKNOWN,
    BudgetOverview,
    Doubtful,
    LaneOverview,
    Overview,
    Paid,
    RedisOverview,
)
from schemas.failure import FailureClass
from schemas.model import shutdown_dates

OTHER = "other"
"""The tenants that have no figures of their own, together."""

OUTCOMES = ("done", "skipped", "cancelled", *(each.value for each in FailureClass if each != "cancelled"))
"""All of them are shown from the start, at 0, so that the first of its kind is an increase."""


class QueueFigures(Collector):
    """The figures of a moment; without an overview they say that Redis does not answer."""

    def __init__(self, overview: Overview | None, budgets: BudgetSettings) -> None:
        self._overview = overview
        self._budgets = budgets

    def collect(self) -> Iterable[Metric]:
        found = self._overview
        yield GaugeMetricFamily("darkroom_redis_up", "1 when Redis answers.", int(found is not None))
        yield _shutdowns()
        if found is None:
            return
        yield GaugeMetricFamily("darkroom_workers", "Workers whose lease is alive.", found.workers)
        yield GaugeMetricFamily(
            "darkroom_workers_lost", "Workers that died and were not replaced.", found.lost_workers
        )
        yield GaugeMetricFamily(
            "darkroom_stranded_pictures", "Paid pictures on disks of dead workers.", found.stranded
        )
        yield GaugeMetricFamily(
            "darkroom_doubts", "Parked pictures that may have been charged.", found.doubts
        )
        yield GaugeMetricFamily(
            "darkroom_doubts_unsummed", "Doubts that are left out of their dollars.", found.doubts_unsummed
        )
        yield _tasks(found)
        yield _costs(found.costs_usd_micros)
        yield from _redis_gauges(found.redis)
        yield from _lane_gauges(found.lanes)
        yield from _account_gauges(found.lanes)
        yield _slots_wanted(found.lanes)
        labels = _labels(found)
        yield _doubtful(found.doubtful_usd_micros, labels)
        yield from _budget_gauges(found.budgets, labels, self._budgets)


def _shutdowns() -> Metric:
    family = GaugeMetricFamily(
        "darkroom_model_shutdown_timestamp_seconds", "When a model is shut down, or was.", labels=["model"]
    )
    for model, shutdown_on in shutdown_dates().items():
        moment = datetime.combine(shutdown_on, datetime.min.time(), UTC)
        family.add_metric([model], moment.timestamp())
    return family


def _tasks(found: Overview) -> Metric:
    family = CounterMetricFamily("darkroom_tasks", "Tasks that ended, by how.", labels=["outcome"])
    for outcome in OUTCOMES:
        family.add_metric([outcome], found.endings.get(outcome, 0))
    return family


def _costs(costs_usd_micros: Mapping[Paid, int]) -> Metric:
    names = ["lane", "model", "quality", "tenant"]
    family = CounterMetricFamily("darkroom_cost_usd", "Dollars spent.", labels=names)
    for paid, cost in costs_usd_micros.items():
        family.add_metric([paid.lane, paid.model, paid.quality, paid.tenant], cost / 1e6)
    return family


def _redis_gauges(found: RedisOverview) -> Iterator[Metric]:
    """Absent where Redis does not say."""
    if found.evicts is not None:
        yield GaugeMetricFamily(
            "darkroom_redis_evicts", "1 when a full Redis would throw work away.", int(found.evicts)
        )
    persists = GaugeMetricFamily(
        "darkroom_redis_persists", "1 when this part of keeping everything works.", labels=["part"]
    )
    for part, works in found.persists.items():
        persists.add_metric([part], int(works))
    yield persists
    if found.used_bytes is not None:
        yield GaugeMetricFamily("darkroom_redis_memory_bytes", "Memory that Redis uses.", found.used_bytes)
    if found.limit_bytes is not None:
        yield GaugeMetricFamily(
            "darkroom_redis_memory_limit_bytes", "Memory that Redis may use.", found.limit_bytes
        )


def _lane_gauges(lanes: tuple[LaneOverview, ...]) -> Iterator[Metric]:
    flows = GaugeMetricFamily("darkroom_lane_flows", "Batches with work in a lane.", labels=["lane", "state"])
    waiting = GaugeMetricFamily("darkroom_lane_waiting", "Pictures that wait for a lane.", labels=["lane"])
    in_flight = GaugeMetricFamily("darkroom_lane_in_flight", "Attempts in flight in a lane.", labels=["lane"])
    paused = GaugeMetricFamily("darkroom_lane_paused", "1 while a lane is paused.", labels=["lane", "reason"])
    oldest = GaugeMetricFamily(
        "darkroom_lane_oldest_seconds", "Since when the oldest batch that waits runs.", labels=["lane"]
    )
    broken = GaugeMetricFamily(
        "darkroom_lane_broken", "1 while the breaker holds claims back.", labels=["lane"]
    )
    claimed = GaugeMetricFamily(
        "darkroom_lane_claimed_timestamp_seconds", "When the last picture was claimed.", labels=["lane"]
    )
    for lane in lanes:
        if lane.claimed_at_s is not None:
            claimed.add_metric([lane.name], lane.claimed_at_s)
        flows.add_metric([lane.name, "ready"], lane.ready)
        flows.add_metric([lane.name, "asleep"], lane.asleep)
        waiting.add_metric([lane.name], lane.waiting)
        oldest.add_metric([lane.name], lane.oldest_s)
        in_flight.add_metric([lane.name], lane.in_flight)
        paused.add_metric([lane.name, lane.paused_for or "none"], int(lane.paused_for is not None))
        broken.add_metric([lane.name], int(lane.is_broken))
    yield from (flows, waiting, oldest, in_flight, paused, broken, claimed)


def _account_gauges(lanes: tuple[LaneOverview, ...]) -> Iterator[Metric]:
    """What the account of a lane allows, as far as it is known."""
    labels = ["lane", "dimension"]
    limits = GaugeMetricFamily("darkroom_quota_limit", "What a minute allows.", labels=labels)
    remaining = GaugeMetricFamily("darkroom_quota_remaining", "What of it is left now.", labels=labels)
    needed = GaugeMetricFamily(
        "darkroom_lane_slots_needed", "Calls in flight that use the whole image limit.", labels=["lane"]
    )
    retries = GaugeMetricFamily(
        "darkroom_retry_budget", "Calls again that the retry budget still covers.", labels=["lane"]
    )
    for lane in lanes:
        for dimension, limit in lane.limits.items():
            limits.add_metric([lane.name, dimension], limit)
            remaining.add_metric([lane.name, dimension], lane.remaining.get(dimension, limit))
        if lane.slots_needed is not None:
            needed.add_metric([lane.name], lane.slots_needed)
        if lane.retries is not None:
            retries.add_metric([lane.name], lane.retries)
    yield from (limits, remaining, needed, retries)


def _slots_wanted(lanes: tuple[LaneOverview, ...]) -> Metric:
    """What is waiting for a group of lanes any of them may take, so that they are looked at together."""
    family = GaugeMetricFamily(
        "darkroom_slots_wanted",
        "Calls in flight that the limits take and pictures are there for.",
        labels=["lane"],
    )
    for queue in lanes:
        members = [lane for lane in lanes if lane.group == queue.name]
        needed = [lane.slots_needed for lane in members if lane.slots_needed is not None]
        if needed:
            pictures = queue.waiting + sum(lane.in_flight for lane in members)
            family.add_metric([queue.name], min(sum(needed), pictures))
    return family


def _labels(found: Overview) -> dict[str | None, str]:
    """What each tenant is called. The house has no name."""
    tenants = (budget.tenant for budget in found.budgets if budget.tenant is not None)
    return {None: ""} | {tenant: tenant if tenant in found.named else OTHER for tenant in tenants}


def _doubtful(held_usd_micros: Mapping[Doubtful, int], labels: Mapping[str | None, str]) -> Metric:
    """Of every tenant from the start, at 0."""
    names = ["model", "quality", "tenant"]
    family = GaugeMetricFamily("darkroom_doubtful_usd", "Dollars held for doubts.", labels=names)
    sums = Counter({(UNKNOWN, UNKNOWN, label): 0 for tenant, label in labels.items() if tenant is not None})
    for of, held in held_usd_micros.items():
        sums[of.model, of.quality, labels.get(of.tenant, OTHER)] += held
    for values, held in sums.items():
        family.add_metric(values, held / 1e6)
    return family


def _budget_gauges(
    budgets: tuple[BudgetOverview, ...], labels: Mapping[str | None, str], caps: BudgetSettings
) -> Iterator[Metric]:
    """The house's day, and the months of the tenants. Of those that are `other` there is the sum, which has no cap, and
    how far the worst of them is."""
    names = ["scope", "tenant"]
    limit = GaugeMetricFamily("darkroom_budget_limit_usd", "Dollars that may be spent.", labels=names)
    worst = GaugeMetricFamily(
        "darkroom_budget_worst_ratio", "The largest share that one of them has used.", labels=names
    )
    held, spent, shares = Counter[tuple[str, str]](), Counter[tuple[str, str]](), [0.0]
    for budget in budgets:
        scope = ("house_day" if budget.tenant is None else "tenant_month", labels[budget.tenant])
        held[scope] += budget.held_usd_micros
        spent[scope] += budget.spent_usd_micros
        cap = caps.house_day_usd if budget.tenant is None else caps.tenant_month_usd
        if cap is not None and scope[1] != OTHER:
            limit.add_metric(scope, cap / 1e6)
        elif cap:
            shares.append((budget.held_usd_micros + budget.spent_usd_micros) / cap)
    worst.add_metric(("tenant_month", OTHER), max(shares))
    yield from (limit, worst)
    for name, says, sums in (("held", "Dollars held.", held), ("spent", "Dollars spent.", spent)):
        family = GaugeMetricFamily(f"darkroom_budget_{name}_usd", says, labels=names)
        for scope, micros in sums.items():
            family.add_metric(scope, micros / 1e6)
        yield family
