"""The Images client against the simulator: the provider's ways of answering, over real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer, Generated, ImageFormat, ImageRequest, Reference
from workers.images.client import ImagesClient

pytestmark = pytest.mark.asyncio
KEY = "sk-contract-0123456789"
PROMPT = "A red teapot on a marble counter, soft light from the left."


class Simulator:
    """A running simulator and its controls."""

    def __init__(self, url: str) -> None:
        self.base_url = f"{url}/v1"
        self._url = url

    def fail_with(self, kind: str, **parameters: object) -> None:
        """From now on, calls go wrong in this way."""
        self._send("POST", "/_sim/faults", {"rules": [{"kind": kind, **parameters}]})

    def reset(self) -> None:
        self._send("DELETE", "/_sim/faults")
        self._send("DELETE", "/_sim/ledger")

    def last_call(self) -> Any:
        return self._send("GET", "/_sim/ledger")["calls"][-1]

    def _send(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    command = [sys.executable, "-m", "simulator", "--port", "0", "--latency-factor", "0", "--api-key", KEY]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=os.environ) as process:
        try:
            assert process.stdout is not None
            yield Simulator(process.stdout.readline().split()[-1])
        finally:
            process.kill()


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.reset()
    return running


@pytest_asyncio.fixture
async def client(simulator: Simulator) -> AsyncIterator[ImagesClient]:
    made = ImagesClient(simulator.base_url, KEY, clock=time.monotonic, deadline_s=120)
    yield made
    await made.aclose()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "picture"


@pytest.fixture(autouse=True)
def spool(into: Path) -> Path:
    into.parent.mkdir()
    return into.parent


def request(**changes: object) -> ImageRequest:
    settled = {
        "model": "gpt-image-2",
        "prompt": PROMPT,
        "size": "1024x1024",
        "quality": "low",
        "format": ImageFormat.PNG,
        "client_request_id": "batch_1:0:1",
    }
    return ImageRequest(**{**settled, **changes})  # type: ignore[arg-type]


def reference(folder: Path, name: str, mode: str = "RGB") -> Reference:
    path = folder / name
    Image.new(mode, (256, 256), "red").save(path, "PNG")
    return Reference(path, hashlib.sha256(path.read_bytes()).hexdigest(), "image/png", name)


def failure_of(answer: Answer) -> Failure:
    assert isinstance(answer.outcome, Failure)
    return answer.outcome


async def test_a_generation_ends_in_a_picture_on_disk(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    answer = await client.generate(request(), into=into)

    made = answer.outcome
    assert isinstance(made, Generated)
    with Image.open(into) as picture:
        assert (picture.format, picture.size) == ("PNG", (1024, 1024))
    assert hashlib.sha256(into.read_bytes()).hexdigest() == made.sha256
    assert into.stat().st_size == made.size_bytes
    assert answer.latency_s > 0
    call = simulator.last_call()
    assert (call["client_request_id"], call["request_id"]) == ("batch_1:0:1", made.request_id)
    assert made.usage is not None
    assert call["usage"]["total_tokens"] == made.usage.total_tokens
    assert made.usage.output_image_tokens == 196


async def test_a_picture_brings_readings_of_every_limit(client: ImagesClient, into: Path) -> None:
    answer = await client.generate(request(), into=into)

    limits = {reading.dimension: reading.limit for reading in answer.readings}
    assert limits.keys() >= {"requests", "images", "tokens"}
    assert None not in limits.values()


async def test_an_edit_takes_two_references_and_a_mask(
    client: ImagesClient, simulator: Simulator, into: Path, tmp_path: Path
) -> None:
    references = (reference(tmp_path, "one.png"), reference(tmp_path, "two.png"))
    edit = request(references=references, mask=reference(tmp_path, "mask.png", "RGBA"))

    answer = await client.generate(edit, into=into)

    assert isinstance(answer.outcome, Generated)
    assert answer.outcome.usage is not None
    assert answer.outcome.usage.input_image_tokens > 0
    assert simulator.last_call()["path"] == "/v1/images/edits"


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("reset", {"at_percent": 0}, FailureClass.DOUBTFUL),
        ("reset", {"at_percent": 1}, FailureClass.DOUBTFUL),
        ("reset", {"at_percent": 50}, FailureClass.DOUBTFUL),
        ("reset", {"at_percent": 99}, FailureClass.DOUBTFUL),
        ("truncated_json", {"at_percent": 50}, FailureClass.DOUBTFUL),
        ("truncated_json", {"at_percent": 99.99}, FailureClass.DOUBTFUL),
        ("gateway_html", {}, FailureClass.DOUBTFUL),
        ("gateway_html", {"status": 502}, FailureClass.DOUBTFUL),
        ("gateway_html", {"status": 524}, FailureClass.DOUBTFUL),
        ("empty_data", {}, FailureClass.BAD_OUTPUT),
        ("error_in_200", {}, FailureClass.RATE_LIMITED),
        ("rate_limit", {}, FailureClass.RATE_LIMITED),
        ("rate_limit_bare", {}, FailureClass.RATE_LIMITED),
        ("slow_down", {}, FailureClass.SLOW_DOWN),
        ("error_503", {}, FailureClass.SLOW_DOWN),
        ("quota", {}, FailureClass.QUOTA_EXHAUSTED),
        ("bad_request_400", {}, FailureClass.INVALID_REQUEST),
        ("unverified_403", {}, FailureClass.AUTH),
        ("model_404", {}, FailureClass.AUTH),
        ("error_500", {}, FailureClass.SERVER_ERROR),
    ],
)
async def test_a_call_that_goes_wrong_gets_its_class_and_leaves_no_file(
    client: ImagesClient,
    simulator: Simulator,
    into: Path,
    kind: str,
    parameters: dict[str, object],
    expected: FailureClass,
) -> None:
    simulator.fail_with(kind, **parameters)

    failure = failure_of(await client.generate(request(), into=into))

    assert failure.failure_class is expected
    assert list(into.parent.iterdir()) == []
    assert PROMPT not in failure.message
    if failure.charged is Charged.NO:
        assert simulator.last_call()["charged"] is False


async def test_bad_base64_is_charged_and_its_bytes_are_kept(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    simulator.fail_with("bad_base64")

    failure = failure_of(await client.generate(request(), into=into))

    assert (failure.failure_class, failure.charged) == (FailureClass.BAD_OUTPUT, Charged.YES)
    assert [path.name for path in into.parent.iterdir()] == ["picture.bad"]
    assert b"*not base64*" in (into.parent / "picture.bad").read_bytes()


async def test_bytes_that_are_no_picture_are_handed_on_to_be_verified(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    simulator.fail_with("not_an_image")

    answer = await client.generate(request(), into=into)

    assert isinstance(answer.outcome, Generated)
    assert into.read_bytes() == b"not an image"


async def test_a_rate_limit_says_what_refused_and_how_long_to_wait(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    simulator.fail_with("rate_limit", retry_after_s=2.5)

    failure = failure_of(await client.generate(request(), into=into))

    assert (failure.dimension, failure.retry_after_s, failure.http_status) == ("images", 2.5, 429)


async def test_a_bare_rate_limit_says_no_wait(client: ImagesClient, simulator: Simulator, into: Path) -> None:
    simulator.fail_with("rate_limit_bare")

    failure = failure_of(await client.generate(request(), into=into))

    assert failure.retry_after_s is None


async def test_a_rate_limit_inside_200_keeps_its_hint(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    simulator.fail_with("error_in_200", retry_after_s=0.5)

    failure = failure_of(await client.generate(request(), into=into))

    assert (failure.http_status, failure.retry_after_s) == (200, 0.5)


@pytest.mark.parametrize(
    ("stage", "charged"), [("input", Charged.NO), ("output", Charged.UNKNOWN)], ids=["input", "output"]
)
async def test_a_moderation_block_keeps_its_stage(
    client: ImagesClient, into: Path, stage: str, charged: Charged
) -> None:
    failure = failure_of(await client.generate(request(prompt=f"[moderation:{stage}] x"), into=into))

    assert failure.failure_class is FailureClass.MODERATION_BLOCKED
    assert (failure.stage, failure.charged) == (stage, charged)
    assert failure.moderation_categories == ("harassment",)


async def test_a_wrong_key_is_refused_without_being_repeated_in_the_message(
    simulator: Simulator, into: Path
) -> None:
    client = ImagesClient(simulator.base_url, "sk-wrong-9876543210", clock=time.monotonic)

    failure = failure_of(await client.generate(request(), into=into))

    await client.aclose()
    assert failure.failure_class is FailureClass.AUTH
    assert "[key]" in failure.message
    assert "sk-" not in failure.message


async def test_a_slow_drip_within_the_deadline_ends_in_a_picture(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    simulator.fail_with("slow_drip", bytes_per_s=400_000)

    answer = await client.generate(request(), into=into)

    assert isinstance(answer.outcome, Generated)


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("hang", {"seconds": 30}), ("slow_drip", {"bytes_per_s": 1000})],
    ids=["hang", "drip"],
)
async def test_the_deadline_ends_a_call_that_never_ends(
    simulator: Simulator, into: Path, kind: str, parameters: dict[str, object]
) -> None:
    simulator.fail_with(kind, **parameters)
    client = ImagesClient(simulator.base_url, KEY, clock=time.monotonic, deadline_s=2)

    failure = failure_of(await client.generate(request(), into=into))

    await client.aclose()
    assert (failure.failure_class, failure.charged) == (FailureClass.DOUBTFUL, Charged.UNKNOWN)
    assert list(into.parent.iterdir()) == []


async def test_a_silent_server_is_given_up_at_the_read_timeout(simulator: Simulator, into: Path) -> None:
    simulator.fail_with("hang", seconds=30)
    client = ImagesClient(simulator.base_url, KEY, clock=time.monotonic, read_timeout_s=0.5)

    failure = failure_of(await client.generate(request(), into=into))

    await client.aclose()
    assert failure.failure_class is FailureClass.DOUBTFUL


async def test_a_cancelled_call_goes_on_being_cancelled_and_leaves_no_file(
    client: ImagesClient, simulator: Simulator, into: Path
) -> None:
    simulator.fail_with("slow_drip", bytes_per_s=10_000)
    call = asyncio.create_task(client.generate(request(), into=into))
    part = into.with_name("picture.part")
    while not part.exists() or part.stat().st_size == 0:
        await asyncio.sleep(0.01)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert list(into.parent.iterdir()) == []
