"""Planning alone: `python -m tests.benchmarks.planning` plans 1,000,000 pictures and prints what that takes.

10,000 rows, 2 templates, 5 variants, 5 sizes, 2 samples, on a folder and a Redis server of its own. Nothing else runs in
the process, so its memory and the blocks of its event loop are the planner's.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import uvloop
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from core.settings import BudgetSettings
from core.state.batches import BatchStore
from core.state.connection import connect
from tests.processes import RedisServer
from tests.unit.planning.desk import BATCH, TENANT, Desk, manifest

ROWS = 10_000
LOOK_EVERY_S = 0.001
SENTENCE = "Solid wood, made to last, with a seat of woven paper cord and a back that follows the spine. "
PROMPT = (
    "Clean product picture of {{ row.title }}{% if row.color %} in {{ row.color }}{% endif %}, "
    "{{ row.description | truncate: 200 }} Material: {{ row.material | downcase }}. "
    "{{ variant.season.light }}, plain background, no text, no logo."
)


@dataclass
class Pulse:
    """How late the event loop came round, every time it was looked at."""

    late_s: list[float] = field(default_factory=list)

    async def beat(self) -> None:
        while True:
            asleep_s = time.perf_counter()
            await asyncio.sleep(LOOK_EVERY_S)
            self.late_s.append(time.perf_counter() - asleep_s - LOOK_EVERY_S)

    def quantile_ms(self, part: float) -> float:
        return sorted(self.late_s)[int((len(self.late_s) - 1) * part)] * 1000


def catalog() -> str:
    header = "sku,title,description,color,material,price,image\n"
    return header + "".join(
        f'sku-{n:06d},Chair {n},"{SENTENCE * 3}",red,Oak,{n % 900}.90,https://example.com/{n}.jpg\n'
        for n in range(ROWS)
    )


def million() -> dict[str, Any]:
    reference = {"prompt": PROMPT, "references": ["{{ row.image_urls[0] }}"]}
    return manifest(
        templates={"hero": reference, "scene": {**reference, "prompt": f"In a living room. {PROMPT}"}},
        variants={"season": {f"light-{n}": {"light": f"light of hour {n}"} for n in range(5)}},
        sizes=["square", "portrait", "landscape", "wide", "tall"],
        samples=2,
    )


async def used_bytes(redis: Redis) -> int:
    facts = await redis.info("memory")
    return int(facts["used_memory"])


async def measured(folder: Path, url: str) -> dict[str, tuple[str, str]]:
    """Line -> what was measured, and its target."""
    redis = connect(url)
    desk, pulse = Desk.at(folder, redis), Pulse()
    await desk.upload("products.csv", catalog())
    before_bytes = await used_bytes(redis)
    started_s = time.perf_counter()
    job = await desk.shelve(million())
    shelved_s = time.perf_counter() - started_s
    beating = asyncio.create_task(pulse.beat())
    plan = await desk.make(job, desk.planner(budgets=BudgetSettings(tenant_month_usd="1000000")))
    assert plan is not None
    planned_s = time.perf_counter() - started_s - shelved_s
    beating.cancel()
    batch = await BatchStore(redis).get(TENANT, BATCH)
    pending_bytes = await used_bytes(redis) - before_bytes
    await desk.aclose()
    await redis.aclose()
    assert batch.counts["queued"] == plan.tasks.total == 100 * ROWS, plan.errors[:3] or plan.refusal
    rss_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "tasks planned": (f"{plan.tasks.total:,}", ""),
        "on the shelf": (f"{shelved_s * 1000:.1f} ms", ""),
        "planned and open": (f"{planned_s:.1f} s", ""),
        "tasks a second": (f"{plan.tasks.total / planned_s:,.0f}", "20,000 or more"),
        "peak memory of the process": (f"{rss_kb / 1024:.0f} MB", "under 300 MB"),
        "memory of the pending batch in Redis": (f"{pending_bytes / 1024:.1f} KB", "under 5 MB"),
        "event loop late, 99 of 100 times": (f"{pulse.quantile_ms(0.99):.1f} ms", "under 10 ms"),
        "event loop late, at most": (f"{pulse.quantile_ms(1):.1f} ms", "under 100 ms"),
    }


def main() -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    folder = Path(tempfile.mkdtemp(prefix="darkroom-planning-"))
    server = RedisServer(folder / "redis")
    try:
        lines = uvloop.run(measured(folder, server.url))
    finally:
        server.kill()
        shutil.rmtree(folder)
    table = Table(
        "", "measured", "target", title=f"Planning {100 * ROWS:,} pictures, Python {sys.version.split()[0]}"
    )
    for line, (value, target) in lines.items():
        table.add_row(line, value, target)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
