"""Reading a call: its parameters and, for an edit, its pictures.

An edit comes as multipart/form-data (parts image, image[] and mask) or as JSON (images and mask by reference).
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO

from aiohttp import BodyPartReader, web
from PIL import Image

from simulator.contract.errors import ApiError, bad_request
from simulator.contract.links import download, is_taken

MAX_IMAGE_BYTES = 50 * 1024 * 1024
MAX_DATA_URL_CHARACTERS = 20_971_520
MAX_TEXT_BYTES = 1024 * 1024
# The Images reference also takes the name image/jpg.
IMAGE_TYPES = ("image/png", "image/webp", "image/jpeg", "image/jpg")
_IMAGE_FORMATS = ("PNG", "JPEG", "WEBP")
_IMAGE_PARTS = ("image", "image[]")
_INTEGERS = ("n", "output_compression", "partial_images")
_BOOLEANS = {"true": True, "false": False}

InPool = Callable[[Callable[[], "Upload"]], Awaitable["Upload"]]


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture that came with a call; `format` is Pillow's word (PNG, JPEG, WEBP)."""

    content: bytes = field(repr=False)
    digest: str
    format: str
    width_px: int
    height_px: int
    has_alpha: bool


@dataclass(slots=True)
class Incoming:
    """A call as it arrived, nothing checked but its form."""

    path: str
    parameters: dict[str, object]
    references: tuple[Upload, ...] = ()
    mask: Upload | None = None

    @property
    def is_edit(self) -> bool:
        return self.path.endswith("/edits")


async def read(request: web.Request, in_pool: InPool) -> Incoming:
    """Read a call to its last byte.

    Raises:
        ApiError: the 400 for a body that cannot be read as what it claims to be.
    """
    is_edit = request.path.endswith("/edits")
    if is_edit and request.content_type == "multipart/form-data":
        return await _read_multipart(request, in_pool)
    parameters = await _read_json(request)
    if not is_edit:
        return Incoming(request.path, parameters)
    images, mask = parameters.pop("images", None), parameters.pop("mask", None)
    if not isinstance(images, list):
        raise bad_request(
            "missing_required_parameter",
            "images",
            "Missing required parameter: 'images'.",
        )
    uploads = [await _resolve(image, f"images[{index}]", in_pool) for index, image in enumerate(images)]
    resolved_mask = None if mask is None else await _resolve(mask, "mask", in_pool)
    return Incoming(request.path, parameters, tuple(uploads), resolved_mask)


async def _read_json(request: web.Request) -> dict[str, object]:
    content = await request.read()
    try:
        parameters = json.loads(content)
    except ValueError:
        parameters = None
    if not isinstance(parameters, dict):
        message = "We could not parse the JSON body of your request. The body must be a JSON object."
        raise bad_request(None, None, message)
    return parameters


async def _read_multipart(request: web.Request, in_pool: InPool) -> Incoming:
    incoming = Incoming(request.path, {})
    references: list[Upload] = []
    problem: ApiError | None = None
    try:
        async for part in await request.multipart():
            try:
                await _read_part(part, incoming, references, in_pool)
            except ApiError as error:
                # The rest is still read: answering an unread body would reset the connection.
                problem = problem or error
    except ValueError as error:
        raise bad_request(None, None, "We could not parse the multipart body of your request.") from error
    if problem is not None:
        raise problem
    incoming.references = tuple(references)
    return incoming


async def _read_part(part: object, incoming: Incoming, references: list[Upload], in_pool: InPool) -> None:
    if not isinstance(part, BodyPartReader) or part.name is None:
        raise bad_request(None, None, "Every part of a multipart body needs a name.")
    name = part.name
    if name not in (*_IMAGE_PARTS, "mask"):
        text = (await _part_bytes(part, MAX_TEXT_BYTES)).decode(errors="replace")
        incoming.parameters[name] = _from_text(name, text)
        return
    content_type = part.headers.get("content-type", "application/octet-stream").split(";")[0].strip()
    content = await _part_bytes(part, MAX_IMAGE_BYTES)
    param = "mask" if name == "mask" else "image"
    upload = await in_pool(lambda: inspect(content, content_type, param))
    if name == "mask":
        incoming.mask = upload
    else:
        references.append(upload)


async def _part_bytes(part: BodyPartReader, most_bytes: int) -> bytes:
    """All of a part; what is above the limit is read and thrown away, then refused."""
    kept, size = [], 0
    while chunk := await part.read_chunk(256 * 1024):
        size += len(chunk)
        if size <= most_bytes:
            kept.append(chunk)
    if size > most_bytes:
        raise _too_large(str(part.name))
    return b"".join(kept)


def _from_text(name: str, text: str) -> object:
    if name in _INTEGERS and text.lstrip("-").isdecimal():
        return int(text)
    return _BOOLEANS.get(text, text) if name == "stream" else text


async def _resolve(reference: object, param: str, in_pool: InPool) -> Upload:
    """The picture behind `{"image_url"}`; there are no files here, so none behind `{"file_id"}`."""
    if not isinstance(reference, dict) or len({"image_url", "file_id"} & reference.keys()) != 1:
        message = f"Invalid '{param}': expected an object with exactly one of 'image_url' and 'file_id'."
        raise bad_request("invalid_value", param, message)
    if "file_id" in reference:
        raise bad_request("image_file_not_found", param, "The image file was not found.")
    url = reference["image_url"]
    if not isinstance(url, str) or not (url.startswith("data:") or is_taken(url)):
        raise bad_request("invalid_image_url", param, "Expected an https URL or a base64 data URL.")
    if len(url) > MAX_DATA_URL_CHARACTERS:
        raise _too_large(param)
    if url.startswith("data:"):
        return await in_pool(lambda: _from_data_url(url, param))
    content, media_type = await download(url, param, max_bytes=MAX_IMAGE_BYTES)
    if len(content) > MAX_IMAGE_BYTES:
        raise _too_large(param)
    if media_type not in IMAGE_TYPES:
        message = (
            f"The URL leads to '{media_type}'. Supported are 'image/jpeg', 'image/png', and 'image/webp'."
        )
        raise bad_request("unsupported_image_media_type", param, message)
    return await in_pool(lambda: inspect(content, media_type, param))


def _from_data_url(url: str, param: str) -> Upload:
    head, _, encoded = url.partition(",")
    try:
        content = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        message = "Invalid base64 image: the data URL does not hold valid base64."
        raise bad_request("invalid_base64_image", param, message) from error
    return inspect(content, head.removeprefix("data:").split(";")[0], param)


def inspect(content: bytes, content_type: str, param: str) -> Upload:
    """Check a picture and read its header.

    Raises:
        ApiError: wrong type, empty, too large, or no picture.
    """
    if content_type not in IMAGE_TYPES:
        message = (
            f"Invalid file '{param}': unsupported mimetype ('{content_type}'). Supported file formats are "
            "'image/jpeg', 'image/png', and 'image/webp'."
        )
        raise bad_request("unsupported_file_mimetype", param, message)
    if not content:
        raise bad_request("empty_image_file", param, "The image file is empty.")
    try:
        picture = Image.open(BytesIO(content), formats=_IMAGE_FORMATS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        message = "The image could not be read. Send an intact png, webp or jpg file."
        raise bad_request("image_parse_error", param, message) from error
    return Upload(
        content=content,
        digest=hashlib.sha256(content).hexdigest(),
        format=picture.format or "",
        width_px=picture.width,
        height_px=picture.height,
        has_alpha=picture.has_transparency_data,
    )


def _too_large(param: str) -> ApiError:
    return bad_request(
        "image_file_too_large",
        param,
        "The image file is too large. It must be below 50 MB.",
    )
