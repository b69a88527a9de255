"""Faults, seen from the other end of the socket."""

import asyncio
import base64
import json
from io import BytesIO
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from simulator.calls import ImageCalls
from simulator.faults import Kind, load, parse

GENERATIONS = "/v1/images/generations"
GOOD: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low"}


async def _raw(url: str) -> tuple[bytes, bool]:
    """All the bytes of an answer, and whether the connection was reset."""
    body = json.dumps(GOOD).encode()
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nHost: simulator\r\nAuthorization: Bearer sk-x\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(head.encode() + body)
    received = b""
    try:
        while chunk := await reader.read(65536):
            received += chunk
    except ConnectionResetError:
        return received, True
    finally:
        writer.close()
    return received, False


async def test_a_reset_cuts_the_body_with_an_rst(url: str, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "reset", "at_percent": 50}])
    received, was_reset = await _raw(url)
    head, _, body = received.partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert was_reset
    assert 0 < len(body) <= promised // 2


async def test_a_reset_at_zero_sends_nothing(url: str, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "reset", "at_percent": 0}])
    assert await _raw(url) == (b"", True)


async def test_truncated_json_comes_in_a_whole_http_answer(
    http: aiohttp.ClientSession, calls: ImageCalls
) -> None:
    calls.faults = parse([{"kind": "truncated_json", "at_percent": 90}])
    async with http.post(GENERATIONS, json=GOOD) as response:
        text = await response.text()
    assert response.status == 200
    assert text.startswith('{"created":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


@pytest.mark.parametrize("status", [502, 504])
async def test_a_gateway_answers_in_html(client: AsyncOpenAI, calls: ImageCalls, status: int) -> None:
    calls.faults = parse([{"kind": "gateway_html", "status": status}])
    with pytest.raises(openai.InternalServerError) as caught:
        await client.images.generate(**GOOD)
    assert caught.value.status_code == status
    assert caught.value.response.headers["content-type"].startswith("text/html")


async def _b64(http: aiohttp.ClientSession) -> str:
    async with http.post(GENERATIONS, json=GOOD) as response:
        assert response.status == 200
        return str((await response.json())["data"][0]["b64_json"])


async def test_bad_base64_does_not_decode(http: aiohttp.ClientSession, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "bad_base64"}])
    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(await _b64(http), validate=True)


async def test_not_an_image_decodes_to_text(http: aiohttp.ClientSession, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "not_an_image"}])
    assert base64.b64decode(await _b64(http), validate=True) == b"not an image"


async def test_a_wrong_size_is_not_the_one_in_the_answer(
    http: aiohttp.ClientSession, calls: ImageCalls
) -> None:
    calls.faults = parse([{"kind": "wrong_size"}])
    assert Image.open(BytesIO(base64.b64decode(await _b64(http)))).size == (512, 512)


async def test_an_error_can_come_in_a_200(
    http: aiohttp.ClientSession, calls: ImageCalls, conforms: Any
) -> None:
    calls.faults = parse([{"kind": "error_in_200", "retry_after_s": 0.015}])
    async with http.post(GENERATIONS, json=GOOD) as response:
        body = await response.json()
    conforms(body, "ErrorResponse")
    assert response.status == 200
    assert "Please try again in 15ms." in body["error"]["message"]
    assert "retry-after" not in response.headers


async def test_empty_data_is_a_200_without_pictures(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "empty_data"}])
    assert (await client.images.generate(**GOOD)).data == []


async def test_a_slow_drip_comes_in_pieces_and_whole(http: aiohttp.ClientSession, calls: ImageCalls) -> None:
    paused: list[float] = []
    calls.sleep = lambda seconds: _note(paused, seconds)
    calls.faults = parse([{"kind": "slow_drip", "bytes_per_s": 100_000}])
    await _b64(http)
    assert len(paused) > 3


async def test_a_hang_keeps_the_client_waiting_with_the_picture_paid(
    http: aiohttp.ClientSession, calls: ImageCalls
) -> None:
    paused: list[float] = []
    calls.sleep = lambda seconds: _note(paused, seconds)
    calls.faults = parse([{"kind": "hang", "seconds": 300}])
    await _b64(http)
    assert paused == [0.0, 300]


async def _note(paused: list[float], seconds: float) -> None:
    paused.append(seconds)
    await asyncio.sleep(0)


async def test_a_bare_rate_limit_gives_no_hint(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "rate_limit_bare"}])
    with pytest.raises(openai.RateLimitError) as caught:
        await client.images.generate(**GOOD)
    assert "retry-after" not in caught.value.response.headers
    assert "try again" not in caught.value.message


async def test_a_rate_limit_hints_at_its_wait_in_all_three_places(
    client: AsyncOpenAI, calls: ImageCalls
) -> None:
    calls.faults = parse([{"kind": "rate_limit", "retry_after_s": 0.534}])
    with pytest.raises(openai.RateLimitError, match="Please try again in 534ms") as caught:
        await client.images.generate(**GOOD)
    headers = caught.value.response.headers
    assert (headers["retry-after-ms"], headers["retry-after"]) == ("534", "1")


async def _outcomes(client: AsyncOpenAI, calls: ImageCalls, prompts: list[str]) -> list[str]:
    for prompt in prompts:
        try:
            await client.images.generate(model="gpt-image-2.5-flare", prompt=prompt, quality="low")
        except openai.APIStatusError:
            continue
    return [call["outcome"] for call in calls.ledger.body(0)["calls"]]  # type: ignore[attr-defined]


async def test_times_hits_the_next_calls_that_match(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "error_500", "times": 2, "match": {"prompt": "cup"}}])
    outcomes = await _outcomes(client, calls, ["a cup", "a mug", "a cup", "a cup"])
    assert outcomes == ["error_500", "ok", "error_500", "ok"]


async def test_every_hits_each_nth_call(client: AsyncOpenAI, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "quota", "every": 2}])
    assert await _outcomes(client, calls, ["a"] * 4) == ["ok", "quota", "ok", "quota"]


async def test_chance_is_the_same_for_the_same_seed(client: AsyncOpenAI, calls: ImageCalls) -> None:
    script = {"seed": 7, "rules": [{"kind": "error_503", "probability": 0.5}]}
    calls.faults = parse(script)
    outcomes = await _outcomes(client, calls, ["a"] * 12)
    calls.ledger.clear()
    calls.faults = parse(script)
    assert outcomes == await _outcomes(client, calls, ["a"] * 12)
    assert set(outcomes) == {"ok", "error_503"}


async def test_a_rule_can_match_the_client_request_id(http: aiohttp.ClientSession, calls: ImageCalls) -> None:
    calls.faults = parse([{"kind": "model_404", "match": {"client_request_id": "batch-7."}}])
    statuses = []
    for name in ("batch-7.1", "batch-8.1"):
        async with http.post(GENERATIONS, json=GOOD, headers={"X-Client-Request-Id": name}) as response:
            statuses.append(response.status)
    assert statuses == [404, 200]


async def test_the_script_is_set_shown_and_cleared_over_http(http: aiohttp.ClientSession) -> None:
    rule = {"kind": "reset", "times": 1, "at_percent": 10, "match": {"model": "gpt-image-2"}}
    async with http.post("/_sim/faults", json={"seed": 3, "rules": [rule]}) as response:
        assert response.status == 200
    async with http.get("/_sim/faults") as response:
        assert await response.json() == {"seed": 3, "rules": [{**rule, "matched": 0, "fired": 0}]}
    async with http.delete("/_sim/faults") as response:
        assert (await response.json())["rules"] == []


async def test_a_script_with_mistakes_is_refused_with_all_of_them(http: aiohttp.ClientSession) -> None:
    rules = [{"kind": "flood"}, {"kind": "reset", "times": 1, "every": 0, "match": {"colour": "red"}}]
    async with http.post("/_sim/faults", json=rules) as response:
        message = (await response.json())["error"]["message"]
    assert response.status == 400
    assert all(word in message for word in ("rules[0]: kind", "rules[1]: give", "every", "match.colour"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("faults.toml", 'seed = 1\n[[rules]]\nkind = "hang"\nseconds = 5\nmatch = { prompt = "cup" }\n'),
        ("faults.json", '{"seed": 1, "rules": [{"kind": "hang", "seconds": 5, "match": {"prompt": "cup"}}]}'),
    ],
)
def test_a_script_is_read_from_a_file(tmp_path: Any, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    (rule,) = load(path).rules
    assert (rule.kind, rule.seconds, rule.match) == (Kind.HANG, 5, {"prompt": "cup"})
