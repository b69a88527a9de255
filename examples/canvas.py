"""A canvas for flat product photos: shapes with rounded corners, a soft light and a shadow."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

EDGE_PX = 768
OVERSAMPLING = 2
BACKGROUND = (236, 235, 232)

Point = tuple[float, float]
Rgb = tuple[int, int, int]


class Photo:
    """A canvas of 100 x 100 units, origin top left. What is drawn after a `shape` stays inside it with `inside`."""

    def __init__(self, color: str) -> None:
        edge_px = EDGE_PX * OVERSAMPLING
        self.color: Rgb = tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))  # type: ignore[assignment]
        self._scale = edge_px / 100
        self._layer = Image.new("RGBA", (edge_px, edge_px))

    def shade(self, lightness: float) -> Rgb:
        """The product's colour, lighter (> 1) or darker (< 1)."""
        hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in self.color))
        red, green, blue = colorsys.hls_to_rgb(hue, min(0.97, light * lightness), saturation)
        return round(red * 255), round(green * 255), round(blue * 255)

    def shape(self, points: Sequence[Point], fill: Rgb | None = None, *, outline: bool = True) -> None:
        """A closed outline, its corners rounded off."""
        self._paste(
            lambda draw: draw.polygon(self._px(smooth(points, closed=True)), fill=255), fill or self.color
        )
        if outline:
            self.line([*points, points[0]], self.shade(0.62), width=0.45, closed=True)

    def mirrored(self, half: Sequence[Point], fill: Rgb | None = None) -> None:
        """A shape given by its left half, from the top middle to the bottom middle."""
        self.shape([*half, *[(100 - x, y) for x, y in reversed(half)]], fill)

    def line(
        self, points: Sequence[Point], fill: Rgb | None = None, *, width: float = 0.5, closed: bool = False
    ) -> None:
        path = smooth(points[:-1] if closed else points, closed=closed)
        path = [*path, path[0]] if closed else path
        stroke = max(1, round(width * self._scale))
        self._paste(
            lambda draw: draw.line(self._px(path), fill=255, width=stroke, joint="curve"),
            fill or self.shade(0.7),
        )

    def both(self, points: Sequence[Point], fill: Rgb | None = None, *, width: float = 0.5) -> None:
        """A line and its mirror image."""
        self.line(points, fill, width=width)
        self.line([(100 - x, y) for x, y in points], fill, width=width)

    def dot(self, x: float, y: float, radius: float, fill: Rgb | None = None) -> None:
        box = [((x - radius) * self._scale, (y - radius) * self._scale)]
        box.append(((x + radius) * self._scale, (y + radius) * self._scale))
        self._paste(lambda draw: draw.ellipse([box[0], box[1]], fill=255), fill or self.shade(0.6))

    def inside(self, draw_on: Callable[[Photo], None]) -> None:
        """Whatever `draw_on` draws, cut to what is drawn already."""
        mask = self._layer.getchannel("A")
        draw_on(self)
        self._layer.putalpha(ImageChops.darker(self._layer.getchannel("A"), mask))

    def finished(self) -> Image.Image:
        """The picture: a soft light from the top left, a shadow on the ground."""
        alpha = self._layer.getchannel("A")
        light = Image.linear_gradient("L").rotate(35, expand=False).resize(self._layer.size)
        shaded = ImageChops.multiply(
            self._layer.convert("RGB"), Image.merge("RGB", [light.point(lambda v: 255 - v // 6)] * 3)
        )
        scene = Image.new("RGB", self._layer.size, BACKGROUND)
        shadow = ImageChops.offset(alpha, round(1.2 * self._scale), round(1.6 * self._scale))
        shadow = shadow.filter(ImageFilter.GaussianBlur(1.8 * self._scale)).point(lambda v: v * 9 // 20)
        scene.paste((96, 92, 86), (0, 0), shadow)
        scene.paste(shaded, (0, 0), alpha)
        return scene.resize((EDGE_PX, EDGE_PX), Image.Resampling.LANCZOS)

    def _px(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._scale, y * self._scale) for x, y in points]

    def _paste(self, draw_on: Callable[[ImageDraw.ImageDraw], None], fill: Rgb) -> None:
        mask = Image.new("L", self._layer.size)
        draw_on(ImageDraw.Draw(mask))
        self._layer.paste((*fill, 255), (0, 0), mask)


def smooth(points: Sequence[Point], *, closed: bool, radius: float = 2.2) -> list[Point]:
    """The path with its corners rounded: each is replaced by a small curve."""
    path: list[Point] = [] if closed else [points[0]]
    last = len(points)
    for at in range(0 if closed else 1, last if closed else last - 1):
        before, corner, after = points[at - 1], points[at], points[(at + 1) % last]
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        for step in range(9):
            t = step / 8
            path.append(
                (
                    (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * corner[0] + t**2 * end[0],
                    (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * corner[1] + t**2 * end[1],
                )
            )
    return path if closed else [*path, points[-1]]


def _towards(corner: Point, other: Point, radius: float) -> Point:
    length = math.dist(corner, other) or 1.0
    part = min(radius / length, 0.5)
    return corner[0] + (other[0] - corner[0]) * part, corner[1] + (other[1] - corner[1]) * part
