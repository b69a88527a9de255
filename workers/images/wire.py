"""One `ImageRequest` as bytes of the Images API, and its `usage` back as ours."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from schemas.image import ImageRequest, Reference, Usage

_READ_BYTES = 256 * 1024


def fields(request: ImageRequest) -> dict[str, str | int]:
    """The parameters of a call that are set.

    `response_format` is never sent: GPT image models refuse it. `n` is always 1: one call, one picture.
    """
    known: dict[str, str | int | None] = {
        "model": request.model,
        "prompt": request.prompt,
        "n": 1,
        "size": request.size,
        "quality": request.quality,
        "output_format": request.format.value,
        "output_compression": request.compression,
        "background": request.background,
        "moderation": request.moderation,
        "complexity": request.complexity,
    }
    return {name: value for name, value in known.items() if value is not None}


def json_body(request: ImageRequest) -> bytes:
    """The body of `POST /images/generations`."""
    return json.dumps(fields(request)).encode()


def linked_body(request: ImageRequest) -> bytes:
    """The body of `POST /images/edits` with references that the provider reads by itself; every one has its link.

    Source: openai/openai-openapi `EditImageBodyJsonParam`, commit f85dbe2, 2026-08-21.
    """
    pictures: dict[str, object] = {"images": [{"image_url": found.link} for found in request.references]}
    if request.mask is not None:
        pictures["mask"] = {"image_url": request.mask.link}
    return json.dumps(fields(request) | pictures).encode()


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file of a body, with its head."""

    head: bytes
    content: bytes | Path
    size_bytes: int


class MultipartBody:
    """A body of fields and files.

    Files are opened one after another while they are sent: hundreds of calls in flight hold no descriptors.
    A file that changes size under way breaks the call off, because its length was already promised.

    Args:
        seed: what the boundary follows from; no other call has it, so that no file holds it.
    """

    def __init__(self, parts: Sequence[Part], seed: str) -> None:
        boundary = hashlib.sha256(seed.encode()).hexdigest()
        self._delimiter = f"--{boundary}\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        self._parts = parts
        framing_bytes = sum(len(self._delimiter) + len(part.head) + len(b"\r\n") for part in parts) + len(
            self._end
        )
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(framing_bytes + sum(part.size_bytes for part in parts)),
        }

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield self._delimiter + part.head
            for block in _blocks(part.content):
                yield block
            yield b"\r\n"
        yield self._end


def edit_body(request: ImageRequest) -> MultipartBody:
    """The body of `POST /images/edits`: fields, then `image[]` once per reference, then `mask`.

    Raises:
        OSError: a reference or the mask cannot be found, before anything is sent.
    """
    parts = [_field(name, str(value)) for name, value in fields(request).items()]
    parts += [_file("image[]", reference, f"image-{i}") for i, reference in enumerate(request.references)]
    if request.mask is not None:
        parts.append(_file("mask", request.mask, "mask"))
    return MultipartBody(parts, f"{request.client_request_id} {request.prompt!r}")


def upscale_body(request: ImageRequest) -> MultipartBody:
    """The body of `POST /v2beta/stable-image/upscale/fast`: the format that is wanted, and the picture.

    Raises:
        OSError: the picture cannot be found, before anything is sent.
    """
    parts = [_field("output_format", request.format.value)]
    parts += [_file("image", reference, "image") for reference in request.references]
    return MultipartBody(parts, request.client_request_id)


def _field(name: str, value: str) -> Part:
    content = value.encode("utf-8", "replace")
    return Part(
        f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode(),
        content,
        len(content),
    )


def _file(name: str, reference: Reference, stem: str) -> Part:
    """A file part. The API refuses parts without a file name and a picture's content type."""
    filename = f"{stem}.{reference.media_type.removeprefix('image/')}"
    head = (
        f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {reference.media_type}\r\n\r\n"
    )
    return Part(head.encode(), reference.path, reference.path.stat().st_size)


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as file:
        while block := file.read(_READ_BYTES):
            yield block


_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Details(msgspec.Struct):
    text_tokens: _Count = 0
    image_tokens: _Count = 0


class _WireUsage(msgspec.Struct):
    output_tokens: _Count
    input_tokens: _Count = 0
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


def usage_from(value: object, *, edit: bool) -> Usage | None:
    """Tokens of an answer; None if the provider sent none, or something that is not a usage.

    Output tokens without details are image tokens. Input tokens without details are text, or on an edit image
    tokens, which cost more: the cost may come out too high and never too low.
    """
    try:
        wire = msgspec.convert(value, _WireUsage)
    except msgspec.ValidationError:
        return None
    sent = wire.input_tokens_details or _Details()
    made = wire.output_tokens_details or _Details()
    undetailed = max(0, wire.input_tokens - sent.text_tokens - sent.image_tokens)
    return Usage(
        input_text_tokens=sent.text_tokens + (0 if edit else undetailed),
        input_image_tokens=sent.image_tokens + (undetailed if edit else 0),
        output_image_tokens=made.image_tokens
        + max(0, wire.output_tokens - made.image_tokens - made.text_tokens),
        output_text_tokens=made.text_tokens,
    )
