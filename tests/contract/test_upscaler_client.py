"""The upscaler's client, over real sockets: against the simulator, and against a server that hangs up."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer, Generated, ImageFormat, ImageRequest, Reference
from simulator.calls import ImageCalls
from simulator.faults import parse
from tests.conftest import free_port
from tests.contract.test_images_client_sockets import Server, answering, listening
from workers.images.catalogue import credits_left
from workers.images.upscaler import UpscalerClient

KEY = "sk-upscaler-0123456789"


@pytest.fixture
async def client(url: str) -> AsyncIterator[UpscalerClient]:
    made = UpscalerClient(url, KEY, clock=time.monotonic, deadline_s=120)
    yield made
    await made.aclose()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def request_(tmp_path: Path) -> ImageRequest:
    path = tmp_path / "small.png"
    Image.new("RGB", (64, 48), "red").save(path, "PNG")
    parent = Reference(path, hashlib.sha256(path.read_bytes()).hexdigest(), "image/png", "small.png")
    return ImageRequest(
        model="stable-fast-upscale",
        prompt="",
        size="256x192",
        quality="",
        format=ImageFormat.JPEG,
        client_request_id="batch_1:0:1",
        references=(parent,),
        factor=4,
    )


def failure_of(answer: Answer) -> Failure:
    assert isinstance(answer.outcome, Failure)
    return answer.outcome


def kept(spool: Path) -> list[str]:
    return sorted(path.name for path in spool.iterdir())


async def test_a_picture_comes_back_larger_and_its_bytes_are_in_the_spool(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    answer = await client.generate(request_, into=spool / "picture")

    made = answer.outcome
    assert isinstance(made, Generated)
    with Image.open(spool / "picture") as picture:
        assert (picture.format, picture.size) == ("JPEG", (256, 192))
    assert made.sha256 == hashlib.sha256((spool / "picture").read_bytes()).hexdigest()
    assert (made.usage, answer.latency_s > 0) == (None, True)
    (call,) = calls.ledger.charged()
    assert (call.client_request_id, call.request_id) == ("batch_1:0:1", made.request_id)
    assert kept(spool) == ["picture"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"kind": "reset", "at_percent": 0}, FailureClass.DOUBTFUL),
        ({"kind": "reset", "at_percent": 50}, FailureClass.DOUBTFUL),
        ({"kind": "reset", "at_percent": 99}, FailureClass.DOUBTFUL),
        ({"kind": "gateway_html"}, FailureClass.DOUBTFUL),
        ({"kind": "gateway_html", "status": 502}, FailureClass.DOUBTFUL),
        ({"kind": "rate_limit"}, FailureClass.RATE_LIMITED),
        ({"kind": "error_503"}, FailureClass.SLOW_DOWN),
        ({"kind": "quota"}, FailureClass.QUOTA_EXHAUSTED),
        ({"kind": "bad_request_400"}, FailureClass.INVALID_REQUEST),
        ({"kind": "unverified_403"}, FailureClass.MODERATION_BLOCKED),
        ({"kind": "model_404"}, FailureClass.AUTH),
        ({"kind": "error_500"}, FailureClass.SERVER_ERROR),
    ],
)
async def test_a_call_that_goes_wrong_gets_its_class_and_leaves_no_file(
    client: UpscalerClient,
    calls: ImageCalls,
    request_: ImageRequest,
    spool: Path,
    rule: dict[str, object],
    expected: FailureClass,
) -> None:
    calls.faults = parse([rule])

    failure = failure_of(await client.generate(request_, into=spool / "picture"))

    assert failure.failure_class is expected
    assert kept(spool) == []
    if failure.charged is Charged.NO:
        assert calls.ledger.charged() == []


async def test_a_refusal_without_a_time_closes_requests_for_a_minute(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    calls.faults = parse([{"kind": "rate_limit_bare"}])
    failure = failure_of(await client.generate(request_, into=spool / "picture"))
    assert (failure.dimension, failure.retry_after_s) == ("requests", 60.0)

    calls.faults = parse([{"kind": "rate_limit", "retry_after_s": 7}])
    failure = failure_of(await client.generate(request_, into=spool / "picture"))
    assert failure.retry_after_s == 7.0


async def test_what_the_content_filter_has_blurred_is_no_picture_and_is_kept_as_evidence(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    calls.faults = parse([{"kind": "error_in_200"}])

    failure = failure_of(await client.generate(request_, into=spool / "picture"))

    assert (failure.failure_class, failure.stage) == (FailureClass.MODERATION_BLOCKED, "output")
    assert failure.charged is Charged.UNKNOWN
    assert kept(spool) == ["picture.bad"]


@pytest.mark.parametrize("kind", ["not_an_image", "truncated_json", "empty_data", "wrong_size"])
async def test_bytes_that_are_no_picture_are_handed_on_to_be_verified(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path, kind: str
) -> None:
    calls.faults = parse([{"kind": kind}])

    answer = await client.generate(request_, into=spool / "picture")

    assert isinstance(answer.outcome, Generated)
    assert answer.outcome.size_bytes == (spool / "picture").stat().st_size


async def test_a_wrong_key_is_refused_and_not_repeated(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    calls.api_key = "another"

    failure = failure_of(await client.generate(request_, into=spool / "picture"))

    assert (failure.failure_class, failure.http_status) == (FailureClass.AUTH, 401)
    assert KEY not in failure.message


async def test_a_reference_that_is_gone_is_found_before_anything_is_sent(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    request_.references[0].path.unlink()

    failure = failure_of(await client.generate(request_, into=spool / "picture"))

    assert failure.failure_class is FailureClass.BAD_REFERENCE
    assert calls.ledger.body(0)["next"] == 0


async def test_the_deadline_ends_a_call_that_never_ends(
    url: str, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    calls.faults = parse([{"kind": "hang", "seconds": 30}])
    client = UpscalerClient(url, KEY, clock=time.monotonic, deadline_s=2)

    failure = failure_of(await client.generate(request_, into=spool / "picture"))

    await client.aclose()
    assert (failure.failure_class, failure.charged) == (FailureClass.DOUBTFUL, Charged.UNKNOWN)
    assert kept(spool) == []


async def test_a_cancelled_call_leaves_no_file(
    client: UpscalerClient, calls: ImageCalls, request_: ImageRequest, spool: Path
) -> None:
    calls.faults = parse([{"kind": "slow_drip", "bytes_per_s": 100}])
    call = asyncio.create_task(client.generate(request_, into=spool / "picture"))
    while not calls.ledger.charged():
        await asyncio.sleep(0.01)
    assert kept(spool) == ["picture.part"]

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert kept(spool) == []


PNG = b"content-type: image/png\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "promised", "expected"),
    [
        (PNG, b"half of a picture", 1000, FailureClass.DOUBTFUL),
        (b"content-type: application/json\r\n", b'{"image": ', 1000, FailureClass.DOUBTFUL),
        (b"content-type: application/json\r\n", b'{"image": "x"}', None, FailureClass.BAD_OUTPUT),
        (b"content-type: text/html\r\n", b"<html>hello</html>", None, FailureClass.DOUBTFUL),
    ],
)
async def test_an_answer_that_is_not_wholly_a_picture_is_none(
    request_: ImageRequest,
    spool: Path,
    headers: bytes,
    body: bytes,
    promised: int | None,
    expected: FailureClass,
) -> None:
    server = Server(answering(body, headers=headers, promised_bytes=promised, hang_up=True))
    async with listening(server.handle) as port:
        client = UpscalerClient(f"http://127.0.0.1:{port}", KEY, clock=time.monotonic)
        failure = failure_of(await client.generate(request_, into=spool / "picture"))
        await client.aclose()

    assert failure.failure_class is expected
    assert kept(spool) == []


async def test_the_request_is_one_form_with_the_picture_and_the_format(
    request_: ImageRequest, spool: Path
) -> None:
    server = Server(answering(b"picture", headers=PNG, hang_up=True))
    async with listening(server.handle) as port:
        client = UpscalerClient(f"http://127.0.0.1:{port}/", KEY, clock=time.monotonic)
        answer = await client.generate(request_, into=spool / "picture")
        await client.aclose()

    assert isinstance(answer.outcome, Generated)
    (sent,) = server.requests
    head, _, body = sent.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v2beta/stable-image/upscale/fast http/1.1"
    assert b"accept: image/*" in lines
    assert b'name="output_format"\r\n\r\njpeg\r\n' in body
    assert b'name="image"; filename="image.png"\r\nContent-Type: image/png\r\n' in body
    assert request_.references[0].path.read_bytes() in body


async def test_where_nothing_listens_nothing_was_sent(request_: ImageRequest, spool: Path) -> None:
    client = UpscalerClient(f"http://127.0.0.1:{free_port()}", KEY, clock=time.monotonic)

    failure = failure_of(await client.generate(request_, into=spool / "picture"))

    await client.aclose()
    assert (failure.failure_class, failure.charged) == (FailureClass.NOT_SENT, Charged.NO)


async def test_the_balance_is_told_and_costs_nothing(url: str, calls: ImageCalls) -> None:
    assert await credits_left(url, KEY) == 1000.0
    assert calls.ledger.body(0)["next"] == 0
    calls.api_key = "another"
    refused = await credits_left(url, KEY)
    assert isinstance(refused, Failure)
    assert refused.failure_class is FailureClass.AUTH
