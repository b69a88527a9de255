"""Small pictures of large ones, for contact sheets."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor

from PIL import Image

MAX_PIXELS = 50_000_000
"""Twice the most that is ever asked for or made; a file that says more is not opened further."""
_FORMATS = ("PNG", "JPEG", "WEBP")
_WHITE = (255, 255, 255)


class Thumbnailer:
    """Makes thumbnails, two at a time in the whole process: a 4K picture takes 33 MB while it is open.

    They are opened in threads: Pillow lets the event loop run while it decodes, and a file of another kind than ours, or
    with more than MAX_PIXELS, is not decoded. `drawing` lets two drawn sheets be made at a time, 38 MB each.
    """

    def __init__(self) -> None:
        self.drawing = asyncio.Semaphore(2)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="thumbnail")

    async def make(self, data: bytes, edge_px: int) -> Image.Image | None:
        """The picture within a square of this edge, on white; None when it cannot be opened."""
        return await asyncio.wrap_future(self._threads.submit(thumbnail, data, edge_px))

    async def aclose(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)


def thumbnail(data: bytes, edge_px: int) -> Image.Image | None:
    """As `Thumbnailer.make`. Blocking."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return None
            picture.draft("RGB", (2 * edge_px, 2 * edge_px))
            small = picture.convert("RGBA") if picture.has_transparency_data else picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    small.thumbnail((edge_px, edge_px))
    if small.mode == "RGB":
        return small
    flat = Image.new("RGB", small.size, _WHITE)
    flat.paste(small, mask=small.getchannel("A"))
    return flat
