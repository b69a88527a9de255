"""What becomes of large blocks, as the C library itself counts them."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import ctypes, sys
from core.memory import return_large_blocks

class Counts(ctypes.Structure):  # mallinfo2 of glibc
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

def own_mappings():
    count = ctypes.CDLL(None).mallinfo2
    count.restype = Counts
    return count().hblks

if sys.argv[1:]:
    return_large_blocks()
if not hasattr(ctypes.CDLL(None), "mallinfo2"):
    sys.exit("no glibc")
freed = bytearray(8_000_000)
del freed  # from now on glibc keeps blocks of up to this size, unless it is told otherwise
before = own_mappings()
picture = bytearray(3_000_000)
print(own_mappings() - before)
"""


def mapped(*words: str) -> str:
    """Whether a picture gets a mapping of its own, which goes back to the system with it: 1 or 0."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or told.stderr.strip()


def test_the_block_of_a_picture_goes_back_to_the_system() -> None:
    assert mapped("told") in {"1", "no glibc"}


def test_without_being_told_it_would_be_kept() -> None:
    assert mapped() in {"0", "no glibc"}
