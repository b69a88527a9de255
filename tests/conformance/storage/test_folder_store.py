"""What is true of the folder alone: what a person sees in it, and what disks and crashes do."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.storage.folder import FolderStore
from core.storage.store import UnreadableError
from schemas.errors import AlreadyStoredError, UnavailableError

PNG = "image/png"

# Stores `count` keys unless they are there, and prints how many it won.
RACER = """
import asyncio, sys
from pathlib import Path
from core.storage.folder import FolderStore
from schemas.errors import AlreadyStoredError

async def main(root, name, count):
    store, won = FolderStore(Path(root), threads=4), 0
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        try:
            await store.put_bytes(f"k/{number}", name.encode(), media_type="text/plain",
                                  metadata={"who": name}, overwrite=False)
            won += 1
        except AlreadyStoredError:
            pass
    print(won, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

# Replaces one object for ever, by all of one letter and all of another.
REPLACER = """
import asyncio, itertools, sys
from pathlib import Path
from core.storage.folder import FolderStore

async def main(root):
    store = FolderStore(Path(root), threads=1)
    for letter in itertools.cycle("ab"):
        await store.put_bytes("k", letter.encode() * 2_000_000, media_type="text/plain",
                              metadata={"letter": letter}, overwrite=True)
        print(letter, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


# May write files of 1 MB and is given more to store.
BIG_WRITER = """
import asyncio, resource, sys
from pathlib import Path
from core.storage.folder import FolderStore
from schemas.errors import UnavailableError

async def main(root):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        await FolderStore(Path(root), threads=1).put_bytes(
            "k", bytes(2_000_000), media_type="text/plain", overwrite=False)
    except UnavailableError as error:
        print(error)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store", threads=4)


def child(script: str, *args: str) -> subprocess.Popen[str]:
    """A process that imports what this one can, and talks by lines."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def visible(root: Path) -> list[str]:
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if not path.parts[0].startswith("."))


async def test_a_person_sees_only_the_objects(store: FolderStore, tmp_path: Path) -> None:
    await store.check()
    await store.put_bytes("t/acme/p.png", b"x", media_type=PNG, metadata={"sha256": "ab"}, overwrite=False)
    await store.put_bytes("t/acme/p.json", b"{}", media_type="application/json", overwrite=True)
    assert visible(tmp_path / "store") == ["t/acme/p.json", "t/acme/p.png"]
    assert list((tmp_path / "store" / ".meta" / "parts").iterdir()) == []


async def test_a_refused_put_leaves_nothing_behind(store: FolderStore, tmp_path: Path) -> None:
    await store.put_bytes("k", b"x", media_type=PNG, overwrite=False)
    with pytest.raises(AlreadyStoredError):
        await store.put_bytes("k", b"y", media_type=PNG, overwrite=False)
    assert list((tmp_path / "store" / ".meta" / "parts").iterdir()) == []


async def test_a_file_that_a_person_put_there_is_an_object(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "catalog.csv").write_bytes(b"sku,title\n")
    info = await store.stat("catalog.csv")
    assert info is not None and (info.size_bytes, info.metadata) == (10, {})
    assert [key async for key in store.list_keys("")] == ["catalog.csv"]


async def test_what_is_no_object_is_not_listed(store: FolderStore, tmp_path: Path) -> None:
    await store.put_bytes("k", b"", media_type=PNG, overwrite=False)
    (tmp_path / "store" / "two\nlines").write_bytes(b"")
    (tmp_path / "store" / "elsewhere").symlink_to(tmp_path)
    assert [key async for key in store.list_keys("")] == ["k"]


async def test_a_folder_under_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file" / "store", threads=1)
    with pytest.raises(UnavailableError, match="could not write and read check: Not a directory"):
        await store.check()
    with pytest.raises(UnavailableError, match="write k"):
        await store.put_bytes("k", b"", media_type=PNG, overwrite=False)
    with pytest.raises(UnavailableError, match="read k"):
        await store.get_bytes("k")
    with pytest.raises(UnavailableError, match="look up k"):
        await store.stat("k")
    with pytest.raises(UnavailableError, match="list"):
        await anext(store.list_keys(""))


async def test_a_write_that_the_disk_cuts_short_is_unavailable_and_stores_nothing(tmp_path: Path) -> None:
    writer = child(BIG_WRITER, str(tmp_path / "store"))
    said, _ = writer.communicate()
    assert said.startswith(f"The storage folder {tmp_path}/store could not write k: File too large.")
    assert visible(tmp_path / "store") == []
    assert list((tmp_path / "store" / ".meta" / "parts").iterdir()) == []


async def test_a_key_is_not_also_a_folder(store: FolderStore) -> None:
    await store.put_bytes("a/b", b"x", media_type=PNG, overwrite=False)
    for key in ("a", "a/b/c"):
        for overwrite in (False, True):
            with pytest.raises(UnavailableError, match=key):
                await store.put_bytes(key, b"y", media_type=PNG, overwrite=overwrite)
    assert await store.get_bytes("a/b") == b"x"
    assert [key async for key in store.list_keys("")] == ["a/b"]


async def test_a_file_that_may_not_be_read_is_told_apart_from_a_disk_that_fails(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put_bytes("a/b", b"x", media_type=PNG, overwrite=False)
    kinds = []
    for number in (errno.EACCES, errno.EIO):
        error = OSError(number, os.strerror(number))  # to root, which runs many a test, every file is open

        def refuse(path: Path, mode: str, error: OSError = error) -> None:
            raise error

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(UnavailableError) as raised:
            await store.get_bytes("a/b")
        kinds.append(type(raised.value))
    assert kinds == [UnreadableError, UnavailableError]


async def test_a_segment_is_no_longer_than_a_file_name(store: FolderStore) -> None:
    await store.put_bytes("a/" + "k" * 255, b"", media_type=PNG, overwrite=False)
    with pytest.raises(ValueError, match="255"):
        await store.put_bytes("a/" + "ü" * 128, b"", media_type=PNG, overwrite=False)


async def test_a_folder_has_no_links(store: FolderStore, tmp_path: Path) -> None:
    assert await store.link("k", expires_s=60) is None
    assert store.url("a b/ü.png") == f"file://{tmp_path}/store/a%20b/%C3%BC.png"


async def test_of_two_processes_one_stores_each_key(store: FolderStore, tmp_path: Path) -> None:
    racers = [child(RACER, str(tmp_path / "store"), name, "40") for name in ("left", "right")]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
    for racer in racers:
        print("go", file=racer.stdin, flush=True)
    assert sum(int(racer.communicate()[0]) for racer in racers) == 40
    for number in range(40):
        info = await store.stat(f"k/{number}")
        assert info is not None and info.metadata == {"who": (await store.get_bytes(f"k/{number}")).decode()}


async def test_a_killed_writer_leaves_whole_objects_and_never_foreign_metadata(
    store: FolderStore, tmp_path: Path
) -> None:
    for puts_before in range(1, 5):
        writer = child(REPLACER, str(tmp_path / "store"))
        assert writer.stdout is not None
        for _ in range(puts_before):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        data, info = await store.get_bytes("k"), await store.stat("k")
        assert data in (b"a" * 2_000_000, b"b" * 2_000_000)
        assert info is not None and info.metadata in ({}, {"letter": chr(data[0])})
    assert visible(tmp_path / "store") == ["k"]
