"""Drawing the answer: a picture a person can check.

It shows the prompt, the size, the model, the quality and small copies of the references, on colours derived from
the request, so that one sees at a glance that the right row went to the right place. Equal requests give equal
bytes. Everything here is plain work for a thread: no I/O, no clock, no chance.
"""

import colorsys
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import cast

from PIL import Image, ImageDraw, ImageFont, ImageOps

from simulator.contract.parameters import ImageRequest
from simulator.contract.uploads import Upload

Box = tuple[int, int, int, int]
Colour = tuple[int, int, int, int]

INK: Colour = (24, 26, 32, 255)
PALE_INK: Colour = (96, 102, 116, 255)
PAPER: Colour = (252, 252, 250, 255)
# More than this cannot be shown in a readable size.
_SHOWN_PROMPT_CHARACTERS = 1500
_BLOBS = 5


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things go: a card with a caption, the prompt, and a strip of references below it."""

    card: Box
    margin_px: int
    caption_px: int
    strip_px: int

    @classmethod
    def of(cls, request: ImageRequest) -> "Layout":
        width_px, height_px = request.width_px, request.height_px
        short_px = min(width_px, height_px)
        edge_px = short_px // 12
        inset_px = short_px // 24
        return cls(
            card=(edge_px, edge_px, width_px - edge_px, height_px - edge_px),
            margin_px=inset_px,
            caption_px=max(12, short_px // 42),
            strip_px=short_px // 5 if request.references else 0,
        )


def draw(request: ImageRequest, index: int = 0) -> bytes:
    """The encoded picture number `index` of a call, in the requested size and format."""
    picture = _background(request, index)
    layout = Layout.of(request)
    canvas = ImageDraw.Draw(picture)
    canvas.rounded_rectangle(layout.card, radius=layout.margin_px, fill=PAPER)
    _draw_captions(canvas, request, index, layout)
    _draw_prompt(canvas, request.prompt, layout)
    if request.references:
        _draw_references(picture, canvas, request, layout)
    return _encode(picture, request)


def _background(request: ImageRequest, index: int) -> Image.Image:
    """Flat colours compress and draw fast; the blobs tell neighbouring prompts apart."""
    digest = bytes.fromhex(request.digest)
    hue = (digest[0] * 256 + digest[1]) / 65536
    size = (request.width_px, request.height_px)
    picture = Image.new("RGBA", size, (0, 0, 0, 0) if request.transparent else _colour(hue, 0.45, 0.86))
    canvas = ImageDraw.Draw(picture)
    for blob in range(_BLOBS):
        first, second, third = digest[2 + 3 * blob : 5 + 3 * blob]
        radius_px = min(size) * (60 + third) // 900
        x_px, y_px = (
            size[0] * first // 255,
            size[1] * ((second + 64 * index) % 256) // 255,
        )
        colour = _colour(hue + (blob + 1) * 0.13, 0.55, 0.95 - 0.09 * blob)
        canvas.ellipse(
            (x_px - radius_px, y_px - radius_px, x_px + radius_px, y_px + radius_px),
            fill=colour,
        )
    return picture


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255), 255


def _draw_captions(canvas: ImageDraw.ImageDraw, request: ImageRequest, index: int, layout: Layout) -> None:
    left_px, top_px, right_px, bottom_px = layout.card
    font, inset_px = _font(layout.caption_px), layout.margin_px
    facts = [request.asked_model, request.quality, request.size, request.output_format]
    if request.transparent:
        facts.append("transparent")
    canvas.text((left_px + inset_px, top_px + inset_px), "  ·  ".join(facts), PALE_INK, font)
    foot_y_px = bottom_px - inset_px
    made = f"simulated picture {index + 1} of {request.n}"
    canvas.text((left_px + inset_px, foot_y_px), made, PALE_INK, font, anchor="ls")
    canvas.text(
        (right_px - inset_px, foot_y_px),
        request.digest[:12],
        PALE_INK,
        font,
        anchor="rs",
    )


def _draw_prompt(canvas: ImageDraw.ImageDraw, prompt: str, layout: Layout) -> None:
    left_px, top_px, right_px, bottom_px = layout.card
    gap_px = layout.margin_px
    line_px = 2 * layout.caption_px
    left_px, right_px = left_px + gap_px, right_px - gap_px
    top_px, bottom_px = top_px + gap_px + line_px, bottom_px - gap_px - line_px
    if layout.strip_px:
        bottom_px -= layout.strip_px + gap_px
    text, font = _fit(prompt, right_px - left_px, bottom_px - top_px, smallest_px=layout.caption_px)
    canvas.multiline_text((left_px, top_px), text, INK, font, spacing=_leading(font))


def _fit(
    prompt: str, width_px: int, height_px: int, *, smallest_px: int
) -> tuple[str, ImageFont.FreeTypeFont]:
    """The prompt in lines, in the largest type that fits; cut with an ellipsis if none does."""
    shown = prompt[:_SHOWN_PROMPT_CHARACTERS]
    font, lines, room = _font(smallest_px), [""], 1
    for type_px in sorted({smallest_px * step // 4 for step in range(4, 17)}, reverse=True):
        font = _font(type_px)
        lines = _wrap(shown, font, width_px)
        room = max(1, (height_px + _leading(font)) // _line_px(font))
        if len(lines) <= room and len(shown) == len(prompt):
            return "\n".join(lines), font
    kept = lines[:room]
    return "\n".join([*kept[:-1], f"{kept[-1][:-1]}…"]), font


def _wrap(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> list[str]:
    """Lines no wider than `width_px`, judged by the average width of a character of this text."""
    sample = " ".join(text.split())[:300] or " "
    per_line = max(4, int(width_px / (font.getlength(sample) / len(sample))))
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        lines.extend(textwrap.wrap(paragraph, per_line) or [""])
    widest_px = max(font.getlength(line) for line in lines)
    if widest_px <= width_px:
        return lines
    narrower = max(4, int(per_line * width_px / widest_px))
    return [part for line in text.splitlines() for part in textwrap.wrap(line, narrower) or [""]]


def _line_px(font: ImageFont.FreeTypeFont) -> int:
    ascent, descent = font.getmetrics()
    return ascent + descent + _leading(font)


def _leading(font: ImageFont.FreeTypeFont) -> int:
    return int(font.size * 0.25)


def _draw_references(
    picture: Image.Image,
    canvas: ImageDraw.ImageDraw,
    request: ImageRequest,
    layout: Layout,
) -> None:
    """A strip of numbered copies in the order they were sent, the mask last."""
    left_px, _, right_px, bottom_px = layout.card
    shown = [(str(number), upload) for number, upload in enumerate(request.references, start=1)]
    if request.mask:
        shown.append(("mask", request.mask))
    gap_px = layout.margin_px // 2
    room_px = right_px - left_px - 2 * layout.margin_px + gap_px
    label_px = layout.caption_px + gap_px // 2
    edge_px = max(8, min(layout.strip_px - label_px, room_px // len(shown) - gap_px))
    top_px = bottom_px - layout.margin_px - 2 * layout.caption_px - layout.strip_px
    for position, (label, upload) in enumerate(shown):
        x_px = left_px + layout.margin_px + position * (edge_px + gap_px)
        box = (x_px, top_px + label_px, x_px + edge_px, top_px + label_px + edge_px)
        canvas.text((x_px, top_px), label, PALE_INK, _font(layout.caption_px))
        canvas.rectangle(box, outline=PALE_INK)
        copy = _thumbnail(upload, edge_px - 4)
        offset = ((edge_px - copy.width) // 2, (edge_px - copy.height) // 2)
        picture.paste(copy, (box[0] + offset[0], box[1] + offset[1]), copy)


def _thumbnail(upload: Upload, edge_px: int) -> Image.Image:
    """A copy that fits a square; a file whose header was fine but whose pixels are not stays grey."""
    try:
        with Image.open(BytesIO(upload.content)) as picture:
            picture.draft("RGB", (edge_px, edge_px))
            picture.thumbnail((edge_px, edge_px), reducing_gap=2.0)
            return ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGBA", (edge_px, edge_px), (200, 200, 200, 255))


@lru_cache(maxsize=256)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu where it is installed, as it knows more scripts; else the font that comes with Pillow."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size_px)
    except OSError:
        # Pillow's own font is a FreeType one wherever a size is given.
        return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size_px))


def _encode(picture: Image.Image, request: ImageRequest) -> bytes:
    """Fast settings: this is a stand-in's picture, its bytes need not be few."""
    if not request.transparent:
        picture = picture.convert("RGB")
    out = BytesIO()
    compression = 100 if request.output_compression is None else request.output_compression
    match request.output_format:
        case "png":
            picture.save(out, "PNG", compress_level=1)
        case "jpeg":
            picture.save(out, "JPEG", quality=max(1, min(95, compression)))
        case _:
            picture.save(out, "WEBP", quality=compression, method=0)
    return out.getvalue()
