"""The contract of a store: bytes under a key, written whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from schemas.errors import UnavailableError


class UnreadableError(UnavailableError):
    """The store answers, and does not give this object out: it is archived, or nobody may read it.

    Whether it is this object alone `check` tells: where a key has run out nothing is given out.
    """


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store knows of an object without reading it.

    `etag` changes when the object does and means nothing else: it is no digest. Whoever wants one puts it
    into the metadata (`sha256`).
    """

    key: str
    size_bytes: int
    etag: str
    modified_at_ms: int
    media_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Object storage, whichever it is.

    Keys follow `rules.check_key`. A key is never also the folder of another (`a` and `a/b`): a folder on disk
    cannot hold both.

    Raises:
        ValueError: a key, prefix or metadata that no store takes; a mistake of the caller.
        NotFoundError: nothing is stored under the key, or the file to store is missing.
        AlreadyStoredError: `overwrite=False`, and something is there.
        UnavailableError: the store or the local disk does not do it now; trying again may help. Of these an
            UnreadableError is raised by `get_bytes` and `get_file` alone.

    Cancelled:
        A write that has begun goes on in its thread and may still be stored, whole.
    """

    async def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        """Store `data`; once this returns it survives a power cut.

        With `overwrite=False` the caller may meet its own earlier write as AlreadyStoredError, when the
        answer to that write was lost: `stat` and compare before calling it somebody else's.
        """

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        """Store what the file holds, as `put_bytes` does."""

    async def get_bytes(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """Read an object into memory.

        Raises:
            TooLargeError: it has more than `max_bytes`; none of it is returned.
        """

    async def get_file(self, key: str, into: Path) -> None:
        """Read an object into a file, which appears (or is replaced) whole. Its folder must exist."""

    async def stat(self, key: str) -> ObjectInfo | None:
        """What is stored under the key, or None."""

    def list_keys(self, prefix: str) -> AsyncIterator[str]:
        """Every key that starts with `prefix` (any string, not only a folder), in order of UTF-8 bytes.

        What others put there under a name that is no key is left out.
        """

    def list_folders(self, prefix: str) -> AsyncIterator[str]:
        """The names below `prefix` that have keys below them, in order, without looking at those keys.

        Args:
            prefix: empty, or ending in a slash.
        """

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""

    def url(self, key: str) -> str:
        """Where the object is, for people: `file:///...` or `s3://bucket/...`."""

    async def link(self, key: str, *, expires_s: int, media_type: str | None = None) -> str | None:
        """A URL that lets anybody read the object for so long, or None when the store has no such thing.

        Args:
            media_type: what the answer is to be called; None: what was said when the object was stored.
        """

    async def check(self) -> None:
        """Write and read one small object of the store's own.

        Raises:
            UnavailableError: it cannot be written and read.
        """

    async def aclose(self) -> None:
        """Wait for what is under way, then let go of threads and connections."""
