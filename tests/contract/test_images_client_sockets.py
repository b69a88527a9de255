"""The Images client against bare sockets: what was sent, what was not, and where an answer breaks off."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer, Generated, ImageFormat, ImageRequest, Reference
from workers.images.client import ImagesClient

pytestmark = pytest.mark.asyncio
PICTURE = bytes(range(256)) * 4000
BODY = json.dumps(
    {"created": 1, "data": [{"b64_json": base64.b64encode(PICTURE).decode()}], "usage": {"output_tokens": 9}}
).encode()
REQUEST = ImageRequest(
    model="gpt-image-2",
    prompt="A teapot",
    size="1024x1024",
    quality="low",
    format=ImageFormat.PNG,
    client_request_id="batch_1:0:1",
)
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that reads one request and then does as told."""

    def __init__(self, then: Handler) -> None:
        self._then = then
        self.requests: list[bytes] = []
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await self._head(reader):
            self.requests.append(head)
            await self._then(reader, writer)

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return head + await reader.readexactly(int(lengths[0].split(b":")[1]))


@asynccontextmanager
async def listening(handle: Handler) -> AsyncIterator[int]:
    """A port where `handle` takes every connection; on the way out every one of them has ended."""
    handlers: list[asyncio.Task[None]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.create_task(take(reader, writer)))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])
    await asyncio.gather(*handlers)


@asynccontextmanager
async def serving(then: Handler) -> AsyncIterator[tuple[Server, ImagesClient]]:
    server = Server(then)
    async with listening(server.handle) as port, calling(port) as client:
        yield server, client


@asynccontextmanager
async def calling(port: int, scheme: str = "http", **options: float) -> AsyncIterator[ImagesClient]:
    client = ImagesClient(
        f"{scheme}://127.0.0.1:{port}/v1/", "sk-sockets-0123456789", clock=time.monotonic, **options
    )
    try:
        yield client
    finally:
        await client.aclose()


def answering(
    body: bytes,
    *,
    status: bytes = b"200 OK",
    headers: bytes = b"",
    promised_bytes: int | None = None,
    hang_up: bool,
) -> Handler:
    async def then(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = len(body) if promised_bytes is None else promised_bytes
        writer.write(b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n" % (status, headers, length))
        writer.write(body)
        await writer.drain()
        if hang_up:
            writer.close()

    return then


def failure_of(answer: Answer) -> Failure:
    assert isinstance(answer.outcome, Failure)
    return answer.outcome


async def test_the_request_is_one_plain_post(tmp_path: Path) -> None:
    async with serving(answering(BODY, hang_up=False)) as (server, client):
        await client.generate(REQUEST, into=tmp_path / "a")

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/images/generations http/1.1"
    assert b"authorization: bearer sk-sockets-0123456789" in lines
    assert b"x-client-request-id: batch_1:0:1" in lines
    assert b"content-type: application/json" in lines
    assert json.loads(body)["prompt"] == "A teapot"


async def test_calls_one_after_another_share_a_connection(tmp_path: Path) -> None:
    async with serving(answering(BODY, hang_up=False)) as (server, client):
        for name in "abc":
            answer = await client.generate(REQUEST, into=tmp_path / name)
            assert isinstance(answer.outcome, Generated)

    assert (server.connections, len(server.requests)) == (1, 3)


async def test_a_closed_port_means_nothing_was_sent(tmp_path: Path) -> None:
    async def never(*_: object) -> None: ...

    async with listening(never) as port:
        pass

    async with calling(port) as client:
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.NOT_SENT
    assert (failure_of(answer).charged, answer.latency_s) == (Charged.NO, 0)
    assert list(tmp_path.iterdir()) == []


async def test_a_name_that_does_not_resolve_means_nothing_was_sent(tmp_path: Path) -> None:
    client = ImagesClient("http://images.invalid/v1", "sk-x", clock=time.monotonic, connect_timeout_s=5)

    answer = await client.generate(REQUEST, into=tmp_path / "a")

    await client.aclose()
    assert failure_of(answer).failure_class is FailureClass.NOT_SENT


@pytest.mark.parametrize("limits", [{}, {"connect_timeout_s": 0.3}, {"deadline_s": 0.3}], ids=str)
async def test_a_tls_handshake_that_fails_or_takes_too_long_means_nothing_was_sent(
    tmp_path: Path, limits: dict[str, float]
) -> None:
    async def no_tls_here(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await (reader.read() if limits else reader.read(1))

    async with listening(no_tls_here) as port, calling(port, "https", **limits) as client:
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.NOT_SENT


async def test_a_server_that_hangs_up_without_an_answer_leaves_a_doubt(tmp_path: Path) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(hang_up) as (server, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.DOUBTFUL
    assert len(server.requests) == 1


async def test_a_kept_connection_that_dies_under_a_call_is_a_doubt_and_not_repeated(tmp_path: Path) -> None:
    answers = iter([answering(BODY, hang_up=False), answering(b"", promised_bytes=1, hang_up=True)])

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await next(answers)(reader, writer)

    async with serving(then) as (server, client):
        await client.generate(REQUEST, into=tmp_path / "a")
        answer = await client.generate(REQUEST, into=tmp_path / "b")

    assert failure_of(answer).failure_class is FailureClass.DOUBTFUL
    assert len(server.requests) == 2


async def test_something_that_does_not_speak_http_leaves_a_doubt(tmp_path: Path) -> None:
    async def noise(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 what?\r\n\r\n")
        writer.close()

    async with serving(noise) as (_, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.DOUBTFUL


async def test_a_complete_answer_counts_though_its_end_was_lost(tmp_path: Path) -> None:
    async with serving(answering(BODY, promised_bytes=len(BODY) + 1, hang_up=True)) as (_, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert isinstance(answer.outcome, Generated)
    assert (tmp_path / "a").read_bytes() == PICTURE


async def test_an_answer_that_is_compressed_all_the_same_is_read(tmp_path: Path) -> None:
    then = answering(gzip.compress(BODY), headers=b"content-encoding: gzip\r\n", hang_up=False)
    async with serving(then) as (_, client):
        await client.generate(REQUEST, into=tmp_path / "a")

    assert (tmp_path / "a").read_bytes() == PICTURE


async def test_an_answer_whose_compression_is_broken_is_a_doubt(tmp_path: Path) -> None:
    then = answering(BODY, headers=b"content-encoding: gzip\r\n", hang_up=False)
    async with serving(then) as (_, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.DOUBTFUL


async def test_a_refusal_counts_though_its_body_was_lost(tmp_path: Path) -> None:
    then = answering(
        b'{"err', status=b"429 Too Many", headers=b"retry-after: 3\r\n", promised_bytes=99, hang_up=True
    )
    async with serving(then) as (_, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.RATE_LIMITED
    assert failure_of(answer).retry_after_s == 3


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    then = answering(
        b"", status=b"307 Temporary Redirect", headers=b"location: /elsewhere\r\n", hang_up=False
    )
    async with serving(then) as (server, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.AUTH
    assert len(server.requests) == 1


async def test_the_moment_of_the_connection_is_where_latency_begins(tmp_path: Path) -> None:
    seconds = iter([100.0, 107.5])

    async with listening(Server(answering(BODY, hang_up=True)).handle) as port:
        client = ImagesClient(f"http://127.0.0.1:{port}/v1", "sk-x", clock=lambda: next(seconds))
        answer = await client.generate(REQUEST, into=tmp_path / "a")
        await client.aclose()

    assert answer.latency_s == 7.5


async def test_a_missing_reference_spends_nothing(tmp_path: Path) -> None:
    lost = Reference(tmp_path / "lost.png", "0", "image/png", "lost")
    edit = ImageRequest("m", "p", "auto", "low", ImageFormat.PNG, "b:0:1", references=(lost,))

    async with serving(answering(BODY, hang_up=False)) as (server, client):
        answer = await client.generate(edit, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.BAD_REFERENCE
    assert server.connections == 0


async def test_a_spool_that_takes_no_file_spends_nothing(tmp_path: Path) -> None:
    async with serving(answering(BODY, hang_up=False)) as (server, client):
        answer = await client.generate(REQUEST, into=tmp_path / "gone" / "a")

    assert failure_of(answer).failure_class is FailureClass.NOT_SENT
    assert server.connections == 0


async def test_a_full_disk_is_a_doubt_that_was_certainly_charged(tmp_path: Path) -> None:
    (tmp_path / "a.part").symlink_to("/dev/full")

    async with serving(answering(BODY, hang_up=False)) as (_, client):
        answer = await client.generate(REQUEST, into=tmp_path / "a")

    assert failure_of(answer).failure_class is FailureClass.DOUBTFUL
    assert failure_of(answer).charged is Charged.YES


async def test_two_hundred_calls_are_in_flight_at_once(tmp_path: Path) -> None:
    everybody_here = asyncio.Barrier(200)

    async def then(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await everybody_here.wait()
        await answering(b'{"data":[{"b64_json":"QUFB"}]}', hang_up=True)(reader, writer)

    async with serving(then) as (server, client):
        calls = [client.generate(REQUEST, into=tmp_path / f"{i}") for i in range(200)]
        answers = await asyncio.gather(*calls)

    assert all(isinstance(answer.outcome, Generated) for answer in answers)
    assert server.connections == 200


async def test_the_certificates_of_servers_are_checked() -> None:
    async with calling(1, "https") as client:
        context = client._http._transport.ssl_context  # type: ignore[attr-defined]

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
