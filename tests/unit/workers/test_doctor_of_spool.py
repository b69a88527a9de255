from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import SpoolSettings
from workers.doctor.finding import Finding, Level
from workers.doctor.spool import examine, kind_of_disk

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /tmp tmpfs rw 0 0
/dev/vdb /tmp/my\\040disk xfs rw 0 0
"""


def visit(folder: Path, *, min_free_bytes: int = 0, slots: int = 1) -> dict[str, Finding]:
    settings = SpoolSettings(dir=folder, min_free_bytes=min_free_bytes)
    return {found.check: found for found in examine(settings, slots=slots, name="doctor")}


def test_a_spool_that_can_be_used_is_left_as_it_was(tmp_path: Path) -> None:
    found = visit(tmp_path / "spool")

    assert found["folder"].level is found["room"].level is Level.OK
    assert list((tmp_path / "spool" / "attempts").iterdir()) == []


def test_a_spool_that_cannot_be_written_is_the_only_finding(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")

    found = visit(tmp_path / "spool")

    assert {check: finding.level for check, finding in found.items()} == {"folder": Level.FAILED}
    assert "DARKROOM_SPOOL__DIR" in found["folder"].detail


def test_too_little_room_fails_and_too_little_for_all_slots_is_warned_of(tmp_path: Path) -> None:
    assert visit(tmp_path, min_free_bytes=2**60)["room"].level is Level.FAILED
    assert visit(tmp_path, slots=2**40)["room"].level is Level.WARNING


@pytest.mark.parametrize(
    ("place", "kind"),
    [("/var/spool", "ext4"), ("/tmp/spool", "tmpfs"), ("/tmp/my disk/spool", "xfs"), ("/tmpfolder", "ext4")],
)
def test_the_kind_of_disk_is_that_of_the_nearest_mount(tmp_path: Path, place: str, kind: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)

    assert kind_of_disk(Path(place), mounts) == kind


def test_a_spool_in_memory_fails_where_the_system_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("tmpfs / tmpfs rw 0 0\n")
    monkeypatch.setattr("workers.doctor.spool.kind_of_disk", lambda path: kind_of_disk(path, mounts))

    assert visit(tmp_path / "spool")["disk"].level is Level.FAILED
    assert kind_of_disk(tmp_path, tmp_path / "nothing") is None
