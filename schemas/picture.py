"""Pictures that come from outside: what the first bytes of a file say it is, and what a provider takes."""

from __future__ import annotations

from dataclasses import dataclass

MAX_MASK_BYTES = 4 * 1024**2
"""Source: https://platform.openai.com/docs/api-reference/images/createEdit, `mask`, 2026-11-20."""

MAX_REFERENCES = 16
"""Source: https://platform.openai.com/docs/api-reference/images/createEdit, `image`, 2026-11-20."""

NOT_A_PICTURE = "application/octet-stream"


def is_folder(name: str) -> bool:
    """Whether a reference is all pictures of a folder: an uploaded name or an `s3://` address that ends in a slash."""
    return name.endswith("/") and (name.startswith("s3://") or "://" not in name)


def sniff_picture(head: bytes) -> str | None:
    """The media type of a picture we take, by its magic bytes; 12 bytes suffice. None: none of them."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a whole, decoded picture is."""

    media_type: str
    width: int
    height: int
    has_alpha: bool

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"
