"""schema.org as JSON-LD: every way to write products down, groups and their variants, and everything that is no product."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.catalogs.record import CatalogLimits

CHAIR: dict[str, Any] = {
    "@type": "Product",
    "sku": "C-1",
    "name": "Chair",
    "description": "Oak.",
    "brand": {"@type": "Brand", "name": "Acme"},
    "category": "Furniture > Chairs",
    "color": "red",
    "size": {"@type": "SizeSpecification", "name": "M"},
    "material": ["oak", "wool"],
    "gtin13": "4006381333931",
    "image": ["https://x/1.jpg", {"@type": "ImageObject", "contentUrl": "https://x/2.jpg"}],
    "offers": {"@type": "Offer", "price": 19.5, "priceCurrency": "EUR", "url": "https://x/chair"},
    "additionalProperty": {"@type": "PropertyValue", "name": "Seat Height", "value": "45 cm"},
    "inLanguage": "en",
}
CONTEXT = {"@context": "https://schema.org"}
GROUP: dict[str, Any] = {
    "@type": "ProductGroup",
    "@id": "#coat",
    "productGroupID": "44E",
    "name": "Coat",
    "material": "wool",
    "sku": "of-the-group",
    "variesBy": ["https://schema.org/size"],
}


def linked(value: Any, **options: Any) -> str:
    return json.dumps(value, **options)


@pytest.mark.parametrize(
    "content",
    [
        linked({**CONTEXT, **CHAIR}),
        linked({**CONTEXT, **CHAIR}, indent=2),
        linked([{**CONTEXT, **CHAIR}]),
        linked({**CONTEXT, "@graph": [{"@type": "WebSite", "name": "Shop"}, CHAIR]}),
        linked({"@graph": [CHAIR], **CONTEXT}, indent=1),
        linked(
            {
                **CONTEXT,
                "@type": "ItemList",
                "itemListElement": [{"@type": "ListItem", "position": 1, "item": CHAIR}],
            }
        ),
        linked({**CONTEXT, "@type": "WebPage", "mainEntity": CHAIR}),
        linked({**CONTEXT, **CHAIR, "@type": ["Product", "https://schema.org/IndividualProduct"]}),
        linked({**CONTEXT, **CHAIR, "@type": "http://schema.org/Product"}),
        linked({**CONTEXT, **CHAIR}) + "\n" + linked({**CONTEXT, "@type": "BreadcrumbList"}) + "\n",
        "\ufeff" + linked({**CONTEXT, **CHAIR}),
    ],
)
def test_a_product_is_found_however_it_is_written(read: Any, content: str) -> None:
    reading = read(content)

    row = reading.row
    assert reading.catalog.dialect == "schema_org"
    assert reading.problems == []
    assert (row.key, row.sku, row.title, row.brand, row.size) == ("C-1", "C-1", "Chair", "Acme", "M")
    assert (row.category_path, row.material, row.gtin) == (
        ("Furniture", "Chairs"),
        "oak, wool",
        "4006381333931",
    )
    assert (row.price, row.url, row.locale) == ("19.5 EUR", "https://x/chair", "en")
    assert row.image_urls == ("https://x/1.jpg", "https://x/2.jpg")
    assert row.attrs["seat_height"] == "45 cm"
    assert reading.catalog.mapping["brand"] == ("brand",)


@pytest.mark.parametrize(
    ("offers", "price"),
    [
        ({"lowPrice": "5", "highPrice": 9, "priceCurrency": "USD"}, "5 USD"),
        ([{"priceSpecification": {"price": 7, "priceCurrency": "GBP"}}, {"price": 8}], "7 GBP"),
        ([{"priceSpecification": [{"price": 7}]}], "7"),
        ({"availability": "InStock"}, None),
        ([], None),
    ],
)
def test_the_price_is_the_first_offers(read: Any, offers: Any, price: str | None) -> None:
    assert read(linked([{**CHAIR, "offers": offers}])).row.price == price


_RED, _BLUE = (
    {"@type": "Product", "sku": "r", "color": "red"},
    {"@type": "Product", "sku": "b", "material": "silk"},
)


@pytest.mark.parametrize(
    "nodes",
    [
        [{**GROUP, "hasVariant": [_RED, _BLUE]}],
        [{**_RED, "isVariantOf": {"@id": "#coat"}}, GROUP, {**_BLUE, "isVariantOf": {"@id": "#coat"}}],
        [GROUP, {**_RED, "inProductGroupWithID": "44E"}, {**_BLUE, "inProductGroupWithID": "44E"}],
        [
            {**GROUP, "hasVariant": [{"@id": "#r"}, {"@id": "#b"}]},
            {**_RED, "@id": "#r"},
            {**_BLUE, "@id": "#b"},
        ],
    ],
)
def test_variants_take_from_their_group_what_they_do_not_say(read: Any, nodes: list[Any]) -> None:
    reading = read(linked({**CONTEXT, "@graph": nodes}))

    assert [(row.key, row.title, row.color, row.material) for row in reading.rows] == [
        ("r", "Coat", "red", "wool"),
        ("b", "Coat", None, "silk"),
    ]
    assert [row.number for row in reading.rows] == [1, 2]


def test_a_group_without_variants_is_a_row(read: Any) -> None:
    assert read(linked([GROUP])).row.key == "of-the-group"


def test_wrong_products_are_named_by_their_number(read: Any) -> None:
    deep: Any = "x"
    for _ in range(7):
        deep = {"a": deep}
    reading = read(linked([CHAIR, CHAIR, {"@type": "Product", "name": "x"}, {**CHAIR, "deep": deep}]))

    assert reading.places == [
        ("/catalog/rows/1/sku", "key_duplicated"),
        ("/catalog/rows/2/sku", "key_missing"),
        ("/catalog/rows/3", "row_too_deep"),
    ]


def test_what_holds_no_product_is_refused(refused: Any) -> None:
    assert refused(linked({**CONTEXT, "@type": "WebSite"})) == [("/catalog/source", "catalog_empty")]
    assert refused('{"@context": "https://schema.org", "@graph": [{"@type": "Product"') == [
        ("/catalog/source", "catalog_malformed")
    ]


def test_caps_hold_for_products_too(read: Any) -> None:
    limits = CatalogLimits(max_rows=2, max_row_bytes=500, max_field_bytes=100)
    small = [{"@type": "Product", "sku": str(place)} for place in range(3)]
    assert read(linked(small), limits=limits).places == [("/catalog/source", "too_many_rows")]
    long = [{"@type": "Product", "sku": "a", "name": "x" * 101}, {"@type": "Product", "sku": "b"}]
    assert read(linked(long), limits=limits).places == [("/catalog/rows/0/name", "field_too_large")]


_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip())
)
_PRODUCTS = st.lists(
    st.fixed_dictionaries(
        {"@type": st.just("Product"), "name": _TEXT}, optional={"color": _TEXT, "mood": _TEXT}
    ),
    min_size=1,
    max_size=5,
)


@given(
    products=_PRODUCTS,
    form=st.sampled_from(["graph", "array", "lines", "group"]),
    indent=st.sampled_from([None, 1]),
)
@settings(max_examples=80, deadline=None)
def test_any_products_come_back_as_they_were_written(
    read: Any, products: list[dict[str, str]], form: str, indent: int | None
) -> None:
    products = [{**product, "sku": f"k{place}"} for place, product in enumerate(products)]
    content = {
        "graph": linked({**CONTEXT, "@graph": products}, indent=indent),
        "array": linked(products, indent=indent),
        "lines": "\n".join(linked(product) for product in products),
        "group": linked({**CONTEXT, **GROUP, "hasVariant": products}, indent=indent),
    }[form]

    reading = read(content)

    assert reading.problems == []
    assert [(row.key, row.title, row.color, row.attrs.get("mood")) for row in reading.rows] == [
        (
            each["sku"],
            each["name"].strip(),
            *(each.get(name, "").strip() or None for name in ("color", "mood")),
        )
        for each in products
    ]
