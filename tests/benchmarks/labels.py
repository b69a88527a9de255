"""What labelling 4K pictures takes of a worker's memory, where large blocks go back to the system and where they do not.

Run it with `python -m tests.benchmarks.labels`. 200 pictures of 25 MB, as many at a time as there are threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

from core.memory import return_large_blocks
from schemas.disclosure import Disclosure, label_of
from schemas.finish_plan import FinishPlan
from workers.finishing.making import make

PICTURES = 200
SIZE = (3840, 2160)
LABEL = label_of(Disclosure(), is_composite=False, model="gpt-image-2", identifier="benchmark")


def main() -> None:
    table = Table("large blocks", "MB at most", "MB afterwards", "CPU ms a picture")
    with tempfile.TemporaryDirectory() as folder:
        noise = random.Random(1).randbytes(SIZE[0] * SIZE[1] * 3)
        Image.frombytes("RGB", SIZE, noise).save(Path(folder) / "4k.png", compress_level=0)
        for name in ("kept", "returned"):
            command = [sys.executable, "-m", "tests.benchmarks.labels", name, folder]
            told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
            table.add_row(name, *(f"{told[key]:.0f}" for key in ("most_mb", "left_mb", "cpu_ms")))
    Console(width=100).print(table)


async def measured(folder: Path) -> dict[str, float]:
    """Labels all of them; run in a process of its own."""
    started_s = time.process_time()
    await asyncio.gather(*(asyncio.to_thread(_label, folder, number) for number in range(PICTURES)))
    cpu_ms = 1000 * (time.process_time() - started_s) / PICTURES
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    most_mb, left_mb = (int(status[key].split()[0]) / 1024 for key in ("VmHWM", "VmRSS"))
    return {"most_mb": most_mb, "left_mb": left_mb, "cpu_ms": cpu_ms}


def _label(folder: Path, number: int) -> None:
    original = folder / f"{number}.picture"
    os.link(folder / "4k.png", original)
    make(original, FinishPlan(), LABEL, folder)
    for path in folder.glob(f"{number}.*"):
        path.unlink()


if __name__ == "__main__":
    match sys.argv[1:]:
        case [blocks, folder]:
            if blocks == "returned":
                return_large_blocks()
            print(json.dumps(asyncio.run(measured(Path(folder)))))
        case _:
            main()
