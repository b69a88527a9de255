"""The body of an answer on its way to disk: decoded within its cap, hashed, and whole or not there at all."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

import aiohttp

from workers.fetching.errors import FetchError

_STEP_BYTES = 256 * 1024  # how much a compressed block may grow to before the cap is looked at again
_GZIP_WBITS = 31


class Gunzip:
    """Gzip, piece by piece; some servers send it to clients that did not ask for it."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_GZIP_WBITS)

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Pieces of at most `_STEP_BYTES`. Stop asking, and nothing more is inflated."""
        while block:
            if self._inflater.eof:  # another gzip member follows
                self._inflater = zlib.decompressobj(_GZIP_WBITS)
            yield self._inflater.decompress(block, _STEP_BYTES)
            block = self._inflater.unconsumed_tail or self._inflater.unused_data

    def end(self) -> Iterator[bytes]:
        yield self._inflater.flush()
        if not self._inflater.eof:
            raise zlib.error("cut off")


class Plain:
    """Bytes as they come."""

    def feed(self, block: bytes) -> Iterator[bytes]:
        yield block

    def end(self) -> Iterator[bytes]:
        return iter(())


class Intake:
    """Counts and hashes what goes into a file, and stops at the cap, both as sent and as decoded."""

    def __init__(self, file: BinaryIO, *, max_bytes: int, host: str) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._host = host
        self._digest = hashlib.sha256()
        self._sent_bytes = 0
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def require_within(self, size_bytes: int | None) -> None:
        if (size_bytes or 0) > self._max_bytes:
            raise FetchError(f"The file of {self._host} is larger than the {self._max_bytes} bytes allowed.")

    def count(self, block: bytes) -> None:
        self._sent_bytes += len(block)
        self.require_within(self._sent_bytes)

    def write(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.size_bytes += len(piece)
            self.require_within(self.size_bytes)
            self._digest.update(piece)
            self._file.write(piece)


async def keep_body(
    response: aiohttp.ClientResponse, *, into: Path, max_bytes: int, host: str
) -> tuple[str, int]:
    """Writes the body to `into`; returns its SHA-256 in hex and its size in bytes, both as decoded.

    Raises:
        FetchError: over the cap, or in an encoding that cannot be read.
        OSError: the disk did not take it.
    Cancelled: nothing is left behind.
    """
    decoder = _decoder_for(response, host)
    with arriving(into) as file:
        intake = Intake(file, max_bytes=max_bytes, host=host)
        intake.require_within(response.content_length)
        try:
            async for block in response.content.iter_any():
                intake.count(block)
                intake.write(decoder.feed(block))
            intake.write(decoder.end())
        except zlib.error:
            raise FetchError(
                f"The answer of {host} is announced as gzip and is not.", transient=True
            ) from None
    return intake.sha256, intake.size_bytes


@contextmanager
def arriving(into: Path) -> Iterator[BinaryIO]:
    """A file beside `into` that takes its name when the block ends well, and is gone when it does not.

    Not synced to disk: after a power cut it is fetched again.
    """
    with NamedTemporaryFile(dir=into.parent, prefix=f"{into.name}.", suffix=".part", delete=False) as part:
        try:
            yield cast(BinaryIO, part)
            part.flush()
            Path(part.name).replace(into)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _decoder_for(response: aiohttp.ClientResponse, host: str) -> Plain | Gunzip:
    encoding = ",".join(response.headers.getall("Content-Encoding", ())).strip().lower()
    if encoding in ("", "identity"):
        return Plain()
    if encoding in ("gzip", "x-gzip"):
        return Gunzip()
    raise FetchError(f"{host} sends this file in an encoding that was not asked for and is not read.")
