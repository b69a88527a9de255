"""What runs under `darkroom up` is found by the Prometheus that is shipped for it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Process
from tests.watching.prometheus import Prometheus

PROCESSES = {
    ("darkroom-service", "service"),
    ("darkroom-worker", "worker-1"),
    ("darkroom-worker", "worker-2"),
}


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    """It is where it is in the repository, seen from the data folder."""
    argv = [sys.executable, "-m", "cli.main", "up", "--data", str(tmp_path / ".darkroom"), "--port", "0"]
    up = Process([*argv, "--workers", "2"], tmp_path / "up.log")
    try:
        up.wait_until(lambda: "export " in up.log.read_text())
        (tmp_path / "deploy").mkdir()
        asked = Prometheus(tmp_path / "deploy" / "prometheus", {}, "up.yml")
        try:
            yield asked
        finally:
            asked.kill()
    finally:
        up.send(signal.SIGTERM)
        up.exit_code()


def shown(prometheus: Prometheus, metric: str) -> set[tuple[str, str]]:
    """Job and name of every process that shows it."""
    found = prometheus.ask("query", query=metric)["result"]
    return {(each["metric"]["job"], each["metric"]["instance"]) for each in found}


@pytest.mark.needs("prometheus", "promtool")
def test_service_and_every_worker_are_read_under_their_names_and_by_the_jobs_that_alerts_know(
    prometheus: Prometheus,
) -> None:
    end_s = time.monotonic() + 180
    while shown(prometheus, "up == 1") != PROCESSES and time.monotonic() < end_s:
        time.sleep(0.2)

    assert shown(prometheus, "up == 1") == PROCESSES
    assert shown(prometheus, "darkroom_worker_slots") == {each for each in PROCESSES if each[1] != "service"}
