"""A store in a folder: for one machine, and for people who want to look at their pictures.

```
folder/
├── t/acme/...        the objects, under their keys, and nothing else
└── .meta/
    ├── keys/         per object one JSON file under the same key: media type and metadata
    ├── locks/        whoever changes an object and its sidecar holds the lock of its key
    ├── parts/        what is being written; a leftover after a crash is harmless
    └── check         the object of `check`
```
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import msgspec

from core.storage.disk import copy_file, locked, make_folder, part_in, sync_folder, write_bytes
from core.storage.rules import RESERVED, check_folder, check_key, check_metadata, check_prefix, is_key
from core.storage.store import ObjectInfo, UnreadableError
from core.storage.threads import Threads
from schemas.errors import AlreadyStoredError, NotFoundError, TooLargeError, UnavailableError

# What Linux and macOS file systems take as one name.
MAX_SEGMENT_BYTES = 255
# Enough that writers of different keys seldom meet.
LOCKS = 64
COPY_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Label:
    """What the sidecar of an object says."""

    media_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)


class FolderStore:
    """An `ObjectStore` in a local folder, shared by any number of processes of one machine."""

    def __init__(self, root: Path, *, threads: int) -> None:
        self._root = root
        self._meta = root / RESERVED
        self._threads = Threads(threads)

    async def put_bytes(
        self,
        key: str,
        data: bytes,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        label = Label(media_type, metadata or {})
        await self._threads.run(self._put, key, lambda part: write_bytes(part, data), label, overwrite)

    async def put_file(
        self,
        key: str,
        path: Path,
        *,
        media_type: str,
        metadata: Mapping[str, str] | None = None,
        overwrite: bool,
    ) -> None:
        label = Label(media_type, metadata or {})
        await self._threads.run(self._put, key, lambda part: copy_file(path, part), label, overwrite)

    async def get_bytes(self, key: str, *, max_bytes: int | None = None) -> bytes:
        return await self._threads.run(self._get_bytes, key, max_bytes)

    async def get_file(self, key: str, into: Path) -> None:
        await self._threads.run(self._get_file, key, into)

    async def stat(self, key: str) -> ObjectInfo | None:
        return await self._threads.run(self._stat, key)

    def list_keys(self, prefix: str) -> AsyncIterator[str]:
        check_prefix(prefix)
        return self._threads.iterate(self._walk(prefix))

    def list_folders(self, prefix: str) -> AsyncIterator[str]:
        check_folder(prefix)
        return self._threads.iterate(self._folders(prefix))

    async def delete(self, key: str) -> None:
        await self._threads.run(self._delete, key)

    def url(self, key: str) -> str:
        return self._place(key).as_uri()

    async def link(self, key: str, *, expires_s: int, media_type: str | None = None) -> str | None:
        return None

    async def check(self) -> None:
        await self._threads.run(self._check)

    async def aclose(self) -> None:
        await self._threads.aclose()

    def _put(self, key: str, fill: Callable[[Path], None], label: Label, overwrite: bool) -> None:
        check_metadata(label.metadata)
        place, sidecar = self._place(key), self._sidecar(key)
        with self._translated("write", key), self._part() as part, self._part() as sidecar_part:
            fill(part)
            write_bytes(sidecar_part, msgspec.json.encode(label))
            make_folder(place.parent)
            make_folder(sidecar.parent)
            with self._lock(key):
                if overwrite:
                    self._replace(key, part, sidecar_part)
                else:
                    self._create(key, part, sidecar_part)
                sync_folder(sidecar.parent)
                sync_folder(place.parent)

    def _replace(self, key: str, part: Path, sidecar_part: Path) -> None:
        """Old metadata is never seen beside new bytes: after a crash half-way there is none."""
        self._sidecar(key).unlink(missing_ok=True)
        os.replace(part, self._place(key))
        os.replace(sidecar_part, self._sidecar(key))

    def _create(self, key: str, part: Path, sidecar_part: Path) -> None:
        """The sidecar first: an object that is there has its metadata, whatever crashes."""
        if self._holds(self._place(key)):
            raise AlreadyStoredError(f"The storage folder {self._root} already holds {key}.")
        os.replace(sidecar_part, self._sidecar(key))
        os.link(part, self._place(key))

    def _get_bytes(self, key: str, max_bytes: int | None) -> bytes:
        with self._translated("read", key), self._opened(key) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if max_bytes is not None and size_bytes > max_bytes:
                raise TooLargeError(f"{key} has {size_bytes} bytes, more than the {max_bytes} asked for.")
            return file.read()

    def _get_file(self, key: str, into: Path) -> None:
        with self._translated("read", key), part_in(into.parent) as part:
            with self._opened(key) as source, part.open("xb") as copy:
                shutil.copyfileobj(source, copy, COPY_BYTES)
            os.replace(part, into)

    def _stat(self, key: str) -> ObjectInfo | None:
        place = self._place(key)
        with self._translated("look up", key):
            if not self._holds(place):
                return None
            try:
                with self._lock(key, shared=True):
                    facts, label = place.stat(), self._label(key)
            except FileNotFoundError:  # deleted a moment ago
                return None
        return ObjectInfo(
            key=key,
            size_bytes=facts.st_size,
            etag=f"{facts.st_mtime_ns:x}-{facts.st_size:x}",
            modified_at_ms=facts.st_mtime_ns // 1_000_000,
            media_type=label.media_type,
            metadata=label.metadata,
        )

    def _delete(self, key: str) -> None:
        place = self._place(key)
        with self._translated("delete", key):
            if not self._holds(place):
                return
            with self._lock(key):
                place.unlink(missing_ok=True)
                self._sidecar(key).unlink(missing_ok=True)
            sync_folder(place.parent)

    def _check(self) -> None:
        place = self._meta / "check"
        with self._translated("write and read", place.name), self._part() as part, self._part() as twin:
            write_bytes(part, b"darkroom")
            os.link(part, twin)  # some file systems cannot, and then `_create` could not either
            os.replace(twin, place)
            place.read_bytes()

    def _walk(self, prefix: str) -> Iterator[str]:
        """The keys below a prefix, one folder in memory at a time."""
        with self._translated("list", prefix):
            self._holds(self._root)
            yield from self._below(prefix.rpartition("/")[0], prefix)

    def _below(self, folder: str, prefix: str) -> Iterator[str]:
        for entry in _sorted_entries(self._root / folder):
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if key != RESERVED and f"{key}/".startswith(prefix):
                    yield from self._below(key, prefix)
            elif key.startswith(prefix) and entry.is_file() and is_key(key):
                yield key

    def _folders(self, prefix: str) -> Iterator[str]:
        """A folder that holds no object, as after the last one was deleted, is none of the store's."""
        with self._translated("list", prefix):
            self._holds(self._root)
            for entry in _sorted_entries(self._root / prefix):
                key = f"{prefix}{entry.name}"
                is_ours = key != RESERVED and entry.is_dir(follow_symlinks=False) and is_key(key)
                if is_ours and next(self._below(key, f"{key}/"), None) is not None:
                    yield entry.name

    def _place(self, key: str) -> Path:
        check_key(key)
        for segment in key.split("/"):
            if len(segment.encode()) > MAX_SEGMENT_BYTES:
                raise ValueError(f"The key {key[:40]!r}... has a segment over {MAX_SEGMENT_BYTES} bytes.")
        return self._root / key

    def _sidecar(self, key: str) -> Path:
        return self._meta / "keys" / key

    def _label(self, key: str) -> Label:
        """What was said when the object was stored; nothing of an object that a person put there."""
        try:
            return msgspec.json.decode(self._sidecar(key).read_bytes(), type=Label)
        except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
            return Label()

    def _part(self) -> AbstractContextManager[Path]:
        make_folder(self._meta / "parts")
        return part_in(self._meta / "parts")

    def _lock(self, key: str, *, shared: bool = False) -> AbstractContextManager[None]:
        make_folder(self._meta / "locks")
        return locked(self._meta / "locks" / str(crc32(key.encode()) % LOCKS), shared=shared)

    def _opened(self, key: str) -> BinaryIO:
        place = self._place(key)
        if self._holds(place):
            with suppress(FileNotFoundError):  # deleted a moment ago
                return place.open("rb")
        raise NotFoundError(f"The storage folder {self._root} holds no {key}.")

    def _holds(self, place: Path) -> bool:
        """Whether there is a file; a folder of the store that is none is an error, not an empty store."""
        try:
            return stat.S_ISREG(place.stat().st_mode)
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            if self._root.is_dir():
                return False
            raise

    @contextmanager
    def _translated(self, operation: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            is_refused = operation == "read" and isinstance(error, PermissionError)
            raise (UnreadableError if is_refused else UnavailableError)(
                f"The storage folder {self._root} could not {operation} {key}: {reason}. "
                "Check the disk and who may write there."
            ) from error


def _sorted_entries(folder: Path) -> list[os.DirEntry[str]]:
    """In the order of the keys below them: a folder sorts as its name and a slash, in bytes."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(
            entries, key=lambda e: os.fsencode(f"{e.name}/" if e.is_dir(follow_symlinks=False) else e.name)
        )
