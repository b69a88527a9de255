"""Identifiers: a prefix and a UUIDv7 in Crockford's base 32, so that ids sort by the time they were made."""

from __future__ import annotations

import re

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_SHAPE = re.compile(rf"[a-z]+_[{ALPHABET}]{{{_LENGTH}}}")


def new_id(prefix: str, *, now_ms: int, random_bytes: bytes) -> str:
    """An id such as `batch_01k9...`.

    Args:
        now_ms: milliseconds since the epoch, 48 bits.
        random_bytes: at least 10 bytes of chance, handed in.
    Source: RFC 9562 section 5.7 (UUIDv7), checked 2026-11-21.
    """
    chance = int.from_bytes(random_bytes[:10], "big")
    rand_a, rand_b = chance >> 62 & 0xFFF, chance & (1 << 62) - 1
    number = (now_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b
    digits = [ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def is_id(text: str, prefix: str) -> bool:
    """Whether `text` has the shape of an id with this prefix (so that it may stand in a key or a path)."""
    return text.startswith(f"{prefix}_") and _SHAPE.fullmatch(text) is not None


def attempt_id(batch_id: str, index: int, attempt: int) -> str:
    """The name of one attempt, `batch:index:attempt`: sent as `X-Client-Request-Id`, kept in receipts and spool names."""
    return f"{batch_id}:{index}:{attempt}"
