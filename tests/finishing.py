"""A finisher for tests of what surrounds it, a keeper that works with it, and pictures signed like a provider's."""

from __future__ import annotations

import struct
import zlib

from core.clock import Clock
from core.documents import Documents
from core.state.tasks import TaskStore
from workers.finishing.finisher import Finisher
from workers.keeper import PictureKeeper
from workers.patience import Patience
from workers.storer import Storer

FINISHER = Finisher(processes=1, deadline_s=120, memory_bytes=2**31)


def keeper_of(worker: str, documents: Documents, tasks: TaskStore, clock: Clock) -> PictureKeeper:
    """A keeper as a worker process builds it."""
    patience = Patience(clock)
    storer = Storer(documents, FINISHER, patience)
    return PictureKeeper(
        worker, documents=documents, tasks=tasks, storer=storer, patience=patience, clock=clock
    )


def jumbf() -> bytes:
    """The head of a C2PA store: a super box, and the box that says what is in it."""
    says = b"\0\0\0\x26jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9bq\x03c2pa\0"
    body = says + b"signed" * 20
    return struct.pack(">I4s", len(body) + 8, b"jumb") + body


def signed(data: bytes, kind: str) -> bytes:
    """A picture file with a C2PA store where the specification puts it."""
    box = jumbf()
    if kind == "png":
        chunk = struct.pack(">I", len(box)) + b"caBX" + box + struct.pack(">I", zlib.crc32(b"caBX" + box))
        return data[:33] + chunk + data[33:]
    if kind == "jpeg":
        parts = [box[:60], box[:8] + box[60:]]  # a long box goes on in another segment
        segments = (b"JP" + struct.pack(">HI", 1, number) + part for number, part in enumerate(parts, 1))
        told = b"".join(b"\xff\xeb" + struct.pack(">H", len(part) + 2) + part for part in segments)
        return data[:20] + told + data[20:]
    grown = data[8:] + b"C2PA" + struct.pack("<I", len(box)) + box + b"\0" * (len(box) % 2)
    return b"RIFF" + struct.pack("<I", len(grown)) + grown
