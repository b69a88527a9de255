"""Answers to calls that succeed, and the ways in which such an answer can be spoiled on its way."""

import base64
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from aiohttp import web

from simulator.contract.parameters import ImageRequest
from simulator.contract.prices import (
    PARTIAL_IMAGE_TOKENS,
    Usage,
    output_tokens,
    reference_tokens,
    text_tokens,
)
from simulator.faults import Kind, Rule
from simulator.pictures import draw

JSON_TYPE = "application/json"
EVENT_TYPE = "text/event-stream"
HTML_TYPE = "text/html"
# Close with an RST instead of a FIN: linger on, for zero seconds.
_LINGER_ZERO = struct.pack("ii", 1, 0)
# How long what was written may take to reach a client of this machine before the reset overtakes it.
_FLUSH_S = 0.05
_DRIP_S = 0.1

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A body ready to be sent."""

    content: bytes = field(repr=False)
    status: int = 200
    content_type: str = JSON_TYPE


def usage_of(request: ImageRequest) -> Usage:
    """What the whole call uses; with n > 1 an edit's inputs are billed n times."""
    inputs = request.n if request.references else 1
    each = output_tokens(request.model, request.quality, request.width_px, request.height_px)
    if request.stream:
        each += PARTIAL_IMAGE_TOKENS * request.partial_images
    return Usage(
        text_tokens=inputs * text_tokens(request.prompt),
        image_tokens=inputs
        * sum(reference_tokens(each.width_px, each.height_px) for each in request.references),
        output_tokens=request.n * each,
    )


def compose(request: ImageRequest, usage: Usage, created_unix_s: int, rule: Rule | None) -> Reply:
    """Draw the pictures and write the body around them; work for a thread."""
    kind = rule.kind if rule else None
    drawn = request
    if kind is Kind.WRONG_SIZE:
        drawn = replace(request, width_px=request.width_px // 2, height_px=request.height_px // 2)
    pictures = [_encoded(drawn, index, kind) for index in range(request.n)]
    if kind is Kind.EMPTY_DATA:
        pictures = []
    if request.stream:
        return Reply(_events(request, usage, created_unix_s, pictures), content_type=EVENT_TYPE)
    body = {
        "created": created_unix_s,
        "data": [{"b64_json": picture} for picture in pictures],
        **_echo(request),
        "usage": usage.body(),
    }
    if request.safety_identifier:
        body["safety_identifier"] = request.safety_identifier
    content = json.dumps(body).encode()
    if rule and kind is Kind.TRUNCATED_JSON:
        content = content[: _cut(content, rule)]
    return Reply(content)


def _encoded(request: ImageRequest, index: int, kind: Kind | None) -> str:
    if kind is Kind.NOT_AN_IMAGE:
        return base64.b64encode(b"not an image").decode()
    encoded = base64.b64encode(draw(request, index)).decode()
    if kind is Kind.BAD_BASE64:
        middle = len(encoded) // 2
        return f"{encoded[:middle]}*not base64*{encoded[middle:]}"
    return encoded


def _echo(request: ImageRequest) -> dict[str, object]:
    return {
        "background": "transparent" if request.transparent else "opaque",
        "output_format": request.output_format,
        "size": request.size,
        "quality": request.quality,
    }


def _events(request: ImageRequest, usage: Usage, created_unix_s: int, pictures: list[str]) -> bytes:
    """Server-sent events: the partial pictures, then one completed event for each picture."""
    family = "image_edit" if request.references else "image_generation"
    shared = {"created_at": created_unix_s, **_echo(request)}
    events: list[dict[str, object]] = []
    for picture in pictures:
        for number in range(request.partial_images):
            partial = {
                "type": f"{family}.partial_image",
                "b64_json": picture,
                "partial_image_index": number,
            }
            events.append({**partial, **shared})
        completed = {
            "type": f"{family}.completed",
            "b64_json": picture,
            "usage": usage.body(streamed=True),
        }
        events.append({**completed, **shared})
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def gateway_page(status: int) -> Reply:
    """What a proxy answers in the provider's place."""
    title = {502: "502 Bad Gateway", 504: "504 Gateway Time-out"}.get(status, f"{status} Error")
    page = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
    return Reply(page.encode(), status, HTML_TYPE)


async def send(
    reply: Reply,
    request: web.Request,
    *,
    headers: dict[str, str],
    rule: Rule | None = None,
    sleep: Sleep,
) -> web.StreamResponse:
    """Send a reply as the fault rule wants it.

    Raises:
        ConnectionError: the client is gone.
    """
    if request.transport is None:
        raise ConnectionResetError
    kind = rule.kind if rule else None
    if rule and kind is Kind.HANG:
        await sleep(rule.seconds)
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_type = reply.content_type
    response.content_length = len(reply.content)
    if rule and kind is Kind.RESET:
        return await _send_and_reset(reply, request, response, cut=_cut(reply.content, rule), sleep=sleep)
    await response.prepare(request)
    if rule and kind is Kind.SLOW_DRIP:
        await _drip(reply.content, response, max(1, int(rule.bytes_per_s * _DRIP_S)), sleep)
    else:
        await response.write(reply.content)
    await response.write_eof()
    return response


async def _drip(content: bytes, response: web.StreamResponse, step: int, sleep: Sleep) -> None:
    for start in range(0, len(content), step):
        await response.write(content[start : start + step])
        await sleep(_DRIP_S)


async def _send_and_reset(
    reply: Reply,
    request: web.Request,
    response: web.StreamResponse,
    *,
    cut: int,
    sleep: Sleep,
) -> web.StreamResponse:
    if cut:
        await response.prepare(request)
        await response.write(reply.content[:cut])
        await sleep(_FLUSH_S)
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
    raise ConnectionResetError


def _cut(content: bytes, rule: Rule) -> int:
    return int(len(content) * rule.at_percent / 100)
