"""The file a picture is written to while it arrives, and how it ends: kept, kept as evidence, or gone."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Self


class PartFile:
    """`into` + `.part` until the picture is complete and on disk; only then does `into` exist.

    A write that fails does not raise: the rest of the answer is still worth reading (it says what was
    charged), so the error is kept in `error` and further bytes are dropped.
    A context manager: on the way out the part is removed.
    Cancelled: nothing is left, unless `keep` has begun, which then finishes in its thread.
    """

    def __init__(self, into: Path) -> None:
        self.into = into
        self._part = into.with_name(f"{into.name}.part")
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._settled = False
        self.size_bytes = 0
        self.error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._settled:
            self._remove()

    def create(self) -> None:
        """Makes the empty part, so that a folder or disk that takes no files is found before money is spent.

        Raises:
            OSError: it cannot be made.
        """
        self._part.touch()

    def write(self, block: bytes) -> None:
        if self.error is not None:
            return
        try:
            if self._file is None:  # opened late: hundreds of calls wait for minutes before their first byte
                self._file = self._part.open("wb")
            self._file.write(block)
        except OSError as error:
            self.error = error
            return
        self._digest.update(block)
        self.size_bytes += len(block)

    async def keep(self, *, suffix: str = "") -> str:
        """Puts the file at `into` + `suffix`, safe against a power cut. Returns its SHA-256 in hex.

        Raises:
            OSError: the disk did not take it.
        """
        self._settled = True
        await asyncio.to_thread(self._commit, self.into.with_name(self.into.name + suffix))
        return self._digest.hexdigest()

    def _commit(self, target: Path) -> None:
        try:
            if self.error is not None:
                raise self.error
            if self._file is not None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
            self._part.replace(target)
            _sync_folder(target.parent)
        except OSError:
            self._remove()
            raise

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # closing flushes, and the disk may be what failed
            if self._file is not None:
                self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink()


def _sync_folder(folder: Path) -> None:
    """Makes a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
