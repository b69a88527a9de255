"""The usage report of the simulator, read with the provider's own client and with ours."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web
from openai import AsyncOpenAI

from schemas.errors import UnavailableError
from simulator.app import build
from simulator.calls import ImageCalls
from simulator.faults import parse
from simulator.usage import UsageReport as Served
from tests.contract.conftest import KEY, HandClock
from workers.usage.client import UsageReport

ADMIN = "sk-admin-contract-tests"
GOOD: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low", "size": "1024x1024"}
MINUTE = 29_000_000
"""Since the epoch; the calls of a test begin in it."""


@pytest.fixture
def wall(calls: ImageCalls) -> HandClock:
    clock = HandClock(MINUTE * 60.0 + 10)
    calls.wall_clock = clock
    return clock


@pytest.fixture
async def late_url(calls: ImageCalls, wall: HandClock) -> AsyncIterator[str]:
    """A simulator whose report shows a call after five minutes, to one key only."""
    app = build(calls, usage=Served(calls, admin_key=ADMIN, lag_s=300))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def admin(url: str) -> AsyncIterator[Any]:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="", admin_api_key=ADMIN, max_retries=0) as client:
        yield client.admin.organization.usage


@pytest.fixture
async def report(url: str) -> AsyncIterator[UsageReport]:
    report = UsageReport(f"{url}/v1", ADMIN)
    yield report
    await report.aclose()


async def test_what_was_charged_is_counted_in_the_minute_in_which_it_arrived(
    client: AsyncOpenAI, admin: Any, wall: HandClock
) -> None:
    await client.images.generate(**GOOD)
    await client.images.generate(**GOOD, n=2)
    wall.now_s += 120
    await client.images.generate(**GOOD)
    page = await admin.images(start_time=MINUTE * 60, bucket_width="1m")
    counts = [[(one.images, one.num_model_requests) for one in bucket.results] for bucket in page.data]
    assert counts == [[(3, 2)], [], [(1, 1)]]
    assert page.data[0].start_time == MINUTE * 60
    assert page.data[0].end_time == (MINUTE + 1) * 60
    assert (page.has_more, page.next_page, page.object) == (False, None, "page")


async def test_what_was_not_charged_is_not_counted(
    client: AsyncOpenAI, calls: ImageCalls, report: UsageReport, wall: HandClock
) -> None:
    calls.faults = parse([{"kind": "error_500", "times": 1}, {"kind": "reset", "charged": False, "times": 1}])
    for _ in range(2):
        with pytest.raises(openai.APIError):
            await client.images.generate(**GOOD)
    assert await report.images(MINUTE, MINUTE + 1) == 0
    await client.images.generate(**GOOD)
    assert await report.images(MINUTE, MINUTE + 1) == 1


async def test_usage_is_grouped_and_filtered_as_it_was_asked_for(
    client: AsyncOpenAI, admin: Any, http: aiohttp.ClientSession, wall: HandClock
) -> None:
    await client.images.generate(**GOOD)
    async with http.post(
        "/v1/images/generations",
        json={**GOOD, "size": "1536x1024"},
        headers={"Authorization": "Bearer sk-other"},
    ) as answer:
        assert answer.status == 200
    asked = {"start_time": MINUTE * 60, "bucket_width": "1m"}
    grouped = await admin.images(**asked, group_by=["api_key_id", "size", "source"])
    found = [(one.size, one.source, one.model, one.images) for one in grouped.data[0].results]
    assert found == [
        ("1024x1024", "image.generation", None, 1),
        ("1536x1024", "image.generation", None, 1),
    ]
    key_id = grouped.data[0].results[0].api_key_id
    only = await admin.images(**asked, api_key_ids=[key_id])
    assert [(one.images, one.api_key_id) for one in only.data[0].results] == [(1, None)]


async def test_minutes_come_in_pages(
    client: AsyncOpenAI, admin: Any, report: UsageReport, wall: HandClock
) -> None:
    for _ in range(3):
        await client.images.generate(**GOOD)
        wall.now_s += 1000 * 60
    first = await admin.images(start_time=MINUTE * 60, bucket_width="1m")
    assert (len(first.data), first.has_more) == (60, True)
    second = await admin.images(start_time=MINUTE * 60, bucket_width="1m", page=first.next_page)
    assert second.data[0].start_time == first.data[-1].end_time
    assert await report.images(MINUTE, MINUTE + 2500) == 3


async def test_our_client_counts_one_key_where_it_is_named(
    url: str, client: AsyncOpenAI, calls: ImageCalls, wall: HandClock
) -> None:
    await client.images.generate(**GOOD)
    mine = calls.ledger.charged()[0].account
    for key_id, images in ((f"key_{mine}", 1), ("key_of_somebody_else", 0)):
        report = UsageReport(f"{url}/v1", ADMIN, api_key_id=key_id)
        assert await report.images(MINUTE, MINUTE + 1) == images
        await report.aclose()


async def test_a_call_shows_up_after_the_lag(late_url: str, wall: HandClock) -> None:
    report = UsageReport(f"{late_url}/v1", ADMIN)
    async with AsyncOpenAI(base_url=f"{late_url}/v1", api_key=KEY) as client:
        await client.images.generate(**GOOD)
    wall.now_s += 299
    assert await report.images(MINUTE, MINUTE + 1) == 0
    wall.now_s += 1
    assert await report.images(MINUTE, MINUTE + 1) == 1
    await report.aclose()


@pytest.mark.parametrize("key", [KEY, "sk-admin-of-another-account"])
async def test_a_key_that_may_not_read_usage_is_told_so(late_url: str, key: str) -> None:
    report = UsageReport(f"{late_url}/v1", key)
    with pytest.raises(UnavailableError, match="ADMIN_KEY") as caught:
        await report.images(MINUTE, MINUTE + 1)
    assert key not in caught.value.detail
    await report.aclose()


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"start_time": "soon"},
        {"start_time": "0", "bucket_width": "1w"},
        {"start_time": "0", "bucket_width": "1m", "limit": "1441"},
        {"start_time": "0", "group_by": "colour"},
        {"start_time": "0", "page": "next"},
    ],
)
async def test_a_question_that_cannot_be_answered_is_refused(
    http: aiohttp.ClientSession, query: dict[str, str]
) -> None:
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with http.get("/v1/organization/usage/images", params=query, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]["type"]) == (400, "invalid_request_error")


async def test_a_report_that_does_not_answer_is_unavailable(url: str) -> None:
    for address in ("http://127.0.0.1:1/v1", f"{url}/v2"):
        report = UsageReport(address, ADMIN)
        with pytest.raises(UnavailableError):
            await report.images(MINUTE, MINUTE + 1)
        await report.aclose()
