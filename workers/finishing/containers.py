"""Containers: the parts a PNG, JPEG or WebP file is made of, so that a label gets in without touching a pixel.

A file that gets a label loses its C2PA manifest, which signs bytes that are not there any more. The label takes the
place of the XMP that was there.

Source: https://www.w3.org/TR/png-3/, ISO 10918-1, https://developers.google.com/speed/webp/docs/riff_container,
XMP specification part 3, C2PA specification 2.2 (A.3: embedding), checked 2026-11-20.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0"
_JPEG_XMP = (b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0")
_EXIF = b"Exif\0"
_APP0, _APP1, _APP11, _START_OF_SCAN = 0xE0, 0xE1, 0xEB, 0xDA
_BARE = {0x01, *range(0xD0, 0xD8)}
"""Markers of JPEG with nothing behind them."""

MAX_JPEG_SEGMENT_BYTES = 65_533
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10

Part = tuple[bytes, bytes]
"""The name of a part, and what is in it."""


def labelled(data: bytes, xmp: bytes) -> bytes:
    """The same picture with this XMP in it.

    Raises:
        ValueError: it is none of the three formats, cut off, or the XMP is too long for a JPEG.
    """
    if data.startswith(_PNG):
        return _labelled_png(data, xmp)
    if data.startswith(b"\xff\xd8"):
        return _labelled_jpeg(data, xmp)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _labelled_webp(data, xmp)
    raise ValueError("the file is not a PNG, JPEG or WebP picture")


def has_c2pa(data: bytes) -> bool:
    """Whether the provider signed where this picture comes from. Whether the signature holds is not looked at."""
    if data.startswith(_PNG):
        return any(name == b"caBX" for name, _ in _png_chunks(data))
    if data.startswith(b"\xff\xd8"):
        return any(
            _is_jumbf(marker, body) and b"c2pa" in body[:80] for marker, body in _jpeg_segments(data)[0]
        )
    if data[:4] == b"RIFF":
        return any(name == b"C2PA" for name, _ in _webp_chunks(data))
    return False


def _labelled_png(data: bytes, xmp: bytes) -> bytes:
    kept = [
        chunk
        for name, chunk in _png_chunks(data)
        if name != b"caBX" and not (name == b"iTXt" and chunk[8:].tobytes().startswith(_PNG_XMP))
    ]
    if not kept:
        raise ValueError("the PNG is damaged: it has no picture")
    # Behind the name: not compressed, by no method, in no language, under no translated name.
    body = b"iTXt" + _PNG_XMP + b"\0\0\0\0" + xmp
    label = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return b"".join([_PNG, kept[0], label, *kept[1:]])


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """The names of the chunks, and the chunks from their length to their CRC: views, as some have thousands."""
    place = len(_PNG)
    while place < len(data):
        length, name = struct.unpack_from(">I4s", _long_enough(data, place + 8), place)
        end = place + 12 + length
        yield name, memoryview(_long_enough(data, end))[place:end]
        if name == b"IEND":
            return
        place = end


def _labelled_jpeg(data: bytes, xmp: bytes) -> bytes:
    body = _JPEG_XMP[0] + xmp
    if len(body) > MAX_JPEG_SEGMENT_BYTES:
        raise ValueError(f"the label has {len(xmp):,} bytes, more than a JPEG takes")
    segments, scan = _jpeg_segments(data)
    kept = [
        (marker, content)
        for marker, content in segments
        if not _is_jumbf(marker, content) and not (marker == _APP1 and content.startswith(_JPEG_XMP))
    ]
    first = next((place for place, part in enumerate(kept) if not _goes_first(*part)), len(kept))
    return b"\xff\xd8" + b"".join(map(_jpeg_segment, [*kept[:first], (_APP1, body), *kept[first:]])) + scan


def _goes_first(marker: int, body: bytes) -> bool:
    """JFIF and Exif stand before everything else, as their readers expect."""
    return marker == _APP0 or (marker == _APP1 and body.startswith(_EXIF))


def _is_jumbf(marker: int, body: bytes) -> bool:
    """Boxes of signed facts in APP11; a long one goes on in segments that do not say again whose it is."""
    return marker == _APP11 and body.startswith(b"JP")


def _jpeg_segments(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """What stands before the first scan, and all the rest with it."""
    segments, place = list[tuple[int, bytes]](), 2
    while True:
        ff, marker = _long_enough(data, place + 2)[place : place + 2]
        if ff != 0xFF:
            raise ValueError("the JPEG is damaged: a marker is missing")
        if marker == 0xFF:  # filling
            place += 1
        elif marker == _START_OF_SCAN:
            return segments, data[place:]
        elif marker in _BARE:
            place += 2
        else:
            (length,) = struct.unpack_from(">H", _long_enough(data, place + 4), place + 2)
            segments.append((marker, _long_enough(data, place + 2 + length)[place + 4 : place + 2 + length]))
            place += 2 + length


def _jpeg_segment(segment: tuple[int, bytes]) -> bytes:
    marker, body = segment
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _labelled_webp(data: bytes, xmp: bytes) -> bytes:
    kept = [(name, body) for name, body in _webp_chunks(data) if name not in (b"C2PA", b"XMP ")]
    if not kept:
        raise ValueError("the WebP is damaged: it has no picture")
    head = kept.pop(0)[1] if kept[0][0] == b"VP8X" else _webp_head(*kept[0])
    head = bytes([head[0] | _HAS_XMP]) + head[1:]
    body = b"WEBP" + b"".join(map(_webp_chunk, [(b"VP8X", head), *kept, (b"XMP ", xmp)]))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_chunks(data: bytes) -> Iterator[Part]:
    place = 12
    (length,) = struct.unpack_from("<I", _long_enough(data, 12), 4)
    end = min(len(data), 8 + length)
    while place + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, _long_enough(data, place + 8 + length)[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _webp_chunk(part: Part) -> bytes:
    name, body = part
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_head(name: bytes, body: bytes) -> bytes:
    """The extended head that a simple file does without: flags, and the edges less one in 24 bits each."""
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", _long_enough(body, 5), 1)
        flags, width, height = (bits >> 28 & 1) * _HAS_ALPHA, bits & 0x3FFF, bits >> 14 & 0x3FFF
    elif name == b"VP8 ":
        across, down = struct.unpack_from("<HH", _long_enough(body, 10), 6)
        flags, width, height = 0, (across & 0x3FFF) - 1, (down & 0x3FFF) - 1
    else:
        raise ValueError("the WebP is damaged: it does not begin with a picture")
    edges = (edge.to_bytes(3, "little") for edge in (width, height))
    return struct.pack("<I", flags) + b"".join(edges)


def _long_enough(data: bytes, length: int) -> bytes:
    if len(data) < length:
        raise ValueError("the file is cut off")
    return data
