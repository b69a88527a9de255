"""Takes the picture out of an answer while it arrives: JSON in, picture bytes out, the rest kept aside."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import pybase64

REST_LIMIT_BYTES = 64 * 1024
"""What is kept of an answer beside the picture: usage, errors and echoed fields take a few hundred bytes."""

_KEY = b'"b64_json"'
_OPENING = re.compile(_KEY + rb'\s*:\s*"')
_OPENING_CUT = re.compile(_KEY + rb"\s*(?::\s*)?\Z")
_UNITS = re.compile(rb'(?:[^"\\]++|\\u[0-9a-fA-F]{4}|\\[^u])*+')
_LONGEST_ESCAPE = len(rb"\u0000")


class Picture(StrEnum):
    """What the answer held where the picture should be."""

    MISSING = "missing"
    BROKEN = "broken"  # there was a string, and it is not base64
    WHOLE = "whole"


@dataclass(frozen=True, slots=True)
class Extracted:
    """An answer without its picture.

    Args:
        rest: the JSON with every `b64_json` emptied, at most REST_LIMIT_BYTES (cut there, so no longer JSON).
    """

    picture: Picture
    rest: bytes


class PictureExtractor:
    """Push parser: `feed` every chunk of the body, then `close`.

    The first `b64_json` string that is not empty is decoded to `write` in blocks; later ones are dropped.
    From the first block that is not base64 on, `write` gets the text as it came: it was paid for.
    Chunk boundaries may fall anywhere and change nothing.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._rest = bytearray()
        self._held = b""  # bytes that only the next chunk can explain
        self._in_string = False
        self._taken = False
        self._is_base64 = True
        self._text_bytes = 0
        self._quad = b""  # base64 characters that do not fill a group of four yet
        self._padded = False

    def feed(self, chunk: bytes) -> None:
        data = self._held + chunk if self._held else chunk
        self._held = b""
        while data:
            data = self._inside(data) if self._in_string else self._outside(data)

    def close(self) -> Extracted:
        self._keep(self._held)
        if not self._text_bytes:
            return Extracted(Picture.MISSING, bytes(self._rest))
        return Extracted(Picture.WHOLE if self._is_base64 else Picture.BROKEN, bytes(self._rest))

    def _outside(self, data: bytes) -> bytes:
        """Keeps what is not picture; returns what follows the opening quote of one."""
        if opening := _OPENING.search(data):
            self._keep(data[: opening.end()])
            self._in_string = True
            return data[opening.end() :]
        cut = _OPENING_CUT.search(data)
        hold_from = cut.start() if cut else max(0, len(data) - len(_KEY) + 1)
        if len(data) - hold_from > REST_LIMIT_BYTES:
            hold_from = len(data)
        self._keep(data[:hold_from])
        self._held = data[hold_from:]
        return b""

    def _inside(self, data: bytes) -> bytes:
        """Takes string content; returns the rest of `data` from the closing quote on."""
        if b"\\" not in data:
            end = data.find(b'"')
            text, tail = (data, b"") if end < 0 else (data[:end], data[end:])
            self._take(text)
        else:
            end = _UNITS.match(data).end()  # type: ignore[union-attr]  # it matches the empty string
            tail = data[end:]
            self._take(_unescaped(data[:end]))
        if tail.startswith(b'"'):
            self._end_string()
        elif len(tail) < _LONGEST_ESCAPE:
            self._held, tail = tail, b""
        else:  # an escape that JSON does not have
            self._take(tail[:1])
            tail = tail[1:]
        return tail

    def _end_string(self) -> None:
        self._in_string = False
        if self._quad and not self._taken:
            self._spoil(self._quad)
        self._taken = self._text_bytes > 0

    def _take(self, text: bytes) -> None:
        if self._taken or not text:
            return
        self._text_bytes += len(text)
        if not self._is_base64:
            self._write(text)
            return
        if self._quad:
            text = self._quad + text
        whole = len(text) & ~3
        self._quad = text[whole:]
        if whole:
            self._decode(text[:whole])

    def _decode(self, block: bytes) -> None:
        try:
            decoded = pybase64.b64decode(block, validate=True)
        except ValueError:
            self._spoil(block + self._quad)
            return
        if self._padded:  # padding ends a base64 text, and something came after it
            self._spoil(block + self._quad)
            return
        self._padded = block.endswith(b"=")
        self._write(decoded)

    def _spoil(self, text: bytes) -> None:
        self._is_base64 = False
        self._quad = b""
        self._write(text)

    def _keep(self, data: bytes) -> None:
        self._rest += data[: REST_LIMIT_BYTES - len(self._rest)]


def _unescaped(text: bytes) -> bytes:
    """String content without its JSON escapes (`\\/` and `\\u002b` are common); as it came if broken."""
    plain = text.replace(rb"\/", b"/")
    if b"\\" not in plain:
        return plain
    try:
        return str(json.loads(b'"' + text + b'"')).encode("utf-8", "surrogatepass")
    except ValueError:
        return text
