"""Shops know products and not rows: what a feed makes of the rows of one product, and of rows that a shop does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.catalog import Row
from service.exports.feeds.products import ProductShelf
from service.exports.pictures import Picture
from tests.acceptance.http.gallery import made, make, png, rows_of, running
from tests.acceptance.http.stage import MANIFEST, Service, pointers, problem
from tests.acceptance.http.test_http_feeds import feed, key_in, sample
from workers.catalogs.reading import open_catalog
from workers.catalogs.record import CatalogLimits

ONE: dict[str, Any] = {"variants": {}, "templates": {"hero": {"prompt": "A photo"}}}
"""One picture a row, called `<row key>/<index>.png`."""


def scattered(*handles: str) -> list[Row]:
    return [
        Row(number=number, key=f"{handle}-{number}", title=handle.title(), parent_id=handle, sku=handle)
        for number, handle in enumerate(handles, 1)
    ]


async def test_a_product_whose_rows_are_scattered_stands_in_a_shopify_feed_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.exports.pictures.PAGE", 2)
    batch = await made(service, scattered("tee", "cap", "tee", "sock", "mug", "tee", "mug", "bag"), **ONE)

    lines = await feed(service, batch, "shopify.csv")

    assert [(line["Title"], line["URL handle"], line["Image position"]) for line in lines] == [
        ("Cap", "cap", "1"),
        ("Sock", "sock", "1"),
        ("Tee", "tee", "1"),
        ("", "tee", "2"),
        ("", "tee", "3"),
        ("Mug", "mug", "1"),
        ("", "mug", "2"),
        ("Bag", "bag", "1"),
    ]
    assert [key_in(line["Product image URL"]) for line in lines if line["URL handle"] == "tee"] == [
        "tee-1/0.png",
        "tee-3/2.png",
        "tee-6/5.png",
    ]


async def test_a_product_whose_last_row_has_no_picture_waits_for_nothing_else(service: Service) -> None:
    batch, claims = await running(service, scattered("tee", "cap", "tee"), **ONE)
    await make(service, claims[0], "tee.png", png("#fff"))
    await make(service, claims[1], "cap.png", png("#000"))

    assert [line["URL handle"] for line in await feed(service, batch, "shopify.csv")] == ["cap", "tee"]


async def test_an_id_that_several_rows_have_stands_in_a_merchant_feed_once(service: Service) -> None:
    batch = await made(service, scattered("tee", "cap", "tee"), **ONE)

    lines = await feed(service, batch, "merchant.tsv")

    assert [line["id"] for line in lines] == ["cap", "tee"]
    assert key_in(lines[1]["image_link"]) == "tee-1/0.png"
    assert key_in(lines[1]["additional_image_link"]) == "tee-3/2.png"


def test_a_product_keeps_no_more_pictures_than_its_shop_takes() -> None:
    shelf = ProductShelf()
    for row in range(4):
        shelf.note("tee", row)
    for row in range(4):
        cell: Any = type("Cell", (), {"row": row})()
        shelf.put(
            "tee",
            Picture(row, cell, Row(number=1, key="k"), "k", f"{row % 3}.png", None, None, 0),
            f"at {row}",
        )

    assert list(shelf.take_before(3, 2)) == []
    (product,) = shelf.take_before(4, 2)
    assert list(shelf.take_before(9, 2)) == []
    assert [shown.address for shown in product.shown.values()] == ["at 0", "at 1"]
    assert product.first_of_row == {0: "at 0", 1: "at 1", 3: "at 3"}
    shelf.close()


async def test_rows_without_an_id_of_their_own_are_left_out_and_counted(service: Service) -> None:
    rows = sample("shopify-new.csv")
    ids = [row.sku for row in rows if row.sku]
    assert len(ids) < len(rows)
    batch = await made(service, rows, **ONE)

    answer = await service.get(f"/v1/batches/{batch.id}/feeds/merchant.tsv")

    assert [line.split("\t")[0] for line in answer.text.splitlines()] == ["id", *ids]
    assert answer.headers["Darkroom-Left-Out"] == str(len(rows) - len(ids))


async def test_a_column_of_the_catalog_can_be_the_id(service: Service) -> None:
    rows = [
        Row(number=1, key="a", sku="s", raw={"sku": "s", "Offer": 17}),
        Row(number=2, key="b", sku="t", raw={"sku": "t", "Offer": " "}),
        Row(number=3, key="c", sku="u", raw={"sku": "u"}),
    ]
    batch = await made(service, rows, **ONE)
    path = f"/v1/batches/{batch.id}/feeds/merchant.tsv"

    answer = await service.get(f"{path}?id=Offer")
    refused = problem(await service.get(f"{path}?id=offer"), 400, "bad_request")

    assert [line["id"] for line in await feed(service, batch, "merchant.tsv?id=Offer")] == ["17"]
    assert answer.headers["Darkroom-Left-Out"] == "2"
    assert refused["detail"] == "the catalog has no column 'offer', but sku, Offer."
    assert pointers(refused) == {"/query/id"}


@pytest.mark.parametrize(
    ("name", "style", "columns"),
    [
        (
            "shopify-old.csv",
            "old",
            [
                "Option1 Name",
                "Option1 Value",
                "Option2 Name",
                "Option2 Value",
                "Variant SKU",
                "Variant Image",
            ],
        ),
        ("shopify-new.csv", "new", ["Option1 name", "Option1 value", "SKU", "Variant image URL"]),
        ("shopify-new.csv", "old", ["Option1 Name", "Option1 Value", "Variant SKU", "Variant Image"]),
    ],
)
async def test_a_feed_with_variants_gives_each_variant_its_picture(
    service: Service, tmp_path: Path, name: str, style: str, columns: list[str]
) -> None:
    rows = sample(name)
    batch = await made(service, rows)

    lines = await feed(service, batch, f"shopify.csv?variants=true&headers={style}")

    assert list(lines[0])[5:] == columns
    handle = "URL handle" if style == "new" else "Handle"
    of_product = [row for row in rows if row.parent_id == lines[0][handle]]
    own = [line for line in lines if line[handle] == of_product[0].parent_id][: len(of_product)]
    assert [line[columns[1]] for line in own] == [
        row.raw.get("Option1 Value") or row.raw.get("Option1 value") for row in of_product
    ]
    assert [key_in(line[columns[-1]]) for line in own] == [
        f"{row.key}/{2 * place}.png" for place, row in enumerate(of_product)
    ]
    assert [line[columns[-2]] for line in own] == [row.sku or "" for row in of_product]
    answer = await service.get(f"/v1/batches/{batch.id}/feeds/shopify.csv?variants=true&headers={style}")
    back = tmp_path / "back.csv"
    back.write_bytes(answer.content)
    read = open_catalog(back, name=back.name, dialect="auto", key=None, limits=CatalogLimits())
    again = [row for row in read.rows() if isinstance(row, Row)]
    assert [(row.parent_id, row.key, row.color, row.size) for row in again] == [
        (row.parent_id, row.key, row.color, row.size) for row in rows
    ]


def option(number: int, handle: str, value: str | None, **more: str) -> Row:
    raw = {"Handle": handle, "Option1 Name": "Colour", "Option1 Value": value, **more}
    return Row(number=number, key=f"{handle}-{number}", title=handle, parent_id=handle, raw=raw)


async def test_a_variant_without_a_picture_is_in_the_feed_with_the_one_that_it_has(service: Service) -> None:
    rows = [option(1, "tee", "Red", **{"Variant Image": "https://x/red.jpg"}), option(2, "tee", "Blue")]
    batch, claims = await running(service, rows)
    for claim in claims[2:]:
        await make(service, claim, f"{claim.index}.png", png("#fff"))

    lines = await feed(service, batch, "shopify.csv?variants=true&headers=old")

    assert [(line["Option1 Value"], line["Variant Image"].rpartition("/")[2]) for line in lines] == [
        ("Red", "red.jpg"),
        ("Blue", "2.png"),
    ]
    assert [line["Image Src"].rpartition("/")[2] for line in lines] == ["2.png", "3.png"]


async def test_a_product_with_fewer_pictures_than_variants_has_all_variants(service: Service) -> None:
    batch, claims = await running(service, [option(1, "tee", "Red"), option(2, "tee", "Blue")], **ONE)
    await make(service, claims[0], "0.png", png("#fff"))

    lines = await feed(service, batch, "shopify.csv?variants=true&headers=old")

    assert [tuple(line.values())[3:] for line in lines] == [
        ("1", "tee", "Colour", "Red", lines[0]["Image Src"]),
        ("", "", "Colour", "Blue", ""),
    ]


async def test_a_product_of_which_a_row_names_no_option_is_left_out_and_counted(service: Service) -> None:
    rows = [option(1, "tee", "Red"), option(2, "cap", "Red"), option(3, "tee", None)]
    batch = await made(service, rows, **ONE)

    answer = await service.get(f"/v1/batches/{batch.id}/feeds/shopify.csv?variants=true")

    assert answer.headers["Darkroom-Left-Out"] == "1"
    assert [line["URL handle"] for line in await feed(service, batch, "shopify.csv?variants=true")] == ["cap"]
    assert len(await feed(service, batch, "shopify.csv")) == 3


async def test_variants_are_refused_where_they_cannot_be_whole(service: Service) -> None:
    plain = await made(service, rows_of("Shirt"))
    where = {
        "catalog": {"rows": [{"sku": "row-1", "title": "x"}], "key": "sku", "where": "row.title != 'y'"},
    }
    some = await service.batch({**MANIFEST, **where})

    told = problem(
        await service.get(f"/v1/batches/{plain.id}/feeds/shopify.csv?variants=true"), 400, "bad_request"
    )
    refused = problem(
        await service.get(f"/v1/batches/{some.id}/feeds/shopify.csv?variants=true"), 400, "bad_request"
    )

    assert "Option1 Name and Option1 Value" in told["detail"]
    assert "`where`" in refused["detail"]
    assert pointers(told) == pointers(refused) == {"/query/variants"}
