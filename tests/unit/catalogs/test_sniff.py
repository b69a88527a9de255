"""What a file is found to be."""

from __future__ import annotations

from typing import Any

import pytest

from workers.catalogs.record import CatalogLimits


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_an_encoding_is_found(read: Any, encoding: str) -> None:
    assert read("sku,title\nA,Größe €\n".encode(encoding)).row.title == "Größe €"


def test_a_letter_of_cp1252_far_into_the_file_is_found(read: Any) -> None:
    rows = b"".join(b"K%d,shirt\n" % place for place in range(20_000))
    reading = read(b"sku,title\n" + rows + "last,Müller\n".encode("cp1252"))
    assert reading.rows[-1].title == "Müller"


@pytest.mark.parametrize("content", [b"sku\nA\x81\xff\n", b"\xef\xbb\xbfsku\nA\xff\n", b"\xff\xfes\x00k"[:5]])
def test_text_in_no_known_encoding_is_refused(refused: Any, content: bytes) -> None:
    assert refused(content) == [("/catalog/source", "encoding_unknown")]


@pytest.mark.parametrize("content", [b"PK\x03\x04\0\0", b"sku\nA\nB\0\n", "sku\nA\0".encode("utf-16")])
def test_binary_files_are_refused(refused: Any, content: bytes) -> None:
    assert refused(content) == [("/catalog/source", "binary")]


def test_a_file_over_the_limit_is_refused(refused: Any) -> None:
    assert refused("sku\nABC\n", limits=CatalogLimits(max_bytes=7)) == [
        ("/catalog/source", "catalog_too_large")
    ]


def test_a_dialect_of_no_such_name_is_refused(refused: Any) -> None:
    assert refused("sku\nA\n", dialect="magento") == [("/catalog/source", "dialect_unknown")]


@pytest.mark.parametrize("dialect", ["shopify", "woocommerce"])
def test_a_dialect_that_the_header_does_not_speak_is_refused(refused: Any, dialect: str) -> None:
    assert refused("sku,title\nA,b\n", dialect=dialect) == [("/catalog/source", "column_missing")]


def test_xml_is_no_csv(refused: Any) -> None:
    assert refused("<rss/>", dialect="csv") == [("/catalog/source", "dialect_mismatch")]


@pytest.mark.parametrize(
    ("content", "name", "dialect"),
    [
        ("sku,title\nA,b\n", "x.txt", "csv"),
        ("sku;title\nA;b\n", "x.csv", "csv"),
        ("sku|title\nA|b\n", "x.csv", "csv"),
        ("sku\ttitle\nA\tb\n", "x.csv", "tsv"),
        ("sku\nA\n", "x.csv", "csv"),
        ('\n {"sku": 1}\n{"sku": 2}', "x", "jsonl"),
        (' [\n{"sku": 1}]', "x.jsonl", "json"),
    ],
)
def test_a_format_is_found_in_the_content(read: Any, content: str, name: str, dialect: str) -> None:
    assert read(content, name=name).catalog.dialect == dialect


def test_a_delimiter_inside_quotes_or_cells_does_not_mislead(read: Any) -> None:
    reading = read('sku,"title; long; and; winding"\nA,x\nB,"y;z"\n')
    assert reading.catalog.columns == ("sku", "title; long; and; winding")


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("shopify-old.csv", "shopify"),
        ("shopify-new.csv", "shopify"),
        ("woocommerce.csv", "woocommerce"),
        ("merchant.tsv", "google_merchant"),
        ("merchant-rss.xml", "google_merchant"),
        ("merchant-atom.xml", "google_merchant"),
    ],
)
def test_a_shops_export_is_known_by_its_headers(read: Any, sample: Any, name: str, dialect: str) -> None:
    assert read(sample(name)).catalog.dialect == dialect


def test_a_shops_export_can_be_read_as_a_plain_table(read: Any, sample: Any) -> None:
    reading = read(sample("merchant.tsv"), dialect="tsv", key="title")
    assert [row.key for row in reading.rows] == ["Rain Coat", "Rain Hat"]


def test_tsv_by_order_parts_at_tabs_only(read: Any) -> None:
    assert read("sku,x\ttitle\nA\tb\n", dialect="tsv", key="title").row.raw == {"sku,x": "A", "title": "b"}
