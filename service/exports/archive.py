"""The pictures of a batch as one zip archive, written while it is read.

Python's own `zipfile` writes it. Pictures are stored as they are: they do not become smaller. Each entry has its length
and checksum in front, so that programs that unpack while they read understand it. What grows with the batch are the
names alone, which stand at the end of an archive once more: 0.2 kB an entry.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from core.clock import moment
from service.contract.queries import Selection
from service.exports.pictures import AT_ONCE, Picture, Pictures

MISSING = "missing.txt"
"""Names the pictures that storage does not have any more."""


class _Window(io.RawIOBase):
    """A file of which only the end is kept: what was taken is gone, and the rest can still be changed."""

    def __init__(self) -> None:
        self._taken_bytes = 0
        self._kept = io.BytesIO()

    def tell(self) -> int:
        return self._taken_bytes + self._kept.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        return self._taken_bytes + self._kept.seek(offset - self._taken_bytes)

    def write(self, data: object) -> int:
        return self._kept.write(data)  # type: ignore[arg-type]

    def take(self) -> bytes:
        data = self._kept.getvalue()
        self._taken_bytes += len(data)
        self._kept = io.BytesIO()
        return data


class _Directory(list[Any]):
    """The entries that stand at the end of an archive once more, packed: a fifth of what they take as `ZipInfo`."""

    def append(self, info: zipfile.ZipInfo) -> None:
        facts = (info.filename, info.date_time, info.CRC, info.file_size, info.header_offset)
        super().append(msgspec.msgpack.encode(facts))

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        for packed in super().__iter__():
            name, date_time, crc, size_bytes, offset = msgspec.msgpack.decode(packed)
            info = _entry(name, tuple(date_time))
            info.CRC, info.file_size, info.compress_size, info.header_offset = (
                crc,
                size_bytes,
                size_bytes,
                offset,
            )
            yield info


async def archive(pictures: Pictures, select: Selection, *, receipts: bool) -> AsyncIterator[bytes]:
    """An entry for each picture under its key; with `receipts` the receipt of each, as `<key>.json`."""
    window, missing, endings = _Window(), list[str](), ("", ".json") if receipts else ("",)
    # Not in a `with`: when the reader leaves, a thread may still be writing, and an archive in use cannot be closed.
    file = zipfile.ZipFile(window, "w")
    file.filelist = _Directory()
    async for name, ended_at_ms, data in _entries(pictures, select, endings):
        if data is None:
            missing.append(name)
            continue
        await asyncio.to_thread(_write, file, name, ended_at_ms, data)
        yield window.take()
    if missing:
        file.writestr(zipfile.ZipInfo(MISSING), "\n".join([*missing, ""]))
    file.close()
    yield window.take()


async def _entries(
    pictures: Pictures, select: Selection, endings: tuple[str, ...]
) -> AsyncIterator[tuple[str, int, bytes | None]]:
    """Name, moment and bytes of each; some are read ahead, and each is forgotten at once: it may have 20 MB."""
    async for few in _groups(pictures, select):
        for ending in endings:
            found = await asyncio.gather(*(pictures.contents(picture, ending=ending) for picture in few))
            for picture in few:
                yield f"{picture.key}{ending}", picture.ended_at_ms, found.pop(0)


async def _groups(pictures: Pictures, select: Selection) -> AsyncIterator[list[Picture]]:
    async for page in pictures.pages(select):
        for start in range(0, len(page), AT_ONCE):
            yield page[start : start + AT_ONCE]


def _write(file: zipfile.ZipFile, name: str, ended_at_ms: int, data: bytes) -> None:
    file.writestr(_entry(name, moment(ended_at_ms).timetuple()[:6]), data)
    file.NameToInfo.clear()  # what finds entries by name: nobody looks here, and it doubles what a name takes


def _entry(name: str, date_time: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time)
    info.external_attr = 0o644 << 16
    return info
