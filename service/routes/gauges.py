"""Figures of the whole queue, read once per scrape; the service alone reports them, so that nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.state.overview import LaneOverview, Overview


def render_gauges(overview: Overview | None) -> bytes:
    """The text that Prometheus scrapes; without an overview it says that Redis does not answer."""
    registry = CollectorRegistry()
    registry.register(_QueueCollector(overview))
    return generate_latest(registry)


class _QueueCollector(Collector):
    def __init__(self, overview: Overview | None) -> None:
        self._overview = overview

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("darkroom_redis_up", "1 when Redis answers.", int(self._overview is not None))
        if self._overview is not None:
            yield GaugeMetricFamily(
                "darkroom_workers", "Workers whose lease is alive.", self._overview.workers
            )
            yield from _lane_gauges(self._overview.lanes)


def _lane_gauges(lanes: tuple[LaneOverview, ...]) -> Iterator[Metric]:
    flows = GaugeMetricFamily("darkroom_lane_flows", "Batches with work in a lane.", labels=["lane", "state"])
    in_flight = GaugeMetricFamily("darkroom_lane_in_flight", "Attempts in flight in a lane.", labels=["lane"])
    paused = GaugeMetricFamily("darkroom_lane_paused", "1 while a lane is paused.", labels=["lane", "reason"])
    for lane in lanes:
        flows.add_metric([lane.name, "ready"], lane.ready)
        flows.add_metric([lane.name, "asleep"], lane.asleep)
        in_flight.add_metric([lane.name], lane.in_flight)
        paused.add_metric([lane.name, lane.paused_for or "none"], int(lane.paused_for is not None))
    yield from (flows, in_flight, paused)
