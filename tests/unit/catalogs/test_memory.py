"""Reading is a stream: memory stays where it is while rows grow."""

from __future__ import annotations

import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.catalog import Row
from tests.benchmarks.catalogs import WITHIN_MB, measured
from workers.catalogs.reading import open_catalog
from workers.catalogs.record import CatalogLimits

_NOTE = "note " * 40
_BYTES_PER_KEY = 250


def _csv(count: int) -> Iterator[str]:
    yield "sku,title,note\n"
    yield from (f"K{place},Shirt,{_NOTE}\n" for place in range(count))


def _json(count: int) -> Iterator[str]:
    yield "["
    yield from (f'{"," if place else ""}{{"sku": "K{place}", "note": "{_NOTE}"}}' for place in range(count))
    yield "]"


def _shopify(count: int) -> Iterator[str]:
    yield "Handle,Title,Body (HTML),Variant SKU\n"
    yield from (f"h{place // 2},T,{_NOTE},K{place}\n" for place in range(count))


def _xml(count: int) -> Iterator[str]:
    yield "<rss><channel>"
    yield from (f"<item><id>K{place}</id><note>{_NOTE}</note></item>" for place in range(count))
    yield "</channel></rss>"


def _schema_org(count: int) -> Iterator[str]:
    yield '{"@context": "https://schema.org", "@graph": ['
    yield from (
        f'{"," if place else ""}{{"@type": "Product", "sku": "K{place}", "name": "{_NOTE}"}}'
        for place in range(count)
    )
    yield "]}"


@pytest.mark.parametrize("lines", [_csv, _json, _shopify, _xml, _schema_org])
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, lines: Callable[[int], Iterator[str]]) -> None:
    few, many = (_peak_bytes(tmp_path / str(count), lines(count)) for count in (3_000, 9_000))
    assert many - few < 6_000 * _BYTES_PER_KEY


def test_two_hundred_thousand_rows_of_a_shop_take_less_than_150_mb() -> None:
    """How long it takes, and the other dialects: tests/benchmarks/catalogs.py."""
    found = measured("shopify_shuffled", 200_000)
    assert found["rows"] == 200_000
    assert found["peak_mb"] < WITHIN_MB


def test_a_feed_in_xml_grows_at_a_rate_that_leaves_200_000_rows_below_150_mb() -> None:
    """Reckoned from 4,000 and 24,000 rows; tests/benchmarks/catalogs.py measures 200,000."""
    few, many = (measured("merchant_xml", rows)["peak_mb"] for rows in (4_000, 24_000))
    assert many + (many - few) / 20_000 * 176_000 < WITHIN_MB


def test_rows_may_be_taken_from_different_threads(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    path.write_text("".join(_shopify(20)))
    rows = open_catalog(path, name="x", dialect="auto", key=None, limits=CatalogLimits()).rows()
    keys: list[str] = []
    for _ in range(20):
        with ThreadPoolExecutor(1) as thread:
            row = thread.submit(next, rows).result()
        assert isinstance(row, Row)
        keys.append(row.key)
    assert keys == [f"K{place}" for place in range(20)]


def test_a_reading_left_half_way_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    path.write_text("".join(_shopify(20)))
    rows = open_catalog(path, name="x", dialect="auto", key=None, limits=CatalogLimits()).rows()
    next(rows)
    del rows  # a file or database left open would be a ResourceWarning, which is an error here


def _peak_bytes(path: Path, lines: Iterator[str]) -> int:
    path.write_text("".join(lines))
    tracemalloc.start()
    try:
        deque(open_catalog(path, name="x", dialect="auto", key=None, limits=CatalogLimits()).rows(), maxlen=0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
