"""Files of producers: catalogs and reference pictures, kept under the names that manifests use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from core.storage.rules import check_key
from schemas.errors import Problem
from service.problems import ProblemError

MAX_NAME_BYTES = 700
MAX_SEGMENT_BYTES = 255
"""What file systems take as one name; with the folders above it a name still fits into a key of S3."""


def checked_name(name: str, *, pointer: str) -> str:
    """`name`, when a file may be kept under it. With a slash at its end it is a folder: what is kept is the list of its
    pictures.

    Args:
        pointer: where it was written, for the message.
    Raises:
        ProblemError: it is not a relative name that every store takes.
    """
    if reason := _why_not(name.removesuffix("/")):
        problem = Problem(pointer, "bad_name", reason)
        raise ProblemError("bad_request", "This is not a name for an upload.", problems=[problem])
    return name


@asynccontextmanager
async def empty_file() -> AsyncIterator[Path]:
    """The path of a file to be written, gone when the block ends."""
    with TemporaryDirectory(prefix="darkroom-upload-") as folder:
        yield Path(folder) / "content"


def _why_not(name: str) -> str | None:
    if "\\" in name or "://" in name:
        return "an upload has a plain name such as products.csv or photos/shirt.jpg"
    if len(name.encode(errors="replace")) > MAX_NAME_BYTES:
        return f"it has more than {MAX_NAME_BYTES} bytes"
    if any(len(part.encode(errors="replace")) > MAX_SEGMENT_BYTES for part in name.split("/")):
        return f"a part of it has more than {MAX_SEGMENT_BYTES} bytes"
    try:
        check_key(name)
    except ValueError as error:
        return str(error)
    return None
