"""Memory: what the C library does with blocks that are free again."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _LARGE_BYTES = -3, 256 * 1024
"""Pictures are larger blocks, and hardly anything else is."""


def return_large_blocks() -> None:
    """Has the blocks of pictures go back to the system when they are free; before there are threads.

    glibc does so at first, but raises its threshold to the largest block that was ever freed, and keeps the next ones, in
    each thread that had any: after three archives of 6 MB pictures, read at the same time, the service kept 330 MB; after
    200 pictures of 4K in six threads, 25 MB each, a worker kept 210 MB (`python -m tests.benchmarks.labels`). Elsewhere
    nothing is done.

    Source: https://man7.org/linux/man-pages/man3/mallopt.3.html (M_MMAP_THRESHOLD).
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
