"""Measures the variants in turns and prints the table."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

ROUNDS = 2
RUN_LIMIT_S = 45
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}


@dataclass(frozen=True, slots=True)
class Run:
    """One line of the table; the target is in CPU ms per picture and MB."""

    variant: str
    in_flight: int
    pictures: int
    target: str = ""


RUNS = (
    Run("floor", 200, 400),
    Run("ours", 200, 400, "15 ms, 300 MB"),
    Run("naive", 200, 200),
    Run("ours", 500, 500, "500 MB"),
)


def main() -> None:
    results: dict[Run, list[dict[str, float]]] = {run: [] for run in RUNS}
    with _servers() as port:
        for _ in range(ROUNDS):
            for run in RUNS:
                results[run].append(_measure(run, port))
    _print(results)


@contextmanager
def _servers() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.pipeline.servers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def _measure(run: Run, port: str) -> dict[str, float]:
    module = [sys.executable, "-m", "tests.benchmarks.pipeline.variant"]
    command = [*module, run.variant, port, str(run.pictures), str(run.in_flight)]
    environment = os.environ | CREDENTIALS
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=RUN_LIMIT_S, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _print(results: dict[Run, list[dict[str, float]]]) -> None:
    columns = ("variant", "in flight", "pictures", "CPU ms", "pictures/s", "peak MB", "target")
    table = Table(
        *columns, title=f"From a 4 MB answer to a stored picture: CPU per picture, median of {ROUNDS} rounds"
    )
    for run, rounds in results.items():
        cpu_ms, wall_s, peak_mb = (
            statistics.median(result[name] for result in rounds) for name in ("cpu_ms", "wall_s", "peak_mb")
        )
        speed = f"{run.pictures / wall_s:.0f}"
        cells = (run.variant, str(run.in_flight), str(run.pictures), f"{cpu_ms:.1f}", speed, f"{peak_mb:.0f}")
        table.add_row(*cells, run.target)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
