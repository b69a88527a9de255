"""Google Merchant feeds: tables by attribute name, RSS and Atom; hostile XML is refused or bounded."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.catalogs.record import CatalogLimits

_RSS = '<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{}</channel></rss>'


def test_a_table_is_read_by_attribute_names_with_spaces_or_underscores(read: Any, sample: Any) -> None:
    row = read(sample("merchant.tsv")).by_key["A1"]
    assert (row.product_id, row.parent_id, row.title, row.price) == ("A1", "coat", "Rain Coat", "80.00 EUR")
    assert (row.brand, row.gtin, row.color, row.size) == ("Northsail", "4006381333955", "Yellow", "M")
    assert (row.url, row.attrs["custom_label_0"]) == ("https://shop.example/coat", "bestseller")
    assert row.image_urls == tuple(
        f"https://shop.example/{name}.jpg" for name in ("coat", "coat-2", "coat-3", "coat-on")
    )


def test_a_category_given_as_a_number_gives_way_to_the_product_type(read: Any, sample: Any) -> None:
    rows = read(sample("merchant.tsv")).by_key
    assert rows["A1"].category_path == ("Apparel & Accessories", "Clothing", "Outerwear")
    assert rows["A2"].category_path == ("Hats", "Rain")


def test_headers_with_googles_prefix_are_the_same(read: Any) -> None:
    row = read("g:id\tg:title\tg:image_link\tg:condition\nA\tCoat\ta.jpg\tnew\n").row
    assert (row.key, row.title, row.image_urls, row.attrs) == ("A", "Coat", ("a.jpg",), {"condition": "new"})


def test_rss_items_are_rows_and_googles_elements_win(read: Any, sample: Any) -> None:
    first, second = read(sample("merchant-rss.xml")).rows
    assert (first.key, first.title, first.description) == ("A1", "Rain Coat", "Keeps <b>dry</b>.")
    assert (first.url, first.parent_id) == ("https://shop.example/coat?a=1&b=2", "coat")
    assert first.image_urls == tuple(
        f"https://shop.example/{name}.jpg" for name in ("coat", "coat-2", "coat-3")
    )
    assert first.category_path == ("Coats", "Rain")
    assert first.attrs["shipping"] == {"country": "DE", "price": "4 EUR"}
    assert (second.key, second.title, second.color, second.image_urls) == ("A2", "Rain Hat", "Yellow", ())


def test_atom_entries_are_rows(read: Any, sample: Any) -> None:
    row = read(sample("merchant-atom.xml")).row
    assert (row.key, row.title, row.description) == ("A1", "Rain Coat", "Keeps dry.")
    assert (row.url, row.image_urls) == ("https://shop.example/coat", ("https://shop.example/coat.jpg",))


def test_of_atoms_links_the_products_page_is_the_url(read: Any) -> None:
    links = '<link rel="self" href="https://api/1"/><link rel="alternate" href="https://shop/1"/>'
    links += '<link rel="alternate" type="text/plain" href="https://shop/1.txt"/><link rel="edit" href="https://e"/>'
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id>{links}</entry></feed>'
    assert read(feed).row.url == "https://shop/1"


def test_an_atom_link_in_an_rss_item_does_not_take_its_links_place(read: Any) -> None:
    items = '<item><id>1</id><link>https://shop/1</link><a:link rel="self" href="https://api/1"/></item>'
    feed = f'<rss xmlns:a="http://www.w3.org/2005/Atom"><channel>{items}</channel></rss>'
    assert read(feed).row.url == "https://shop/1"


def test_repeated_elements_over_the_limit_of_a_field_are_named(read: Any) -> None:
    items = "<item><id>1</id>" + f"<product_highlight>{'x' * 60}</product_highlight>" * 2 + "</item>"
    reading = read(_RSS.format(f"{items}<item><id>2</id></item>"), limits=CatalogLimits(max_field_bytes=100))
    assert (reading.row.key, reading.places) == (
        "2",
        [("/catalog/rows/0/product_highlight", "field_too_large")],
    )


def test_xml_in_utf_16_is_read(read: Any, sample: Any) -> None:
    text = sample("merchant-atom.xml").decode().replace('version="1.0"', 'version="1.0" encoding="UTF-16"')
    assert read(text.encode("utf-16")).row.key == "A1"


@given(
    titles=st.lists(
        st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=20), min_size=1, max_size=5
    )
)
@settings(max_examples=50, deadline=None)
def test_any_text_of_an_item_comes_back(read: Any, titles: list[str]) -> None:
    items = "".join(
        f"<item><g:id>{n}</g:id><g:title>{escape(t)}</g:title></item>" for n, t in enumerate(titles)
    )
    reading = read(_RSS.format(items))
    assert [(row.key, row.title) for row in reading.rows] == [
        (str(n), t.strip() or None) for n, t in enumerate(titles)
    ]


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE a [<!ENTITY b "b"><!ENTITY c "&b;&b;">]>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE a SYSTEM "https://shop.example/a.dtd">',
    ],
)
def test_document_types_and_entities_are_refused(refused: Any, declaration: str) -> None:
    assert refused(declaration + _RSS.format("<item/>")) == [("/catalog/source", "xml_forbidden")]


def test_broken_xml_is_a_problem_after_the_rows_before_it(read: Any) -> None:
    reading = read("<rss><channel><item><id>A</id></item><item></channel>")
    assert (reading.row.key, reading.places) == ("A", [("/catalog/source", "catalog_malformed")])


def test_wrong_items_are_named_at_once(read: Any) -> None:
    items = ["<id>A</id>", "<id>A</id>", "<title>x</title>", f"<id>B</id><title>{'x' * 200}</title>"]
    deep = "<id>C</id><a><b><c><d><e><f>1</f></e></d></c></b></a>"
    text = "".join(f"<item>{item}</item>" for item in [*items, deep, "<id>D</id>"])
    reading = read(_RSS.format(text), limits=CatalogLimits(max_row_bytes=200))
    assert reading.places == [
        ("/catalog/rows/1/id", "key_duplicated"),
        ("/catalog/rows/2/id", "key_missing"),
        ("/catalog/rows/3", "row_too_large"),
        ("/catalog/rows/4", "row_too_deep"),
    ]
    assert [row.key for row in reading.rows] == ["A", "D"]


@pytest.mark.parametrize(
    "endless", ["<item>" + "<a>" * 100_000, "<b/>" * 100_000, "<item><a>" + "x" * 500_000]
)
def test_an_item_that_does_not_end_is_not_read_on(read: Any, endless: str) -> None:
    reading = read(f"<rss><channel><item><id>A</id></item>{endless}")
    assert (reading.row.key, reading.places) == ("A", [("/catalog/rows/1", "row_too_large")])


def test_too_many_items_end_the_reading(read: Any) -> None:
    items = "".join(f"<item><id>{n}</id></item>" for n in range(4))
    reading = read(_RSS.format(items), limits=CatalogLimits(max_rows=2))
    assert (len(reading.rows), reading.places) == (2, [("/catalog/source", "too_many_rows")])


def test_a_feed_without_items_is_refused(refused: Any) -> None:
    assert refused("<rss><channel><title>x</title></channel></rss>") == [("/catalog/source", "catalog_empty")]
