"""An archive keeps nothing of its entries in memory, also not their names."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

from service.exports.archive import ArchiveFile

ENTRIES, NAME = 8_000, "row-{:06d}/hero-a-variant-with-a-rather-long-name-of-some-hundred-letters-{:06d}.png"


def test_an_archive_of_many_entries_takes_no_memory_for_their_names(tmp_path: Path) -> None:
    path, file = tmp_path / "pictures.zip", ArchiveFile()
    tracemalloc.start()
    with path.open("wb") as out:
        for number in range(ENTRIES):
            out.write(file.add(NAME.format(number, number), 1_795_248_000_000, b"x"))
        for block in file.end():
            out.write(block)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    with zipfile.ZipFile(path) as read:
        assert read.namelist() == [NAME.format(number, number) for number in range(ENTRIES)]
        assert read.testzip() is None
    assert peak_bytes < 1_500_000  # some of both files stay in memory while they are small


def test_an_archive_whose_reader_leaves_ends_in_silence() -> None:
    file = ArchiveFile()
    out = io.BytesIO(file.add("a.png", 1_795_248_000_000, b"picture"))
    del file

    assert out.getvalue().startswith(b"PK")
