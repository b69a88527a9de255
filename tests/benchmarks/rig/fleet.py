"""Darkroom as it runs in production, at the size of a benchmark: Redis, workers, storage in a folder, one account."""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.benchmarks.rig.usage import Usage, usage_of
from tests.conftest import free_port
from tests.processes import RedisServer, Simulator
from tests.studio import Place, Studio

LANE = "main"
KEY = f"key-of-{LANE}"
"""The account's key, as a place hands it to its workers."""

AS_SHIPPED = {
    "DARKROOM_WORKER__LEASE_S": "30",
    "DARKROOM_WORKER__RENEW_S": "10",
    "DARKROOM_WORKER__RESCUE_EVERY_S": "10",
}
"""Tests shorten these; here they are what production has."""


@dataclass(frozen=True, slots=True)
class Account:
    """The other side: what the provider lets an account do, and how slow it is.

    Args:
        window: bucket, fixed or sliding; the provider's is a bucket.
        latency_factor: 1 is as slow as the real API.
    """

    images_per_minute: int
    latency_factor: float
    window: str = "bucket"

    def opened(self, log: Path) -> Simulator:
        """An Images API with this account, until it is killed."""
        asked = {
            "--images-per-minute": self.images_per_minute,
            "--requests-per-minute": 2 * self.images_per_minute,
            "--tokens-per-minute": 8_000_000,
            "--latency-factor": self.latency_factor,
            "--window": self.window,
        }
        return Simulator(log, *(str(word) for option in asked.items() for word in option))

    @property
    def settings(self) -> dict[str, str]:
        """What the workers are told of the limits."""
        lane = f"DARKROOM_LANES__{LANE.upper()}__"
        return {
            f"{lane}IMAGES_PER_MINUTE": str(self.images_per_minute),
            f"{lane}REQUESTS_PER_MINUTE": str(2 * self.images_per_minute),
            f"{lane}TOKENS_PER_MINUTE": "8000000",
        }


@dataclass(frozen=True, slots=True)
class Fleet:
    """Running workers around one Redis; batches go in through `studio`."""

    studio: Studio
    metrics_ports: list[int]

    def usage(self) -> Usage:
        """What workers and Redis took since they were started."""
        processes = [self.studio.place.redis, *self.studio.workers]
        return usage_of(*(process._process.pid for process in processes))

    def claims(self) -> int:
        """How often the workers asked for tasks and got fewer than they could hold: under a limit, every time."""
        return sum(_sum_of("darkroom_claim_waits", port) for port in self.metrics_ports)


@asynccontextmanager
async def running(
    folder: Path, account: Account, simulator: Simulator, *, workers: int
) -> AsyncIterator[Fleet]:
    """A fleet that is ready to work; nothing of it is left at the end."""
    folder.mkdir()
    redis = RedisServer(folder / "redis")
    studio = Studio(Place(folder, redis, {LANE: simulator}, more=AS_SHIPPED | account.settings))
    try:
        ports = [free_port() for _ in range(workers)]
        for port in ports:
            studio.worker(DARKROOM_TELEMETRY__WORKER_METRICS_PORT=str(port))
        yield Fleet(studio, ports)
    finally:
        await studio.aclose()
        redis.kill()


def _sum_of(counter: str, port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
    return int(sum(sample.value for sample in samples if sample.name == f"{counter}_total"))
