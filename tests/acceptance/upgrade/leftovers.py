"""What a version leaves behind: the keys of its Redis, its storage, its spool, and what its calls were charged."""

from __future__ import annotations

import json
import tarfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import redis as blocking_redis

FOLDERS = ("store", "spool")
KEPT = Path(__file__).parent / "releases"
"""An archive for each release, made by `python -m tests.acceptance.upgrade.record` and never again once it is released."""

Key = dict[str, Any]
READERS: dict[str, Callable[[Any, bytes], Iterable[bytes]]] = {
    "string": lambda client, key: [client.get(key)],
    "hash": lambda client, key: [part for pair in client.hgetall(key).items() for part in pair],
    "set": lambda client, key: client.smembers(key),
    "list": lambda client, key: client.lrange(key, 0, -1),
    "zset": lambda client, key: [
        part
        for member, score in client.zrange(key, 0, -1, withscores=True)
        for part in (_number(score), member)
    ],
}
WRITERS = {"string": "SET", "hash": "HSET", "set": "SADD", "list": "RPUSH", "zset": "ZADD"}


def save(redis_url: str, folder: Path, ledger: Iterable[dict[str, Any]], archive: Path) -> None:
    """Writes the archive. Keys are written as values, because a dump is for one version of Redis."""
    with blocking_redis.Redis.from_url(redis_url) as client:
        found = [_read(client, key) for key in sorted(client.scan_iter())]
    (folder / "redis.json").write_text(json.dumps(found, indent=0))
    (folder / "ledger.json").write_text(json.dumps(list(ledger), indent=0))
    with tarfile.open(archive, "w:gz") as tar:
        for name in (*FOLDERS, "redis.json", "ledger.json"):
            tar.add(folder / name, name)


def load(archive: Path, folder: Path, redis_url: str) -> list[dict[str, Any]]:
    """Puts everything where a studio has it; the calls that were made before."""
    unpack(archive, folder)
    with blocking_redis.Redis.from_url(redis_url) as client:
        client.flushall()
        for key in json.loads((folder / "redis.json").read_text()):
            _write(client, key)
    calls: list[dict[str, Any]] = json.loads((folder / "ledger.json").read_text())
    return calls


def unpack(archive: Path, folder: Path) -> None:
    """Storage, spool, and what is in the books, as files."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")


def _read(client: Any, key: bytes) -> Key:
    kind = str(client.type(key), "ascii")
    return {
        "key": _text(key),
        "kind": kind,
        "ttl_ms": client.pttl(key),
        "values": [_text(value) for value in READERS[kind](client, key)],
    }


def _write(client: Any, key: Key) -> None:
    name = b64decode(key["key"])
    client.execute_command(WRITERS[key["kind"]], name, *map(b64decode, key["values"]))
    if key["ttl_ms"] > 0:
        client.pexpire(name, key["ttl_ms"])


def _number(score: float) -> bytes:
    return repr(score).encode()


def _text(value: bytes) -> str:
    return b64encode(value).decode()
