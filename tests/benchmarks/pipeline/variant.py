"""One variant in a process of its own: so many pictures with so many in flight, and what that took."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

BUCKET = "benchmark"
PROMPT = "A red teapot on a marble counter, soft light from the left. " * 5
Picture = Callable[[int], Awaitable[None]]


async def measured(name: str, port: int, *, pictures: int, in_flight: int) -> dict[str, float]:
    """Runs one variant: CPU of this process per picture in ms, wall-clock seconds, highest memory in MB."""
    module = importlib.import_module(f"tests.benchmarks.pipeline.{name}")
    numbers = iter(range(pictures))
    with tempfile.TemporaryDirectory() as spool:
        async with module.opened(port, Path(spool)) as picture:

            async def one_after_another() -> None:
                for number in numbers:
                    await picture(number)

            await picture(pictures)  # the first one also loads modules
            cpu_s, started_s = _cpu_s(), time.monotonic()
            await asyncio.gather(*(one_after_another() for _ in range(in_flight)))
            cpu_s, wall_s = _cpu_s() - cpu_s, time.monotonic() - started_s
    peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu_ms": 1000 * cpu_s / pictures, "wall_s": wall_s, "peak_mb": peak_kilobytes / 1024}


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


if __name__ == "__main__":
    variant, *numbers_given = sys.argv[1:]
    port, pictures, in_flight = map(int, numbers_given)
    print(json.dumps(asyncio.run(measured(variant, port, pictures=pictures, in_flight=in_flight))))
