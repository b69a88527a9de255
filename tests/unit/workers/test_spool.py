"""Local disk for what is paid for: it survives the process, belongs to one of them, and is found again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workers.order import Delivery, Order
from workers.spool import Spool, SpoolEntry

HOLDER = """
import sys
from pathlib import Path
from workers.spool import Spool
folder = Spool(Path(sys.argv[1]), 0).open(sys.argv[2])
entry = folder.entry("batch_1", 7, 2)
entry.picture.write_bytes(b"paid")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(root: Path, worker: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a spool folder with one picture in it."""
    command = [sys.executable, "-c", HOLDER, str(root), worker]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()
            process.wait(timeout=60)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "attempts", 0)


def test_an_order_and_its_delivery_come_back_as_they_were(
    spool: Spool, order: Order, delivery: Delivery
) -> None:
    entry = spool.open("w1").entry(order.batch_id, order.index, order.attempt)
    entry.write_order(order)
    entry.write_delivery(delivery)

    assert (entry.order(), entry.delivery()) == (order, delivery)


def test_only_whole_pictures_are_found(spool: Spool, order: Order) -> None:
    folder = spool.open("w1")
    whole, half = folder.entry("batch_1", 1, 1), folder.entry("batch_1", 2, 1)
    for entry in (whole, half):
        entry.write_order(order)
    whole.picture.write_bytes(b"x")
    half.picture.with_name(f"{half.picture.name}.part").write_bytes(b"x")

    assert list(folder.pictures()) == [whole]
    assert spool.load(0.0)[0] == 1


def test_a_picture_without_a_delivery_is_found_all_the_same(spool: Spool, order: Order) -> None:
    entry = spool.open("w1").entry("batch_1", 1, 1)
    entry.write_order(order)
    entry.picture.write_bytes(b"x")

    assert entry.delivery() is None


def test_a_half_written_order_is_not_an_order(spool: Spool, order: Order) -> None:
    folder = spool.open("w1")
    entry = folder.entry("batch_1", 1, 1)
    (folder.path / f"{entry.name}.order.part").write_bytes(b'{"tenant": "ac')

    with pytest.raises(FileNotFoundError):
        entry.order()


def test_removing_an_attempt_forgets_every_file_of_it_and_no_other(
    spool: Spool, order: Order, delivery: Delivery
) -> None:
    folder = spool.open("w1")
    gone, kept = folder.entry("batch_1", 1, 1), folder.entry("batch_1", 1, 10)
    for entry in (gone, kept):
        entry.write_order(order)
        entry.write_delivery(delivery)
        entry.picture.write_bytes(b"x")

    gone.remove()
    gone.remove()

    assert sorted(path.name for path in folder.path.iterdir() if path.name != "lock") == [
        f"{kept.name}{ending}" for ending in (".delivery", ".order", ".picture")
    ]


def test_a_crash_while_removing_never_leaves_a_picture_without_its_order(
    spool: Spool, order: Order, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stops the removal after each file in turn."""
    real = Path.unlink
    for stops_after in range(5):
        entry = spool.open(f"w{stops_after}").entry("batch_1", 1, 1)
        entry.write_order(order)
        entry.write_delivery(delivery)
        entry.picture.write_bytes(b"x")
        removed: list[Path] = []

        def unlink(
            path: Path, missing_ok: bool = False, *, done: list[Path] = removed, most: int = stops_after
        ) -> None:
            if len(done) == most:
                raise KeyboardInterrupt
            done.append(path)
            real(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", unlink)
            with pytest.raises(KeyboardInterrupt):
                entry.remove()

        assert entry.order() == order


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        another_process(tmp_path / "attempts", "w1"),
        pytest.raises(OSError, match="another process holds the spool folder of worker 'w1'"),
    ):
        Spool(tmp_path / "attempts", 0).open("w1")


def test_the_folder_of_a_living_process_is_no_orphan(tmp_path: Path) -> None:
    with another_process(tmp_path / "attempts", "w1"):
        assert list(Spool(tmp_path / "attempts", 0).orphans()) == []


def test_what_a_killed_process_paid_for_is_found_and_its_folder_can_be_taken(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "attempts", 0)
    with another_process(tmp_path / "attempts", "w1") as process:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)

        found = [(folder, list(folder.pictures())) for folder in spool.orphans()]

    [(folder, entries)] = found
    assert entries == [SpoolEntry(tmp_path / "attempts" / "w1", "batch_1.7.2")]
    assert entries[0].picture.read_bytes() == b"paid"
    folder.remove()
    folder.close()
    assert not folder.path.exists()


def test_an_orphan_is_given_to_one_taker_only(spool: Spool) -> None:
    spool.open("w1").close()

    taken = list(spool.orphans())
    second_look = list(spool.orphans())

    assert ([folder.path.name for folder in taken], second_look) == (["w1"], [])
    for folder in taken:
        folder.close()


def test_a_worker_of_the_same_name_finds_what_it_left_behind(spool: Spool, order: Order) -> None:
    folder = spool.open("w1")
    entry = folder.entry("batch_1", 1, 1)
    entry.write_order(order)
    entry.picture.write_bytes(b"x")
    folder.close()

    assert list(spool.open("w1").pictures()) == [entry]


def test_buying_stops_before_the_disk_is_full(tmp_path: Path) -> None:
    Spool(tmp_path, 0).open("w1")

    assert Spool(tmp_path, 0).has_room()
    assert not Spool(tmp_path, 1 << 62).has_room()


def test_nothing_is_bought_while_the_disk_cannot_be_written(tmp_path: Path) -> None:
    root = tmp_path / "attempts"
    spool = Spool(root, 0)
    spool.open("w1")
    shutil.rmtree(root)

    assert not spool.has_room()
