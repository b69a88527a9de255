"""Another provider's contract: Stability AI's fast upscaler, which makes a picture four times as wide and as high.

Sources, read 2026-11-21: the request, its limits and the 400, 403, 413, 422, 429 and 500 answers, clients generated from
the provider's OpenAPI document (platform.stability.ai/docs/api-reference, Upscale, Fast); the price,
stability.ai/api-pricing-update-25 and the provider's `1 credit = $0.01`; the 402 body, as users recorded it. Unverified,
so ours to choose: which of 400 and 422 a picture of the wrong size gets, and the words of the 401.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO

from aiohttp import web
from PIL import Image

MODEL = "fast-upscaler"
PATH = "/v2beta/stable-image/upscale/fast"
FACTOR = 4
USD_MICROS = 20_000
USD_MICROS_PER_CREDIT = 10_000
SECONDS = 1.0
MIN_EDGE_PX, MAX_EDGE_PX = 32, 1536
MIN_PIXELS, MAX_PIXELS = 1024, 1_048_576
MAX_REQUEST_BYTES = 10 * 1024**2
MAX_REQUESTS, WINDOW_S, TIMED_OUT_S = 150, 10.0, 60.0
FORMATS = ("png", "jpeg", "webp")
_READABLE = ("PNG", "JPEG", "WEBP")


@dataclass
class UpscaleError(Exception):
    """A refusal in this provider's shape: `{"id", "name", "errors"}`."""

    status: int
    name: str
    errors: tuple[str, ...]
    outcome: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, request_id: str) -> dict[str, object]:
        return {"id": request_id, "name": self.name, "errors": list(self.errors)}


@dataclass(frozen=True, slots=True)
class Asked:
    """A picture that may be made larger."""

    content: bytes = field(repr=False)
    output_format: str
    width_px: int
    height_px: int

    @property
    def size(self) -> str:
        """What is to come of it."""
        return f"{self.width_px * FACTOR}x{self.height_px * FACTOR}"

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.output_format.encode() + self.content).hexdigest()


async def read(request: web.Request) -> Asked:
    """Read a call to its last byte.

    Raises:
        UpscaleError: the first thing that is wrong with it.
    """
    if request.content_type != "multipart/form-data":
        raise bad_request("content-type: must be multipart/form-data")
    form = await request.post()
    content = _closed(form.get("image"))
    if (request.content_length or 0) > MAX_REQUEST_BYTES:
        raise UpscaleError(413, "payload_too_large", ("Your request was larger than 10MiB.",))
    output_format = form.get("output_format", "png")
    if content is None:
        raise bad_request("image: is required")
    if output_format not in FORMATS:
        raise bad_request(f"output_format: must be one of {', '.join(FORMATS)}")
    width_px, height_px = _size_of(content)
    return Asked(content, str(output_format), width_px, height_px)


def _closed(image: object) -> bytes | None:
    """What is in an uploaded file, which is not needed any more then; None if it is no file."""
    if not isinstance(image, web.FileField):
        return None
    with image.file as file:
        return file.read()


def bad_request(*errors: str) -> UpscaleError:
    return UpscaleError(400, "bad_request", errors)


def _size_of(content: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(content), formats=_READABLE) as picture:
            width_px, height_px = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise bad_request("image: supported formats are jpeg, png and webp") from error
    for name, edge_px in (("width", width_px), ("height", height_px)):
        if not MIN_EDGE_PX <= edge_px <= MAX_EDGE_PX:
            raise bad_request(f"image: {name} must be between {MIN_EDGE_PX} and {MAX_EDGE_PX:,} pixels")
    if not MIN_PIXELS <= width_px * height_px <= MAX_PIXELS:
        raise bad_request(f"image: pixel count must be between {MIN_PIXELS:,} and {MAX_PIXELS:,}")
    return width_px, height_px
