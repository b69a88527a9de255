"""The spool: local disk for what is paid for and not yet stored.

One folder per worker process, locked as long as the process lives; the kernel lets go of the lock however it ends.
An attempt has up to three files: `<attempt>.order` before anything is sent, `<attempt>.picture` when the answer is
whole, `<attempt>.delivery` beside it. A folder whose lock is free belongs to nobody: whoever takes the lock stores
the pictures in it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from core.storage.disk import sync_folder
from workers.order import Delivery, Order

_ORDER, _PICTURE, _DELIVERY = ".order", ".picture", ".delivery"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SpoolEntry:
    """One attempt in the spool."""

    folder: Path
    name: str

    @property
    def picture(self) -> Path:
        return self.folder / f"{self.name}{_PICTURE}"

    def write_order(self, order: Order) -> None:
        _write_durably(self.folder / f"{self.name}{_ORDER}", msgspec.json.encode(order))

    def write_delivery(self, delivery: Delivery) -> None:
        _write_durably(self.folder / f"{self.name}{_DELIVERY}", msgspec.json.encode(delivery))

    def order(self) -> Order:
        """What was ordered.

        Raises:
            OSError, ValueError: it is not there, or not as this version writes it.
        """
        return _read(self.folder / f"{self.name}{_ORDER}", Order)

    def delivery(self) -> Delivery | None:
        """What came back, or None when the process died before it could write it down. Raises as `order` does."""
        try:
            return _read(self.folder / f"{self.name}{_DELIVERY}", Delivery)
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """Forgets the attempt; the order goes last, so that a picture is never without one.

        What the disk does not let go is found again when the process is gone, and changes nothing then.
        """
        with suppress(OSError):
            for finished in self.folder.glob(f"{self.name}.finished.*"):
                finished.unlink(missing_ok=True)
            for ending in (_DELIVERY, _PICTURE, f"{_PICTURE}.part", f"{_PICTURE}.bad", _ORDER):
                (self.folder / f"{self.name}{ending}").unlink(missing_ok=True)


class SpoolFolder:
    """The folder of one worker process, held by its lock."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock

    def entry(self, batch_id: str, index: int, attempt: int) -> SpoolEntry:
        return SpoolEntry(self.path, f"{batch_id}.{index}.{attempt}")

    def pictures(self) -> Iterator[SpoolEntry]:
        """Attempts whose picture is whole, oldest name first."""
        for path in sorted(self.path.glob(f"*{_PICTURE}")):
            yield SpoolEntry(self.path, path.name.removesuffix(_PICTURE))

    def remove(self) -> None:
        """Removes the folder of a process that is gone, with orders that never brought a picture."""
        shutil.rmtree(self.path, ignore_errors=True)

    def close(self) -> None:
        """Lets go of the lock; what is in the folder is anybody's then."""
        os.close(self.lock)


class Spool:
    """The spool of this machine.

    Args:
        min_free_bytes: claims stop below this.
    """

    def __init__(self, root: Path, min_free_bytes: int) -> None:
        self._root = root
        self._min_free_bytes = min_free_bytes

    def open(self, worker: str) -> SpoolFolder:
        """The folder of this process, which is locked before others can see it.

        Raises:
            OSError: the disk does not take it, or another process of this name is alive.
        """
        path = self._root / worker
        unseen = path if path.exists() else self._root / f".{worker}"
        folder = _locked(unseen)
        if folder is None:
            raise OSError(
                f"another process holds the spool folder of worker '{worker}'; give this one another name"
            )
        return SpoolFolder(unseen.rename(path), folder.lock)

    def orphans(self) -> Iterator[SpoolFolder]:
        """Folders whose process is gone; the caller holds each one's lock until it closes it."""
        for path in sorted(self._root.iterdir()):
            seen = path.is_dir() and not path.name.startswith(".")
            if seen and (folder := _locked(path)) is not None:
                yield folder

    def has_room(self) -> bool:
        """Whether more may be bought: what is paid for must have a place to land."""
        probe = self._root / ".probe"
        try:
            probe.write_bytes(b"room")
            probe.unlink(missing_ok=True)
            return shutil.disk_usage(self._root).free >= self._min_free_bytes
        except OSError:
            return False

    def load(self, now_s: float) -> tuple[int, int, float]:
        """How many paid pictures lie here, their bytes, and the age of the oldest in seconds."""
        found = []
        for path in self._root.glob(f"*/*{_PICTURE}"):
            with suppress(OSError):  # stored meanwhile
                found.append(path.stat())
        oldest_s = max((now_s - about.st_mtime for about in found), default=0.0)
        return len(found), sum(about.st_size for about in found), max(0.0, oldest_s)


def _locked(path: Path) -> SpoolFolder | None:
    path.mkdir(parents=True, exist_ok=True)
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return SpoolFolder(path, lock)


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from error


def _write_durably(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    with suppress(OSError):  # a disk that cannot sync a folder keeps the file all the same
        sync_folder(path.parent)
