"""What the first bytes of a file say it is; what its server says is hearsay."""

from __future__ import annotations


def sniff_picture(head: bytes) -> str | None:
    """The media type of a picture we take, by its magic bytes; 12 bytes suffice. None: none of them."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return None
