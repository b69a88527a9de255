"""Where a catalog, its mapping and its pictures come from, and what the plan says of those that will not do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from core.settings import FetchSettings
from core.state.batches import BatchStore
from schemas.batch import BatchState
from schemas.errors import UnavailableError
from tests.buckets import s3_server
from tests.faults.proxy import FaultProxy
from tests.unit.planning.desk import BATCH, CSV, PNG, TENANT, Desk, manifest, said
from workers.fetching.fetcher import Fetcher

AKENEO = "identifier;label-en_US;family\na;Chair;furniture\n"
FIELDS = {"sku": "identifier", "title": "label-en_US", "brand": {"value": "Acme"}}


async def test_a_mapping_finds_what_no_dialect_would_and_the_plan_shows_it(desk: Desk) -> None:
    await desk.upload("akeneo.csv", AKENEO)

    plan = await desk.plan(manifest(catalog={"source": "akeneo.csv", "mapping": FIELDS}))

    assert said(plan) == {}
    assert plan.prompts[0]["prompt"] == "A picture of Chair"
    assert plan.catalog.mapping == {
        "key": "identifier",
        "sku": "identifier",
        "title": "label-en_US",
        "brand": "= Acme",
    }


@pytest.mark.parametrize(
    "text",
    [
        "sku: identifier\ntitle: label-en_US\n",
        '{"sku": "identifier", "title": ["label-de_DE", "label-en_US"]}',
        '\ufeff{"sku": {"path": "$.identifier"}, "title": {"path": "$[\'label-en_US\']"}}',
    ],
)
async def test_a_mapping_may_be_an_uploaded_file(desk: Desk, text: str) -> None:
    await desk.upload("akeneo.csv", AKENEO.replace("family", "label-de_DE"))
    await desk.upload("akeneo.yaml", text)

    plan = await desk.plan(manifest(catalog={"source": "akeneo.csv", "mapping": "akeneo.yaml"}))

    assert said(plan) == {}


ALIASES_THAT_GROW = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "pointer", "says"),
    [
        (
            "titel: Name",
            "/catalog/mapping/titel",
            "'map': there is no field 'titel' here; did you mean 'title'?",
        ),
        ("title: {path: name}", "/catalog/mapping/title/path", "'map': not a JSONPath"),
        ("- a", "/catalog/mapping", "'map': this has to be an object with fields"),
        ("{a", "/catalog/mapping", "nothing closes the bracket"),
        ("title: 'a", "/catalog/mapping", "'map': line 1"),
        ("title: a\ntitle: b", "/catalog/mapping", "'map': line 2: the key 'title' was already written"),
        (ALIASES_THAT_GROW, "/catalog/mapping", "with its aliases written out this is too large"),
        (b"\xff\xfe\xff", "/catalog/mapping", "'map' is not UTF-8"),
        ("# " + "x" * 300_000, "/catalog/mapping", "more than 262,144 bytes"),
        ("title: Nowhere", "/catalog/mapping/title", "There is no column 'Nowhere'"),
        (None, "/catalog/mapping", "nothing was uploaded as 'map'"),
    ],
)
async def test_a_mapping_that_will_not_do_is_refused_with_its_place(
    desk: Desk, text: Any, pointer: str, says: str
) -> None:
    await desk.upload("akeneo.csv", AKENEO)
    if text is not None:
        await desk.upload("map", text)

    found = said(await desk.plan(manifest(catalog={"source": "akeneo.csv", "mapping": "map"})))

    assert list(found) == [pointer]
    assert says in found[pointer]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("http://host/a.png", "Only https:// is fetched."),
        ("https://user:secret@host/a.png", "user name or password"),
        ("https://0x7f.1/a.png", "not plain"),
        ("s3://closed/a.png", "is not opened to manifests"),
        ("ftp://host/a.png", "Only https:// is fetched."),
        ("https://169.254.169.254/x", "it leads to a link-local address"),
        ("https://[::1]/", "it leads to a loopback address"),
        ("https://10.0.0.1/a.png", "it leads to a private address"),
        ("https://localhost/x", "it leads to a loopback address"),
        ("https://a.LocalHost/x", "it leads to a loopback address"),
    ],
)
@pytest.mark.parametrize("field", ["references", "mask"])
async def test_an_address_that_is_never_fetched_from_is_found_by_the_plan(
    desk: Desk, field: str, name: str, says: str
) -> None:
    await desk.upload("logo.png", PNG)
    pictures = {"references": [name]} if field == "references" else {"references": ["logo.png"], "mask": name}
    data = manifest(catalog={"rows": [{"sku": "a"}]}, templates={"hero": {"prompt": "x", **pictures}})

    (detail,) = said(await desk.plan(data)).values()

    assert says in detail
    assert "secret" not in detail


@pytest.mark.parametrize(
    ("content", "field", "code"),
    [
        (b"GIF89a, or whatever it is", "references", "not_a_picture"),
        (b"GIF89a, or whatever it is", "mask", "not_a_picture"),
        (PNG + b"x" * 5000, "references", "too_large"),
        (b"\xff\xd8\xff a photograph", "mask", "bad_mask"),
    ],
)
async def test_an_upload_that_will_not_do_is_found_by_the_plan(
    desk: Desk, content: bytes, field: str, code: str
) -> None:
    await desk.upload("good.png", PNG)
    await desk.upload("bad.png", content)
    bad = (
        {"references": ["bad.png"]}
        if field == "references"
        else {"references": ["good.png"], "mask": "bad.png"}
    )
    data = manifest(catalog={"rows": [{"sku": "a"}]}, templates={"hero": {"prompt": "x", **bad}})

    plan = await desk.plan(data, fetch=FetchSettings(max_picture_bytes=4000))

    assert [problem.code for problem in plan.errors] == [code]


async def test_references_of_the_batch_belong_to_every_template_after_its_own(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await desk.upload("own.png", PNG)
    templates = {"hero": {"prompt": "x", "references": ["own.png"]}, "detail": {"prompt": "y"}}

    plan = await desk.plan(manifest(templates=templates, references=["brand.png", "{{ row.nope }}"]))
    good = await desk.plan(manifest(templates=templates))
    dearer = await desk.plan(manifest(templates=templates, references=["own.png"]))

    assert set(said(plan)) == {"/references/1"}
    assert (good.accepted, dearer.accepted) == (True, True)
    assert float(dearer.cost.likely) > float(good.cost.likely)


@pytest.fixture
def bucket() -> Iterator[FaultProxy]:
    """The way to a server with a catalog in a bucket."""
    with s3_server("feeds") as address, FaultProxy(address) as way:
        client = boto3.client("s3", endpoint_url="http://{}:{}".format(*address), region_name="us-east-1")
        client.put_object(Bucket="feeds", Key="shop/products.csv", Body=CSV.encode())
        client.close()
        yield way


async def test_a_catalog_in_a_bucket_that_does_not_answer_is_asked_for_again_and_rejects_nothing(
    desk: Desk, bucket: FaultProxy
) -> None:
    await desk.fetcher.aclose()
    settings = FetchSettings(s3_sources=("s3://feeds/shop",))
    desk.fetcher = Fetcher(settings, endpoint_url=f"http://127.0.0.1:{bucket.port}")
    job = await desk.shelve(manifest(catalog={"source": "s3://feeds/shop/products.csv"}))

    bucket.shut()
    with pytest.raises(UnavailableError, match="feeds"):
        await desk.make(job)
    waiting = await BatchStore(desk.redis).get(TENANT, BATCH)
    bucket.open()
    plan = await desk.make(job)

    assert waiting.state is BatchState.PLANNING
    assert plan is not None
    assert (plan.catalog.rows, said(plan)) == (3, {})
    assert (await BatchStore(desk.redis).get(TENANT, BATCH)).state is BatchState.RUNNING


async def test_a_catalog_that_is_not_in_its_bucket_is_a_problem(desk: Desk, bucket: FaultProxy) -> None:
    await desk.fetcher.aclose()
    settings = FetchSettings(s3_sources=("s3://feeds/shop",))
    desk.fetcher = Fetcher(settings, endpoint_url=f"http://127.0.0.1:{bucket.port}")

    plan = await desk.plan(manifest(catalog={"source": "s3://feeds/shop/gone.csv"}))

    assert "no such object" in said(plan)["/catalog/source"]
