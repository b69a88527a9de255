"""Draws the product photos of `apparel.csv`: plain shapes in the product's colour, the same pixels every time.

Run it from anywhere: `python examples/draw_photos.py`. Needs Pillow only.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from canvas import Photo, Point

HERE = Path(__file__).resolve().parent

COLORS = {
    "sand": "#cdb892",
    "navy": "#24345c",
    "sage green": "#93a78a",
    "sky blue": "#8fb8dd",
    "plum": "#6b3a5e",
    "rust": "#b0532a",
    "indigo": "#3a4f86",
    "mustard": "#d5a021",
    "khaki": "#a8966a",
    "charcoal": "#45474c",
    "coral": "#f0745f",
    "forest green": "#2c5a41",
    "burgundy": "#7a1f35",
    "cream": "#ebe1c8",
    "cognac": "#9a5426",
    "olive": "#6c6d3a",
    "heather grey": "#9a9da2",
    "terracotta": "#bf6144",
    "teal": "#1f7378",
    "camel": "#bd9059",
}


def t_shirt(photo: Photo) -> None:
    photo.shape([(41, 17), (59, 17), (57, 24), (43, 24)], photo.shade(0.75))
    photo.mirrored(
        [(50, 25), (45, 23.5), (41, 17), (32, 20), (16, 38), (26, 47), (31, 42), (31, 86), (50, 87)]
    )
    photo.line([(41, 17), (45, 23.5), (50, 25), (55, 23.5), (59, 17)], photo.shade(0.8), width=1.6)
    photo.both([(31, 42), (32, 34), (31, 29)])
    photo.both([(18.5, 40), (28, 31)], photo.shade(1.0))
    photo.both([(18.6, 36.5), (28, 45.5)], photo.shade(0.85))
    photo.line([(31.5, 83.5), (50, 84.5), (68.5, 83.5)], photo.shade(0.85))
    photo.line([(40, 60), (37, 72), (38, 80)], photo.shade(0.9), width=0.7)


def striped_t_shirt(photo: Photo) -> None:
    t_shirt(photo)

    def stripes(canvas: Photo) -> None:
        for y in range(34, 84, 6):
            canvas.line([(10, y), (50, y + 0.8), (90, y)], (238, 236, 230), width=2.0)

    photo.inside(stripes)


def shirt(photo: Photo) -> None:
    _long_sleeves(photo)
    photo.line([(50, 24), (50, 85)], photo.shade(0.7))
    photo.line([(53.5, 25), (53.5, 85)], photo.shade(0.85))
    for y in range(32, 84, 9):
        photo.dot(51.8, y, 0.8, photo.shade(1.35))
    photo.shape([(41, 14), (50, 22), (44, 30), (37, 19)], photo.shade(1.08))
    photo.shape([(59, 14), (50, 22), (56, 30), (63, 19)], photo.shade(1.08))
    photo.shape([(57, 38), (65, 38), (65, 45), (61, 48), (57, 45)], photo.shade(0.96))


def _long_sleeves(photo: Photo) -> None:
    """A top with sleeves hanging down beside the body."""
    photo.shape([(41, 14), (59, 14), (57, 23), (43, 23)], photo.shade(0.7))
    for flip in (False, True):
        sleeve = [(33, 19), (24, 26), (13, 70), (22, 74), (31, 48), (34, 34)]
        photo.shape([(100 - x, y) for x, y in sleeve] if flip else sleeve, photo.shade(0.95))
    photo.mirrored([(50, 22), (44, 20), (41, 14), (32, 18.5), (30, 30), (31, 85), (50, 86)])
    photo.both([(13.8, 66.5), (23.2, 70.5)])
    photo.both([(38, 55), (35, 68), (36, 80)], photo.shade(0.92), width=0.7)


def sweater(photo: Photo) -> None:
    _long_sleeves(photo)

    def ribs(canvas: Photo) -> None:
        for x in range(31, 70, 2):
            canvas.line([(x, 79), (x, 87)], canvas.shade(0.82), width=0.4)

    photo.inside(ribs)
    photo.line([(31, 79), (50, 80), (69, 79)])
    photo.line([(40.5, 14), (44, 21), (50, 23), (56, 21), (59.5, 14)], photo.shade(0.82), width=2.6)
    photo.both([(32, 19), (36, 33), (31, 46)], photo.shade(0.82))


def hoodie(photo: Photo) -> None:
    _long_sleeves(photo)
    photo.mirrored([(50, 9), (42, 9.5), (36, 16), (37, 24), (44, 31), (50, 33)], photo.shade(1.1))
    photo.mirrored([(50, 13), (44, 14), (41, 19), (43, 25), (50, 29)], photo.shade(0.55))
    photo.shape([(39, 60), (61, 60), (66, 76), (34, 76)], photo.shade(0.93))
    photo.both([(46, 30), (45.5, 45)], (232, 228, 220), width=0.9)
    photo.line([(31, 80), (50, 81), (69, 80)])


def jacket(photo: Photo) -> None:
    _long_sleeves(photo)
    photo.line([(50, 22), (50, 85)], photo.shade(0.55), width=1.0)
    for x in (35, 55):
        photo.shape([(x, 37), (x + 10, 37), (x + 10, 41), (x + 5, 43), (x, 41)], photo.shade(1.08))
        photo.dot(x + 5, 40.6, 0.8, (208, 186, 132))
    for y in range(30, 76, 9):
        photo.dot(52.2, y, 0.9, (208, 186, 132))
    photo.both([(38, 43), (40, 80)], photo.shade(0.75))
    photo.line([(31, 79), (50, 80), (69, 79)])
    photo.shape([(40, 12), (50, 21), (43, 28), (35, 18)], photo.shade(0.88))
    photo.shape([(60, 12), (50, 21), (57, 28), (65, 18)], photo.shade(0.88))


def trousers(photo: Photo) -> None:
    photo.mirrored([(50, 10), (34, 10), (29, 40), (25, 91), (42, 92), (49, 38), (50, 36)])
    photo.line([(33.5, 15.5), (50, 16), (66.5, 15.5)])
    photo.line([(50, 10), (50, 36)], photo.shade(0.65))
    photo.line([(50, 30), (54, 27), (54.5, 16)], photo.shade(0.75))
    photo.both([(39, 16), (37, 22), (32.5, 24)])
    photo.both([(40, 28), (34.5, 90)], photo.shade(0.85), width=0.6)
    photo.both([(25.6, 87.5), (42.6, 88.5)], photo.shade(0.8))
    for x in (38, 62):
        photo.line([(x, 9.5), (x, 16)], photo.shade(0.8), width=1.2)
    photo.dot(50, 13, 1.1, photo.shade(1.4))


def shorts(photo: Photo) -> None:
    photo.mirrored([(50, 24), (30, 24), (22, 72), (45, 76), (49, 52), (50, 50)])
    photo.line([(29.5, 31), (50, 31.5), (70.5, 31)])
    for x in range(32, 70, 3):
        photo.line([(x, 25), (x, 30.5)], photo.shade(0.82))
    photo.line([(50, 31), (50, 50)], photo.shade(0.7))
    photo.both([(35, 32), (32, 42), (27.5, 45)])
    photo.both([(22.6, 69), (45.6, 73)], photo.shade(0.85))
    photo.line([(48, 31), (45, 44)], (245, 240, 232), width=0.9)
    photo.line([(52, 31), (54, 46)], (245, 240, 232), width=0.9)


def skirt(photo: Photo) -> None:
    photo.mirrored([(50, 14), (37, 14), (36, 21), (20, 84), (34, 87), (50, 88)])
    for x, end in ((39.5, 26), (43.5, 34.5), (47.5, 43)):
        photo.both([(x, 21), (end, 85.5)], photo.shade(0.72), width=0.6)
        photo.both([(x + 1.4, 21), (end + 4, 85)], photo.shade(1.18), width=0.8)
    photo.line([(36, 21), (50, 21.6), (64, 21)], photo.shade(0.6))


def dress(photo: Photo) -> None:
    photo.shape([(43, 9), (57, 9), (53, 34), (47, 34)], photo.shade(0.55))
    photo.mirrored([(50, 32), (43, 9), (36, 11), (28, 27), (37, 31), (37, 46), (22, 90), (50, 92)])
    photo.line([(57, 9), (50, 33), (38, 46)], photo.shade(0.65), width=0.7)
    photo.line([(43, 9), (50, 34)], photo.shade(0.65), width=0.7)
    photo.shape([(36.5, 44), (63.5, 44), (63.8, 49), (36.2, 49)], photo.shade(0.8))
    photo.shape([(39, 47), (43, 47), (38, 68), (33, 66)], photo.shade(0.88))
    photo.line([(50, 50), (56, 70), (60, 91)], photo.shade(0.7), width=0.6)
    photo.line([(44, 52), (38, 88)], photo.shade(0.85))


def sneakers(photo: Photo) -> None:
    for dx, dy in ((6.0, -15.0), (-2.0, 9.0)):
        _sneaker(photo, dx, dy)


def _sneaker(photo: Photo, dx: float, dy: float) -> None:
    def at(*points: Point) -> list[Point]:
        return [(x + dx, y + dy) for x, y in points]

    photo.shape(at((14, 42), (16, 38), (31, 40), (36, 41), (48, 50), (66, 55), (80, 60), (84, 67), (12, 67)))
    photo.shape(at((67, 56), (78, 58.5), (84, 64), (84, 67), (62, 67)), photo.shade(1.06))
    photo.shape(at((14, 42), (19, 42), (21, 66), (12, 66)), photo.shade(0.9))
    photo.shape(at((10, 65), (86, 65), (87, 69), (84, 72), (12, 72), (10, 70)), (247, 244, 236))
    photo.line(at((11, 68), (86, 68)), photo.shade(0.7))
    for place in range(4):
        x, y = 40 + place * 6.2, 44.5 + place * 3.1
        photo.line(at((x, y), (x - 3.5, y + 6)), (252, 250, 246), width=1.3)
        photo.dot(x - 3.5 + dx, y + 6 + dy, 0.8)
    photo.shape(at((31, 38), (37, 39), (44, 46), (38, 46)), photo.shade(1.05))


def boots(photo: Photo) -> None:
    for dx, dy in ((10.0, -5.0), (-6.0, 6.0)):
        _boot(photo, dx, dy)


def _boot(photo: Photo, dx: float, dy: float) -> None:
    def at(*points: Point) -> list[Point]:
        return [(x + dx, y + dy) for x, y in points]

    photo.shape(
        at((28, 16), (50, 16), (50, 42), (54, 52), (70, 60), (80, 67), (82, 75), (28, 75), (26, 62), (29, 46))
    )
    photo.shape(at((36, 20), (45, 20), (44, 48), (40, 52), (36, 46)), (58, 44, 38))
    for x in (38.5, 41, 43.3):
        photo.line(at((x, 22), (x - 0.5, 47)), (92, 74, 64))
    photo.line(at((29, 61), (46, 60), (58, 56)), photo.shade(0.68))
    photo.shape(at((27, 75), (83, 75), (83, 78), (48, 78), (47, 83), (27, 83)), (62, 45, 34))
    photo.line(at((37, 16), (37, 10), (42, 10), (42, 16)), photo.shade(0.7), width=1.4)


def cap(photo: Photo) -> None:
    photo.shape([(22, 58), (24, 42), (34, 29), (50, 25), (66, 29), (74, 41), (76, 58), (50, 63)])
    photo.line([(50, 25), (46, 40), (46, 62)], photo.shade(0.75))
    photo.line([(50, 25), (33, 38), (30, 59)], photo.shade(0.75))
    photo.line([(50, 25), (64, 38), (67, 60)], photo.shade(0.75))
    photo.shape(
        [(36, 58), (58, 59), (77, 57), (92, 66), (94, 72), (78, 71), (56, 70), (38, 66)], photo.shade(0.85)
    )
    photo.line([(40, 64), (60, 67.5), (90, 69)], photo.shade(0.65))
    photo.dot(50, 25, 1.8, photo.shade(0.8))
    photo.dot(37, 42, 0.8)
    photo.dot(59, 42, 0.8)


def beanie(photo: Photo) -> None:
    photo.mirrored([(50, 20), (38, 22), (28, 34), (24, 52), (24, 62), (50, 63)])
    photo.shape([(22, 56), (50, 58), (78, 56), (79, 75), (50, 78), (21, 75)], photo.shade(1.08))
    for step in range(-7, 8):
        x = 50 + step * 3.7
        photo.line([(x, 58.5), (x, 76)], photo.shade(0.85), width=0.7)
        photo.line([(50 + step * 1.2, 23), (50 + step * 3.3, 40), (50 + step * 3.6, 56)], photo.shade(0.85))
    photo.dot(50, 18, 6.5, photo.shade(1.12))
    for x, y in ((47, 16), (52, 15), (50, 20), (54, 19), (46, 20)):
        photo.dot(x, y, 1.1, photo.shade(0.92))


def tote_bag(photo: Photo) -> None:
    for width, fill in ((2.4, photo.shade(0.6)), (1.4, photo.shade(0.8))):
        photo.line([(36, 44), (37, 20), (44, 12), (56, 12), (63, 20), (64, 44)], fill, width=width)
    photo.shape([(20, 36), (80, 36), (85, 86), (15, 86)])
    photo.line([(20.5, 39.5), (79.5, 39.5)], photo.shade(0.78), width=0.5)
    photo.both([(23, 39.5), (18.5, 83)], photo.shade(0.8))
    photo.line([(17, 82.5), (83, 82.5)], photo.shade(0.8))
    for x in (36, 64):
        photo.shape([(x - 2.5, 38), (x + 2.5, 38), (x + 2.5, 47), (x, 50), (x - 2.5, 47)], photo.shade(0.75))
        photo.dot(x, 45.5, 0.9, (222, 196, 130))


def backpack(photo: Photo) -> None:
    photo.line([(43, 16), (44, 9), (56, 9), (57, 16)], photo.shade(0.6), width=1.8)
    photo.shape([(28, 28), (72, 28), (76, 84), (70, 89), (30, 89), (24, 84)])
    photo.shape([(29, 14), (71, 14), (73, 32), (27, 32)], photo.shade(1.1))
    photo.line([(28, 20), (72, 20)], photo.shade(0.8))
    photo.line([(28, 26), (72, 26)], photo.shade(0.8))
    for x in (38, 62):
        photo.line([(x, 15), (x, 46)], (120, 84, 52), width=2.4)
        photo.shape([(x - 2.4, 41), (x + 2.4, 41), (x + 2.4, 46), (x - 2.4, 46)], (214, 188, 128))
    photo.shape([(31, 56), (69, 56), (70, 83), (30, 83)], photo.shade(0.9))
    photo.line([(31, 62), (69, 62)], photo.shade(0.6), width=0.9)
    photo.dot(66, 62, 1.2, (214, 188, 128))


def scarf(photo: Photo) -> None:
    photo.shape([(39, 40), (55, 36), (66, 84), (49, 88)], photo.shade(0.88))
    photo.shape([(28, 18), (50, 12), (72, 18), (76, 32), (66, 44), (50, 48), (34, 44), (24, 32)])
    photo.shape([(35, 24), (50, 20), (65, 24), (62, 32), (50, 34), (38, 32)], photo.shade(0.5))
    photo.both([(27, 30), (36, 39), (50, 42)], photo.shade(0.8), width=0.7)
    photo.shape([(36, 40), (50, 42), (47, 84), (29, 82)], photo.shade(1.05))
    for place in range(10):
        photo.line(
            [(30 + place * 1.85, 82.2 + place * 0.2), (29 + place * 1.85, 91)], photo.shade(0.85), width=0.8
        )
        photo.line(
            [(50 + place * 1.7, 87.5 - place * 0.4), (51 + place * 1.8, 94)], photo.shade(0.75), width=0.8
        )
    for y in (68, 72, 76):
        photo.line([(31 + (82 - y) * 0.12, y), (47.6, y + 1.5)], photo.shade(0.7), width=1.1)


DRAWINGS: dict[str, Callable[[Photo], None]] = {
    "T-shirt": t_shirt,
    "Striped T-shirt": striped_t_shirt,
    "Shirt": shirt,
    "Sweater": sweater,
    "Hoodie": hoodie,
    "Jacket": jacket,
    "Trousers": trousers,
    "Shorts": shorts,
    "Skirt": skirt,
    "Dress": dress,
    "Sneakers": sneakers,
    "Boots": boots,
    "Cap": cap,
    "Beanie": beanie,
    "Tote bag": tote_bag,
    "Backpack": backpack,
    "Scarf": scarf,
}


def main() -> None:
    with (HERE / "apparel.csv").open(encoding="utf-8", newline="") as source:
        for product in csv.DictReader(source):
            photo = Photo(COLORS[product["color"]])
            DRAWINGS[product["product_type"]](photo)
            target = HERE / product["image_url"]
            target.parent.mkdir(exist_ok=True)
            photo.finished().save(target, quality=86, optimize=True)


if __name__ == "__main__":
    main()
