"""Draws the masks of `inpainting.yaml`: transparent where the picture may change, the same pixels every time.

Run it from anywhere: `python examples/draw_masks.py`. Needs Pillow only.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

HERE = Path(__file__).resolve().parent
EDGE_PX = 768
"""As wide and as high as the photos: a mask has the size of the picture it is for."""

KEPT = {"jkt-ran-must": (150, 90, 618, 700), "bag-tot-terr": (170, 120, 598, 690)}
"""Photo -> the box around its product, in pixels, which stays as it is."""


def main() -> None:
    for name, box in KEPT.items():
        mask = Image.new("RGBA", (EDGE_PX, EDGE_PX), (0, 0, 0, 0))
        ImageDraw.Draw(mask).rounded_rectangle(box, radius=60, fill=(0, 0, 0, 255))
        mask.save(HERE / "masks" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
