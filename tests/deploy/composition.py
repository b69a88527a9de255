"""The compose file: read as Docker Compose reads it, and its processes started by hand, each at a free port here.

Commands and variables are those of the file; addresses and folders of the containers become addresses and folders of
this machine. In place of the image of the storage stands moto.
"""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast

import yaml
from moto.server import ThreadedMotoServer

from core.settings import CREDENTIALS, SECRETS_DIR
from tests.conftest import free_port, redis_binary
from tests.deploy.image import Image, environment
from tests.processes import ROOT, Process

DEPLOY = ROOT / "deploy"
LIVE = ("compose.yaml", "compose.live.yaml")
SECRETS = str(SECRETS_DIR)
PORTS = {"redis": 6379, "storage": 8333, "simulator": 8100, "service": 8080, "worker": 9100}


class UnsetError(ValueError):
    """A variable that has to be set is not."""


def read(*names: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The files together, the later over the earlier, with the variables put in.

    Raises:
        UnsetError: a variable that has to be set is not.
    """
    found: dict[str, Any] = {}
    for name in names or ("compose.yaml",):
        document = yaml.safe_load((DEPLOY / name).read_text())
        found = _merged(found, _filled(document, variables))
    return found


def _merged(under: Any, over: Any) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    return under | {name: _merged(under.get(name), value) for name, value in over.items()}


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, variables) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, variables) for inner in value]
    return _substituted(value, variables) if isinstance(value, str) else value


def _substituted(text: str, variables: Mapping[str, str]) -> str:
    def put(hit: re.Match[str]) -> str:
        if hit[0] == "$$":
            return "$"
        name, kind, rest = hit[1], hit[2], hit[3]
        if kind == ":?" and not variables.get(name):
            raise UnsetError(f"{name}: {rest}")
        return variables.get(name) or rest

    return re.sub(r"\$\$|\$\{(\w+)(:[-?])([^}]*)\}", put, text)


class Composition:
    """The processes of the file on this machine; all are ended with it."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image = image
        self.folder = folder
        composed = read(variables={})
        self.services, self.secrets = composed["services"], composed["secrets"]
        self.ports = {name: free_port() for name in PORTS}
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._ending.close()

    def start_storage(self) -> None:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.ports["storage"], verbose=False)
        server.start()
        self._ending.callback(server.stop)

    def start(self, name: str, *, number: int = 1) -> Process:
        """Starts a container's process; of a name with replicas, that of this number."""
        log = self.folder / f"{name}-{number}.log"
        process = Process(self.argv(name), log, self.variables(name, first=number == 1))
        self._ending.callback(process.kill)
        return process

    def run(self, name: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """A container's command, or another one in it, to its end."""
        return subprocess.run(
            self.argv(name, command),
            env={"PATH": str(self.image.python.parent), **self.variables(name)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def argv(self, name: str, command: list[str] | None = None) -> list[str]:
        words = command or cast(list[str], self.services[name]["command"])
        if name == "redis":
            local = [self._local(word).replace(SECRETS, str(self._given(name))) for word in words[1:]]
            return [redis_binary(), *local, *self._where("redis")]
        return [self._local(word) for word in self.image.argv(words)]

    def _given(self, name: str) -> Path:
        """The folder of a container's secrets: its own, and no others."""
        folder = self.folder / "secrets" / name
        folder.mkdir(parents=True, exist_ok=True)
        for secret in self.services[name].get("secrets", ()):
            text = (DEPLOY / self.secrets[secret]["file"]).read_text()
            (folder / secret).write_text("\n".join(map(self._local, text.splitlines())) + "\n")
        return folder

    def variables(self, name: str, *, first: bool = False) -> dict[str, str]:
        """Those of the image and of the container; metrics of all but the first worker at a port of their own."""
        own = self.services[name].get("environment", {})
        given = str(self._given(name))
        told = {key: self._local(str(value)) for key, value in (environment() | own).items()}
        return {key: value.replace(SECRETS, given) for key, value in told.items()} | {
            CREDENTIALS: given,  # /run/secrets belongs to the machine
            "PYTHONSAFEPATH": "1",  # what runs is what is in the image
            "DARKROOM_SERVICE__PORT": str(self.ports["service"]),
            "DARKROOM_TELEMETRY__WORKER_METRICS_PORT": str(self.ports["worker"] if first else free_port()),
        }

    def wait_for(self, name: str, process: Process) -> None:
        """Until its port takes connections."""

        def is_open() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.ports[name])) == 0

        process.wait_until(is_open)

    def _where(self, name: str) -> list[str]:
        return ["--port", str(self.ports[name]), "--bind", "127.0.0.1"]

    def _local(self, word: str) -> str:
        """A word of the file with addresses, mounted files and folders of this machine."""
        for name, port in PORTS.items():
            word = re.sub(rf"\b{name}:{port}\b", f"127.0.0.1:{self.ports[name]}", word)
            word = re.sub(rf"(?:^|(?<=127\.0\.0\.1:)){port}\b", str(self.ports[name]), word)
        for source, target in mounts(self.services):
            if source.startswith(".") and word == target:
                return str(DEPLOY / source)
        word = word.replace("/var/lib/darkroom", str(self.folder)).replace("0.0.0.0", "127.0.0.1")
        return str(self.folder) if word == "/data" else word


def mounts(services: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Source and target of every volume."""
    listed = [volume for service in services.values() for volume in service.get("volumes", ())]
    found = [volume.split(":") for volume in listed]
    return [(words[0], words[1]) for words in found]
