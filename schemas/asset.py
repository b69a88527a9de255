"""A stored picture: its key, and the receipt beside it."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.disclosure import China
from schemas.rendition import Check

MAX_KEY_BYTES = 700
"""Leaves room, within the 1,024 bytes of an S3 key, for the tenant, the batch and the endings."""

_UNSAFE = re.compile(r"[^\w.()+=@~ -]", re.UNICODE)
_FILE_NAME = re.compile(r"\.(png|jpg|webp|json)$", re.IGNORECASE)
_DEVICE = re.compile(r"^(con|prn|aux|nul|(com|lpt)[0-9¹²³])(?= *(\.|$))", re.IGNORECASE)
"""Names that mean a device on Windows, whatever ending they have: an archive with such a file cannot be unpacked there.

Source: https://learn.microsoft.com/en-us/windows/win32/fileio/naming-a-file, read 2026-11-22."""


def safe_key(text: str) -> str:
    """A relative key that is safe as an S3 key, as a path and in a URL.

    Segments are kept apart by `/`; what is not a letter, mark, digit or one of `._-()+=@~` and space becomes `_`;
    segments that are empty or mean a folder (`.`, `..`) are dropped, and long ones are cut to 200 bytes. A folder
    that is named like a picture or a receipt gets a `_` behind it: on a disk it would be in the way of that file. A name
    that means a device on Windows gets one as well: `aux/con.front` becomes `aux_/con_.front`.

    Raises:
        ValueError: nothing usable is left, or the key is longer than `MAX_KEY_BYTES`.
    """
    segments = []
    for raw in text.split("/"):
        cut = _cut(_DEVICE.sub(r"\1_", _cut(_UNSAFE.sub(_safe, raw.strip()))))
        if cut:
            segments.append(cut)
    folders = [f"{name}_" if _FILE_NAME.search(name) else name for name in segments[:-1]]
    key = "/".join([*folders, *segments[-1:]])
    if not key:
        raise ValueError("the output key is empty")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"the output key has more than {MAX_KEY_BYTES} bytes")
    return key


def _cut(segment: str) -> str:
    return segment.encode()[:200].decode(errors="ignore").strip(" .")


def _safe(found: re.Match[str]) -> str:
    """Marks belong to the letters before them: without its vowel signs a Hindi key is another key."""
    return found[0] if unicodedata.category(found[0]).startswith("M") else "_"


class StoredFile(BaseModel):
    """A file that is stored beside a picture. `key` lies below the batch's own folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    sha256: str
    format: str
    width: int
    height: int
    bytes: int


class Receipt(BaseModel):
    """What is known of one stored picture, in its own JSON object `<asset>.json` beside it.

    Money is a decimal string in dollars; `cost_estimated` is true where the provider sent no usage and the price
    table was used. `surplus` marks a second paid picture of a task that already had one. `reused_from` names the
    picture, as <batch>/<asset>, that was taken instead of paying for another. `copies` are those of `references` that
    were sent as an upright copy without EXIF.

    `asset` and the facts behind it are those of the finished picture; `original` is what the provider sent, untouched.
    `checks` are the rules of `preset`, and `finishing` where that could not be done: then the asset is the original,
    with its label at most. `provider_c2pa`: the original carries a signed manifest of the provider; null where it
    could not be looked into. `source_type`, `contains_synthetic_performer` and `china` are what its label discloses.

    `provider` is whose model it was, and whose `price_list` names the cost; `lane` is the account that was asked.
    `operation`: generation | edit | upscale; a text, since a later version may have more of them. Older receipts have
    neither.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_id: str
    task: int
    attempt: int
    asset: str
    template: str
    row_key: str
    variant: dict[str, str]
    size: str
    sample: int
    lane: str
    provider: str | None = None
    model: str
    operation: str | None = None
    parameters: dict[str, Any]
    request_id: str | None
    usage: dict[str, int] | None
    cost_usd: str
    cost_estimated: bool = False
    price_list: str
    prompt_digest: str
    template_version: str
    references: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    fingerprint: str
    sha256: str
    format: str
    width: int
    height: int
    bytes: int
    created_at: datetime
    latency_s: float
    surplus: bool = False
    reused_from: str | None = None
    original: StoredFile | None = None
    thumbnails: dict[str, StoredFile] = {}
    preset: str | None = None
    checks: tuple[Check, ...] = ()
    enlarged: bool = False
    provider_c2pa: bool | None = False
    source_type: str | None = None
    contains_synthetic_performer: bool = False
    china: China | None = None
