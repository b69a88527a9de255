"""`s3://` addresses: read from the places an operator opened, over real requests to a real server of the protocol."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest

from core.settings import FetchSettings, SettingsError, load_settings
from tests.buckets import s3_server
from workers.doctor.finding import Level
from workers.doctor.sources import examine
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher

CONTENT = b"sku,title\na,Chair\n"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server with one bucket: a file in a folder that is open, one beside it, and a large one."""
    with s3_server("feeds") as address:
        url = "http://{}:{}".format(*address)
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        for key, body in (("shop/a?b c.csv", CONTENT), ("private.csv", CONTENT), ("shop/large", b"x" * 5000)):
            client.put_object(Bucket="feeds", Key=key, Body=body)
        client.close()
        yield url


@pytest.fixture
async def fetcher(server: str) -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(FetchSettings(s3_sources=("s3://feeds/shop/", "s3://gone")), endpoint_url=server)
    yield fetcher
    await fetcher.aclose()


async def test_an_object_in_an_open_folder_becomes_a_file(fetcher: Fetcher, tmp_path: Path) -> None:
    fetched = await fetcher.fetch("s3://feeds/shop/a?b c.csv", into=tmp_path / "file", max_bytes=1000)

    assert (tmp_path / "file").read_bytes() == CONTENT
    assert (fetched.sha256, fetched.size_bytes) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
    assert fetcher.refusal_of("s3://feeds/shop/a?b c.csv") is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://feeds/private.csv", "not opened to manifests"),
        ("s3://feeds/shopping/a.csv", "not opened to manifests"),
        ("s3://other/shop/a.csv", "not opened to manifests"),
        ("s3://feeds/shop/../private.csv", "no key of an object"),
        ("s3://feeds/shop/", "no key of an object"),
        ("s3://feeds", "not a URL of the form"),
        ("s3://user@feeds/shop/a.csv", "not a URL of the form"),
        ("S3://feeds/shop/a.csv", "Only https:// is fetched"),
        ("s3://feeds/shop/nothing.csv", "no such object"),
        ("s3://feeds/shop/large", "larger than the 1000 bytes"),
        ("s3://gone/a.csv", "the bucket gone"),
    ],
)
async def test_what_is_closed_missing_or_too_large_is_refused_and_leaves_no_file(
    fetcher: Fetcher, tmp_path: Path, url: str, says: str
) -> None:
    with pytest.raises(FetchError) as refused:
        await fetcher.fetch(url, into=tmp_path / "file", max_bytes=1000)

    assert says.lower() in refused.value.detail.lower()
    assert list(tmp_path.iterdir()) == []


async def test_nothing_is_open_unless_the_operator_says_so(tmp_path: Path) -> None:
    fetcher = Fetcher(FetchSettings())
    assert "DARKROOM_FETCH__S3_SOURCES" in (fetcher.refusal_of("s3://feeds/shop/a.csv") or "")
    await fetcher.aclose()


async def test_a_place_with_the_tenants_name_in_it_is_open_to_that_tenant_alone(
    server: str, tmp_path: Path
) -> None:
    fetcher = Fetcher(FetchSettings(s3_sources=("s3://feeds/{tenant}/",)), endpoint_url=server)
    url = "s3://feeds/shop/a?b c.csv"

    fetched = await fetcher.fetch(url, into=tmp_path / "file", max_bytes=1000, tenant="shop")
    refused = [fetcher.refusal_of(url, tenant=other) for other in ("sho", "shop/a", "..", "", None)]
    listed = await fetcher.names("s3://feeds/shop/", most=9, tenant="shop")
    with pytest.raises(FetchError, match="not opened to manifests"):
        await fetcher.names("s3://feeds/shop/", most=9, tenant="other")
    await fetcher.aclose()

    assert fetched.size_bytes == len(CONTENT)
    assert listed == ["a?b c.csv", "large"]
    assert all("is not opened" in (found or "") for found in refused)


async def test_the_doctor_lists_a_little_of_each_open_place(server: str) -> None:
    found = await examine(["s3://feeds", "s3://feeds/{tenant}/", "s3://gone/x"], endpoint_url=server)

    assert [finding.level for finding in found] == [Level.OK, Level.OK, Level.FAILED]
    assert "every tenant may read it" in found[0].detail
    assert "each tenant reads what bears its name" in found[1].detail
    assert "DARKROOM_FETCH__S3_SOURCES" in found[2].detail


@pytest.mark.parametrize(
    ("source", "is_refused"),
    [
        ("s3://ours", True),
        ("s3://ours/darkroom", True),
        ("s3://ours/darkroom/tenants/acme/batches", True),
        ("s3://ours/{tenant}", True),
        ("s3://ours/darkroom/tenants/{tenant}", True),
        ("s3://ours/darkroom/{tenant}/", True),
        ("s3://ours/feeds", False),
        ("s3://ours/darkroom/feeds", False),
        ("s3://ours/darkroom-feeds/{tenant}", False),
        ("s3://ours-too", False),
    ],
)
def test_what_darkroom_keeps_of_its_tenants_is_never_opened(source: str, is_refused: bool) -> None:
    def loaded() -> None:
        load_settings(storage={"url": "s3://ours/darkroom/"}, fetch={"s3_sources": source})

    if not is_refused:
        loaded()
        return
    with pytest.raises(SettingsError, match="would open what is kept there of every tenant"):
        loaded()


def test_a_source_that_is_no_bucket_is_refused_when_the_settings_are_read() -> None:
    with pytest.raises(SettingsError, match="DARKROOM_FETCH__S3_SOURCES"):
        load_settings(storage={"url": "file:///tmp/x"}, fetch={"s3_sources": "feeds/shop"})
