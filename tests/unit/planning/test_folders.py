"""Folders of references: their pictures in the order of their names, pinned by the plan; what is wrong with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from core.documents import PlannedRow, Print
from core.settings import FetchSettings
from schemas.errors import UnavailableError
from schemas.manifest import ImageSettings
from schemas.plan import Plan
from tests.buckets import s3_server
from tests.unit.planning.desk import BATCH, CSV, PNG, TENANT, Desk, manifest, said
from workers.fetching.fetcher import Fetcher
from workers.order import fingerprint_of, parameters_of

PLACE = "/templates/hero/references/0"


async def folder(desk: Desk, name: str, *pictures: str, content: bytes = PNG) -> None:
    """Uploads pictures and the list of them, as the command line does."""
    for picture in pictures:
        if not picture.endswith("/"):
            await desk.upload(f"{name}{picture}", content + picture.encode())
    await desk.upload(name, "".join(f"{picture}\n" for picture in pictures))


def hero(*references: str, **more: Any) -> dict[str, Any]:
    return manifest(templates={"hero": {"prompt": "{{ row.title }}", "references": references, **more}})


async def planned(desk: Desk, data: dict[str, Any]) -> tuple[Plan, list[PlannedRow]]:
    await desk.upload("products.csv", CSV)
    plan, _ = await desk.submit(data)
    assert plan.accepted, plan.errors
    return plan, [await desk.documents.planned_row(TENANT, BATCH, row, fence=1) for row in range(3)]


async def test_every_row_gets_the_pictures_of_a_folder_in_order_each_pinned_to_its_bytes(desk: Desk) -> None:
    await folder(desk, "styles/", "b.png", "a.png", ".hidden")

    plan, rows = await planned(desk, hero("styles/"))

    names = ("styles/a.png", "styles/b.png")
    assert [tuple(row.folders["styles/"]) for row in rows] == [names] * 3
    found = {name: (await desk.documents.find_upload(TENANT, name)) for name in names}
    assert rows[0].files == {name: upload.sha256 for name, upload in found.items() if upload}
    assert [file.name for file in plan.files] == ["styles/", *names]
    assert all(file.sha256 for file in plan.files)


async def test_a_row_names_a_folder_of_its_own(desk: Desk) -> None:
    for key, count in (("a", 1), ("b", 3), ("c", 2)):
        await folder(desk, f"shots/{key}/", *(f"{number}.png" for number in range(count)))

    _, rows = await planned(desk, hero("shots/{{ row.key }}/"))

    assert [[len(names) for names in row.folders.values()] for row in rows] == [[1], [3], [2]]


async def test_a_plan_counts_the_most_pictures_that_any_row_starts_from(desk: Desk) -> None:
    for key, count in (("a", 1), ("b", 1), ("c", 4)):
        await folder(desk, f"shots/{key}/", *(f"{number}.png" for number in range(count)))
    for number in range(4):
        await desk.upload(f"{number}.png", PNG + bytes([number]))
    await desk.upload("products.csv", CSV)

    by_folder = await desk.plan(hero("shots/{{ row.key }}/"))
    by_name = await desk.plan(hero(*(f"{number}.png" for number in range(4))))

    assert by_folder.cost.likely == by_name.cost.likely
    assert by_folder.cost.high == by_name.cost.high


async def test_what_changes_in_a_folder_changes_the_digest_of_the_plan(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await folder(desk, "styles/", "a.png")
    before = await desk.plan(hero("styles/"))
    await folder(desk, "styles/", "a.png", "b.png")

    assert (await desk.plan(hero("styles/"))).digest != before.digest


async def test_a_picture_that_the_tenant_made_from_the_same_folder_costs_nothing(desk: Desk) -> None:
    await folder(desk, "styles/", "a.png", "b.png")
    await desk.upload("products.csv", CSV)
    found = [await desk.documents.find_upload(TENANT, f"styles/{name}.png") for name in "ab"]
    image = ImageSettings(model="gpt-image-2", quality="low")
    made_earlier = fingerprint_of(
        prompt="Chair",
        model="gpt-image-2",
        parameters=parameters_of(image, "1024x1024"),
        references=[upload.sha256 for upload in found if upload],
        sample=1,
    )
    await desk.documents.put_print(
        TENANT, made_earlier, Print("batch_1", "a.png", "originals/a.png", "ab" * 32)
    )

    plan = await desk.plan({**hero("styles/"), "reuse": "tenant", "sizes": ["1024x1024"]})

    assert plan.unchanged.by_template == {"hero": 1}


@pytest.mark.parametrize(
    ("pictures", "says"),
    [
        ((), "'styles/' is a folder without pictures"),
        ((".DS_Store",), "'styles/' is a folder without pictures"),
        (
            tuple(f"{number:02}.png" for number in range(17)),
            "'styles/' holds more than the 16 pictures that may be sent",
        ),
        (("a.png", "raw/"), "'styles/' holds 'raw/', which is no picture right in it"),
    ],
    ids=["empty", "hidden files only", "17", "a folder in it"],
)
async def test_a_folder_that_will_not_do_is_refused_at_the_text_that_names_it(
    desk: Desk, pictures: tuple[str, ...], says: str
) -> None:
    await desk.upload("products.csv", CSV)
    await folder(desk, "styles/", *pictures)

    found = said(await desk.plan(hero("styles/")))

    assert found.keys() == {PLACE}
    assert says in found[PLACE]


async def test_a_file_in_a_folder_that_is_no_picture_is_named_and_so_is_one_that_was_not_uploaded(
    desk: Desk,
) -> None:
    await desk.upload("products.csv", CSV)
    await folder(desk, "styles/", "notes.txt", content=b"text")
    await desk.upload("styles/", "notes.txt\ngone.png\n")

    plan = await desk.plan(hero("styles/"))

    assert {problem.detail for problem in plan.errors} == {
        "'styles/gone.png' was not uploaded",
        "'styles/notes.txt' is not a still PNG, JPEG or WebP picture; upload one under this name",
    }


async def test_a_folder_that_was_not_uploaded_is_listed_as_missing_with_what_to_do(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)

    plan = await desk.plan(hero("styles/"))

    assert "upload the names in it, one a line, as 'styles/'" in said(plan)[PLACE]
    assert [(file.name, file.sha256) for file in plan.files] == [("styles/", None)]


async def test_a_folder_and_the_other_references_together_are_16_at_most(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await folder(desk, "styles/", *(f"{number:02}.png" for number in range(15)))
    await desk.upload("logo.png", PNG)
    parent = {"prompt": "{{ row.title }}"}
    data = hero("styles/", "logo.png")
    child = {**data["templates"]["hero"], "from": "first"}
    fits = await desk.plan(data)
    over = await desk.plan({**data, "templates": {"hero": child, "first": parent}})

    assert fits.accepted
    assert said(over) == {PLACE: "'styles/' makes it 17 pictures for 'hero'; at most 16 may be sent"}


async def test_a_mask_and_a_catalog_are_no_folders(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await folder(desk, "styles/", "a.png")

    mask = said(await desk.plan(hero("styles/", mask="styles/")))
    catalog = said(await desk.plan({**hero("styles/"), "catalog": {"source": "styles/"}}))

    assert "a mask is one picture, not a folder" in mask["/templates/hero/mask"]
    assert "'styles/' is a folder; name one file" in catalog["/catalog/source"]


@pytest.fixture(scope="module")
def endpoint_url() -> Iterator[str]:
    """A server with a bucket of folders."""
    with s3_server("feeds") as address:
        url = "http://{}:{}".format(*address)
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        many = [f"many/{number:02}.png" for number in range(20)]
        for key in (
            "good/b.png",
            "good/a.JPG",
            "good/.hidden",
            "mixed/a.png",
            "mixed/b.txt",
            "deep/a/b.png",
            *many,
        ):
            client.put_object(Bucket="feeds", Key=f"shop/{key}", Body=PNG)
        client.close()
        yield url


@pytest.fixture
async def buckets(desk: Desk, endpoint_url: str) -> Desk:
    """The desk, at which a bucket is open."""
    await desk.fetcher.aclose()
    desk.fetcher = Fetcher(FetchSettings(s3_sources=("s3://feeds/shop",)), endpoint_url=endpoint_url)
    return desk


async def test_a_folder_of_a_bucket_is_listed_once_for_the_batch(buckets: Desk) -> None:
    plan, rows = await planned(buckets, hero("s3://feeds/shop/good/"))

    names = ["s3://feeds/shop/good/a.JPG", "s3://feeds/shop/good/b.png"]
    assert [list(row.folders["s3://feeds/shop/good/"]) for row in rows] == [names] * 3
    assert [row.files for row in rows] == [{}, {}, {}]
    assert [file.name for file in plan.files] == ["s3://feeds/shop/good/"]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://feeds/shop/none/", "is a folder without pictures"),
        ("s3://feeds/shop/mixed/", "holds 'b.txt', which is not called a picture"),
        ("s3://feeds/shop/deep/", "holds 'a/', which is not called a picture"),
        ("s3://feeds/shop/many/", "holds more than the 16 pictures that may be sent"),
        ("s3://feeds/private/", "not opened to manifests"),
    ],
)
async def test_a_folder_of_a_bucket_that_will_not_do_is_refused(buckets: Desk, url: str, says: str) -> None:
    await buckets.upload("products.csv", CSV)

    found = said(await buckets.plan(hero(url)))

    assert found.keys() == {PLACE}
    assert says in found[PLACE]


async def test_a_storage_that_does_not_answer_is_asked_again_and_rejects_nothing(desk: Desk) -> None:
    await desk.fetcher.aclose()
    desk.fetcher = Fetcher(FetchSettings(s3_sources=("s3://feeds/shop",)), endpoint_url="http://127.0.0.1:9")
    await desk.upload("products.csv", CSV)

    with pytest.raises(UnavailableError, match="feeds"):
        await desk.plan(hero("s3://feeds/shop/good/"))
