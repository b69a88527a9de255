"""References as links: signed by a store that speaks S3, read by the simulator, over real sockets and for real."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from core.storage.opening import open_store
from core.storage.store import ObjectStore
from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Generated, ImageFormat, ImageRequest, Reference
from simulator.calls import ImageCalls
from tests.buckets import s3_server
from workers.images import wire
from workers.images.client import ImagesClient
from workers.linker import Linker

KEY, LANE = "sk-contract-0123456789", "main"
SIGNATURE = "X-Amz-Signature=" + "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def endpoint_url() -> Iterator[str]:
    with s3_server("darkroom") as address:
        yield "http://{}:{}".format(*address)


@pytest.fixture
async def store(endpoint_url: str) -> AsyncIterator[ObjectStore]:
    store = open_store("s3://darkroom/here", endpoint_url=endpoint_url, threads=2)
    yield store
    await store.aclose()


@pytest.fixture
async def images(url: str) -> AsyncIterator[ImagesClient]:
    client = ImagesClient(f"{url}/v1", KEY, clock=time.monotonic, deadline_s=120)
    yield client
    await client.aclose()


@dataclass
class Shelf:
    """Pictures on disk that lie in storage too."""

    store: ObjectStore
    folder: Path

    async def picture(self, name: str, mode: str = "RGB", kind: str = "png") -> Reference:
        path = self.folder / name
        Image.new(mode, (256, 256), "red").save(path, kind)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        await self.store.put_file(name, path, media_type="application/octet-stream", overwrite=True)
        return Reference(path, digest, f"image/{kind}", name)


@pytest.fixture
def shelf(store: ObjectStore, tmp_path: Path) -> Shelf:
    return Shelf(store, tmp_path)


def edit(*references: Reference, mask: Reference | None = None) -> ImageRequest:
    return ImageRequest(
        model="gpt-image-2",
        prompt="Image 1 beside Image 2, on a shelf of oak.",
        size="1024x1024",
        quality="low",
        format=ImageFormat.PNG,
        client_request_id="batch_1:0:1",
        references=references,
        mask=mask,
    )


def booked(calls: ImageCalls) -> dict[str, Any]:
    """What the simulator's ledger says."""
    return dict(calls.ledger.body(0))


def linker(store: ObjectStore) -> Linker:
    return Linker(store, lanes={LANE}, expires_s=900)


async def test_a_linked_edit_is_the_very_edit_that_is_made_of_files(
    shelf: Shelf, images: ImagesClient, calls: ImageCalls, tmp_path: Path
) -> None:
    references = [await shelf.picture("one.png"), await shelf.picture("two.webp", kind="webp")]
    sent = edit(*references, mask=await shelf.picture("mask.png", "RGBA"))
    linked = await linker(shelf.store).linked(LANE, sent)

    outcomes = [
        (await images.generate(each, into=tmp_path / f"made-{place}")).outcome
        for place, each in enumerate((sent, linked))
    ]

    assert [type(outcome) for outcome in outcomes] == [Generated, Generated]
    as_files, as_links = booked(calls)["calls"]
    assert as_links["request_digest"] == as_files["request_digest"]
    assert as_links["usage"] == as_files["usage"]
    assert as_links["path"] == "/v1/images/edits"


async def test_a_linked_edit_conforms_to_the_schema(shelf: Shelf, conforms: Any) -> None:
    sent = edit(await shelf.picture("one.png"), mask=await shelf.picture("mask.png", "RGBA"))
    body = json.loads(wire.linked_body(await linker(shelf.store).linked(LANE, sent)))

    conforms(body, "EditImageBodyJsonParam")
    assert body.keys() == {"model", "prompt", "n", "size", "quality", "output_format", "images", "mask"}


async def test_other_lanes_and_generations_are_sent_as_ever(shelf: Shelf) -> None:
    sent = edit(await shelf.picture("one.png"))

    assert await linker(shelf.store).linked("other", sent) is sent
    assert await linker(shelf.store).linked(LANE, replace(sent, references=())) == replace(
        sent, references=()
    )


async def test_a_link_says_what_picture_it_is_for_storage_does_not(
    shelf: Shelf, images: ImagesClient
) -> None:
    photo = await shelf.picture("one.png")
    bare = await shelf.store.link(photo.key, expires_s=900)

    answer = await images.generate(edit(replace(photo, link=bare)), into=shelf.folder / "made")

    assert isinstance(answer.outcome, Failure)
    assert answer.outcome.code == "unsupported_image_media_type"


async def test_a_link_lasts_as_long_as_it_is_told_to(shelf: Shelf) -> None:
    linked = await linker(shelf.store).linked(LANE, edit(await shelf.picture("one.png")))
    assert "X-Amz-Expires=900&" in str(linked.references[0].link)


async def test_a_link_is_not_part_of_the_text_of_a_request(shelf: Shelf) -> None:
    linked = await linker(shelf.store).linked(LANE, edit(await shelf.picture("one.png")))
    assert "X-Amz" not in repr(linked)


async def failure_with(images: ImagesClient, into: Path, link: str) -> Failure:
    photo = Reference(into, "0" * 64, "image/png", "photo", link)
    outcome = (await images.generate(edit(photo), into=into)).outcome
    assert isinstance(outcome, Failure)
    return outcome


async def test_storage_that_does_not_answer_is_nobodys_picture_and_free(
    images: ImagesClient, calls: ImageCalls, tmp_path: Path, endpoint_url: str
) -> None:
    failure = await failure_with(images, tmp_path / "made", f"{endpoint_url}/darkroom/none?{SIGNATURE}")

    assert (failure.failure_class, failure.charged) == (FailureClass.SERVER_ERROR, Charged.NO)
    assert failure.code == "failed_to_download_image"
    assert "readable from outside" in failure.message
    assert booked(calls)["totals"]["charged"] == 0


async def test_links_that_the_provider_does_not_take_rest_the_lane_and_no_row_fails(
    images: ImagesClient, tmp_path: Path
) -> None:
    failure = await failure_with(images, tmp_path / "made", f"http://storage.example/photo?{SIGNATURE}")

    assert (failure.failure_class, failure.code) == (FailureClass.AUTH, "invalid_image_url")
    assert "REFERENCES=upload" in failure.message


@pytest.mark.parametrize(
    "quote",
    [
        "Error while downloading {link}.",
        "Timeout while downloading {link} after 10 s",
        "Bad URL: bucket.s3.amazonaws.com/photo?x=1&{signature}",
        "the query '{signature}&x-id=GetObject' was refused",
    ],
)
async def test_a_link_that_the_provider_quotes_is_cut_out(tmp_path: Path, quote: str) -> None:
    link = f"https://bucket.s3.amazonaws.com/tenants/acme/photo?X-Amz-Expires=900&{SIGNATURE}"
    said = quote.format(link=link, signature=SIGNATURE)

    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        error = {"code": "failed_to_download_image", "message": said, "type": None, "param": None}
        return web.json_response({"error": error}, status=400)

    app = web.Application()
    app.router.add_post("/v1/images/edits", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    client = ImagesClient(url, KEY, clock=time.monotonic, deadline_s=120)
    failure = await failure_with(client, tmp_path / "made", link)
    await client.aclose()
    await runner.cleanup()

    assert "[link]" in failure.message
    assert not [word for word in ("Amz", "0123456789", "acme") if word in failure.message]


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"<html>", "text/html", "unsupported_image_media_type"),
        (b"", "image/png", "empty_image_file"),
        (b"no picture", "image/png", "image_parse_error"),
        (b"\0" * (50 * 1024**2 + 1), "image/png", "image_file_too_large"),
    ],
    ids=["a page", "nothing", "no picture", "too large"],
)
async def test_what_a_link_leads_to_is_looked_at_as_a_file_is(
    images: ImagesClient, tmp_path: Path, body: bytes, kind: str, code: str
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        failure = await failure_with(images, tmp_path / "made", f"http://127.0.0.1:{port}/photo")

    assert (failure.failure_class, failure.code) == (FailureClass.INVALID_REQUEST, code)
