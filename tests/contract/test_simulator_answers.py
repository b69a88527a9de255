"""The simulator's answers, read by the official client."""

import json
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI

from simulator.calls import ImageCalls

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
SUNBURST, FLARE = "gpt-image-2.5-sunburst", "gpt-image-2.5-flare"

# Source: the price table of the image-generation guide and community.openai.com/t/1382699, 1379464 and 1381388
# (2026); the rows of 2.5 rest on inferred factors.
OUTPUT_TOKENS = [
    ("gpt-image-2", "low", "1024x1024", 196),
    ("gpt-image-2", "medium", "1024x1024", 1756),
    ("gpt-image-2", "high", "1024x1024", 7024),
    ("gpt-image-2", "low", "1536x1024", 158),
    ("gpt-image-2", "medium", "1024x1536", 1372),
    ("gpt-image-2", "high", "1536x1024", 5488),
    ("gpt-image-2", "high", "1792x1024", 5063),
    ("gpt-image-2", "high", "3584x2048", 12329),
    ("gpt-image-2", "low", "960x720", 130),
    ("gpt-image-2", "low", "976x704", 129),
    (SUNBURST, "low", "1024x1024", 196),
    (FLARE, "medium", "1024x1024", 439),
    (SUNBURST, "high", "1024x1024", 1756),
    (FLARE, "xhigh", "1024x1024", 3122),
    (SUNBURST, "max", "1024x1024", 7024),
    ("gpt-image-2", "low", "2048x1152", 157),
    ("gpt-image-2", "medium", "2560x1440", 1843),
    ("gpt-image-2", "high", "2560x1440", 7370),
    ("gpt-image-2", "high", "2048x2048", 14272),
    ("gpt-image-2", "medium", "3840x2160", 3336),
    ("gpt-image-2", "high", "2160x3840", 13342),
    (SUNBURST, "xhigh", "2048x1152", 2511),
    (FLARE, "max", "3840x2160", 13342),
    (SUNBURST, "max", "2880x2880", 23719),
    ("gpt-image-2", "low", "1536x816", 118),
    ("gpt-image-2.6-flare", "low", "1024x1024", 686),
    ("gpt-image-2.6-sunburst", "medium", "1024x1024", 1537),
    ("gpt-image-2.6-sunburst", "high", "1024x1024", 1756),
]


@pytest.mark.parametrize(("model", "quality", "size", "tokens"), OUTPUT_TOKENS)
async def test_the_output_tokens_are_those_of_the_published_tables(
    client: AsyncOpenAI, model: str, quality: Any, size: Any, tokens: int
) -> None:
    answer = await client.images.generate(model=model, prompt="a mug", quality=quality, size=size)
    assert answer.usage is not None
    assert answer.usage.output_tokens == tokens


@pytest.mark.parametrize(
    ("width_px", "height_px", "tokens"),
    [
        (1024, 1024, 1024),
        (512, 512, 1024),
        (256, 256, 256),
        (2048, 2048, 1536),
        (1000, 700, 736),
        (1600, 400, 494),
    ],
)
async def test_a_reference_costs_its_patches(
    client: AsyncOpenAI, picture: Any, width_px: int, height_px: int, tokens: int
) -> None:
    answer = await client.images.edit(
        model="gpt-image-2", prompt="a mug", quality="low", image=picture(width_px, height_px)
    )
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == tokens


async def test_the_inputs_of_an_edit_are_billed_once_for_each_picture(
    client: AsyncOpenAI, picture: Any
) -> None:
    images = [picture(1024, 1024), picture(256, 256)]
    answer = await client.images.edit(model="gpt-image-2", prompt="a mug", quality="low", n=2, image=images)
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 2 * (1024 + 256)
    assert answer.usage.output_tokens == 2 * 196


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
async def test_the_picture_has_the_format_and_size_that_were_asked_for(
    client: AsyncOpenAI, opened: Any, format: Any
) -> None:
    answer = await client.images.generate(
        model=FLARE, prompt="a mug", size="1440x480", quality="low", output_format=format
    )
    drawn = opened(answer)
    assert (drawn.format, drawn.size) == (format.upper(), (1440, 480))
    assert (answer.output_format, answer.size, answer.quality) == (format, "1440x480", "low")


@pytest.mark.parametrize("format", ["png", "webp"])
async def test_a_transparent_background_can_be_seen_through(
    client: AsyncOpenAI, opened: Any, format: Any
) -> None:
    answer = await client.images.generate(
        model="gpt-image-2", prompt="a mug", quality="low", background="transparent", output_format=format
    )
    assert opened(answer).convert("RGBA").getchannel("A").getextrema() == (0, 255)
    assert answer.background == "transparent"


async def test_auto_becomes_a_high_quality_square(client: AsyncOpenAI, opened: Any) -> None:
    answer = await client.images.generate(model="gpt-image-2", prompt="a mug")
    assert (answer.size, answer.quality, answer.background) == ("1024x1024", "high", "opaque")
    assert opened(answer).size == (1024, 1024)


async def test_equal_calls_give_equal_pictures_and_different_prompts_do_not(client: AsyncOpenAI) -> None:
    prompts = ["a mug", "a mug", "a cup"]
    answers = [await client.images.generate(model=FLARE, prompt=prompt, quality="low") for prompt in prompts]
    first, again, other = [answer.data[0].b64_json for answer in answers if answer.data]
    assert first == again != other


async def test_an_edit_shows_the_references_it_was_given(
    client: AsyncOpenAI, picture: Any, opened: Any
) -> None:
    teal = (0, 128, 128)
    images = [picture(300, 200, format="jpeg"), picture(200, 300, format="webp")]
    mask = picture(300, 200, mode="RGBA")
    answer = await client.images.edit(
        model="gpt-image-2", prompt="two", quality="low", image=images, mask=mask
    )
    colours = opened(answer).convert("RGB").getcolors(1_000_000)
    assert sum(count for count, colour in colours if max(map(_distance, colour, teal)) < 6) > 20_000


def _distance(one: int, other: int) -> int:
    return abs(one - other)


async def test_sixteen_references_and_a_very_long_prompt_can_be_drawn(
    client: AsyncOpenAI, picture: Any, opened: Any
) -> None:
    prompt = "W" * 20_000 + "\n\n" + "word " * 2_399
    answer = await client.images.edit(model=FLARE, prompt=prompt, quality="low", image=[picture()] * 16)
    assert opened(answer).size == (1024, 1024)


async def test_a_json_edit_takes_data_urls(http: aiohttp.ClientSession, calls: ImageCalls) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    body = {"model": FLARE, "prompt": "p", "images": [{"image_url": f"data:image/png;base64,{pixel}"}]}
    async with http.post(EDITS, json=body) as response:
        assert response.status == 200
        assert (await response.json())["usage"]["input_tokens_details"]["image_tokens"] == 1


async def test_the_answer_conforms_to_the_schema(http: aiohttp.ClientSession, conforms: Any) -> None:
    body = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low", "size": "1024x1024"}
    async with http.post(GENERATIONS, json=body) as response:
        conforms(await response.json(), "ImagesResponse")


async def test_a_stream_ends_with_a_completed_event_that_conforms(
    http: aiohttp.ClientSession, conforms: Any
) -> None:
    body = {"model": "gpt-image-2", "prompt": "a mug", "quality": "low", "stream": True, "partial_images": 2}
    async with http.post(GENERATIONS, json=body) as response:
        text = await response.text()
    events = [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]
    conforms(events[-1], "ImageGenCompletedEvent")
    assert [event.get("partial_image_index") for event in events] == [0, 1, None]
    assert events[-1]["usage"]["output_tokens"] == 196 + 2 * 100


async def test_the_official_client_reads_the_stream_of_an_edit(client: AsyncOpenAI, picture: Any) -> None:
    stream = await client.images.edit(model=FLARE, prompt="p", image=picture(), quality="low", stream=True)
    assert [event.type async for event in stream] == ["image_edit.completed"]


async def test_an_answer_names_the_request_and_what_is_left_of_the_limits(client: AsyncOpenAI) -> None:
    raw = await client.images.with_raw_response.generate(model=FLARE, prompt="four", n=3, quality="low")
    headers = raw.headers
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-processing-ms"] == "0"
    assert headers["x-ratelimit-remaining-requests"] == "499"
    assert headers["x-ratelimit-reset-requests"] == "120ms"
    assert headers["x-ratelimit-limit-input-images"] == "250"
    assert headers["x-ratelimit-remaining-input-images"] == "247"
    assert headers["x-ratelimit-reset-input-images"] == "720ms"
    assert headers["x-ratelimit-remaining-tokens"] == str(8_000_000 - 3 * 196 - 7)


async def test_the_models_are_listed_with_the_day_they_end(
    client: AsyncOpenAI, http: aiohttp.ClientSession
) -> None:
    assert "gpt-image-2.6-flare" in [model.id async for model in client.models.list()]
    async with http.get("/v1/models") as response:
        ends = {model["id"]: model["shutdown_date"] for model in (await response.json())["data"]}
    assert (ends["gpt-image-2"], ends["gpt-image-2-2026-04-21"]) == ("2027-03-01", None)
    assert (await client.models.retrieve(FLARE)).id == FLARE


async def test_the_answer_echoes_whom_it_was_made_for(client: AsyncOpenAI) -> None:
    answer = await client.images.generate(
        model=FLARE, prompt="a mug", quality="low", user="old", safety_identifier=""
    )
    assert answer.safety_identifier == "old"
