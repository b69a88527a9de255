"""Shopify's export: every variant once, no image lost, blanks inherited, in whatever order the rows stand."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.catalogs.dialects.shopify import MAX_IMAGES


def test_old_headers_give_one_row_per_variant(read: Any, sample: Any) -> None:
    reading = read(sample("shopify-old.csv"))
    assert reading.problems == []
    assert [(row.number, row.key) for row in reading.rows] == [
        (1, "HT-N-S"),
        (2, "HT-N-M"),
        (3, "HT-S-S"),
        (4, "CC-1"),
    ]


def test_a_variant_has_its_own_cells_and_inherits_the_products(read: Any, sample: Any) -> None:
    row = read(sample("shopify-old.csv")).by_key["HT-S-S"]
    assert (row.sku, row.price, row.gtin, row.color, row.size) == ("HT-S-S", "31.00", None, "Sand", "S")
    assert (row.title, row.description, row.brand) == (
        "Harbour Tee",
        "<p>Soft, heavy cotton.</p>",
        "Northsail",
    )
    assert row.category_path == ("Apparel & Accessories", "Clothing", "Shirts")
    assert (row.product_type, row.parent_id) == ("Shirts", "harbour-tee")
    assert (row.attrs["tags"], row.attrs["google_shopping_gender"]) == ("summer, cotton", "unisex")
    assert (row.raw["Tags"], row.raw["Variant Barcode"]) == ("summer, cotton", None)


def test_images_are_the_variants_own_and_then_the_products_by_position(read: Any, sample: Any) -> None:
    row = read(sample("shopify-old.csv")).by_key["HT-S-S"]
    names = ["tee-sand", "tee-front", "tee-side", "tee-back", "tee-label"]
    assert row.image_urls == tuple(f"https://cdn.example/{name}.jpg" for name in names)


def test_new_headers_mean_the_same(read: Any, sample: Any) -> None:
    reading = read(sample("shopify-new.csv"))
    checked = reading.by_key["wool-scarf--Checked"]
    assert (checked.title, checked.price, checked.brand) == ("Wool Scarf", "42.00", "Northsail")
    assert (checked.attrs["pattern"], checked.attrs["compare_at_price"]) == ("Checked", None)
    names = ["scarf-checked", "scarf", "scarf-detail"]
    assert checked.image_urls == tuple(f"https://cdn.example/{name}.jpg" for name in names)


def test_without_a_sku_on_every_variant_keys_are_handles_with_options(read: Any, sample: Any) -> None:
    reading = read(sample("shopify-new.csv"))
    assert list(reading.by_key) == ["wool-scarf--Plain", "wool-scarf--Checked", "felt-hat"]


def test_a_product_of_handle_title_and_images_only_is_one_row(read: Any) -> None:
    reading = read(
        "Handle,Title,Image Src,Image Position\ncap,Cap,2.jpg,2\ncap,,1.jpg,1\n", dialect="shopify"
    )
    assert (reading.row.key, reading.row.title, reading.row.image_urls) == ("cap", "Cap", ("1.jpg", "2.jpg"))


def test_a_key_of_the_manifest_goes_before_the_dialects(read: Any, sample: Any) -> None:
    reading = read(sample("shopify-old.csv"), key="handle")
    assert list(reading.by_key) == ["harbour-tee", "canvas-cap"]
    assert reading.places == [
        ("/catalog/rows/1/Handle", "key_duplicated"),
        ("/catalog/rows/2/Handle", "key_duplicated"),
    ]


def test_a_row_without_a_handle_is_a_problem(read: Any) -> None:
    reading = read("Handle,Title,Variant SKU,Image Src\na,A,1,\n,B,2,\n")
    assert reading.places == [("/catalog/rows/1/Handle", "handle_missing")]


def test_two_variants_of_the_same_options_are_a_problem(read: Any) -> None:
    header = "Handle,Title,Option1 Name,Option1 Value,Image Src\n"
    reading = read(f"{header}a,A,Size,S,\na,,,S,\n")
    assert reading.places == [("/catalog/rows/1/Handle", "key_duplicated")]


def test_more_images_than_one_product_may_have_are_a_problem(read: Any) -> None:
    rows = "".join(f"a,,{place}.jpg\n" for place in range(MAX_IMAGES + 1))
    reading = read(f"Handle,Title,Image Src\na,A,\n{rows}", dialect="shopify")
    assert reading.places == [("/catalog/rows/0/Image Src", "too_many_images")]
    assert len(reading.row.image_urls) == MAX_IMAGES


def test_the_mapping_names_the_columns_of_this_file(read: Any, sample: Any) -> None:
    mapping = read(sample("shopify-new.csv")).catalog.mapping
    assert mapping["key"] == ("SKU", "URL handle", "Option1 value")
    assert mapping["image_urls"] == ("Variant image URL", "Product image URL")
    assert mapping["color"] == ("Option1 value",)


_HEADER = ["Handle", "Title", "Vendor", "Option1 Name", "Option1 Value", "Variant SKU"]
_HEADER += ["Image Src", "Image Position", "Variant Image"]


@st.composite
def exports(draw: st.DrawFn) -> tuple[list[dict[str, str]], dict[str, tuple[int, int]], bool]:
    """Rows in any order, the numbers of variants and images by handle, and whether variants have SKUs."""
    families = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=4))
    with_sku = draw(st.booleans())
    rows: list[dict[str, str]] = []
    for place, (variants, images) in enumerate(families):
        handle = f"h{place}"
        for number in range(max(variants, images)):
            row = dict.fromkeys(_HEADER, "") | {"Handle": handle}
            if number == 0:
                row |= {"Title": f"Title {place}", "Vendor": f"Vendor {place}", "Option1 Name": "Size"}
            if number < variants:
                row |= {"Option1 Value": f"v{number}", "Variant Image": f"{handle}-v{number}.jpg"}
                row |= {"Variant SKU": f"{handle}-{number}"} if with_sku else {}
            if number < images:
                row |= {"Image Src": f"{handle}-{number}.jpg", "Image Position": str(number + 1)}
            rows.append(row)
    return draw(st.permutations(rows)), {f"h{n}": family for n, family in enumerate(families)}, with_sku


@given(export=exports())
@settings(max_examples=80, deadline=None)
def test_any_order_of_rows_gives_every_variant_once_with_all_images(read: Any, export: Any) -> None:
    rows, families, with_sku = export
    file = StringIO(newline="")
    writer = csv.DictWriter(file, _HEADER)
    writer.writeheader()
    writer.writerows(rows)
    reading = read(file.getvalue(), dialect="shopify")
    assert reading.problems == []
    expected = {(handle, f"v{n}") for handle, (variants, _) in families.items() for n in range(variants)}
    assert sorted((row.parent_id, row.size) for row in reading.rows) == sorted(expected)
    for row in reading.rows:
        handle, place = row.parent_id, row.parent_id.removeprefix("h")
        images = [f"{handle}-{n}.jpg" for n in range(families[handle][1])]
        assert row.image_urls == (f"{handle}-{row.size}.jpg", *images)
        assert (row.title, row.brand) == (f"Title {place}", f"Vendor {place}")
        assert row.raw["Variant Image"] == f"{handle}-{row.size}.jpg"
        suffix = f"--{row.size}" if families[handle][0] > 1 else ""
        assert row.key == (row.sku if with_sku else handle + suffix)


def test_an_apostrophe_that_keeps_the_zeros_of_a_sku_is_no_part_of_it(read: Any) -> None:
    header = "Handle,Title,Variant SKU,Option1 Name,Option1 Value\n"
    reading = read(f"{header}mug,Mug,'000123,Color,Red\n", dialect="shopify")
    assert (reading.row.sku, reading.row.key) == ("000123", "000123")
