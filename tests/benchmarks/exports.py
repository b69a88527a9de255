"""Taking a large batch out: `python -m tests.benchmarks.exports` prints what each export does to the service's memory.

On a folder and a Redis server of its own, Linux alone. Two batches, 20,000 and 200,000 pictures unless two other numbers
are given; two pictures a row, tiny, so that what is counted is what a task takes and not what a picture does. Every
export has a service process of its own, warmed by the same export of a batch of 100; growth is the most that the process
had while it was read, less what it had before. A slow reader takes 64 kB every 50 ms, and leaves after ten seconds.
"""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import shutil
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

from core.documents import PAGE_ROWS, Documents, PlannedRow, picture_key
from core.record import Course, PlannedBatch, Steering
from core.state.connection import connect
from core.state.restoring import RestoredTask, RestoreStore
from core.storage.opening import open_store
from schemas.catalog import Row
from schemas.manifest_check import check_manifest
from schemas.task import TaskState
from tests.conftest import free_port
from tests.processes import Process, RedisServer
from tests.studio import manifest

TENANT, KEY = "default", "the-key-of-this-benchmark"
WARMING, SIZES = 100, (20_000, 200_000)
SHEETS = 10
"""Sheets that are read one after another, from the first on."""
EXPORTS = {
    "results.jsonl": "results.jsonl",
    "results.csv": "results.csv",
    "zip": "pictures.zip",
    "zip with receipts": "pictures.zip?receipts=true",
    "sheets, HTML": "contact-sheet.html",
    "sheets, PNG": "contact-sheet.png",
    "Shopify": "feeds/shopify.csv",
    "Merchant Center": "feeds/merchant.tsv",
    "generic feed": "feeds/pictures.csv",
}
BLOCK_BYTES, SLOW_FOR_S, PAUSE_S = 1 << 16, 10.0, 0.05
SENTENCE = "Solid wood, made to last, with a seat of woven paper cord and a back that follows the spine. "


def batch_of(tasks: int) -> str:
    return f"batch_{tasks:026d}"


@dataclass(frozen=True)
class Taken:
    """What an export took."""

    read_bytes: int
    took_s: float
    before_kb: int
    most_kb: int

    @property
    def growth_mb(self) -> float:
        return (self.most_kb - self.before_kb) / 1024


async def fill(redis_url: str, documents: Documents, tasks: int) -> None:
    """A batch that has ended, every picture made; written as a rebuild writes it."""
    batch, rows = batch_of(tasks), tasks // 2
    season = {"season": {"spring": {"light": "soft"}, "autumn": {"light": "golden"}}}
    await documents.put_manifest(TENANT, batch, check_manifest(manifest("x", variants=season)))
    for first in range(0, rows, PAGE_ROWS):
        page = [PlannedRow(row(n), {}) for n in range(first, min(first + PAGE_ROWS, rows))]
        await documents.put_page(TENANT, batch, first // PAGE_ROWS, page, fence=1)
    block = {"first": 0, "count": tasks, "samples": 1, "dependent": False, "holds": [9000], "tokens": [0]}
    flows = [{"lane": "main", "length": tasks, "blocks": [block]}]
    planned = PlannedBatch(
        batch,
        TENANT,
        "large",
        "normal",
        {},
        "plan",
        None,
        "park",
        "batch",
        None,
        1,
        2,
        tasks,
        rows,
        0,
        flows,
        1,
    )
    client = connect(redis_url)
    store = RestoreStore(client)
    await store.begin(planned, Steering(Course.RUNNING, None, "normal"))
    await store.write(batch, [ended(index) for index in range(tasks)])
    await store.open(batch, Course.RUNNING, finished_at_ms=3)
    await client.aclose()


def row(number: int) -> Row:
    return Row(
        number=number + 1,
        key=f"row-{number}",
        sku=f"sku-{number}",
        title=f"Chair {number}",
        description=SENTENCE * 4,
    )


def ended(index: int) -> RestoredTask:
    return RestoredTask(
        index, TaskState.DONE, 1, 1, 1, 1_795_248_000_000, asset=asset(index), sha256="ab" * 32
    )


def asset(index: int) -> str:
    return f"row-{index // 2}/hero-{'spring' if index % 2 == 0 else 'autumn'}-1024x1024-1.jpg"


def draw(store: Path, tasks: int) -> None:
    """Puts the pictures where they belong, past the store, which would wait for the disk at each of them."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), "#b5482f").save(out, "JPEG")
    for index in range(tasks):
        place = store / picture_key(TENANT, batch_of(tasks), asset(index))
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(out.getvalue())
        place.with_name(f"{place.name}.json").write_bytes(b"{}")


class Service(Process):
    """`python -m service`, asked by a plain socket."""

    def __init__(self, folder: Path, redis_url: str, store: Path) -> None:
        self.port = free_port()
        settings = {
            "DARKROOM_REDIS__URL": redis_url,
            "DARKROOM_STORAGE__URL": store.as_uri(),
            "DARKROOM_SERVICE__PORT": str(self.port),
            "DARKROOM_SERVICE__BOOTSTRAP_KEY": KEY,
        }
        log = folder / f"service-{self.port}.log"
        super().__init__([sys.executable, "-m", "service"], log, settings)
        self.wait_until(lambda: "service listening" in log.read_text())

    @property
    def rss_kb(self) -> int:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def read(self, path: str, *, is_slow: bool) -> tuple[int, str | None]:
        """How many bytes an answer has, and where it leads on to."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", path, headers={"Authorization": f"Bearer {KEY}"})
        answer, total, started_s = connection.getresponse(), 0, time.monotonic()
        assert answer.status == 200, answer.read()
        while block := answer.read(BLOCK_BYTES):
            total += len(block)
            if is_slow:
                time.sleep(PAUSE_S)
                if time.monotonic() - started_s > SLOW_FOR_S:
                    break
        connection.close()
        link = answer.getheader("Link")
        return total, link and link[1 : link.index(">")]

    def take(self, what: str, tasks: int, *, is_slow: bool = False) -> Taken:
        """Reads an export to its end, and of sheets the next ones too."""
        before_kb, most, over = self.rss_kb, [0], threading.Event()
        watching = threading.Thread(target=self._watch, args=(most, over))
        watching.start()
        following: str | None = f"/v1/batches/{batch_of(tasks)}/{what}"
        total, sheets, started_s = 0, 0, time.monotonic()
        while following and sheets < SHEETS:
            read_bytes, following = self.read(following, is_slow=is_slow)
            total, sheets = total + read_bytes, sheets + 1
        took_s = time.monotonic() - started_s
        over.set()
        watching.join()
        return Taken(total, took_s, before_kb, max(most[0], self.rss_kb))

    def _watch(self, most: list[int], over: threading.Event) -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], self.rss_kb)


def measured(folder: Path, redis_url: str, store: Path, sizes: tuple[int, ...]) -> Table:
    few, many = sizes
    table = Table(
        "export", f"{few:,}", f"{many:,}", "slow reader", "MB read", "s", "pictures a second",
        title=f"Growth of the service while a batch is taken out, MB, Python {sys.version.split()[0]}",
    )  # fmt: skip
    for name, what in EXPORTS.items():
        small, large, slow = (
            measure(folder, redis_url, store, what, tasks, is_slow)
            for tasks, is_slow in ((few, False), (many, False), (many, True))
        )
        grown = [f"{each.growth_mb:.0f}" for each in (small, large, slow)]
        rate = "" if "sheets" in name else f"{many / large.took_s:,.0f}"
        table.add_row(name, *grown, f"{large.read_bytes / 1e6:.0f}", f"{large.took_s:.0f}", rate)
        print(f"{name}: {', '.join(grown)}", flush=True)
    return table


def measure(folder: Path, redis_url: str, store: Path, what: str, tasks: int, is_slow: bool) -> Taken:
    service = Service(folder, redis_url, store)
    try:
        service.take(what, WARMING)
        return service.take(what, tasks, is_slow=is_slow)
    finally:
        service.kill()


def main() -> None:
    sizes = tuple(int(word) for word in sys.argv[1:3]) or SIZES
    folder = Path(tempfile.mkdtemp(prefix="darkroom-exports-"))
    with ExitStack() as ending:
        ending.callback(shutil.rmtree, folder)
        server = RedisServer(folder / "redis")
        ending.callback(server.kill)
        store = folder / "store"
        documents = Documents(open_store(store.as_uri(), endpoint_url=None, threads=8))
        for tasks in (WARMING, *sizes):
            asyncio.run(fill(server.url, documents, tasks))
            draw(store, tasks)
        table = measured(folder, server.url, store, sizes)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
