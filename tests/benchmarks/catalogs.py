"""Catalogs alone: `python -m tests.benchmarks.catalogs [rows]` reads a generated feed of each dialect, and plans one.

200,000 rows unless told otherwise; each feed in a process of its own, so that its memory is the reader's. What is planned
is a batch of the first feed: `rig/feed_plan.py`.
The limits are 60 s and 150 MB. They are held against seconds of the processor, so that other work on the machine counts
less; those of the clock stand beside them. Ends with 1 where a limit is passed or a row is lost.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from math import gcd
from pathlib import Path

from rich.console import Console
from rich.table import Table

from schemas.catalog import Row
from tests.benchmarks.rig.stopwatch import Stopwatch
from workers.catalogs.reading import open_catalog
from workers.catalogs.record import CatalogLimits

ROWS = 200_000
WITHIN_S, WITHIN_MB = 60.0, 150.0
NOTE = "A shirt of organic cotton with a narrow collar and long sleeves and buttons of horn. "


SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Variant SKU,Variant Price,Image Src\n"
)


def shopify(rows: int) -> Iterator[str]:
    yield SHOPIFY
    yield from map(_shopify_line, range(rows))


def _shopify_line(n: int) -> str:
    first = f"Shirt {n},<p>{NOTE}</p>,Acme,Shirts,Size" if n % 3 == 0 else ",,,,"
    return f"shirt-{n // 3},{first},{'SML'[n % 3]},sku-{n},29.90,https://cdn.example.com/{n}.jpg\n"


def woocommerce(rows: int) -> Iterator[str]:
    yield "ID,Type,SKU,Name,Published,Description,Regular price,Categories,Images,Parent,"
    yield "Attribute 1 name,Attribute 1 value(s)\n"
    for n in range(rows):
        images = f"https://x/{n}.jpg, https://x/{n}b.jpg"
        yield f'{n},simple,sku-{n},Shirt {n},1,{NOTE},29.90,"Clothing > Shirts","{images}",,Color,Red\n'


def scattered(rows: int) -> Iterator[int]:
    """The places of rows so that no two neighbours are of one product: a shop's file that was sorted by something else."""
    stride = next(stride for stride in range(rows // 3 + 1, 2 * rows + 2) if gcd(stride, rows) == 1)
    yield from (n * stride % rows for n in range(rows))


def shopify_shuffled(rows: int) -> Iterator[str]:
    yield SHOPIFY
    yield from map(_shopify_line, scattered(rows))


def woocommerce_variations(rows: int) -> Iterator[str]:
    """A variable product for each three variations, somewhere else in the file."""
    yield "ID,Type,SKU,Name,Published,Description,Regular price,Categories,Images,Parent,"
    yield "Attribute 1 name,Attribute 1 value(s)\n"
    for n in scattered(rows):
        yield f"{n},variation,sku-{n},Shirt {n},1,,29.90,,https://x/{n}.jpg,p{n // 3},Size,{'SML'[n % 3]}\n"
        if n % 3 == 0:
            yield f'{rows + n},variable,p{n // 3},Shirt,1,{NOTE},,"Clothing > Shirts",https://x/p.jpg,,Size,"S, M, L"\n'


def merchant_tsv(rows: int) -> Iterator[str]:
    yield "id\ttitle\tdescription\tlink\timage_link\tavailability\tprice\titem_group_id\tcolor\n"
    for n in range(rows):
        yield f"sku-{n}\tShirt {n}\t{NOTE}\thttps://x/{n}\thttps://x/{n}.jpg\tin stock\t29.90 EUR\tg{n // 3}\tRed\n"


def merchant_xml(rows: int) -> Iterator[str]:
    yield '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>'
    for n in range(rows):
        yield (
            f"<item><g:id>sku-{n}</g:id><title>Shirt {n}</title><description>{NOTE}</description>"
            f"<g:image_link>https://x/{n}.jpg</g:image_link><g:price>29.90 EUR</g:price></item>"
        )
    yield "</channel></rss>"


def product(n: int) -> dict[str, object]:
    return {
        "sku": f"sku-{n}",
        "name": f"Shirt {n}",
        "description": NOTE,
        "color": "red",
        "image": f"https://x/{n}.jpg",
    }


def schema_org(rows: int) -> Iterator[str]:
    yield '{"@context": "https://schema.org", "@graph": ['
    for n in range(rows):
        yield ("," if n else "") + json.dumps({"@type": "Product", **product(n)})
    yield "]}"


def jsonl(rows: int) -> Iterator[str]:
    yield from (json.dumps(product(n)) + "\n" for n in range(rows))


def json_array(rows: int) -> Iterator[str]:
    yield "["
    yield from (("," if n else "") + json.dumps(product(n)) for n in range(rows))
    yield "]"


def csv(rows: int) -> Iterator[str]:
    yield "sku,title,description,color,price,image\n"
    yield from (f"sku-{n},Shirt {n},{NOTE},red,29.90,https://x/{n}.jpg\n" for n in range(rows))


FEEDS: dict[str, Callable[[int], Iterator[str]]] = {
    each.__name__: each
    for each in (
        *(shopify, shopify_shuffled, woocommerce, woocommerce_variations),
        *(merchant_tsv, merchant_xml, schema_org, csv, jsonl, json_array),
    )
}


PLANNED = "shopify, planned"


def measured(feed: str, rows: int) -> dict[str, float]:
    """Rows, seconds and peak megabytes of reading such a feed, or of planning one, in a process of its own."""
    planning, reading = ("tests.benchmarks.rig.feed_plan",), ("tests.benchmarks.catalogs", feed)
    command = [sys.executable, "-m", *(planning if feed == PLANNED else reading), str(rows)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout)
    return found


def read(feed: str, rows: int) -> None:
    """The child's part: writes the feed, reads it, prints what that took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog"
        with path.open("w") as file:
            file.writelines(FEEDS[feed](rows))
        stopwatch = Stopwatch()
        catalog = open_catalog(path, name="catalog", dialect="auto", key=None, limits=CatalogLimits())
        good = sum(isinstance(row, Row) for row in catalog.rows())
        stopwatch.tell(good)


def main(rows: int) -> int:
    table = Table("dialect", "rows", "CPU s", "wall s", "rows/CPU s", "peak MB")
    is_over = False
    for feed in (*FEEDS, PLANNED):
        found = measured(feed, rows)
        is_over |= found["cpu_s"] > WITHIN_S or found["peak_mb"] > WITHIN_MB or found["rows"] != rows
        figures = (f"{found[name]:.1f}" for name in ("cpu_s", "wall_s"))
        speed = f"{found['rows'] / found['cpu_s']:,.0f}"
        table.add_row(feed, f"{found['rows']:,}", *figures, speed, f"{found['peak_mb']:.0f}")
    Console().print(table)
    return int(is_over)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        read(sys.argv[1], int(sys.argv[2]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) == 2 else ROWS))
