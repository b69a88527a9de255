"""A lost Redis: `python -m tests.benchmarks.rebuild` brings a batch of 10,000 pictures back and prints what that takes.

On a folder and a Redis server of its own; with `--s3` through an S3 server in the same process, which is the slower half
then. Half of the pictures are made from the others, every hundredth task is in doubt or has failed.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from core.documents import Documents
from core.record import PlannedBatch, TaskRecord
from core.state.batches import BatchStore
from core.state.connection import connect
from core.state.restoring import RestoreStore
from core.storage.opening import open_store
from schemas.asset import Receipt
from schemas.manifest_check import check_manifest
from schemas.task import TaskState
from tests.processes import RedisServer
from tests.studio import manifest
from workers.rebuilding.rebuilder import Rebuilder

TASKS = 10_000
TENANT, BATCH = "acme", "batch_0193000000000000000000000a"
WITHIN_S = 120.0
ENDED_OTHERWISE = {50: TaskState.PARKED, 51: TaskState.FAILED}


def planned(half: int) -> PlannedBatch:
    block = {"count": half, "samples": 1, "holds": [9000], "tokens": [0]}
    blocks = [{**block, "first": 0, "dependent": False}, {**block, "first": half, "dependent": True}]
    flows = [{"lane": "main", "length": half, "blocks": blocks}]
    return PlannedBatch(
        BATCH, TENANT, "lost", "normal", {}, "plan", None, "park", "batch", None, 1, 2, 2 * half, half, 0, flows, 1
    )  # fmt: skip


def receipt(index: int) -> Receipt:
    facts: dict[str, Any] = {
        "batch_id": BATCH, "task": index, "attempt": 1, "asset": f"row-{index}/hero-default-1024x1024-1.jpg",
        "template": "hero", "row_key": f"row-{index}", "variant": {}, "size": "1024x1024", "sample": 1,
        "lane": "main", "model": "gpt-image-2.6-flare", "parameters": {"quality": "low", "size": "1024x1024"},
        "request_id": f"req_{index}", "usage": {"text_input": 20, "image_output": 272}, "cost_usd": "0.0045",
        "price_list": "schemas/data/prices.toml", "prompt_digest": "ab" * 32, "template_version": "cd" * 32,
        "fingerprint": f"{index:064x}", "sha256": "ef" * 32, "format": "jpeg", "width": 1024, "height": 1024,
        "bytes": 90_000, "created_at": "2026-11-21T12:00:00+00:00", "latency_s": 6.5,
    }  # fmt: skip
    return Receipt.model_validate(facts)


def record(index: int, state: TaskState) -> TaskRecord:
    failure = {"class": "doubtful" if state is TaskState.PARKED else "moderation_blocked", "message": "no"}
    return TaskRecord(index, state, 1, 1, 1, 0, 9000 * (state is TaskState.PARKED), {}, 1, failure)


async def fill(documents: Documents) -> int:
    """Puts the batch into storage; how many receipts."""
    half = TASKS // 2
    asked = manifest("x", templates={"hero": {"prompt": "x"}, "card": {"prompt": "y", "from": "hero"}})
    await documents.put_manifest(TENANT, BATCH, check_manifest(asked))
    await documents.put_planned(planned(half))
    others = {index: ENDED_OTHERWISE[index % 200] for index in range(TASKS) if index % 200 in ENDED_OTHERWISE}
    stored = [receipt(index) for index in range(TASKS) if index not in others]
    await asyncio.gather(*(documents.put_receipt(TENANT, BATCH, each) for each in stored))
    for page in range(TASKS // 100):
        found = [record(index, others[index]) for index in sorted(others) if index // 100 == page]
        if found:
            await documents.put_records(TENANT, BATCH, page, found)
    return len(stored)


async def longest_script_ms(redis: Redis) -> float:
    """How long others wait for Redis at worst."""
    return float(max(each["duration"] for each in await redis.slowlog_get(10_000)) / 1000)


async def measured(redis_url: str, storage_url: str, endpoint_url: str | None) -> dict[str, tuple[str, str]]:
    """Line -> what was measured, and its target."""
    documents = Documents(open_store(storage_url, endpoint_url=endpoint_url, threads=32))
    receipts = await fill(documents)
    redis = connect(redis_url)
    await redis.config_set("slowlog-max-len", 10_000)
    await redis.config_set("slowlog-log-slower-than", 0)
    started_s = time.perf_counter()
    rebuilder = Rebuilder(documents=documents, restoring=RestoreStore(redis))
    (report,) = [report async for report in rebuilder.rebuild()]
    took_s = time.perf_counter() - started_s
    batch = await BatchStore(redis).get(TENANT, BATCH)
    longest_ms = await longest_script_ms(redis)
    await redis.aclose()
    await documents.store.aclose()
    assert batch.counts["done"] == report.done == receipts, report
    assert batch.spent_usd_micros == receipts * 4500
    rss_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "receipts read": (f"{receipts:,}", ""),
        "in doubt, failed": (f"{batch.counts['parked']}, {batch.counts['failed']}", ""),
        "brought back in": (f"{took_s:.1f} s", f"under {WITHIN_S:.0f} s"),
        "tasks a second": (f"{TASKS / took_s:,.0f}", f"{TASKS / WITHIN_S:.0f} or more"),
        "longest script": (f"{longest_ms:.1f} ms", ""),
        "peak memory of the process": (f"{rss_kb / 1024:.0f} MB", ""),
    }


def s3_server(ending: ExitStack) -> str:
    """The address of an S3 server with one bucket."""
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    ending.callback(server.stop)
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket="darkroom")
    return url


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="darkroom-rebuild-"))
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder)
        server = RedisServer(folder / "redis")
        ending.callback(server.kill)
        on_s3 = "--s3" in sys.argv
        endpoint_url = s3_server(ending) if on_s3 else None
        storage_url = "s3://darkroom" if on_s3 else (folder / "store").as_uri()
        lines = asyncio.run(measured(server.url, storage_url, endpoint_url))
    table = Table(
        "", "measured", "target", title=f"Bringing {TASKS:,} tasks back, Python {sys.version.split()[0]}"
    )
    for line, (value, target) in lines.items():
        table.add_row(line, value, target)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
