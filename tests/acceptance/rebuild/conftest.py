"""One house for all of these tests: Redis, a simulator and a folder. Workers come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ENDED_WITHIN_S, ROOT, RedisServer, Simulator, Worker
from tests.studio import Place, Studio

Rebuild = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("house")
    with ExitStack() as ending:
        redis = RedisServer(folder / "redis")
        ending.callback(redis.kill)
        east = Simulator(folder / "east.log")
        ending.callback(east.kill)
        yield Place(folder, redis, {"east": east}, more={"DARKROOM_WORKER__SLOTS": "8"})


@pytest.fixture(scope="module")
def crew() -> Iterator[list[Worker]]:
    """Every worker that the tests of a file needed so far; idle ones would take their share until the last test."""
    crew: list[Worker] = []
    yield crew
    for worker in crew:
        worker.kill()


@pytest.fixture
def worker(place: Place, crew: list[Worker], tmp_path: Path) -> Worker:
    """The worker of the tests before, unless one of them has killed it."""
    if not crew or not crew[-1].is_running:
        crew.append(Worker(tmp_path / "worker.log", place.settings()))
    return crew[-1]


@pytest.fixture
def east(place: Place) -> Simulator:
    return place.lanes["east"]


@pytest.fixture
async def studio(place: Place, worker: Worker, east: Simulator) -> AsyncIterator[Studio]:
    studio = Studio(place)
    await studio.forget()
    east.latency(0.005)
    yield studio
    await studio.aclose()


def environment(place: Place) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    return {**kept, **place.settings()}


@pytest.fixture
def rebuild(place: Place) -> Rebuild:
    """Runs the command; exit code, records, and what it said."""

    def run(*options: str, more: Mapping[str, str] | None = None) -> tuple[int, list[dict[str, Any]], str]:
        argv = [sys.executable, "-m", "cli.main", "rebuild", "--from-storage", "-o", "json", *options]
        ended = subprocess.run(
            argv, cwd=ROOT, env={**environment(place), **(more or {})}, capture_output=True, text=True,
            timeout=ENDED_WITHIN_S, check=False,
        )  # fmt: skip
        return ended.returncode, json.loads(ended.stdout or "[]"), ended.stderr

    return run
