"""The pictures of a batch as one zip archive, written while it is read.

Python's own `zipfile` writes it. Pictures are stored as they are: they do not become smaller. Each entry has its length
and checksum in front, so that programs that unpack while they read understand it. What grows with the batch are the
names alone, which stand at the end of an archive once more: they are kept on disk until then, 0.2 kB an entry.
"""

from __future__ import annotations

import asyncio
import io
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec

from core.clock import moment
from service.contract.choice import Choice
from service.exports.pictures import AT_ONCE, Picture, Pictures

MISSING = "missing.txt"
"""Names the pictures that storage does not have any more."""

_IN_MEMORY_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 18


class _Window(io.RawIOBase):
    """A file of which only the end is kept: what was taken is gone, and the rest can still be changed."""

    def __init__(self) -> None:
        self._taken_bytes = 0
        self._kept: io.BytesIO | tempfile.SpooledTemporaryFile[bytes] = io.BytesIO()

    def tell(self) -> int:
        return self._taken_bytes + self._kept.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert whence == io.SEEK_SET
        return self._taken_bytes + self._kept.seek(offset - self._taken_bytes)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        return self._kept.write(data)

    def take(self) -> bytes:
        assert isinstance(self._kept, io.BytesIO)
        data = self._kept.getvalue()
        self._taken_bytes += len(data)
        self._kept = io.BytesIO()
        return data

    def spill(self) -> None:
        """What is written from now on goes to disk when it grows, and is taken in `rest`."""
        self._kept = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 -- closed by `close`

    def rest(self) -> Iterator[bytes]:
        self._kept.seek(0)
        while block := self._kept.read(_BLOCK_BYTES):
            yield block

    def close(self) -> None:
        self._kept.close()
        super().close()


class _Directory(list[Any]):
    """The entries that stand at the end of an archive once more: lines of a file, which goes to disk when it grows."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 -- closed when it goes
        self._count = 0

    def append(self, info: zipfile.ZipInfo) -> None:
        facts = (info.filename, info.date_time, info.CRC, info.file_size, info.header_offset)
        self._lines.write(msgspec.json.encode(facts) + b"\n")
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[zipfile.ZipInfo]:
        self._lines.seek(0)
        for line in self._lines:
            name, date_time, crc, size_bytes, offset = msgspec.json.decode(line)
            info = _entry(name, tuple(date_time))
            info.CRC, info.file_size, info.compress_size, info.header_offset = (
                crc,
                size_bytes,
                size_bytes,
                offset,
            )
            yield info

    def __del__(self) -> None:
        self._lines.close()


class ArchiveFile:
    """An archive that is written while it is read.

    It is no context: when its reader leaves, a thread may still be writing, and an archive in use cannot be closed.
    """

    def __init__(self) -> None:
        self._window = _Window()
        self._file = zipfile.ZipFile(self._window, "w")
        self._file.filelist = _Directory()

    def add(self, name: str, ended_at_ms: int, data: bytes) -> bytes:
        """What stands in the archive for an entry. Blocking."""
        self._file.writestr(_entry(name, moment(ended_at_ms).timetuple()[:6]), data)
        self._file.NameToInfo.clear()  # what finds entries by name: nobody looks here, and it takes as much again
        return self._window.take()

    def note(self, name: str, text: str) -> bytes:
        """The same for a text of our own."""
        self._file.writestr(zipfile.ZipInfo(name), text)
        return self._window.take()

    def end(self) -> Iterator[bytes]:
        """The names of all entries, piece by piece. Blocking until the first of them."""
        self._window.spill()
        self._file.close()
        return self._window.rest()


async def archive(pictures: Pictures, choice: Choice, *, receipts: bool) -> AsyncIterator[bytes]:
    """An entry for each picture under its key; with `receipts` the receipt of each, as `<key>.json`."""
    file, missing, endings = ArchiveFile(), list[str](), ("", ".json") if receipts else ("",)
    async for name, ended_at_ms, data in _entries(pictures, choice, endings):
        if data is None:
            missing.append(name)
        else:
            yield await asyncio.to_thread(file.add, name, ended_at_ms, data)
    if missing:
        yield file.note(MISSING, "\n".join([*missing, ""]))
    for block in await asyncio.to_thread(file.end):
        yield block


async def _entries(
    pictures: Pictures, choice: Choice, endings: tuple[str, ...]
) -> AsyncIterator[tuple[str, int, bytes | None]]:
    """Name, moment and bytes of each; some are read ahead, and each is forgotten at once: it may have 20 MB."""
    async for few in _groups(pictures, choice):
        for ending in endings:
            found = await asyncio.gather(*(pictures.contents(picture, ending=ending) for picture in few))
            for picture in few:
                yield f"{picture.key}{ending}", picture.ended_at_ms, found.pop(0)


async def _groups(pictures: Pictures, choice: Choice) -> AsyncIterator[list[Picture]]:
    async for page in pictures.pages(choice):
        for start in range(0, len(page), AT_ONCE):
            yield page[start : start + AT_ONCE]


def _entry(name: str, date_time: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time)
    info.external_attr = 0o644 << 16
    return info
