"""What the ledger says was charged."""

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from simulator.calls import ImageCalls
from simulator.faults import Kind, parse

GOOD: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low"}
# 196 picture tokens at $30 and 8 text tokens at $5 the million.
COST_USD_MICROS = 196 * 30 + 8 * 5


async def _ledger(http: aiohttp.ClientSession, since: int = 0) -> Any:
    async with http.get("/_sim/ledger", params={"since": since}) as response:
        return await response.json()


async def test_a_picture_is_charged_by_its_usage(client: AsyncOpenAI, http: aiohttp.ClientSession) -> None:
    await client.images.generate(**GOOD, extra_headers={"X-Client-Request-Id": "row-1.1"})
    ledger = await _ledger(http)
    (call,) = ledger["calls"]
    assert (call["status"], call["outcome"], call["charged"]) == (200, "ok", True)
    assert (call["cost_usd_micros"], call["client_request_id"]) == (COST_USD_MICROS, "row-1.1")
    assert call["path"] == "/v1/images/generations"
    assert ledger["totals"]["charged_usd_micros"] == COST_USD_MICROS


async def test_references_are_charged_at_their_own_rate(
    client: AsyncOpenAI, http: aiohttp.ClientSession, picture: Any
) -> None:
    await client.images.edit(**GOOD, image=picture(1024, 1024))
    assert (await _ledger(http))["totals"]["charged_usd_micros"] == COST_USD_MICROS + 1024 * 8


NOT_CHARGED = {
    *("rate_limit", "rate_limit_bare", "slow_down", "quota", "bad_request_400", "unverified_403"),
    *("model_404", "error_500", "error_503", "error_in_200"),
}


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
async def test_each_fault_knows_whether_it_was_charged(
    client: AsyncOpenAI, http: aiohttp.ClientSession, calls: ImageCalls, kind: str
) -> None:
    calls.faults = parse([{"kind": kind, "seconds": 0, "bytes_per_s": 10_000_000}])
    with suppress(openai.APIError, ValueError):
        await client.images.generate(**GOOD)
    (call,) = (await _ledger(http))["calls"]
    assert (call["outcome"], call["charged"]) == (kind, kind not in NOT_CHARGED)
    assert call["cost_usd_micros"] == (0 if kind in NOT_CHARGED else COST_USD_MICROS)


async def test_a_rule_can_decide_about_the_charge(
    client: AsyncOpenAI, http: aiohttp.ClientSession, calls: ImageCalls
) -> None:
    calls.faults = parse([{"kind": "error_500", "charged": "unknown"}])
    with pytest.raises(openai.InternalServerError):
        await client.images.generate(**GOOD)
    totals = (await _ledger(http))["totals"]
    assert (totals["charged"], totals["charged_unknown"]) == (0, 1)
    assert (totals["charged_usd_micros"], totals["charged_unknown_usd_micros"]) == (0, COST_USD_MICROS)


@pytest.mark.parametrize(("stage", "charged"), [("input", False), ("output", "unknown")])
async def test_moderation_is_free_before_the_picture_and_unknown_after_it(
    client: AsyncOpenAI, http: aiohttp.ClientSession, stage: str, charged: object
) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.images.generate(**{**GOOD, "prompt": f"[moderation:{stage}]"})
    (call,) = (await _ledger(http))["calls"]
    assert (call["outcome"], call["charged"]) == (f"moderation_{stage}", charged)


async def test_refusals_are_counted_by_status(
    client: AsyncOpenAI, http: aiohttp.ClientSession, calls: ImageCalls
) -> None:
    calls.faults = parse([{"kind": "rate_limit", "times": 1}])
    for size in ("1024x1024", "512x512", "1024x1024"):
        with suppress(openai.APIStatusError):
            await client.images.generate(**GOOD, size=size)
    totals = (await _ledger(http))["totals"]
    assert totals["statuses"] == {"429": 1, "400": 1, "200": 1}
    assert (totals["rate_limited"], totals["calls"], totals["charged"], totals["images"]) == (1, 3, 1, 1)


async def test_a_client_that_hangs_up_is_charged(http: aiohttp.ClientSession, calls: ImageCalls) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        entered.set()
        await go_on.wait()

    calls.sleep = sleep
    asking = asyncio.create_task(http.post("/v1/images/generations", json=GOOD))
    await entered.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await _ledger(http)  # the server hears of the hang-up before it hears of this
    go_on.set()
    while not (ledger := await _ledger(http))["calls"]:
        pass
    assert (ledger["calls"][0]["outcome"], ledger["calls"][0]["charged"]) == ("client_gone", True)
    assert ledger["totals"]["charged_usd_micros"] == COST_USD_MICROS


async def test_calls_at_the_same_time_are_counted_at_their_peak(
    client: AsyncOpenAI, http: aiohttp.ClientSession, calls: ImageCalls
) -> None:
    together = asyncio.Barrier(5)

    async def sleep(seconds: float) -> None:
        await together.wait()

    calls.sleep = sleep
    await asyncio.gather(*[client.images.generate(**GOOD) for _ in range(5)])
    totals = (await _ledger(http))["totals"]
    assert (totals["in_flight"], totals["peak_in_flight"]) == (0, 5)


async def test_equal_requests_have_equal_digests(
    client: AsyncOpenAI, http: aiohttp.ClientSession, picture: Any
) -> None:
    await client.images.generate(**GOOD)
    await client.images.generate(**GOOD, size="auto")
    await client.images.edit(**GOOD, image=picture(64, 64))
    await client.images.edit(**GOOD, image=picture(64, 65))
    digests = [call["request_digest"] for call in (await _ledger(http))["calls"]]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


async def test_the_ledger_is_paged_and_cleared(client: AsyncOpenAI, http: aiohttp.ClientSession) -> None:
    for _ in range(3):
        await client.images.generate(**GOOD)
    page = await _ledger(http, since=2)
    assert (len(page["calls"]), page["next"]) == (1, 3)
    async with http.delete("/_sim/ledger") as response:
        assert (await response.json())["totals"]["calls"] == 0
