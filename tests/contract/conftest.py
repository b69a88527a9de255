"""A simulator in this process, and the clients that speak to it."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI
from PIL import Image

from simulator.app import build
from simulator.calls import ImageCalls

EXCERPT = Path(__file__).parent / "openai_schema_excerpt.json"
OFFICIAL = os.environ.get("DARKROOM_OPENAI_SCHEMA")
KEY = "sk-contract-tests"

Picture = Callable[..., tuple[str, bytes, str]]
Conforms = Callable[[object, str], None]


@dataclass
class HandClock:
    """Stands still until a test moves it."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def calls(clock: HandClock) -> Iterator[ImageCalls]:
    """The state of a simulator that answers at once, by a clock that stands still."""
    with ThreadPoolExecutor(2) as pool:
        yield ImageCalls(clock, lambda: 1_800_000_000.0, asyncio.sleep, pool, latency_factor=0.0)


@pytest.fixture
async def url(calls: ImageCalls) -> AsyncIterator[str]:
    runner = web.AppRunner(
        build(calls, {"gpt-image-2": "2027-03-01"}), access_log=None, shutdown_timeout=0.05
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def client(url: str) -> AsyncIterator[AsyncOpenAI]:
    """The official client, without retries."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client, for what the official one does not let through."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        yield session


@pytest.fixture
def picture() -> Picture:
    """Makes a file for an upload: name, bytes, content type."""

    def make(
        width_px: int = 64, height_px: int = 64, *, mode: str = "RGB", format: str = "png"
    ) -> tuple[str, bytes, str]:
        out = BytesIO()
        Image.new(mode, (width_px, height_px), "teal").save(out, format)
        return f"picture.{format}", out.getvalue(), f"image/{format}"

    return make


@pytest.fixture
def opened() -> Callable[[Any], Image.Image]:
    """Opens the first picture of an answer of the official client."""
    return lambda answer: Image.open(BytesIO(base64.b64decode(answer.data[0].b64_json, validate=True)))


@pytest.fixture(params=[EXCERPT, *([Path(OFFICIAL)] if OFFICIAL else [])], ids=lambda path: str(path.stem))
def conforms(request: pytest.FixtureRequest) -> Conforms:
    """Validates a body against a named schema, of the excerpt and of the official file where one is given."""
    document = json.loads(request.param.read_text(encoding="utf-8"))

    def validate(body: object, name: str) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(schema).validate(body)

    return validate
