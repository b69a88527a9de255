"""The image by hand: the instructions of the Dockerfile, on this machine, below a folder, without an engine.

`pip` is replaced by a pointer to the packages that are installed here; which ones the image gets is tested by its lock.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.processes import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


def instructions() -> list[tuple[int, str, str]]:
    """The number of the stage, the word, and what follows it, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    found, stage = [], 0
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            stage += word == "FROM"
            found.append((stage, word, rest))
    return found


def environment() -> dict[str, str]:
    """What ENV tells every container, but for PATH."""
    words = [shlex.split(rest) for _, word, rest in instructions() if word == "ENV"]
    told = dict(pair.split("=", 1) for pairs in words for pair in pairs)
    return {name: value for name, value in told.items() if name != "PATH"}


class Image:
    """The files of the image below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tools = folder / "tools"
        self._make_tools()
        for stage, word, rest in instructions():
            if stage == 1 and word == "COPY":
                self._copy(rest.split())
            elif stage == 1 and word == "RUN":
                self._run(rest)

    @property
    def python(self) -> Path:
        return self.folder / "opt" / "darkroom" / "bin" / "python"

    @property
    def site(self) -> Path:
        return self.folder / "opt" / "darkroom" / "lib" / PYTHON / "site-packages"

    def here(self, text: str) -> str:
        """A path of the image as a path of this machine; a text without one as it is."""
        moved = re.sub(r"(?<![\w.])/(?=(?:opt/darkroom|build)\b)", f"{self.folder}/", text)
        return moved.replace("python3.11", PYTHON)

    def argv(self, command: list[str]) -> list[str]:
        """The words of a container's command for this machine."""
        return [str(self.python) if word == "python" else word for word in command]

    def _make_tools(self) -> None:
        """`python` of the build stage, and a `pip` that points to what is installed."""
        self._tools.mkdir(parents=True)
        (self._tools / "python").symlink_to(sys.executable)
        pointer = f"echo {sysconfig.get_path('purelib')} > {self.site}/locked.pth\n"
        (self._tools / "pip").write_text(f"#!/bin/sh\n{pointer}")
        (self._tools / "pip").chmod(0o755)

    def _copy(self, words: list[str]) -> None:
        *sources, target = words
        place = Path(self.here(target))
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, place)

    def _run(self, line: str) -> None:
        path = f"{self._tools}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(["sh", "-euc", self.here(line)], env={"PATH": path}, cwd=self.folder, check=True)
