"""A house to watch: Redis, a simulator, a folder for pictures, a service and workers, as processes; used by HTTP."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx

from schemas.batch import ENDED
from tests.conftest import free_port
from tests.processes import RedisServer, Service, Simulator, Worker
from tests.studio import Place

KEY = "of-the-callers"
LANE = "east"
WITHIN_S = 240.0
"""Longest wait for anything; what is waited for comes in seconds on a machine that has nothing else to do."""


class House:
    """Everything that runs, until the end of a `with` block. Each worker shows its figures at a port of its own.

    Args:
        settings: variables of service and workers.
        workers: how many of them.
        simulator: options of its command line.
        password: of Redis.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str],
        *,
        workers: int = 1,
        simulator: tuple[str, ...] = (),
        password: str | None = None,
    ) -> None:
        self._ending = ExitStack()
        self.folder = folder
        self.redis = RedisServer(folder / "redis", password)
        self._ending.callback(self.redis.kill)
        self.east = Simulator(folder / "east.log", *simulator)
        self._ending.callback(self.east.kill)
        place = Place(folder, self.redis, {LANE: self.east}, more=settings)
        self.told = told = {"DARKROOM_SERVICE__BOOTSTRAP_KEY": KEY, **place.settings()}
        self.service = Service(folder / "service.log", told)
        self._ending.callback(self.service.kill)
        self.workers = {free_port(): number for number in range(1, workers + 1)}
        for port, number in self.workers.items():
            shows = {"DARKROOM_TELEMETRY__WORKER_METRICS_PORT": str(port)}
            self._ending.callback(Worker(folder / f"worker-{number}.log", told | shows).kill)
        headers = {"Authorization": f"Bearer {told['DARKROOM_SERVICE__BOOTSTRAP_KEY']}"}
        self.api = self._ending.enter_context(
            httpx.Client(base_url=self.service.url, headers=headers, timeout=60)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._ending.close()

    def submit(self, manifest: Mapping[str, Any], **headers: str) -> str:
        """The id of a new batch."""
        answer = self.api.post("/v1/batches", json=manifest, headers=headers)
        assert answer.status_code == 202, answer.text
        batch_id: str = answer.json()["id"]
        return batch_id

    def batch(self, batch_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/v1/batches/{batch_id}").json()
        return found

    def ended(self, batch_id: str) -> dict[str, Any]:
        """Waits until nothing of the batch is left to run."""
        end_s = time.monotonic() + WITHIN_S
        while (batch := self.batch(batch_id))["state"] not in ENDED:
            assert time.monotonic() < end_s, batch
            time.sleep(0.1)
        return batch
