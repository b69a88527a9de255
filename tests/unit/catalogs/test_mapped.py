"""A producer's own mapping, over whatever the dialect finds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from schemas.mapping import Mapping

AKENEO = {
    "identifier": "A",
    "family": "shirts",
    "values": {
        "name": [{"locale": "de_DE", "data": "Hemd"}, {"locale": "en_US", "data": "Shirt"}],
        "photos": [{"data": "https://x/1.jpg"}, {"data": "https://x/2.jpg"}],
    },
}


def fields(**given_fields: Any) -> Any:
    return TypeAdapter(Mapping).validate_python(given_fields)


def test_paths_columns_and_values_fill_their_fields(read: Any) -> None:
    mapping = fields(
        sku="identifier",
        title={"path": "$.values.name[?@.locale == 'en_US'].data"},
        image_urls={"path": "$.values.photos[*].data"},
        product_type=["kind", "family"],
        brand={"value": "Acme"},
        color={"path": "$.values.color[0].data"},
    )

    reading = read(json.dumps(AKENEO), fields=mapping)

    row = reading.row
    assert (row.key, row.title, row.product_type, row.brand, row.color) == (
        "A",
        "Shirt",
        "shirts",
        "Acme",
        None,
    )
    assert row.image_urls == ("https://x/1.jpg", "https://x/2.jpg")
    assert reading.catalog.mapping["title"] == ("$.values.name[?@.locale == 'en_US'].data",)
    assert reading.catalog.mapping["brand"] == ("= Acme",)


def test_a_mapping_goes_over_a_shops_own_dialect_and_leaves_the_rest_to_it(read: Any, sample: Any) -> None:
    plain, mapped = (
        read(sample("shopify-old.csv")),
        read(sample("shopify-old.csv"), fields=fields(title="vendor")),
    )

    assert mapped.catalog.dialect == "shopify"
    assert [row.title for row in mapped.rows] == [row.brand for row in plain.rows]
    assert [row.image_urls for row in mapped.rows] == [row.image_urls for row in plain.rows]


def test_a_column_that_lost_its_field_becomes_an_attribute(read: Any) -> None:
    row = read("sku,Title,label\nA,x,y\n", fields=fields(title="label")).row
    assert (row.title, row.attrs) == ("y", {"title": "x", "label": "y"})


def test_a_mapped_field_may_be_the_key(read: Any) -> None:
    assert read("code,n\nA,1\n", fields=fields(sku="code")).row.key == "A"
    assert read("code,sku\nA,1\n", fields=fields(gtin="code"), key="gtin").row.key == "A"


def test_a_column_that_a_table_lacks_is_named(refused: Any) -> None:
    places = refused("sku,n\nA,1\n", fields=fields(title="a/b", color="nope"))
    assert places == [
        ("/catalog/mapping/title", "column_missing"),
        ("/catalog/mapping/color", "column_missing"),
    ]


def test_objects_may_lack_a_column(read: Any) -> None:
    assert read('{"sku": "A"}\n', fields=fields(title="label")).row.title is None


@pytest.mark.parametrize(
    "path",
    [
        "name",
        "$.a[",
        "$.a[?match(@.b, 'a+')]",
        "$.a[?search(@.b, 'a')]",
        "$" + ".a" * 300,
        "",
        "$..[?count($..*)>0]",
        "$..[?count($..[?count($..*)>0])>0]",
        "$.a[?@..b]",
        "$.a[?@.b && !(@.c == $.d)]",
        "$..a..b",
        "$" + "[*,*]" * 20,
        "$['a','a']",
    ],
)
def test_a_path_that_is_none_or_could_take_for_ever_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        fields(title={"path": path})


@pytest.mark.parametrize(
    "path",
    ["$..data", "$.a['b','c'][0]", "$.a[?@.locale == 'en_US' && length(@.data) > 2].data", "$.a[1:3].*"],
)
def test_a_path_that_looks_at_each_part_once_is_taken(path: str) -> None:
    assert fields(title={"path": path})["title"].path == path


_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"]), min_size=1, max_size=10).map(
    str.strip
)


@given(
    names=st.lists(_NAMES.filter(bool), min_size=2, max_size=6, unique_by=str.casefold),
    values=st.lists(_NAMES.filter(bool), min_size=6, max_size=6),
    form=st.sampled_from(["csv", "jsonl", "path"]),
)
@settings(max_examples=80, deadline=None)
def test_any_column_can_be_any_field(read: Any, names: list[str], values: list[str], form: str) -> None:
    targets = ["sku", "title", "color", "material", "brand", "description"][: len(names)]
    quoted = json.dumps(dict(zip(names, values, strict=False)), ensure_ascii=False)
    content = (
        quoted
        if form != "csv"
        else "{}\n{}\n".format(
            ";".join(f'"{name}"' for name in names), ";".join(f'"{value}"' for value in values[: len(names)])
        )
    )
    given_fields = {
        target: {"path": f"$[{json.dumps(name, ensure_ascii=False)}]"} if form == "path" else name
        for target, name in zip(targets, names, strict=True)
    }

    row = read(
        content, fields=fields(**given_fields), key="sku", dialect="csv" if form == "csv" else "jsonl"
    ).row

    assert [getattr(row, target) for target in targets] == values[: len(names)]
