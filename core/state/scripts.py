"""The Lua scripts: loaded once per process, run by EVALSHA, fed and answered in msgpack.

The tables of `schemas` (transitions, groups of states, class weights, resends) are written above the text, so that there is
one copy of each.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, ResponseError

from core.state.connection import command, translated
from schemas.batch import FEWEST_RESENDS, RESENDS_PERCENT
from schemas.errors import UnavailableError
from schemas.manifest import Priority
from schemas.task import ENDED, IN_FLIGHT, TRANSITIONS

CLASS_WEIGHTS = {Priority.INTERACTIVE: 8, Priority.NORMAL: 4, Priority.BULK: 1}
"""Weights, not strict priority: nobody starves. Source: docs/architecture.md, Fairness."""

NAMES = (
    "claim",
    "close",
    "configure",
    "create",
    "doubts",
    "learn",
    "lost",
    "move",
    "noted",
    "notes",
    "plan",
    "reject",
    "renew",
    "replay",
    "resolve",
    "restore",
    "shelve",
    "start",
    "steer",
)

pack = msgspec.msgpack.encode
unpack = msgspec.msgpack.decode


def _table(names: Any) -> str:
    return "{ " + ", ".join(f"{name} = true" for name in sorted(names)) + " }"


@cache
def text_of(name: str) -> str:
    """The whole text of a script: tables, library, body."""
    folder = files("core.state") / "lua"
    moves = ", ".join(f"{state} = {_table(targets)}" for state, targets in TRANSITIONS.items())
    weights = ", ".join(f"{name} = {weight}" for name, weight in CLASS_WEIGHTS.items())
    tables = (
        f"local NEXT = {{ {moves} }}\nlocal IN_FLIGHT = {_table(IN_FLIGHT)}\nlocal ENDED = {_table(ENDED)}\n"
        f"local CLASS_WEIGHT = {{ {weights} }}\n"
        f"local FEWEST_RESENDS, RESENDS_PERCENT = {FEWEST_RESENDS}, {RESENDS_PERCENT}\n"
    )
    library = sorted(path.name for path in (folder / "lib").iterdir())
    parts = [(folder / "lib" / part).read_text() for part in library] + [(folder / f"{name}.lua").read_text()]
    return tables + "\n".join(parts)


class Scripts:
    """Runs scripts on one Redis, loading them again when Redis has forgotten them."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._digests: dict[str, str] = {}

    async def run(self, name: str, *arguments: bytes | str | int) -> Any:
        """The script's answer as redis-py gives it.

        Raises:
            UnavailableError: Redis did not answer; the script may or may not have run.
        """
        with translated():
            if name not in self._digests:
                await self._load(name)
            try:
                return await command(self._client, "EVALSHA", self._digests[name], 0, *arguments)
            except NoScriptError:
                await self._load(name)
                return await command(self._client, "EVALSHA", self._digests[name], 0, *arguments)

    async def ask(self, name: str, question: Any) -> Any:
        """The unpacked answer to one packed question."""
        return unpack(await self.run(name, pack(question)))

    async def ask_raw(self, name: str, *arguments: bytes | str | int) -> Any:
        """The unpacked answer to plain arguments."""
        return unpack(await self.run(name, *arguments))

    async def load(self) -> None:
        """Loads every script.

        Raises:
            UnavailableError: Redis did not answer, or does not take them, or not from this user.
        """
        try:
            with translated():
                for name in NAMES:
                    await self._load(name)
        except ResponseError as error:
            raise UnavailableError(f"Redis does not take the scripts: {error}"[:300]) from error

    async def _load(self, name: str) -> None:
        self._digests[name] = await self._client.script_load(text_of(name))
