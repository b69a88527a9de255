"""The limiters, by a clock that a test moves."""

import math
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from simulator.calls import ImageCalls
from simulator.limits import (
    Bucket,
    Dimension,
    FixedWindow,
    Limiter,
    LimitSettings,
    RateLimits,
    SlidingWindow,
    Window,
    duration,
)

GOOD: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low"}


# Source: logged 429 answers, community.openai.com/t/1382726 and github.com/abi/screenshot-to-code/issues/76.
@pytest.mark.parametrize(
    ("limit", "used", "requested", "wait_s", "shown"),
    [
        (30_000, 29_446, 821, 0.534, "534ms"),
        (10_000, 6_701, 4_497, 7.188, "7.188s"),
        (5, 5, 1, 12.0, "12s"),
        (4_000, 4_000, 1, 0.015, "15ms"),
    ],
)
def test_the_bucket_waits_for_its_deficit(
    limit: int, used: int, requested: int, wait_s: float, shown: str
) -> None:
    bucket = Bucket(limit)
    bucket.spend(used, 0.0)
    assert bucket.wait_s(requested, 0.0) == pytest.approx(wait_s)
    assert duration(bucket.wait_s(requested, 0.0)) == shown


@pytest.mark.parametrize(
    ("limit", "used", "shown"),
    [(30_000, 29_446, "58.892s"), (500, 1, "120ms"), (50_000, 1, "2ms"), (60, 60, "1m0s")],
)
def test_the_bucket_resets_when_it_is_full_again(limit: int, used: int, shown: str) -> None:
    bucket = Bucket(limit)
    bucket.spend(used, 0.0)
    assert duration(bucket.reset_s(0.0)) == shown


def test_the_bucket_refills_all_the_time() -> None:
    bucket = Bucket(60)
    bucket.spend(60, 100.0)
    assert [bucket.used(100.0), bucket.used(130.5), bucket.used(1000.0)] == [60, 29.5, 0]


def test_waiting_as_long_as_told_is_enough() -> None:
    bucket = Bucket(7)
    bucket.spend(7, 0.0)
    assert bucket.wait_s(3, bucket.wait_s(3, 0.0)) == 0


def test_a_fixed_window_frees_everything_at_once() -> None:
    window = FixedWindow(5)
    window.spend(2, 10.0)
    window.spend(3, 40.0)
    assert [window.wait_s(1, 40.0), window.wait_s(1, 69.0), window.wait_s(5, 70.0)] == [30, 1, 0]


def test_a_sliding_window_frees_each_piece_after_a_minute() -> None:
    window = SlidingWindow(5)
    window.spend(2, 10.0)
    window.spend(3, 40.0)
    assert [window.wait_s(1, 40.0), window.wait_s(3, 40.0), window.wait_s(2, 70.0)] == [30, 60, 0]
    assert window.reset_s(41.0) == 59


@pytest.mark.parametrize("limiter", [Bucket(5), FixedWindow(5), SlidingWindow(5)])
def test_more_than_the_limit_never_passes(limiter: Limiter) -> None:
    assert limiter.wait_s(6, 0.0) == math.inf


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (0.12, "120ms"), (58.891, "58.891s"), (360, "6m0s"), (72.5, "1m12.5s"), (3723, "62m3s")],
)
def test_a_duration_is_written_as_the_provider_writes_it(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_accounts_have_limits_of_their_own() -> None:
    limits = RateLimits(LimitSettings(images_per_minute=1))
    answers = [limits.admit(account, {Dimension.IMAGES: 1}, 0.0) for account in ("a", "b", "a")]
    assert [answer is None for answer in answers] == [True, True, False]


def test_a_refused_call_spends_nothing_of_what_it_wanted() -> None:
    limits = RateLimits(LimitSettings(images_per_minute=5, tokens_per_minute=100))
    limits.admit("a", {Dimension.IMAGES: 2, Dimension.TOKENS: 101}, 0.0)
    assert limits.headers("a", 0.0)["x-ratelimit-remaining-input-images"] == "5"


async def test_a_call_above_the_picture_limit_is_told_when_to_come_back(
    client: AsyncOpenAI, calls: ImageCalls, clock: Any
) -> None:
    calls.limits.change(LimitSettings(images_per_minute=5))
    await client.images.generate(**GOOD, n=5)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.images.generate(**GOOD)
    headers = caught.value.response.headers
    assert (
        "Rate limit reached for gpt-image-2 (for limit gpt-image) on input-images per min: "
        "Limit 5, Used 5, Requested 1. Please try again in 12s."
    ) in caught.value.message
    assert (headers["retry-after-ms"], headers["retry-after"]) == ("12000", "12")
    assert headers["x-ratelimit-reset-input-images"] == "1m0s"
    clock.now_s += 12
    assert await client.images.generate(**GOOD)


async def test_a_call_larger_than_the_limit_gets_no_hint(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.limits.change(LimitSettings(images_per_minute=5))
    with pytest.raises(openai.RateLimitError) as caught:
        await client.images.generate(**GOOD, n=10)
    assert "Limit 5, Used 0, Requested 10." in caught.value.message
    assert "retry-after" not in caught.value.response.headers


async def test_a_refused_call_counts_as_a_request(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.limits.change(LimitSettings(requests_per_minute=2))
    for _ in range(2):
        with pytest.raises(openai.BadRequestError):
            await client.images.generate(**GOOD, size="512x512")
    with pytest.raises(
        openai.RateLimitError, match=r"on requests per min: Limit 2, Used 2, Requested 1.*30s"
    ):
        await client.images.generate(**GOOD)


async def test_tokens_are_limited_by_what_the_call_will_use(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.limits.change(LimitSettings(tokens_per_minute=250))
    await client.images.generate(**GOOD)
    with pytest.raises(openai.RateLimitError, match="on tokens per min: Limit 250, Used 204, Requested 204"):
        await client.images.generate(**GOOD)


async def test_references_can_be_made_to_count_as_pictures(
    client: AsyncOpenAI, calls: ImageCalls, picture: Any
) -> None:
    calls.limits.change(LimitSettings(images_per_minute=2, count_references=True))
    with pytest.raises(openai.RateLimitError, match="Requested 3"):
        await client.images.edit(**GOOD, image=[picture()] * 3)


async def test_limits_and_latency_are_changed_at_run_time(http: Any, calls: ImageCalls) -> None:
    async with http.post("/_sim/limits", json={"images_per_minute": 7, "window": "sliding"}) as response:
        assert (await response.json())["limits"]["images_per_minute"] == 7
    async with http.post("/_sim/latency", json={"factor": 0.25}) as response:
        assert (await response.json())["latency"] == {"factor": 0.25}
    assert calls.limits.settings == LimitSettings(images_per_minute=7, window=Window.SLIDING)


async def test_unusable_limits_are_refused_with_every_reason(http: Any) -> None:
    async with http.post(
        "/_sim/limits", json={"images_per_minute": 0, "speed": 1, "window": "round"}
    ) as response:
        message = (await response.json())["error"]["message"]
    assert response.status == 400
    assert all(word in message for word in ("images_per_minute", "speed", "window"))
