"""Files that are written whole, survive a power cut, and are changed by one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import NotFoundError


def write_bytes(path: Path, data: bytes) -> None:
    """Write a new file and see it onto the disk."""
    with path.open("xb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def copy_file(source: Path, path: Path) -> None:
    """Copy into a new file and see it onto the disk; NotFoundError when there is no source."""
    require_file(source)
    shutil.copyfile(source, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def require_file(path: Path) -> None:
    """Raise NotFoundError when there is no file to store."""
    if not path.is_file():
        raise NotFoundError(f"There is no file {path} to store.")


def make_folder(path: Path) -> None:
    """Make a folder and its parents so that they survive a power cut."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """See the names in a folder onto the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def part_in(folder: Path) -> Iterator[Path]:
    """The path of a hidden file in `folder` that nobody else uses; gone afterwards, unless it was moved."""
    part = folder / f".{uuid.uuid4().hex}.part"
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file at `path`; alone, or with others who also only read."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
