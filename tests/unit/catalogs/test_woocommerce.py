"""WooCommerce's export: simple products and variations are rows, parents hand down what they know."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st


def test_simple_products_variations_and_lone_parents_are_rows(read: Any, sample: Any) -> None:
    reading = read(sample("woocommerce.csv"))
    assert reading.problems == []
    assert [(row.number, row.key) for row in reading.rows] == [
        (1, "MUG-W"),
        (2, "PLATE"),
        (4, "MUG-B"),
        (5, "14"),
    ]


def test_a_variation_inherits_from_a_parent_named_by_id_further_down(read: Any, sample: Any) -> None:
    row = read(sample("woocommerce.csv")).by_key["MUG-W"]
    assert (row.title, row.description, row.price, row.color) == (
        "Camp Mug",
        "A mug for the trail.",
        "12",
        "White",
    )
    assert (row.category_path, row.material) == (("Home", "Kitchen", "Mugs, cups"), "Enamel")
    assert (row.product_id, row.parent_id, row.attrs["tags"]) == ("10", "12", "enamel, camp")
    assert row.attrs["meta_season"] == "autumn"


def test_a_variation_inherits_from_a_parent_named_by_sku(read: Any, sample: Any) -> None:
    row = read(sample("woocommerce.csv")).by_key["MUG-B"]
    assert (row.title, row.parent_id, row.color) == ("Camp Mug - Black", "MUG", "Black")


def test_images_are_the_variations_own_and_then_the_parents(read: Any, sample: Any) -> None:
    rows = read(sample("woocommerce.csv")).by_key
    assert rows["MUG-W"].image_urls == tuple(
        f"https://shop.example/{name}.jpg" for name in ("mug-white", "mug", "mug-top")
    )
    assert rows["MUG-B"].image_urls == ("https://shop.example/mug.jpg", "https://shop.example/mug-top.jpg")


def test_a_simple_product_takes_its_first_category_and_its_own_text(read: Any, sample: Any) -> None:
    row = read(sample("woocommerce.csv")).by_key["PLATE"]
    assert (row.description, row.gtin, row.material) == ("Flat.", "4006381333948", "Stoneware")
    assert row.category_path == ("Home", "Kitchen")
    assert (row.raw["Categories"], row.attrs["type"]) == ("Home > Kitchen, Sale", "simple")


def test_a_blank_attribute_of_a_variation_is_not_the_parents_list(read: Any) -> None:
    header = "ID,Type,Name,SKU,Parent,Attribute 1 name,Attribute 1 value(s)\n"
    reading = read(
        f'{header}1,variable,M,P,,Colour,"Red, Blue"\n2,variation,,V,P,Colour,\n', dialect="woocommerce"
    )
    assert reading.row.color is None


def test_a_variation_without_its_parent_is_a_problem(read: Any) -> None:
    header = "ID,Type,Name,SKU,Parent\n"
    reading = read(
        f"{header}1,simple,M,P,\n2,variation,,V,P\n3,variation,,W,id:9\n4,variation,,X,\n",
        dialect="woocommerce",
    )
    assert reading.places == [(f"/catalog/rows/{number}/Parent", "parent_unknown") for number in (1, 2, 3)]


def test_categories_of_nothing_but_a_comma_are_none(read: Any) -> None:
    assert read('ID,Type,Name,Categories\n1,simple,M,","\n', dialect="woocommerce").row.category_path == ()


_HEADER = [
    "ID",
    "Type",
    "SKU",
    "Name",
    "Description",
    "Images",
    "Parent",
    "Attribute 1 name",
    "Attribute 1 value(s)",
]


@st.composite
def exports(draw: st.DrawFn) -> tuple[list[dict[str, str]], list[int]]:
    """Rows in any order, and the number of variations of each product; 0 stands for a simple one."""
    families = draw(st.lists(st.integers(0, 4), min_size=1, max_size=5))
    rows: list[dict[str, str]] = []
    for place, variations in enumerate(families):
        kind = "variable" if variations else "simple"
        product = {"ID": f"{place}0", "Type": kind, "SKU": f"P{place}", "Name": f"Name {place}"}
        product |= {"Description": f"Text {place}", "Images": f"{place}-a.jpg, {place}-b.jpg"}
        rows.append(dict.fromkeys(_HEADER, "") | product)
        for number in range(1, variations + 1):
            named = draw(st.sampled_from([f"id:{place}0", f"P{place}"]))
            row = {
                "ID": f"{place}{number}",
                "Type": "variation",
                "SKU": f"P{place}-{number}",
                "Parent": named,
            }
            row |= {
                "Images": f"{place}-{number}.jpg",
                "Attribute 1 name": "Size",
                "Attribute 1 value(s)": f"{number}",
            }
            rows.append(dict.fromkeys(_HEADER, "") | row)
    return draw(st.permutations(rows)), families


@given(export=exports())
@settings(max_examples=80, deadline=None)
def test_any_order_of_rows_gives_every_product_once_with_all_images(read: Any, export: Any) -> None:
    rows, families = export
    file = StringIO(newline="")
    writer = csv.DictWriter(file, _HEADER)
    writer.writeheader()
    writer.writerows(rows)
    reading = read(file.getvalue(), dialect="woocommerce")
    assert reading.problems == []
    found = {row.key: row for row in reading.rows}
    assert len(found) == len(reading.rows) == sum(variations or 1 for variations in families)
    for place, variations in enumerate(families):
        shared = (f"{place}-a.jpg", f"{place}-b.jpg")
        for number in range(1, variations + 1):
            row = found[f"P{place}-{number}"]
            assert (row.title, row.description, row.size) == (f"Name {place}", f"Text {place}", str(number))
            assert row.image_urls == (f"{place}-{number}.jpg", *shared)
        if not variations:
            assert found[f"P{place}"].image_urls == shared


def test_what_the_exporter_did_to_cells_is_undone_before_parents_are_looked_up(read: Any) -> None:
    header = "ID,Type,Name,SKU,Parent,Description,Short description\n"
    rows = (
        r"1,variable,'=Mug,'-P,,one\ntwo \\n,s\nt" + "\n" + "2,variation,,'-P-R,'-P,,\n3,simple,'Tis,'@x,,,\n"
    )

    reading = read(header + rows, dialect="woocommerce")

    assert (reading.problems, [row.key for row in reading.rows]) == ([], ["-P-R", "@x"])
    first, second = reading.rows
    assert (first.title, first.parent_id, second.title) == ("=Mug", "-P", "'Tis")
    assert first.description == "one\ntwo \\n"
    assert first.attrs["short_description"] == "s\nt"
