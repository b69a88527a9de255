"""The simulator's upscaler: what it takes, what it makes of it, what it refuses, and what stands in the books."""

from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from simulator.calls import ImageCalls
from simulator.contract.upscaling import MAX_REQUESTS, TIMED_OUT_S
from simulator.faults import Kind, parse
from tests.contract.conftest import HandClock, Picture

PATH = "/v2beta/stable-image/upscale/fast"
COST_USD_MICROS = 20_000


async def asked(
    http: aiohttp.ClientSession, picture: tuple[str, bytes, str] | None, **fields: str
) -> tuple[aiohttp.ClientResponse, bytes]:
    """The answer to one call, and its body."""
    with aiohttp.MultipartWriter("form-data") as form:
        for name, value in ({"output_format": "png"} | fields).items():
            form.append(value).set_content_disposition("form-data", name=name)
        if picture is not None:
            filename, content, kind = picture
            part = form.append(content, {"Content-Type": kind})
            part.set_content_disposition("form-data", name="image", filename=filename)
    headers = {"Accept": "image/*", "X-Client-Request-Id": "batch_1:0:1"}
    async with http.post(PATH, data=form, headers=headers) as answer:
        return answer, await answer.read()


async def refused(http: aiohttp.ClientSession, picture: Any, **fields: str) -> tuple[int, str, str]:
    answer, _ = await asked(http, picture, **fields)
    body = await answer.json()
    assert body.keys() == {"id", "name", "errors"}
    return answer.status, body["name"], body["errors"][0]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_picture_comes_back_four_times_as_wide_and_as_high(
    http: aiohttp.ClientSession, picture: Picture, kind: str
) -> None:
    answer, body = await asked(http, picture(64, 48), output_format=kind)

    assert (answer.status, answer.content_type) == (200, f"image/{kind}")
    assert answer.headers["finish-reason"] == "SUCCESS"
    with Image.open(BytesIO(body)) as made:
        assert (made.format, made.size) == (kind.upper(), (256, 192))


async def test_it_is_the_same_picture(http: aiohttp.ClientSession) -> None:
    small = Image.new("RGB", (64, 64), "red")
    small.paste("blue", (32, 0, 64, 64))
    file = BytesIO()
    small.save(file, "PNG")

    _, body = await asked(http, ("p.png", file.getvalue(), "image/png"))

    with Image.open(BytesIO(body)) as made:
        assert (made.getpixel((10, 10)), made.getpixel((250, 250))) == ((255, 0, 0), (0, 0, 255))


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((16, 64), "width must be between 32 and 1,536"),
        ((64, 1600), "height must be between 32 and 1,536"),
        ((1040, 1024), "pixel count must be between 1,024 and 1,048,576"),
    ],
)
async def test_a_picture_of_another_size_is_refused_for_nothing(
    http: aiohttp.ClientSession, calls: ImageCalls, picture: Picture, size: tuple[int, int], said: str
) -> None:
    status, name, message = await refused(http, picture(*size))

    assert (status, name) == (400, "bad_request")
    assert said in message
    assert calls.ledger.charged() == []


async def test_what_is_no_picture_has_no_picture_or_asks_for_another_format_is_refused(
    http: aiohttp.ClientSession, picture: Picture
) -> None:
    assert (await refused(http, ("p.png", b"nothing", "image/png")))[0] == 400
    assert (await refused(http, None))[2] == "image: is required"
    assert (await refused(http, picture(), output_format="gif"))[2].startswith("output_format")


async def test_another_key_is_refused(
    http: aiohttp.ClientSession, calls: ImageCalls, picture: Picture
) -> None:
    calls.api_key = "another"
    assert (await refused(http, picture()))[:2] == (401, "unauthorized")


async def test_who_asks_too_often_waits_for_a_minute(
    http: aiohttp.ClientSession, clock: HandClock, picture: Picture
) -> None:
    for _ in range(MAX_REQUESTS):
        assert (await asked(http, picture(32, 32)))[0].status == 200
    assert (await refused(http, picture(32, 32)))[:2] == (429, "rate_limit_exceeded")
    clock.now_s += TIMED_OUT_S - 1
    assert (await refused(http, picture(32, 32)))[0] == 429
    clock.now_s += 2
    assert (await asked(http, picture(32, 32)))[0].status == 200


async def test_a_call_stands_in_the_books_and_lowers_the_balance(
    http: aiohttp.ClientSession, calls: ImageCalls, picture: Picture
) -> None:
    await asked(http, picture())

    (call,) = calls.ledger.charged()
    assert (call.path, call.client_request_id, call.size) == (PATH, "batch_1:0:1", "256x256")
    assert (call.cost_usd_micros, call.images, call.outcome) == (COST_USD_MICROS, 1, "ok")
    async with http.get("/v1/user/balance") as answer:
        assert await answer.json() == {"credits": 998.0}


FREE = {
    *("rate_limit", "rate_limit_bare", "slow_down", "quota", "bad_request_400", "unverified_403"),
    *("model_404", "error_500", "error_503"),
}
STATUS = {
    "rate_limit": 429,
    "quota": 402,
    "unverified_403": 403,
    "error_500": 500,
    "error_503": 503,
    "gateway_html": 504,
}


@pytest.mark.parametrize("kind", [kind.value for kind in Kind if kind is not Kind.RESET])
async def test_each_fault_can_be_played_and_knows_whether_it_was_charged(
    http: aiohttp.ClientSession, calls: ImageCalls, picture: Picture, kind: str
) -> None:
    calls.faults = parse([{"kind": kind, "seconds": 0, "bytes_per_s": 10_000_000}])

    answer, _ = await asked(http, picture())

    async with http.get("/_sim/ledger") as ledger:
        (call,) = (await ledger.json())["calls"]
    expected = "unknown" if kind == "error_in_200" else kind not in FREE
    assert (call["outcome"], call["charged"]) == (kind, expected)
    assert answer.status == STATUS.get(kind, answer.status)


async def test_what_the_content_filter_blurs_says_so(
    http: aiohttp.ClientSession, calls: ImageCalls, picture: Picture
) -> None:
    calls.faults = parse([{"kind": "error_in_200"}])

    answer, _ = await asked(http, picture())

    assert (answer.status, answer.headers["finish-reason"]) == (200, "CONTENT_FILTERED")
