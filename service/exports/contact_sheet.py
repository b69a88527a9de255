"""Contact sheets: the pictures of a batch side by side, small, for a look at all of them.

A sheet holds so many pictures and says where the next one begins, because neither a browser nor a person looks at
200,000 at once.
"""

from __future__ import annotations

import asyncio
import base64
import html
import io
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from math import ceil, sqrt

from PIL import Image, ImageDraw, ImageFont

from schemas.rendition import Result
from service.contract.choice import Choice
from service.exports.pictures import AT_ONCE, Picture, Pictures
from service.exports.thumbnails import Thumbnailer

HTML_PICTURES, PNG_PICTURES = 1000, 200
_HTML_PX, _PNG_PX = 256, 200
_GAP_PX, _CAPTION_PX, _HEAD_PX = 12, 80, 44
_FEWEST_COLUMNS, _MOST_COLUMNS = 4, 10
_WIDER = 1.8
"""How many times as many columns as rows a sheet has: with captions about three wide to two high."""
_STEP_X_PX, _STEP_Y_PX = _PNG_PX + _GAP_PX, _PNG_PX + _CAPTION_PX + _GAP_PX
_FRAME_PX = 3
_BETWEEN, _ONE_LINE_CHARS = " · ", 32
_INK, _PAPER, _EMPTY = "#1c1c1e", "#ffffff", "#e8e8ea"
_MARKS: dict[Result, str] = {"fail": "#b3261e", "warn": "#8a5a00"}
"""Colours of a frame around the picture, never on it: what is to be looked at may be its corners."""

_CSS = """\
body{margin:2rem;font:14px/1.4 system-ui,sans-serif;color:#1c1c1e;background:#fff}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(262px,1fr));gap:1.5rem 1rem}
figure{margin:0;padding:3px;content-visibility:auto;contain-intrinsic-size:256px 320px}
img,.gone{display:block;width:256px;height:256px;object-fit:contain;background:#e8e8ea}
.gone{line-height:256px;text-align:center;color:#6b6b70}
figcaption{width:256px;margin-top:6px;overflow-wrap:anywhere}small,b{display:block;color:#6b6b70}
.fail>:first-child{outline:3px solid #b3261e}.fail b{color:#b3261e}
.warn>:first-child{outline:3px solid #8a5a00}.warn b{color:#8a5a00}
"""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Which pictures a sheet shows; `following` is the index from which the next sheet goes on."""

    chosen: list[Picture]
    following: int | None


async def sheet_of(pictures: Pictures, choice: Choice, *, start: int, limit: int) -> Sheet:
    """The first `limit` pictures from task `start` on."""
    chosen = list[Picture]()
    async for page in pictures.pages(choice, start=start):
        chosen += page
        if len(chosen) > limit:
            return Sheet(chosen[:limit], chosen[limit].index)
    return Sheet(chosen, None)


async def sheet_html(pictures: Pictures, sheet: Sheet, thumbnailer: Thumbnailer) -> AsyncIterator[bytes]:
    """One page that needs nothing else: thumbnails are in it, and it runs nothing."""
    head, told = html.escape(pictures.batch.name), html.escape(_told(pictures, sheet))
    yield (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{head}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>\n{_CSS}</style></head>\n'
        f"<body><h1>{head}</h1>\n<p>{told}</p>\n<main>\n"
    ).encode()
    async for picture, small in _small(pictures, sheet, thumbnailer, _HTML_PX):
        yield await asyncio.to_thread(_figure, picture, small)
    yield b"</main></body></html>\n"


async def _small(
    pictures: Pictures, sheet: Sheet, thumbnailer: Thumbnailer, edge_px: int
) -> AsyncIterator[tuple[Picture, Image.Image | None]]:
    """Every picture of the sheet with its thumbnail, in order; None for one that is gone or cannot be opened."""

    async def make(picture: Picture) -> Image.Image | None:
        data = await pictures.contents(picture)
        return None if data is None else await thumbnailer.make(data, edge_px)

    for start in range(0, len(sheet.chosen), AT_ONCE):
        few = sheet.chosen[start : start + AT_ONCE]
        for pair in zip(few, await asyncio.gather(*map(make, few)), strict=True):
            yield pair


def _figure(picture: Picture, small: Image.Image | None) -> bytes:
    key = html.escape(picture.key)
    shown = (
        '<div class="gone">no picture</div>' if small is None else f'<img alt="{key}" src="{_inline(small)}">'
    )
    title = f"<small>{html.escape(picture.row.title)}</small>" if picture.row.title else ""
    made = html.escape(_made(picture))
    result, remark = _mark_of(picture)
    kind, mark = (f' class="{result}"', f"<b>{html.escape(remark)}</b>") if result else ("", "")
    figure = (
        f"<figure{kind}>{shown}<figcaption>{mark}{key}{title}<small>{made}</small></figcaption></figure>\n"
    )
    return figure.encode(errors="replace")


def _mark_of(picture: Picture) -> tuple[Result | None, str]:
    """Whether somebody has to look at a picture, and the rules because of which."""
    checks = picture.checks
    if checks is None or checks.result == "pass":
        return None, ""
    words = {"fails": checks.failed, "look at": checks.warned}
    return checks.result, "; ".join(f"{word}: {', '.join(rules)}" for word, rules in words.items() if rules)


def _made(picture: Picture) -> str:
    cell = picture.cell
    return _BETWEEN.join([f"#{picture.index}", cell.template, *cell.variant, cell.size])


def _inline(small: Image.Image) -> str:
    out = io.BytesIO()
    small.save(out, "WEBP", quality=70)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


async def sheet_png(pictures: Pictures, sheet: Sheet, thumbnailer: Thumbnailer) -> bytes:
    """One picture of all of them, each with its row and what was made of it below. Few are in few columns."""
    async with thumbnailer.drawing:
        canvas = await asyncio.to_thread(_empty_canvas, pictures, sheet)
        place = 0
        async for picture, small in _small(pictures, sheet, thumbnailer, _PNG_PX):
            await asyncio.to_thread(_draw, canvas, place, picture, small)
            place += 1
        return await asyncio.to_thread(_encoded, canvas)


def _empty_canvas(pictures: Pictures, sheet: Sheet) -> Image.Image:
    """As large as the sheet needs, with its head; 200 pictures take 38 MB."""
    columns = _columns(len(sheet.chosen))
    rows = max(1, -(-len(sheet.chosen) // columns))
    canvas = Image.new("RGB", (_GAP_PX + columns * _STEP_X_PX, _HEAD_PX + rows * _STEP_Y_PX), _PAPER)
    head = f"{pictures.batch.name} · {_told(pictures, sheet)}"
    _write(canvas, (_GAP_PX, 12), head, size_px=16, width_px=canvas.width - 2 * _GAP_PX)
    return canvas


def _columns(pictures: int) -> int:
    return min(max(ceil(sqrt(pictures * _WIDER)), _FEWEST_COLUMNS), _MOST_COLUMNS)


def _draw(canvas: Image.Image, place: int, picture: Picture, small: Image.Image | None) -> None:
    columns = canvas.width // _STEP_X_PX
    left = _GAP_PX + place % columns * _STEP_X_PX
    top = _HEAD_PX + place // columns * _STEP_Y_PX
    result, remark = _mark_of(picture)
    _paste(canvas, (left, top), small, frame=_MARKS[result] if result else None)
    for line, text in enumerate((picture.row.key, *_two_lines(_made(picture)))):
        _write(canvas, (left, top + _PNG_PX + 6 + line * 17), text, size_px=12, width_px=_PNG_PX)
    if result:
        _write_mark(canvas, (left, top + _PNG_PX + 57), remark, _MARKS[result])


def _paste(
    canvas: Image.Image, corner: tuple[int, int], small: Image.Image | None, *, frame: str | None
) -> None:
    """In the middle of its square, which is grey where the picture does not reach."""
    left, top = corner
    if frame is not None:
        outer = (left - _FRAME_PX, top - _FRAME_PX, left + _PNG_PX + _FRAME_PX, top + _PNG_PX + _FRAME_PX)
        canvas.paste(frame, outer)
    canvas.paste(_EMPTY, (left, top, left + _PNG_PX, top + _PNG_PX))
    if small is not None:
        canvas.paste(small, (left + (_PNG_PX - small.width) // 2, top + (_PNG_PX - small.height) // 2))


def _write(canvas: Image.Image, corner: tuple[int, int], text: str, *, size_px: int, width_px: int) -> None:
    """On one line; what does not fit is taken out of the middle, because names differ where they begin and end."""
    font = ImageFont.load_default(size_px)
    shown = shortened(" ".join(text.split()), lambda line: font.getlength(line) <= width_px)
    ImageDraw.Draw(canvas).text(corner, shown, _INK, font)


def shortened(line: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning and end that fit with an ellipsis between them, the end being up to twice as long."""
    if fits(line):
        return line
    fitting = bisect_right(range(len(line)), False, key=lambda kept: not fits(_around(line, kept))) - 1
    return _around(line, max(fitting, 0))


def _around(line: str, kept: int) -> str:
    """`kept` characters of both ends."""
    begins = kept // 3
    return f"{line[:begins]}…{line[len(line) - (kept - begins) :]}"


def _two_lines(text: str) -> tuple[str, str]:
    """Broken between two of its parts where it is long, as nearly in the middle as that goes."""
    parts = text.split(_BETWEEN)
    if len(text) <= _ONE_LINE_CHARS or len(parts) == 1:
        return text, ""
    breaks = [(_BETWEEN.join(parts[:count]), _BETWEEN.join(parts[count:])) for count in range(1, len(parts))]
    return min(breaks, key=lambda lines: max(map(len, lines)))


def _write_mark(canvas: Image.Image, corner: tuple[int, int], text: str, colour: str) -> None:
    """On one line, and of what does not fit the beginning: that is where the worst stands."""
    font, shown = ImageFont.load_default(12), text
    while font.getlength(shown) > _PNG_PX:
        shown = f"{shown[:-2]}…"
    ImageDraw.Draw(canvas).text(corner, shown, colour, font)


def _encoded(canvas: Image.Image) -> bytes:
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def _told(pictures: Pictures, sheet: Sheet) -> str:
    if not sheet.chosen:
        return "No pictures yet."
    first, last, total = sheet.chosen[0].index, sheet.chosen[-1].index, pictures.batch.counts["total"]
    more = "" if sheet.following is None else f" The next sheet starts at {sheet.following}."
    many = "1 picture, task" if first == last else f"{len(sheet.chosen)} pictures, tasks {first} to"
    return f"{many} {last} of {total}.{_told_of_checks(sheet)}{more}"


def _told_of_checks(sheet: Sheet) -> str:
    results = [_mark_of(picture)[0] for picture in sheet.chosen]
    failed, warned = results.count("fail"), results.count("warn")
    told = f" Marked: {failed} fail a check of their channel, {warned} should be looked at."
    return told if failed or warned else ""
