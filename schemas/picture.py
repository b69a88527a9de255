"""Pictures that come from outside: what the first bytes of a file say it is, and what a provider takes."""

from __future__ import annotations

from dataclasses import dataclass

MAX_MASK_BYTES = 4 * 1024**2
"""Source: https://platform.openai.com/docs/api-reference/images/createEdit, `mask`, 2026-11-20."""

MAX_REFERENCES = 16
"""Source: https://platform.openai.com/docs/api-reference/images/createEdit, `image`, 2026-11-20."""

OPAQUE = 255
"""Alpha of a pixel that nothing is seen through."""

PLAIN_MODES = frozenset({"L", "LA", "RGB", "RGBA"})
"""Pillow's names for what every reader takes alike: 8 bits of grey or of red, green and blue, with alpha or without."""

NOT_A_PICTURE = "application/octet-stream"

HEAD_BYTES = 1 << 20
"""How much of a file `sniff_picture` makes use of: in larger ones a second frame may begin behind that."""


def is_folder(name: str) -> bool:
    """Whether a reference is all pictures of a folder: an uploaded name or an `s3://` address that ends in a slash."""
    return name.endswith("/") and (name.startswith("s3://") or "://" not in name)


def sniff_picture(head: bytes) -> str | None:
    """The media type of a still picture we take, by its magic bytes; 12 bytes suffice, up to `HEAD_BYTES` show whether it
    moves. None: none of them, or it moves."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return None if _is_apng(head) else "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return None if _frames_of_webp(head) > 1 else "image/webp"
    return None


def _is_apng(head: bytes) -> bool:
    """Source: https://www.w3.org/TR/png-3/#acTL-chunk, 2026-11-22: it stands before the pixels, and begins with the number
    of frames."""
    place = 8
    while (name := head[place + 4 : place + 8]) not in (b"", b"IDAT"):
        if name == b"acTL":
            return int.from_bytes(head[place + 8 : place + 12], "big") > 1
        place += 12 + int.from_bytes(head[place : place + 4], "big")
    return False


def _frames_of_webp(head: bytes) -> int:
    """Frames that begin here. Source: https://developers.google.com/speed/webp/docs/riff_container, 2026-11-22: each is a
    chunk of its own, and chunks begin at even places."""
    place, frames = 12, 0
    while name := head[place : place + 4]:
        frames += name == b"ANMF"
        size_bytes = int.from_bytes(head[place + 4 : place + 8], "little")
        place += 8 + size_bytes + size_bytes % 2
    return frames


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a whole, decoded picture is.

    Args:
        width, height: as it is seen, upright.
        lowest_alpha: of the pixel that is seen through most, 0 to 255.
        mode: the kind of its pixels, by Pillow's name.
        orientation: how it lies in its file, 1 to 8 as EXIF counts; 1 is upright.
        is_placed: whether the file may say where on earth it was taken.
        copy_bytes: how large the copy is that is sent in its place; None where none is, or none was made yet.
    """

    media_type: str
    width: int
    height: int
    has_alpha: bool
    lowest_alpha: int
    mode: str
    orientation: int
    is_placed: bool
    copy_bytes: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is sent as it is. Of any other picture a copy is, upright and without EXIF."""
        return self.mode in PLAIN_MODES and self.orientation == 1 and not self.is_placed

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"


def mask_problem(mask: PictureFacts, masked: PictureFacts | None) -> str | None:
    """Why the provider would refuse this mask, or change nothing, as the end of a sentence.

    Args:
        masked: the picture that it is for; None where that is not known yet.
    """
    if mask.media_type != "image/png" or not mask.has_alpha:
        return "is not a PNG with an alpha channel, which says what may change"
    if mask.lowest_alpha == OPAQUE:
        return "is opaque everywhere, so that nothing may change; make transparent what may"
    if (mask.copy_bytes or 0) > MAX_MASK_BYTES:
        return (
            f"has {mask.copy_bytes:,} bytes once it is upright and in plain pixels, as it is sent; a mask has at most "
            f"{MAX_MASK_BYTES:,}: save it so, with fewer colors"
        )
    if masked is not None and (mask.width, mask.height) != (masked.width, masked.height):
        return f"is {mask.size} and the first reference {masked.size}; make them alike"
    return None
