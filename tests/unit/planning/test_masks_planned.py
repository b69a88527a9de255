"""Masks in a plan: uploads that a provider would refuse, or that let nothing change, are found before anything is paid."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.documents import Documents
from core.storage.folder import FolderStore
from schemas.errors import UnavailableError
from schemas.picture import PictureFacts
from tests.unit.planning.desk import PNG, TENANT, Desk, manifest, said
from workers.planning.files.masks import MAX_LOOKED_INTO


def picture(
    size: tuple[int, int] = (8, 6), mode: str = "RGB", color: Any = "red", kind: str = "png"
) -> bytes:
    file = BytesIO()
    Image.new(mode, size, color).save(file, kind)
    return file.getvalue()


def mask(size: tuple[int, int] = (8, 6), alpha: int = 0) -> bytes:
    return picture(size, "RGBA", (0, 0, 0, alpha))


def painted(*rows: dict[str, str], **hero: Any) -> dict[str, Any]:
    """Rows, each with the `file` it starts from, and the `mask` of it unless the template has another."""
    parts = {"prompt": "x", "references": ["{{ row.file }}"], "mask": "{{ row.mask }}", **hero}
    keyed = [{"sku": f"s-{place}", **row} for place, row in enumerate(rows)]
    return manifest(catalog={"rows": keyed}, templates={"hero": parts})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (mask(), None),
        (picture(), "'mask.png' is not a PNG with an alpha channel"),
        (mask((6, 8)), "'mask.png' is 6x8 and the first reference 8x6; make them alike"),
        (mask(alpha=255), "'mask.png' is opaque everywhere, so that nothing may change"),
        (mask()[:44], "'mask.png' is damaged"),
    ],
    ids=["good", "no alpha", "another size", "opaque", "damaged"],
)
async def test_a_mask_that_will_not_do_is_found_by_the_plan_at_its_row(
    desk: Desk, content: bytes, says: str | None
) -> None:
    await desk.upload("photo.jpg", picture(kind="jpeg"))
    await desk.upload("good.png", mask())
    await desk.upload("mask.png", content)
    good, bad = ({"file": "photo.jpg", "mask": name} for name in ("good.png", "mask.png"))

    plan = await desk.plan(painted(good, bad))

    assert plan.accepted == (says is None)
    if says is not None:
        assert [(problem.code, problem.row) for problem in plan.errors] == [("bad_mask", 2)]
        assert plan.errors[0].detail.startswith(says)


async def test_one_mask_for_all_rows_is_held_against_the_picture_of_each(desk: Desk) -> None:
    for name, size in {"a.png": (8, 6), "b.png": (6, 8)}.items():
        await desk.upload(name, picture(size))
    await desk.upload("mask.png", mask())

    plan = await desk.plan(painted({"file": "a.png"}, {"file": "b.png"}, {"file": "a.png"}, mask="mask.png"))

    assert [(problem.pointer, problem.row) for problem in plan.errors] == [("/catalog/rows/1", 2)]
    assert "is 8x6 and the first reference 6x8" in plan.errors[0].detail


async def test_a_mask_and_a_picture_that_both_vary_are_held_against_each_other_as_they_are_sent(
    desk: Desk,
) -> None:
    for name, size in {"wide": (8, 6), "tall": (6, 8)}.items():
        await desk.upload(f"{name}.png", picture(size))
        await desk.upload(f"{name}-mask.png", mask(size))
    hero = {"references": ["{{ variant.view.name }}.png"], "mask": "{{ variant.view.name }}-mask.png"}
    data = {**painted({}, **hero), "variants": {"view": {"wide": {}, "tall": {}}}}

    assert said(await desk.plan(data)) == {}


async def test_a_damaged_picture_is_found_with_its_mask(desk: Desk) -> None:
    await desk.upload("photo.png", picture()[:50])
    await desk.upload("mask.png", mask())

    plan = await desk.plan(painted({"file": "photo.png", "mask": "mask.png"}))

    assert [(problem.code, problem.row) for problem in plan.errors] == [("bad_reference", 1)]
    assert "'photo.png' is damaged" in plan.errors[0].detail


@pytest.mark.parametrize(
    "hero",
    [
        {"references": ["https://example.com/photo.png"]},
        {"from": "first", "references": ["small.png"]},
        {"references": ["photos/", "small.png"]},
    ],
    ids=["an address", "a picture that is made first", "the first of a folder"],
)
async def test_the_first_picture_of_a_task_is_the_one_that_a_mask_is_for(
    desk: Desk, hero: dict[str, Any]
) -> None:
    await desk.upload("photos/", "a.png\n")
    await desk.upload("photos/a.png", picture())
    await desk.upload("small.png", picture((2, 2)))
    await desk.upload("mask.png", mask())
    await desk.upload("opaque.png", mask(alpha=255))
    data = painted({}, **hero, mask="mask.png")
    data["templates"]["first"] = {"prompt": "y"}

    assert said(await desk.plan(data)) == {}
    data["templates"]["hero"]["mask"] = "opaque.png"
    assert "nothing may change" in said(await desk.plan(data))["/templates/hero/mask"]


async def test_a_mask_that_is_too_large_once_its_pixels_are_plain_is_found_by_the_plan_and_by_the_next_one(
    desk: Desk,
) -> None:
    for name, size in {"large": (1400, 1400), "small": (8, 6)}.items():
        await desk.upload(f"{name}.png", picture(size))
        await desk.upload(f"{name}-mask.png", in_palette(size))
    rows = [{"file": f"{name}.png", "mask": f"{name}-mask.png"} for name in ("small", "large")]

    plans = [await desk.plan(painted(*rows)) for _ in range(2)]

    for plan in plans:
        assert [(problem.code, problem.row) for problem in plan.errors] == [("bad_mask", 2)]
        assert "bytes once it is upright and in plain pixels, as it is sent" in plan.errors[0].detail


def in_palette(size: tuple[int, int]) -> bytes:
    """A noisy PNG of one byte a pixel, the first color of which is seen through; in plain pixels it takes thrice as much."""
    noise = Image.effect_noise(size, 200)
    made = Image.frombytes("P", size, noise.tobytes())
    made.putpalette(bytes(place * 83 % 256 for place in range(768)))
    made.putpixel((0, 0), 0)
    file = BytesIO()
    made.save(file, "png", transparency=0, compress_level=1)
    return file.getvalue()


async def test_what_was_looked_into_is_kept_so_that_the_next_plan_looks_further(desk: Desk) -> None:
    rows = [{"file": f"{place}.png"} for place in range(MAX_LOOKED_INTO)]
    await desk.upload("mask.png", mask())
    for place, row in enumerate(rows):
        await desk.upload(row["file"], picture(color=(place, 0, 0)))
    await desk.upload(rows[-1]["file"], picture((4, 4)))

    first, second = [await desk.plan(painted(*rows, mask="mask.png")) for _ in range(2)]

    upload = await desk.documents.find_upload(TENANT, rows[-1]["file"])
    assert upload is not None
    about: dict[str, Any] = {"has_alpha": False, "lowest_alpha": 255, "mode": "RGB"}
    facts = PictureFacts("image/png", 4, 4, orientation=1, is_placed=False, **about)
    assert await desk.documents.find_facts(TENANT, upload.sha256) == facts
    assert (said(first), [problem.row for problem in second.errors]) == ({}, [MAX_LOOKED_INTO])


async def test_without_masks_no_picture_is_looked_into(desk: Desk) -> None:
    await desk.upload("logo.png", PNG)
    hero = {"hero": {"prompt": "x", "references": ["logo.png"]}}

    assert said(await desk.plan(manifest(catalog={"rows": [{"sku": "a"}]}, templates=hero))) == {}


@pytest.mark.parametrize("kind", ["png", "webp"])
async def test_a_picture_that_moves_is_found_at_its_row_without_being_looked_into(
    desk: Desk, kind: str
) -> None:
    still, moving = Image.new("RGB", (8, 6), "red"), BytesIO()
    still.save(moving, kind, save_all=True, append_images=[Image.new("RGB", (8, 6), "blue")])
    await desk.upload("still", picture(kind=kind))
    await desk.upload("moving", moving.getvalue())
    hero = {"hero": {"prompt": "x", "references": ["{{ row.file }}"]}}
    rows = [{"sku": name, "file": name} for name in ("still", "moving")]

    plan = await desk.plan(manifest(catalog={"rows": rows}, templates=hero))

    assert [(problem.code, problem.row) for problem in plan.errors] == [("not_a_picture", 2)]
    assert plan.errors[0].detail.startswith("'moving' is not a still PNG, JPEG or WebP picture")


class Hiccup(FolderStore):
    """Storage that gives a picture without an end at first, and fails for every other one while that is looked into."""

    endless: Path | None = None

    async def get_file(self, key: str, into: Path) -> None:
        if self.endless is None:
            self.endless = into
            os.mkfifo(into)
            return
        while not is_read(self.endless):
            await asyncio.sleep(0.01)
        raise UnavailableError("storage is away for a moment")


def is_read(pipe: Path) -> bool:
    """Whether a process waits for what this pipe will bring; it waits on."""
    try:
        with os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb"):
            return True
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise


def inspecting() -> list[str]:
    """Our processes that look into pictures."""
    listed = subprocess.run(["ps", "-A", "-o", "ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [name for parent, name in rows if int(parent) == os.getpid() and "workers.inspecting" in name]


async def test_storage_that_fails_while_a_picture_is_looked_into_delays_the_plan_and_leaves_nothing_behind(
    desk: Desk,
) -> None:
    await desk.upload("photo.png", picture())
    await desk.upload("mask.png", mask())
    job = await desk.shelve(painted({"file": "photo.png", "mask": "mask.png"}))
    await desk.documents.store.aclose()
    desk.documents = Documents(Hiccup(desk.folder / "store", threads=4))

    with pytest.raises(UnavailableError, match="away for a moment"):
        await desk.make(job)

    assert inspecting() == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
