"""Which column means what."""

from __future__ import annotations

from typing import Any

import pytest

from workers.catalogs.columns import snake, split_images, split_path


def test_usual_names_become_canonical_fields_in_any_case(read: Any) -> None:
    row = read(
        "SKU,Product Name,BODY,Vendor,Type,Category,Colour,size,Fabric,EAN,Price,Link,Lang,Parent SKU,ID\n"
        "A,Shirt,Soft.,Northsail,Shirts,Home > Men,red,M,wool,4006,9.90,https://x.example,en,P,7\n"
    ).row
    assert (row.key, row.sku, row.title, row.description, row.brand) == (
        "A",
        "A",
        "Shirt",
        "Soft.",
        "Northsail",
    )
    assert (row.product_type, row.category_path, row.color, row.size) == (
        "Shirts",
        ("Home", "Men"),
        "red",
        "M",
    )
    assert (row.material, row.gtin, row.price, row.url) == ("wool", "4006", "9.90", "https://x.example")
    assert (row.locale, row.parent_id, row.product_id, row.attrs) == ("en", "P", "7", {})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "woo.csv",
            'ID,Type,SKU,Name,Parent,Images,"GTIN, UPC, EAN, or ISBN"\n7,simple,A,Mug,,,\'0123456789012\n',
        ),
        ("shop.csv", "Handle,Title,Variant SKU,Variant Barcode\na,A,s,'0123456789012\n"),
        ("plain.csv", "sku,gtin,ean\nA,','0123456789012\n"),
        ("rows.json", """[{"sku": "A", "gtin": "'0123456789012"}]"""),
        ("rows.jsonl", """{"sku": "A", "gtin": "'0123456789012"}"""),
        ("page.json", """{"@type": "Product", "sku": "A", "gtin13": "'0123456789012"}"""),
    ],
)
def test_the_apostrophe_before_a_barcode_goes_in_every_dialect(read: Any, name: str, content: str) -> None:
    assert read(content, name=name).row.gtin == "0123456789012"


def test_the_mapping_says_where_fields_and_key_come_from(read: Any) -> None:
    reading = read("SKU,Name,Title,Photo,Photo 2\nA,n,t,a.jpg,b.jpg\n")
    assert reading.catalog.mapping == {
        "key": ("SKU",),
        "sku": ("SKU",),
        "title": ("Title", "Name"),
        "image_urls": ("Photo", "Photo 2"),
    }


def test_the_second_name_of_a_field_steps_in_and_stays_an_attribute(read: Any) -> None:
    first, second = read("sku,name,title\nA,n,t\nB,n,\n").rows
    assert (first.title, second.title, first.attrs) == ("t", "n", {"name": "n"})


def test_other_columns_become_attributes_with_simple_names(read: Any) -> None:
    row = read("sku,Fabric Care,fabric-care,Größe (EU)\nA,cold,warm,38\n").row
    assert row.attrs == {"fabric_care": "cold", "fabric_care_2": "warm", "größe_eu": "38"}
    assert row.raw == {"sku": "A", "Fabric Care": "cold", "fabric-care": "warm", "Größe (EU)": "38"}


@pytest.mark.parametrize(
    ("cell", "images"),
    [
        ("https://x.example/a.jpg", ("https://x.example/a.jpg",)),
        ("https://x.example/a.jpg | b.png", ("https://x.example/a.jpg", "b.png")),
        ("a.jpg, my photo.webp", ("a.jpg", "my photo.webp")),
        ("https://x.example/1,https://x.example/2", ("https://x.example/1", "https://x.example/2")),
        ("https://x.example/1;https://x.example/2", ("https://x.example/1", "https://x.example/2")),
        ("https://x.example/1 s3://x/2.jpg", ("https://x.example/1", "s3://x/2.jpg")),
        ("a.jpg; HTTPS://x.example/2", ("a.jpg", "HTTPS://x.example/2")),
        ("https://x.example/a;v=2.jpg", ("https://x.example/a;v=2.jpg",)),
        ("https://x.example/w_10,h_20/a.jpg", ("https://x.example/w_10,h_20/a.jpg",)),
        ("a red shirt, folded", ("a red shirt, folded",)),
        ("a.jpg | a.jpg", ("a.jpg",)),
    ],
)
def test_a_cell_of_several_images_is_split_only_when_all_parts_are_images(
    read: Any, cell: str, images: tuple[str, ...]
) -> None:
    assert read(f'sku,images\nA,"{cell}"\n').row.image_urls == images


def test_image_columns_come_in_order_main_first_then_by_number(read: Any) -> None:
    row = read(
        "sku,additional_image_link,image 10,image 2,Image URL,image alt\nA,e.jpg,d.jpg,c.jpg,a.jpg,text\n"
    ).row
    assert row.image_urls == ("a.jpg", "c.jpg", "d.jpg", "e.jpg")
    assert row.attrs == {"image_alt": "text"}


@pytest.mark.parametrize(
    ("header", "name"),
    [("Fabric Care", "fabric_care"), ("fabricCare", "fabric_care"), ("imageURL", "image_url"), ("SKUs", "skus"),
     ("g:image_link", "image_link"), ("Body (HTML)", "body_html"), ("---", "column")],
)  # fmt: skip
def test_a_header_is_named_in_snake_case(header: str, name: str) -> None:
    assert snake(header) == name


def test_a_cell_of_nothing_but_spaces_in_the_middle_takes_no_time() -> None:
    """A pattern that tries each space with each of the others would take many minutes, with the worker's lease."""
    spaces = " " * 200_000
    assert split_images(f"a.jpg{spaces}|{spaces}b.jpg{spaces}") == ("a.jpg", "b.jpg")
    assert split_images(f"a{spaces}b") == (f"a{spaces}b",)
    assert split_path(f"Home{spaces}>{spaces}Men{spaces}b") == ("Home", f"Men{spaces}b")
