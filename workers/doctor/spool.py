"""The patient spool: whether what is paid for has a place to land that is there after a crash."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.settings import SpoolSettings
from workers.doctor.finding import Finding, failed, ok, warning
from workers.spool import Spool

PICTURE_BYTES = 16 * 1024**2
"""Room for one call in flight; pictures of the largest size are seldom larger."""
MOUNTS = Path("/proc/mounts")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def examine(settings: SpoolSettings, *, slots: int, name: str) -> list[Finding]:
    """Looks at the spool of this machine, with a folder that is gone afterwards.

    Args:
        slots: calls that one worker may have in flight.
        name: that no worker has.
    """
    spool = Spool(settings.dir / "attempts", 0)
    try:
        folder = spool.open(name)
    except OSError as error:
        reason = f"{settings.dir} cannot be used: {error.strerror or error}"
        return [failed("folder", f"{reason}; look at DARKROOM_SPOOL__DIR and who may write there")]
    try:
        if not spool.has_room():
            return [failed("folder", f"{settings.dir} takes no files; look at its disk")]
    finally:
        folder.remove()
        folder.close()
    where = settings.dir.resolve()
    return [
        ok("folder", f"{where} can be written and locked"),
        _room(shutil.disk_usage(where).free, settings, slots),
        _lasting(kind_of_disk(where)),
    ]


def _room(free_bytes: int, settings: SpoolSettings, slots: int) -> Finding:
    text = f"{free_bytes / 2**20:,.0f} MiB are free"
    if free_bytes < settings.min_free_bytes:
        return failed(
            "room", f"{text}, so that nothing new starts; make room, or lower DARKROOM_SPOOL__MIN_FREE_BYTES"
        )
    wanted = settings.min_free_bytes + slots * PICTURE_BYTES
    if free_bytes < wanted:
        return warning(
            "room", f"{text}; calls in flight (at most {slots}) may want {wanted / 2**20:,.0f} MiB: make room"
        )
    return ok("room", text)


def _lasting(kind: str | None) -> Finding:
    if kind in IN_MEMORY:
        return failed(
            "disk",
            f"it lies in memory ({kind}), which a restart empties of paid pictures; name a folder on a disk",
        )
    if kind == "overlay":
        return warning("disk", "it lies in a container's own layer, which goes with it; mount a volume there")
    return ok("disk", kind or "this system does not tell its kind; see to it that it outlives the worker")


def kind_of_disk(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The file system of a folder, such as `ext4`; None where nothing tells."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return None
    places = [(_plain(line[1]), line[2]) for line in lines if len(line) > 2]
    above = [(place, kind) for place, kind in places if path.is_relative_to(place)]
    return max(above, key=lambda found: len(found[0]), default=("", None))[1]


def _plain(text: str) -> str:
    """Blanks in the names of folders are written as octal numbers there."""
    return text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
