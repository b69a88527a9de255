"""From a URL to a store, and what opening one costs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

from core.storage.folder import FolderStore
from core.storage.opening import open_store
from core.storage.threads import Threads


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "Größe 100% #1"
    store = open_store(folder.as_uri(), endpoint_url=None, threads=1)
    await store.put_bytes("k", b"x", media_type="text/plain", overwrite=False)
    assert isinstance(store, FolderStore) and (folder / "k").read_bytes() == b"x"


def test_a_folder_is_opened_without_boto3() -> None:
    script = (
        "import sys; from core.storage.opening import open_store;"
        "open_store('file:///tmp/pictures', endpoint_url=None, threads=1);"
        "print([name for name in sys.modules if 'boto' in name])"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=env)
    assert run.stdout == "[]\n"


async def test_no_more_work_runs_at_once_than_there_are_threads() -> None:
    threads, started, go_on = Threads(2), threading.Semaphore(0), threading.Event()
    running: list[int] = []
    at_once: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        at_once.append(len(running))
        started.release()
        go_on.wait()
        running.remove(number)
        return number

    tasks = [asyncio.create_task(threads.run(work, number)) for number in range(6)]
    for _ in range(2):
        await asyncio.to_thread(started.acquire)
    go_on.set()
    assert await asyncio.gather(*tasks) == list(range(6))
    assert max(at_once) == 2
    await threads.aclose()
