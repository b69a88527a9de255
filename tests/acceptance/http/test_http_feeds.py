import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import boto3
import pytest
from moto.server import ThreadedMotoServer

from schemas.batch import Batch
from schemas.catalog import Row
from tests.acceptance.http.conftest import Serve
from tests.acceptance.http.gallery import made, make, png, rows_of, running, with_a_twin
from tests.acceptance.http.stage import Service
from workers.catalogs.reading import open_catalog
from workers.catalogs.record import CatalogLimits

PUBLIC = "https://pictures.example/shop"
SAMPLES = Path(__file__).parents[2] / "unit" / "catalogs" / "samples"


@pytest.fixture
async def shop(serve: Serve) -> AsyncIterator[Service]:
    """A service whose storage has a public address."""
    async with serve(storage={"public_url": f"{PUBLIC}/"}) as started:
        yield started


async def feed(service: Service, batch: Batch, name: str) -> list[dict[str, str]]:
    answer = await service.get(f"/v1/batches/{batch.id}/feeds/{name}")
    assert answer.status_code == 200, answer.text
    delimiter = "\t" if ".tsv" in name else ","
    return list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter=delimiter))


async def reach(service: Service, batch: Batch) -> set[str]:
    """Who reads the addresses, as each kind of feed says it."""
    names = ("shopify.csv", "merchant.tsv", "pictures.csv")
    answers = [await service.get(f"/v1/batches/{batch.id}/feeds/{name}") for name in names]
    return {answer.headers["Darkroom-Addresses"] for answer in answers}


def sample(name: str) -> list[Row]:
    catalog = open_catalog(SAMPLES / name, name=name, dialect="auto", key=None, limits=CatalogLimits())
    rows = list(catalog.rows())
    assert all(isinstance(row, Row) for row in rows)
    return [row for row in rows if isinstance(row, Row)]


def key_in(url: str) -> str:
    return unquote(url).partition("/pictures/")[2]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["Title", "URL handle", "Product image URL", "Image position", "Image alt text"]),
        ("?headers=new", ["Title", "URL handle", "Product image URL", "Image position", "Image alt text"]),
        ("?headers=old", ["Title", "Handle", "Image Src", "Image Position", "Image Alt Text"]),
    ],
)
async def test_a_shopify_feed_has_the_columns_that_were_asked_for(
    shop: Service, query: str, names: list[str]
) -> None:
    batch = await made(shop, rows_of("Shirt"))

    assert list((await feed(shop, batch, f"shopify.csv{query}"))[0]) == names


@pytest.mark.parametrize(("name", "headers"), [("shopify-old.csv", "old"), ("shopify-new.csv", "new")])
async def test_a_shopify_export_comes_back_as_a_shopify_import(
    shop: Service, tmp_path: Path, name: str, headers: str
) -> None:
    """What was read from Shopify's file goes back under the same handles, and can be read again."""
    rows = sample(name)
    batch = await made(shop, rows)

    answer = await shop.get(f"/v1/batches/{batch.id}/feeds/shopify.csv?headers={headers}")

    back = tmp_path / "back.csv"
    back.write_bytes(answer.content)
    catalog = open_catalog(back, name=back.name, dialect="auto", key=None, limits=CatalogLimits())
    products = [row for row in catalog.rows() if isinstance(row, Row)]
    assert catalog.dialect == "shopify"
    assert [product.parent_id for product in products] == list(dict.fromkeys(row.parent_id for row in rows))
    for product in products:
        of_product = [place for place, row in enumerate(rows) if row.parent_id == product.parent_id]
        assert product.title == rows[of_product[0]].title
        assert [key_in(url) for url in product.image_urls] == [
            f"{rows[place].key}/{index}.png" for place in of_product for index in (2 * place, 2 * place + 1)
        ]


async def test_positions_count_through_a_product_and_its_title_stands_once(shop: Service) -> None:
    rows = [*rows_of("Tee", "Tee", parent_id="tee"), Row(number=3, key="cap", title="Cap", parent_id="cap")]
    batch = await made(shop, rows)

    lines = [tuple(line.values()) for line in await feed(shop, batch, "shopify.csv")]

    assert [(title, handle, place, alt) for title, handle, _, place, alt in lines] == [
        ("Tee", "tee", "1", "Tee"),
        ("", "tee", "2", "Tee"),
        ("", "tee", "3", "Tee"),
        ("", "tee", "4", "Tee"),
        ("Cap", "cap", "1", "Cap"),
        ("", "cap", "2", "Cap"),
    ]


async def test_a_picture_that_serves_twice_for_a_product_stands_in_its_feed_once(shop: Service) -> None:
    batch = await with_a_twin(shop)

    assert len(await feed(shop, batch, "shopify.csv")) == 1
    assert (await feed(shop, batch, "merchant.tsv"))[0]["additional_image_link"] == ""
    assert [line["key"] for line in await feed(shop, batch, "pictures.csv")] == [
        "row-1/hero-spring-1024x1024-1.png",
        "row-1/hero-autumn-1024x1024-1.png",
    ]


async def test_a_merchant_feed_comes_back_by_its_ids(shop: Service) -> None:
    rows = sample("merchant.tsv")
    batch = await made(shop, rows)

    lines = await feed(shop, batch, "merchant.tsv")

    assert [line["id"] for line in lines] == [row.product_id for row in rows]
    for place, line in enumerate(lines):
        assert key_in(line["image_link"]) == f"{rows[place].key}/{2 * place}.png"
        assert [key_in(url) for url in line["additional_image_link"].split(",")] == [
            f"{rows[place].key}/{2 * place + 1}.png"
        ]


async def test_a_merchant_feed_has_at_most_ten_further_pictures(shop: Service) -> None:
    seasons = {f"s{n}": {"light": "soft"} for n in range(15)}
    batch = await made(shop, rows_of("Shirt"), variants={"season": seasons})

    (line,) = await feed(shop, batch, "merchant.tsv")

    assert len(line["additional_image_link"].split(",")) == 10


async def test_templates_of_a_row_stand_together_in_a_feed(
    shop: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks are numbered template by template; a feed goes product by product, a few tasks at a time."""
    monkeypatch.setattr("service.exports.pictures.PAGE", 3)
    two = {name: {"prompt": "A photo of {{ row.title }}"} for name in ("front", "back")}
    batch = await made(shop, rows_of("Shirt", "Hat", "Sock"), templates=two, variants={})

    lines = await feed(shop, batch, "pictures.csv")

    assert [(line["row_key"], line["template"], line["index"]) for line in lines] == [
        ("row-1", "front", "0"),
        ("row-1", "back", "3"),
        ("row-2", "front", "1"),
        ("row-2", "back", "4"),
        ("row-3", "front", "2"),
        ("row-3", "back", "5"),
    ]


async def test_rows_without_pictures_are_not_in_a_feed(shop: Service) -> None:
    batch, claims = await running(shop, rows_of("Shirt", "Hat"))
    await make(shop, claims[2], "hat.png", png("#fff"))

    assert [line["id"] for line in await feed(shop, batch, "merchant.tsv")] == ["row-2"]
    assert [line["URL handle"] for line in await feed(shop, batch, "shopify.csv")] == ["row-2"]


async def test_a_shop_gets_its_own_words_back_and_a_spreadsheet_no_formula(shop: Service) -> None:
    rows = [Row(number=1, key="k", title="@home Mug", parent_id="=1+1", product_id="+a\tb")]
    batch = await made(shop, rows)

    (line, _) = await feed(shop, batch, "shopify.csv")
    (item,) = await feed(shop, batch, "merchant.tsv")
    (cells, _) = await feed(shop, batch, "pictures.csv")

    assert (line["Title"], line["URL handle"], line["Image alt text"]) == ("@home Mug", "=1+1", "@home Mug")
    assert item["id"] == "+a b"
    assert (cells["title"], cells["parent_id"], cells["product_id"]) == ("'@home Mug", "'=1+1", "'+a\tb")


async def test_addresses_are_public_where_the_storage_is(shop: Service) -> None:
    batch = await made(shop, [Row(number=1, key="Größe 42", title="Shirt")])

    line, _ = await feed(shop, batch, "pictures.csv")

    assert line["url"] == f"{PUBLIC}/tenants/default/batches/{batch.id}/pictures/Gr%C3%B6%C3%9Fe%2042/0.png"
    assert await reach(shop, batch) == {"public"}


async def test_addresses_of_a_folder_say_where_the_pictures_lie(service: Service) -> None:
    batch = await made(service, rows_of("Shirt"))

    line, _ = await feed(service, batch, "pictures.csv")

    assert line["url"].startswith("file:///") and line["url"].endswith("/pictures/row-1/0.png")
    assert await reach(service, batch) == {"local"}


async def test_addresses_of_a_bucket_are_links_that_last_a_week(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    try:
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="pictures")
        async with serve(storage={"url": "s3://pictures/shop", "endpoint_url": endpoint}) as service:
            batch = await made(service, rows_of("Shirt"))
            (line, _) = await feed(service, batch, "pictures.csv")
            assert await reach(service, batch) == {"signed"}
    finally:
        server.stop()

    assert re.match(rf"{re.escape(endpoint)}/pictures/shop/tenants/.*/row-1/0\.png\?", line["url"])
    assert "X-Amz-Expires=604800" in line["url"]
