"""From a URL to a store, and what opening one costs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.storage.folder import FolderStore
from core.storage.opening import open_store
from core.storage.threads import Threads


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "scheme ''"),
        ("/var/pictures", "scheme ''"),
        ("gs://bucket", "scheme 'gs'"),
        ("file://pictures", "three slashes"),
        ("file:pictures", "three slashes"),
        ("file:///", "three slashes"),
        ("file:///pictures?a=b", "'\\?'"),
        ("file:///pictures/a\x00b", "control"),
        ("s3:///prefix", "bucket"),
        ("s3://Bucket", "bucket"),
        ("s3://user:password@bucket", "bucket"),
        ("s3://bucket/a//b", "empty segment"),
        ("s3://bucket/a/../b", "'\\.\\.'"),
    ],
)
def test_a_url_that_names_no_store_is_refused_in_a_sentence(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        open_store(url, endpoint_url=None, threads=1)


def test_a_refused_url_does_not_repeat_a_password() -> None:
    with pytest.raises(ValueError, match="bucket") as raised:
        open_store("s3://user:canary@bucket", endpoint_url=None, threads=1)
    assert "canary" not in str(raised.value)


def test_an_endpoint_is_a_web_address() -> None:
    with pytest.raises(ValueError, match="http"):
        open_store("s3://bucket", endpoint_url="localhost:9000", threads=1)


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
