"""Planning a batch of a large Shopify feed, until it is open, as a process that does nothing else.

Two variants in two sizes, each with a reference; on a folder and a Redis server of its own.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import structlog
import uvloop

from core.settings import BudgetSettings
from core.state.connection import connect
from tests.benchmarks.catalogs import shopify
from tests.benchmarks.rig.stopwatch import Stopwatch
from tests.processes import RedisServer
from tests.unit.planning.desk import TENANT, Desk, manifest

PROMPT = (
    "Clean product picture of {{ row.title }}{% if row.size %} in size {{ row.size }}{% endif %}, "
    "{{ row.description | strip_html | truncate: 200 }} {{ variant.season.light }}, plain background, no text, no logo."
)


def campaign() -> dict[str, Any]:
    return manifest(
        templates={"hero": {"prompt": PROMPT, "references": ["{{ row.image_urls[0] }}"]}},
        variants={"season": {"spring": {"light": "soft light"}, "autumn": {"light": "low golden light"}}},
        sizes=["square", "portrait"],
    )


async def plan(rows: int, folder: Path, url: str) -> None:
    feed = folder / "feed"
    with feed.open("w") as file:
        file.writelines(shopify(rows))
    redis = connect(url)
    desk = Desk.at(folder, redis)
    await desk.documents.put_upload(TENANT, "products.csv", feed)
    job = await desk.shelve(campaign())
    planner = desk.planner(budgets=BudgetSettings(tenant_month_usd="1000000"))
    stopwatch = Stopwatch()
    plan = await desk.make(job, planner)
    assert plan is not None
    assert plan.accepted, plan.errors[:3] or plan.refusal
    stopwatch.tell(plan.catalog.rows)
    await desk.aclose()
    await redis.aclose()


def main(rows: int) -> None:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    folder = Path(tempfile.mkdtemp(prefix="darkroom-feed-"))
    server = RedisServer(folder / "redis")
    try:
        uvloop.run(plan(rows, folder, server.url))
    finally:
        server.kill()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(int(sys.argv[1]))
