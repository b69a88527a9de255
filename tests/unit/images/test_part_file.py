"""A picture is at its place whole or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from workers.images.partfile import PartFile

pytestmark = pytest.mark.asyncio


async def test_a_kept_picture_is_in_its_place_with_its_digest(tmp_path: Path) -> None:
    with PartFile(tmp_path / "a.png") as part:
        part.create()
        part.write(b"one")
        part.write(b"two")
        sha256 = await part.keep()

    assert sha256 == hashlib.sha256(b"onetwo").hexdigest()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"onetwo")]


async def test_a_picture_that_was_not_kept_leaves_nothing(tmp_path: Path) -> None:
    with PartFile(tmp_path / "a.png") as part:
        part.create()
        part.write(b"one")

    assert list(tmp_path.iterdir()) == []


async def test_evidence_stands_beside_the_place(tmp_path: Path) -> None:
    with PartFile(tmp_path / "a.png") as part:
        part.create()
        part.write(b"odd")
        await part.keep(suffix=".bad")

    assert [path.name for path in tmp_path.iterdir()] == ["a.png.bad"]


@pytest.mark.parametrize("size_bytes", [10, 10_000_000])
async def test_a_full_disk_is_told_at_the_end(tmp_path: Path, size_bytes: int) -> None:
    (tmp_path / "a.png.part").symlink_to("/dev/full")

    with PartFile(tmp_path / "a.png") as part:
        part.create()
        part.write(bytes(size_bytes))
        part.write(b"more")
        with pytest.raises(OSError, match="No space left"):
            await part.keep()

    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_not_there_is_found_before_the_call(tmp_path: Path) -> None:
    with PartFile(tmp_path / "gone" / "a.png") as part, pytest.raises(FileNotFoundError):
        part.create()
