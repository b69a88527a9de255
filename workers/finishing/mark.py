"""The mark that can be seen: `AI生成`, made by AI, in the lower right corner.

Drawn as strokes, because no font with these letters is on every machine. White with a dark rim, so that it can be read
on anything.
"""

from __future__ import annotations

from math import ceil

from PIL import Image, ImageDraw

HEIGHT_PERCENT = 6
"""Of the shorter edge. GB 45438-2025 asks for 5 at least, by secondary summaries, checked 2026-11-20."""

_SMOOTH = 4
Point = tuple[float, float]

_LETTERS: tuple[tuple[float, tuple[tuple[Point, ...], ...]], ...] = (
    (0.8, (((0.02, 1.0), (0.38, 0.0), (0.74, 1.0)), ((0.14, 0.66), (0.62, 0.66)))),
    (0.3, (((0.1, 0.0), (0.1, 1.0)),)),
    (
        1.15,
        (
            ((0.28, 0.0), (0.2, 0.22), (0.06, 0.42)),
            ((0.22, 0.26), (0.9, 0.26)),
            ((0.14, 0.6), (0.86, 0.6)),
            ((0.0, 1.0), (1.0, 1.0)),
            ((0.52, 0.0), (0.52, 1.0)),
        ),
    ),
    (
        1.0,
        (
            ((0.14, 0.22), (0.96, 0.22)),
            ((0.16, 0.22), (0.14, 0.66), (0.0, 1.0)),
            ((0.16, 0.48), (0.44, 0.48), (0.42, 0.8), (0.3, 0.78)),
            ((0.56, 0.0), (0.62, 0.5), (0.78, 0.88), (0.92, 1.0), (1.0, 0.8)),
            ((0.88, 0.4), (0.72, 0.72), (0.46, 0.98)),
            ((0.72, 0.02), (0.84, 0.12)),
        ),
    ),
)
"""Width and strokes of A, I, 生 and 成; a letter is 1 high."""


def marked(picture: Image.Image) -> Image.Image:
    """The picture with the mark on it."""
    height = ceil(min(picture.size) * HEIGHT_PERCENT / 100)
    rim, letters = _drawn(height, height * 0.26), _drawn(height, height * 0.1)
    corner = (picture.width - rim.width - height // 3, picture.height - rim.height - height // 3)
    done = picture.copy()
    for color, mask in ((0, rim), (255, letters)):
        full = (color, color, color, 255)[: len(done.getbands())]
        done.paste(Image.new(done.mode, mask.size, full), corner, mask)
    return done


def _drawn(height: int, thickness: float) -> Image.Image:
    """The strokes as a mask, drawn large and made small, which smooths them."""
    unit, edge = height * _SMOOTH, height * _SMOOTH // 4
    width = round(unit * sum(width for width, _ in _LETTERS))
    mask = Image.new("L", (width + 2 * edge, unit + 2 * edge))
    pen, left = ImageDraw.Draw(mask), float(edge)
    for advance, strokes in _LETTERS:
        for stroke in strokes:
            points = [(left + x * unit, edge + y * unit) for x, y in stroke]
            _stroke(pen, points, thickness * _SMOOTH)
        left += advance * unit
    return mask.resize((mask.width // _SMOOTH, mask.height // _SMOOTH), Image.Resampling.BOX)


def _stroke(pen: ImageDraw.ImageDraw, points: list[Point], thickness: float) -> None:
    pen.line(points, fill=255, width=max(1, round(thickness)), joint="curve")
    half = thickness / 2
    for x, y in points:
        pen.ellipse((x - half, y - half, x + half, y + half), fill=255)
