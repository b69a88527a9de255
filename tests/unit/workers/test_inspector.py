"""Looking into strangers' pictures: in a real child process, within its limits."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.children import BREACHES, liar, told
from workers.inspecting.inspector import Inspector, PictureRefusedError


@pytest.fixture
async def inspector() -> AsyncIterator[Inspector]:
    inspector = Inspector(1_000_000)
    yield inspector
    await inspector.aclose()


def written(path: Path, mode: str, size: tuple[int, int], **options: Any) -> Path:
    Image.new(mode, size).save(path, **options)
    return path


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it has so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("mode", "kind", "has_alpha"),
    [
        ("RGB", "png", False),
        ("RGBA", "png", True),
        ("LA", "png", True),
        ("RGB", "jpeg", False),
        ("RGBA", "webp", True),
    ],
)
async def test_a_picture_is_told_by_its_bytes(
    inspector: Inspector, tmp_path: Path, mode: str, kind: str, has_alpha: bool
) -> None:
    facts = await inspector.inspect(written(tmp_path / "x", mode, (30, 20), format=kind))

    assert (facts.media_type, facts.size, facts.has_alpha) == (f"image/{kind}", "30x20", has_alpha)


async def test_a_palette_with_a_transparent_colour_has_alpha(inspector: Inspector, tmp_path: Path) -> None:
    path = written(tmp_path / "x", "P", (3, 3), format="png", transparency=0)
    assert (await inspector.inspect(path)).has_alpha


@pytest.mark.parametrize(
    ("mode", "color", "options", "lowest_alpha"),
    [
        ("RGB", 0, {}, 255),
        ("RGBA", (0, 0, 0, 7), {}, 7),
        ("LA", (0, 9), {}, 9),
        ("P", 0, {"transparency": 0}, 0),
        ("P", 1, {"transparency": 0}, 255),
        ("RGB", (1, 2, 3), {"transparency": (1, 2, 3)}, 0),
        ("RGB", (1, 2, 3), {"transparency": (3, 2, 1)}, 255),
        ("L", 5, {"transparency": 5}, 0),
        ("1", 0, {"transparency": 1}, 255),
        ("I;16", 5, {"transparency": 6}, 0),
    ],
)
async def test_it_is_told_how_much_is_seen_through_where_most_is(
    inspector: Inspector, tmp_path: Path, mode: str, color: Any, options: dict[str, Any], lowest_alpha: int
) -> None:
    path = tmp_path / "x"
    Image.new(mode, (3, 3), color).save(path, "png", **options)
    assert (await inspector.inspect(path)).lowest_alpha == lowest_alpha


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html>not found</html>", "not a PNG, JPEG or WebP"),
        (b"", "not a PNG, JPEG or WebP"),
        (bomb(100_000, 100_000), "pixels"),
        (bomb(1_001, 1_000), "pixels"),
        (bomb(500, 500)[:60], "damaged"),
    ],
)
async def test_what_is_no_whole_picture_is_refused(
    inspector: Inspector, tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(PictureRefusedError, match=says):
        await inspector.inspect(tmp_path / "x")


@pytest.mark.parametrize("kind", ["gif", "bmp", "tiff"])
async def test_formats_that_no_provider_takes_are_not_even_opened(
    inspector: Inspector, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(PictureRefusedError, match="not a PNG"):
        await inspector.inspect(written(tmp_path / "x", "RGB", (3, 3), format=kind))


async def test_a_picture_that_moves_is_refused(inspector: Inspector, tmp_path: Path) -> None:
    more = [Image.new("RGB", (3, 3), "red")]
    with pytest.raises(PictureRefusedError, match="moves"):
        await inspector.inspect(
            written(tmp_path / "x", "RGB", (3, 3), format="webp", save_all=True, append_images=more)
        )


async def test_a_child_that_takes_too_long_is_killed_and_the_next_picture_has_a_new_one(
    tmp_path: Path,
) -> None:
    inspector, path = Inspector(1_000_000, within_s=120), written(tmp_path / "x", "RGB", (3, 3), format="png")
    os.mkfifo(tmp_path / "never")  # opening it waits for a writer who does not come
    await inspector.inspect(path)
    child = inspector._child._process
    inspector._within_s = 0.2

    with pytest.raises(PictureRefusedError, match=r"within 0\.2 s"):
        await inspector.inspect(tmp_path / "never")

    assert child is not None
    assert child.returncode == -signal.SIGKILL
    inspector._within_s = 120.0
    assert (await inspector.inspect(path)).size == "3x3"
    await inspector.aclose()


async def test_a_child_that_dies_is_a_refusal_and_the_next_picture_has_a_new_one(
    inspector: Inspector, tmp_path: Path
) -> None:
    path = written(tmp_path / "x", "RGB", (3, 3), format="png")
    await inspector.inspect(path)
    assert inspector._child._process is not None
    os.mkfifo(tmp_path / "never")
    asking = asyncio.create_task(inspector.inspect(tmp_path / "never"))
    await asyncio.sleep(0)
    inspector._child._process.send_signal(signal.SIGKILL)

    with pytest.raises(PictureRefusedError, match="more memory or time"):
        await asking

    assert (await inspector.inspect(path)).size == "3x3"


@pytest.fixture
def deceived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Inspector]:
    """An inspector whose first child tells something else, as a shell would."""

    def made(tells: str) -> Inspector:
        monkeypatch.setattr(sys, "executable", liar(tmp_path, tells))
        return Inspector(1_000_000)

    return made


@pytest.mark.parametrize("breach", list(BREACHES), ids=str)
async def test_a_child_that_breaks_its_word_is_a_refusal_and_the_next_picture_has_a_new_one(
    deceived: Callable[[str], Inspector], tmp_path: Path, breach: str
) -> None:
    path = written(tmp_path / "x", "RGB", (3, 3), format="png")
    says = "tell nonsense" if breach == "not json" else "more memory or time"

    async with aclosing(deceived(BREACHES[breach])) as inspector:
        with pytest.raises(PictureRefusedError, match=says):
            await inspector.inspect(path)

        assert (await inspector.inspect(path)).size == "3x3"


@pytest.mark.parametrize("answer", ["[]", "{}", '{"refusal": 7}', '{"media_type": "image/png"}'])
async def test_an_answer_of_another_shape_is_a_refusal(
    deceived: Callable[[str], Inspector], tmp_path: Path, answer: str
) -> None:
    async with aclosing(deceived(told(answer))) as inspector:
        with pytest.raises(PictureRefusedError, match="tell nonsense"):
            await inspector.inspect(written(tmp_path / "x", "RGB", (3, 3), format="png"))

        assert inspector._child._process is None


async def test_memory_is_limited_in_the_child_and_not_here(tmp_path: Path) -> None:
    inspector = Inspector(1_000_000)
    await inspector.inspect(written(tmp_path / "x", "RGB", (3, 3), format="png"))
    assert inspector._child._process is not None

    limits = (
        Path(f"/proc/{inspector._child._process.pid}/limits").read_text() if Path("/proc").exists() else ""
    )
    await inspector.aclose()

    (space,) = [line.split()[3] for line in limits.splitlines() if line.startswith("Max address space")] or [
        "0"
    ]
    assert space == "0" or int(space) < 600 * 1024**2


async def test_many_may_ask_at_once(inspector: Inspector, tmp_path: Path) -> None:
    paths = [written(tmp_path / str(n), "RGB", (n, 1), format="png") for n in range(1, 9)]
    facts = await asyncio.gather(*(inspector.inspect(path) for path in paths))
    assert [each.width for each in facts] == list(range(1, 9))


async def test_a_picture_as_large_as_allowed_is_decoded(tmp_path: Path) -> None:
    inspector, content = Inspector(25_000_000), BytesIO()
    Image.new("RGBA", (5000, 5000)).save(content, "png", compress_level=1)
    (tmp_path / "x").write_bytes(content.getvalue())
    assert (await inspector.inspect(tmp_path / "x")).size == "5000x5000"
    await inspector.aclose()
