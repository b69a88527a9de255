"""What the simulator refuses, in the provider's words."""

import asyncio
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from simulator.calls import ImageCalls
from simulator.contract.parameters import size_problem
from simulator.faults import parse

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
GOOD: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low"}

# Source: developers.openai.com/api/docs/guides/image-generation (2026-09), "custom sizes".
VALID_SIZES = [
    "1024x1024",
    "1536x864",
    "2048x1152",
    "2560x1440",
    "2048x2048",
    "3840x2160",
    "2160x3840",
    "2880x2880",
]
VALID_SIZES += ["1024x640", "816x816", "1440x480", "1920x1088"]
INVALID_SIZES = {
    "1920x1080": "Width and height must both be divisible by 16.",
    "1000x1000": "Width and height must both be divisible by 16.",
    "512x512": "Requested resolution is below the current minimum pixel budget.",
    "800x800": "Requested resolution is below the current minimum pixel budget.",
    "1456x480": "The aspect ratio must be between 1:3 and 3:1.",
    "3856x1936": "The longest edge must be less than or equal to 3840.",
    "2896x2880": "Requested resolution is above the current maximum pixel budget.",
    "4096x1024": "The longest edge must be less than or equal to 3840.",
}


@pytest.mark.parametrize("size", VALID_SIZES)
def test_a_size_that_keeps_the_rule_is_valid(size: str) -> None:
    width_px, height_px = map(int, size.split("x"))
    assert size_problem(width_px, height_px) is None


@pytest.mark.parametrize(("size", "problem"), INVALID_SIZES.items())
async def test_a_size_that_breaks_the_rule_is_refused_with_its_reason(
    client: AsyncOpenAI, size: Any, problem: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(**GOOD, size=size)
    assert (caught.value.code, caught.value.param) == ("invalid_value", "size")
    assert f"Invalid size '{size}'. {problem}" in caught.value.message


REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({"model": None}, "invalid_value", "model"),
    ({"model": "gpt-image-2.5"}, "invalid_value", "model"),
    ({"model": "gpt-image-1.5"}, "invalid_value", "model"),
    ({"response_format": "b64_json"}, "unknown_parameter", "response_format"),
    ({"style": "vivid"}, "unknown_parameter", "style"),
    ({"seed": 7}, "unknown_parameter", "seed"),
    ({"input_fidelity": "high"}, "unknown_parameter", "input_fidelity"),
    ({"complexity": "low"}, "unknown_parameter", "complexity"),
    ({"complexity": "low", "model": "gpt-image-2.5-flare"}, "unknown_parameter", "complexity"),
    ({"complexity": "max", "model": "gpt-image-2.6-flare"}, "invalid_value", "complexity"),
    ({"prompt": None}, "missing_required_parameter", "prompt"),
    ({"prompt": ""}, "empty_string", "prompt"),
    ({"prompt": "p" * 32_001}, "string_above_max_length", "prompt"),
    ({"prompt": 5}, "invalid_type", "prompt"),
    ({"n": 0}, "integer_below_min_value", "n"),
    ({"n": 11}, "integer_above_max_value", "n"),
    ({"n": "2"}, "invalid_type", "n"),
    ({"n": True}, "invalid_type", "n"),
    ({"size": "huge"}, "invalid_value", "size"),
    ({"quality": "xhigh"}, "invalid_value", "quality"),
    ({"quality": "hd"}, "invalid_value", "quality"),
    ({"background": "blue"}, "invalid_value", "background"),
    ({"output_format": "gif"}, "invalid_value", "output_format"),
    ({"output_format": "jpeg", "background": "transparent"}, "invalid_value", "background"),
    ({"output_compression": 101}, "integer_above_max_value", "output_compression"),
    ({"output_compression": 50}, "invalid_value", "output_compression"),
    ({"moderation": "off"}, "invalid_value", "moderation"),
    ({"partial_images": 4}, "integer_above_max_value", "partial_images"),
    ({"stream": "yes"}, "invalid_type", "stream"),
]


@pytest.mark.parametrize(("changes", "code", "param"), REFUSED)
async def test_a_parameter_the_model_does_not_take_is_named(
    http: aiohttp.ClientSession, conforms: Any, changes: dict[str, object], code: str, param: str
) -> None:
    async with http.post(GENERATIONS, json={**GOOD, **changes}) as response:
        body = await response.json()
    conforms(body, "ErrorResponse")
    assert (response.status, body["error"]["code"], body["error"]["param"]) == (400, code, param)
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("complexity", ["low", "medium", "high"])
async def test_2_6_takes_complexity_and_the_higher_qualities(client: AsyncOpenAI, complexity: Any) -> None:
    answer = await client.images.generate(
        model="gpt-image-2.6-sunburst",
        prompt="a mug",
        quality="max",
        complexity=complexity,
    )
    assert answer.quality == "max"


async def test_input_fidelity_is_refused_where_it_is_fixed(client: AsyncOpenAI, picture: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(**GOOD, image=picture(), input_fidelity="high")
    assert caught.value.param == "input_fidelity"


async def test_a_file_without_a_picture_type_is_refused(client: AsyncOpenAI, picture: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(**GOOD, image=("a.bin", picture()[1], "application/octet-stream"))
    assert (caught.value.code, caught.value.param) == ("unsupported_file_mimetype", "image")


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty_image_file"), (b"not an image", "image_parse_error")]
)
async def test_a_file_that_is_no_picture_is_refused(client: AsyncOpenAI, content: bytes, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(**GOOD, image=("a.png", content, "image/png"))
    assert caught.value.code == code


async def test_a_file_above_fifty_megabytes_is_refused(client: AsyncOpenAI, picture: Any) -> None:
    name, content, kind = picture()
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(**GOOD, image=(name, content + bytes(50 * 1024 * 1024), kind))
    assert caught.value.code == "image_file_too_large"


async def test_a_seventeenth_reference_is_refused(client: AsyncOpenAI, picture: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(**GOOD, image=[picture()] * 17)
    assert caught.value.code == "array_above_max_length"


@pytest.mark.parametrize(
    ("mask", "code"),
    [
        ({"mode": "RGB"}, "invalid_image_format"),
        ({"mode": "RGBA", "format": "webp"}, "invalid_image_format"),
        ({"mode": "RGBA", "width_px": 80}, "invalid_value"),
    ],
)
async def test_a_mask_that_does_not_fit_is_refused(
    client: AsyncOpenAI, picture: Any, mask: dict[str, Any], code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(**GOOD, image=picture(), mask=picture(**mask))
    assert (caught.value.code, caught.value.param) == (code, "mask")


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ({"image_url": "https://127.0.0.1:1/a.png"}, "failed_to_download_image"),
        ({"image_url": "https://[/a.png"}, "invalid_image_url"),
        ({"image_url": "http://example.com/a.png"}, "invalid_image_url"),
        ({"image_url": "data:image/png;base64,%%%"}, "invalid_base64_image"),
        ({"image_url": "data:text/plain;base64,AAAA"}, "unsupported_file_mimetype"),
        ({"file_id": "file-1"}, "image_file_not_found"),
        ({"file_id": "file-1", "image_url": "data:,"}, "invalid_value"),
    ],
)
async def test_a_json_reference_that_leads_nowhere_is_refused(
    http: aiohttp.ClientSession, image: dict[str, str], code: str
) -> None:
    async with http.post(EDITS, json={**GOOD, "images": [image]}) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (400, code, "images[0]")


@pytest.mark.parametrize("body", [b"{", b"[]", b""])
async def test_a_body_that_is_no_object_is_refused(
    http: aiohttp.ClientSession, conforms: Any, body: bytes
) -> None:
    async with http.post(GENERATIONS, data=body) as response:
        conforms(await response.json(), "ErrorResponse")
    assert response.status == 400


async def test_an_unknown_address_is_answered_in_the_shape_of_the_provider(
    http: aiohttp.ClientSession, conforms: Any
) -> None:
    async with http.post("/v1/images/variations", json=GOOD) as response:
        conforms(await response.json(), "ErrorResponse")
    assert response.status == 404


async def test_a_call_without_a_key_is_unauthorized(http: aiohttp.ClientSession, url: str) -> None:
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.post(f"{url}{GENERATIONS}", json=GOOD) as response,
    ):
        assert response.status == 401


async def test_a_wrong_key_is_unauthorized_and_not_repeated_in_full(
    client: AsyncOpenAI, calls: ImageCalls
) -> None:
    calls.api_key = "sk-the-right-one"
    with pytest.raises(openai.AuthenticationError) as caught:
        await client.images.generate(**GOOD)
    assert caught.value.code == "invalid_api_key"
    assert client.api_key not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "expected", "code"),
    [
        ("bad_request_400", openai.BadRequestError, "invalid_value"),
        ("unverified_403", openai.PermissionDeniedError, None),
        ("model_404", openai.NotFoundError, "model_not_found"),
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("slow_down", openai.RateLimitError, "slow_down"),
        ("quota", openai.RateLimitError, "credit_balance_exhausted"),
        ("error_500", openai.InternalServerError, "image_generation_failed"),
        ("error_503", openai.InternalServerError, "server_is_overloaded"),
    ],
)
async def test_the_official_client_knows_each_error_class(
    client: AsyncOpenAI, calls: ImageCalls, kind: str, expected: type[openai.APIStatusError], code: str | None
) -> None:
    calls.faults = parse([{"kind": kind}])
    with pytest.raises(expected) as caught:
        await client.images.generate(**GOOD)
    assert caught.value.code == code
    assert caught.value.request_id is not None


@pytest.mark.parametrize("stage", ["input", "output"])
async def test_a_moderated_prompt_names_the_stage_it_was_stopped_at(client: AsyncOpenAI, stage: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(**{**GOOD, "prompt": f"a mug [moderation:{stage}]"})
    assert (caught.value.type, caught.value.code) == ("image_generation_user_error", "moderation_blocked")
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["moderation_details"]["moderation_stage"] == stage


async def test_only_the_output_stage_takes_the_time_of_a_picture(
    client: AsyncOpenAI, calls: ImageCalls
) -> None:
    slept: list[float] = []
    calls.latency_factor, calls.sleep = 1.0, lambda seconds: _note(slept, seconds)
    for stage in ("input", "output"):
        with pytest.raises(openai.BadRequestError):
            await client.images.generate(
                model="gpt-image-2", prompt=f"[moderation:{stage}]", quality="medium"
            )
    assert len(slept) == 1
    assert 80 * 0.85 <= slept[0] <= 80 * 1.15


async def _note(slept: list[float], seconds: float) -> None:
    slept.append(seconds)
    await asyncio.sleep(0)
