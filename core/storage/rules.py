"""What may be a key and what may be metadata: one answer for every store, so that stores can be exchanged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html (2026-11)
MAX_KEY_BYTES = 1024
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html (2026-11)
MAX_METADATA_BYTES = 2048
# The first segment that stores keep for themselves; never listed.
RESERVED = ".meta"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
# Visible ASCII but '%' travels as it is; everything else is percent-encoded.
_PLAIN = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")


def check_key(key: str) -> None:
    """Raise ValueError unless `key` is a relative, `/`-separated name that every store takes."""
    segments = key.split("/")
    if "" in segments:
        raise ValueError(f"The key {key!r} has an empty segment: use names with single slashes between them.")
    _check_text(key)
    _check_segments(key, segments)


def is_key(name: str) -> bool:
    """False for what others may have put into a store: console folders (`a/`), names with control characters."""
    try:
        check_key(name)
    except ValueError:
        return False
    return True


def check_prefix(prefix: str) -> None:
    """Raise ValueError unless keys can start with `prefix`; its last segment may be empty or half a name."""
    segments = prefix.split("/")[:-1]
    if "" in segments:
        raise ValueError(f"No key starts with {prefix!r}: it has an empty segment.")
    _check_text(prefix)
    _check_segments(prefix, segments)


def check_folder(prefix: str) -> None:
    """Raise ValueError unless `prefix` is empty or the beginning of keys up to a slash."""
    check_prefix(prefix)
    if prefix and not prefix.endswith("/"):
        raise ValueError(f"{prefix!r} is no folder: it has to end in a slash.")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """Raise ValueError unless the names are lower-case words and all of it fits into S3's 2 KB of headers."""
    for name in metadata:
        if not _METADATA_NAME.fullmatch(name):
            raise ValueError(f"The metadata name {name!r} is not lower-case letters, digits and hyphens.")
    size_bytes = sum(len(name) + len(encode_value(value)) for name, value in metadata.items())
    if size_bytes > MAX_METADATA_BYTES:
        raise ValueError(f"The metadata takes {size_bytes} bytes; a store holds {MAX_METADATA_BYTES}.")


def encode_value(value: str) -> str:
    """A metadata value as an HTTP header carries it unchanged: ASCII and without spaces."""
    return quote(value, safe=_PLAIN)


def decode_value(text: str) -> str:
    return unquote(text)


def _check_text(text: str) -> None:
    if _CONTROL.search(text):
        raise ValueError(f"The key {text!r} holds a control character.")
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"The key {text!r} is not valid Unicode.") from None
    if size_bytes > MAX_KEY_BYTES:
        raise ValueError(f"The key {text[:40]!r}... has {size_bytes} bytes; a store takes {MAX_KEY_BYTES}.")


def _check_segments(text: str, segments: list[str]) -> None:
    if "." in segments or ".." in segments:
        raise ValueError(f"The key {text!r} has a segment '.' or '..': write the name out.")
    if segments and segments[0] == RESERVED:
        raise ValueError(f"The key {text!r} starts with {RESERVED}/, which stores keep for themselves.")
