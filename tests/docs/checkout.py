"""A copy of the project in a folder of its own, where a reader types what the pages say."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import yaml

from tests.conftest import free_port
from tests.docs.pages import script
from tests.house.tree import ROOT, files
from tests.processes import Process, RedisServer

START = "make up"
"""What README says to leave running in a terminal of its own: it runs as long as pages are read."""
SLOWER = "--port 0 --workers 1 --latency-factor 0.01 --images-per-minute 300"
"""Options of it: fast, and slow enough that a batch of 160 can be steered while it runs."""
FASTER = "--workers 1 --latency-factor 0.01 --images-per-minute 6000"
"""Options of what the pages start beside it."""
PREAMBLE = (
    "set -euo pipefail; trap 'echo \"line $LINENO: $BASH_COMMAND\" >&2' ERR; "
    'grep() { command grep "$@" || [ $? -eq 1 ]; }; '  # nothing found is an answer
    'curl() { command curl --fail-with-body "$@"; }'  # not being let in is none
)
PROMETHEUS = "127.0.0.1:9090"
"""Where pages have it."""
STOPPED_WITHIN_S = 120.0
PAGE_WITHIN_S = 880.0
"""Generous: other work may share the machine."""


class Checkout:
    """The copy, with everything up; ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "darkroom"
        self._ending = ExitStack()
        self._copy()
        self._redis = RedisServer(folder / "redis")
        self._ending.callback(self._redis.kill)
        said = self._up(folder / "up.log")
        self.reader = self._reader(said)
        self.operator = self.reader | self._operator(said)
        self._prometheus = self._start_prometheus()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._ending.close()

    def read(self, page: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Types the commands of a page, one after the other, up to the first that fails."""
        return self.type(script(page, PREAMBLE).replace(PROMETHEUS, self._prometheus), variables)

    def type(self, text: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
        return subprocess.run(
            ["bash", "-c", text],
            cwd=self.folder,
            env={**kept, **variables, "PATH": f"{self.folder}/.venv/bin:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PAGE_WITHIN_S,
            check=False,
        )

    def _start_prometheus(self) -> str:
        """As it is configured for `make up`, with less patience; where it answers."""
        configuration = yaml.safe_load((ROOT / "deploy" / "prometheus" / "up.yml").read_text())
        configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        file = self.folder / "deploy" / "prometheus" / "here.yml"
        file.write_text(yaml.safe_dump(configuration))
        address = f"127.0.0.1:{free_port()}"
        argv = ["prometheus", f"--config.file={file}", f"--web.listen-address={address}"]
        argv += [f"--storage.tsdb.path={self.folder.parent / 'prometheus'}"]
        server = Process(argv, self.folder.parent / "prometheus.log")
        self._ending.callback(server.kill)
        server.wait_until(lambda: "ready to receive web requests" in server.log.read_text())
        return address

    def _copy(self) -> None:
        for path in files("*"):
            place = self.folder / path.relative_to(ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place)
        for name in ("requirements.lock", "pyproject.toml"):  # older than what is installed
            os.utime(self.folder / name, (0, 0))
        (self.folder / ".venv").symlink_to(sys.prefix)

    def _up(self, log: Path) -> str:
        settings = {"DARKROOM_REDIS__URL": self._redis.url}
        first, *words = START.split()
        argv = [first, "--directory", str(self.folder), *words]
        running = Process(argv, log, settings | {"OPTIONS": SLOWER})
        self._ending.callback(_stop, running)
        running.wait_until(lambda: "\nexport " in log.read_text())
        return log.read_text()

    def _reader(self, said: str) -> dict[str, str]:
        """What a reader of any page has: the line that is to be run, and a batch."""
        (line,) = re.findall(r"^export (.+)$", said, re.MULTILINE)
        reader = {"OPTIONS": FASTER} | dict(word.split("=", 1) for word in line.split())
        made = self.type("darkroom submit examples/text_to_image.yaml", reader)
        assert made.returncode == 0, made.stderr
        return reader | {"BATCH": made.stdout.strip()}

    def _operator(self, said: str) -> dict[str, str]:
        """What an operator has beside that: the settings of a worker."""
        (api,) = re.findall(r"simulated at (\S+),", said)
        kept = self.folder / ".darkroom"
        return {
            "DARKROOM_REDIS__URL": self._redis.url,
            "DARKROOM_STORAGE__URL": (kept / "storage").as_uri(),
            "DARKROOM_SPOOL__DIR": str(kept / "spool"),
            "DARKROOM_LANES__MAIN__BASE_URL": api,
            "DARKROOM_LANES__MAIN__API_KEY": "simulated",
            "DARKROOM_BUDGETS__TENANT_MONTH_USD": "1000000",
        }


def _stop(running: Process) -> None:
    """As Ctrl-C does: what `make` started ends with it."""
    running.send(signal.SIGTERM)
    running.exit_code(STOPPED_WITHIN_S)
