"""`darkroom up` and the commands against it: real processes, a real Redis, the simulator."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PHOTO = ROOT / "examples" / "photos" / "tee-oct-sand.jpg"
MANIFEST = """
darkroom: 1
name: small
catalog: {source: products.csv, key: sku}
image: {model: gpt-image-2, quality: low, format: jpeg}
templates:
  hero: {prompt: "A photo of {{ row.title }}."}
  studio: {prompt: "{{ row.title }} of Image 1 on white.", references: ["{{ row.image_urls[0] }}", styles/]}
spend: {cap_usd: "1.00"}
"""


@dataclass
class Machine:
    """A running `darkroom up`."""

    process: subprocess.Popen[str]
    environment: dict[str, str]
    data: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "cli.main", *map(str, arguments)]
        return subprocess.run(
            argv, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=240, check=False
        )

    def left(self) -> list[str]:
        return processes_with(str(self.data))


def processes_with(text: str) -> list[str]:
    """Command lines of processes that have `text` there, in their environment or in their working directory.

    The keeper has it in the second, Redis, which writes over its own, in the third.
    """
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            place = bytes((folder / "cwd").readlink())
            if text.encode() in line + (folder / "environ").read_bytes() + place:
                found.append(line.decode())
        except OSError:
            continue
    return found


def wait_for(happened: Callable[[], object], within_s: float = 180.0) -> None:
    end_s = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.05)


def start(data: Path, *, latency_factor: str = "0.01") -> Machine:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("DARKROOM_", "OPENAI_"))
    }
    environment["THIS_TEST"] = str(data)
    argv = [sys.executable, "-m", "cli.main", "up", "--data", str(data), "--port", "0", "--workers", "1"]
    argv += ["--latency-factor", latency_factor, "--images-per-minute", "6000"]
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    if not words:
        pytest.fail(process.communicate(timeout=120)[1])
    return Machine(process, environment | dict(word.split("=", 1) for word in words[1:]), data)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    running = start(tmp_path / "data")
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
    running.process.communicate(timeout=120)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    folder = tmp_path / "campaign"
    folder.mkdir()
    (folder / "shirt.jpg").write_bytes(PHOTO.read_bytes())
    (folder / "styles").mkdir()
    for name in ("b.jpg", "a.jpg", ".DS_Store"):
        (folder / "styles" / name).write_bytes(PHOTO.read_bytes() + name.encode())
    (folder / "products.csv").write_text("sku,title,image_url\nA,Shirt,shirt.jpg\nB,Blouse,shirt.jpg\n")
    (folder / "manifest.yaml").write_text(MANIFEST)
    return folder / "manifest.yaml"


def test_a_manifest_becomes_pictures_in_a_folder(machine: Machine, manifest: Path, tmp_path: Path) -> None:
    submitted = machine.run("submit", manifest)
    assert submitted.returncode == 0, submitted.stderr
    assert "small completed: 4 done, 0 failed;" in submitted.stderr
    fetched = machine.run("results", submitted.stdout.strip(), "--to", tmp_path / "pictures")
    assert fetched.returncode == 0, fetched.stderr
    assets = [json.loads(line)["asset"] for line in fetched.stdout.splitlines()]
    keys = [asset["key"] for asset in assets]
    assert len(set(keys)) == 4
    assert all((tmp_path / "pictures" / key).read_bytes()[:2] == b"\xff\xd8" for key in keys)
    receipts = [json.loads(path.read_text()) for path in machine.data.rglob("*studio*.json")]
    sent = [PHOTO.read_bytes() + name for name in (b"", b"a.jpg", b"b.jpg")]
    assert [receipt["references"] for receipt in receipts if "asset" in receipt] == [
        [hashlib.sha256(content).hexdigest() for content in sent]
    ] * 2


def test_what_was_made_is_still_there_after_a_restart(machine: Machine, manifest: Path) -> None:
    first = machine.run("submit", manifest)
    machine.process.send_signal(signal.SIGINT)
    _, err = machine.process.communicate(timeout=120)
    assert (machine.process.returncode, machine.left()) == (0, []), err
    assert "Stopping everything; no picture is under way." in err
    again = start(machine.data)
    try:
        second = again.run("submit", manifest)
        assert (second.returncode, second.stdout) == (0, first.stdout), second.stderr
        assert "submitted before" in second.stderr
    finally:
        again.process.send_signal(signal.SIGTERM)
        again.process.communicate(timeout=120)
    assert again.left() == []


def test_nothing_outlives_a_killed_parent(machine: Machine) -> None:
    wait_for(lambda: len(machine.left()) >= 6)
    machine.process.kill()
    machine.process.communicate(timeout=120)
    wait_for(lambda: not machine.left())


def test_a_worker_that_is_killed_ends_everything_and_is_named(machine: Machine) -> None:
    wait_for(lambda: "worker.started" in (machine.data / "logs" / "worker-1.log").read_text())
    worker = next(line for line in subprocess_lines(machine) if line.endswith("-m workers"))
    os.kill(int(worker.split()[0]), signal.SIGKILL)
    _, err = machine.process.communicate(timeout=120)
    assert machine.process.returncode == 1
    assert "The worker-1 has ended by itself (signal SIGKILL)" in err
    assert machine.left() == []


def test_whoever_does_not_wait_for_what_is_under_way_is_told_how_to_find_it(
    tmp_path: Path, manifest: Path
) -> None:
    slow = start(tmp_path / "data", latency_factor="10")
    batch = slow.run("submit", manifest, "--no-watch").stdout.strip()
    wait_for(lambda: json.loads(slow.run("show", batch, "-o", "json").stdout)["counts"]["running"])
    slow.process.send_signal(signal.SIGINT)
    told = slow.process.stderr
    assert told is not None
    wait_for(lambda: "Ctrl-C ends it at once" in told.readline())
    slow.process.send_signal(signal.SIGINT)
    _, err = slow.process.communicate(timeout=60)
    assert (slow.process.returncode, slow.left()) == (0, [])
    assert "under way; calls that had left may have been charged." in err
    assert f"darkroom show {batch} --failed" in err


def subprocess_lines(machine: Machine) -> list[str]:
    """`PID COMMAND` of the machine's direct children."""
    argv = ["ps", "--ppid", str(machine.process.pid), "-o", "pid=,args="]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line.strip() for line in listed.splitlines()]
