"""`darkroom results`: one line per picture that has ended, and the pictures themselves."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

import httpx

from cli.client import ServiceClient, sha256_of
from cli.commands.batches import TASK_COLUMNS
from cli.exits import ExitCode
from cli.output import Output, counted, say, write, write_records
from schemas.errors import DarkroomError

Json = dict[str, Any]


def results(service: ServiceClient, batch_id: str, output: Output, folder: Path | None) -> ExitCode:
    """Prints the results; with a folder, fetches every picture into it as well."""
    lines = service.results(batch_id)
    if folder is not None:
        kept = list(lines)
        _fetch_all((json.loads(line) for line in kept), folder)
        lines = iter(kept)
    if output is Output.JSONL:
        for line in lines:
            write(line)
    else:
        none = "No picture of this batch has ended yet."
        write_records((json.loads(line) for line in lines), TASK_COLUMNS, output, none=none)
    return ExitCode.DONE


def _fetch_all(tasks: Iterable[Json], folder: Path) -> None:
    root = folder.resolve()
    root.mkdir(parents=True, exist_ok=True)
    fetched = present = 0
    with httpx.Client(
        timeout=60.0, follow_redirects=True
    ) as http:  # without our key: links carry their own right
        for asset in (task["asset"] for task in tasks if task.get("asset")):
            target = _target(root, str(asset["key"]))
            if target.is_file() and sha256_of(target) == asset["sha256"]:
                present += 1
                continue
            _fetch(http, asset, target)
            fetched += 1
    say(
        f"{counted(fetched, 'picture')} {'was' if fetched == 1 else 'were'} fetched into {folder}"
        + (f"; {present} were there already." if present else ".")
    )


def _target(root: Path, key: str) -> Path:
    target = (root / PurePosixPath(key)).resolve()
    if not target.is_relative_to(root) or target == root:
        raise DarkroomError(f"The picture '{key}' would be written outside of {root}; it was not fetched.")
    return target


def _fetch(http: httpx.Client, asset: Json, target: Path) -> None:
    """Under another name until it is whole and the right one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as sink:
            _copy(http, asset, sink)
        if sha256_of(part) != asset["sha256"]:
            raise DarkroomError(
                f"The picture '{asset['key']}' did not arrive as it was stored; fetch it again."
            )
        os.replace(part, target)
    except (OSError, httpx.HTTPError) as error:
        raise DarkroomError(f"The picture '{asset['key']}' cannot be fetched: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def _copy(http: httpx.Client, asset: Json, sink: BinaryIO) -> None:
    address = urlsplit(str(asset.get("url") or ""))
    if address.scheme == "file":
        with Path(unquote(address.path)).open("rb") as source:
            shutil.copyfileobj(source, sink)
    elif asset.get("link"):
        with http.stream("GET", str(asset["link"])) as response:
            response.raise_for_status()
            sink.writelines(response.iter_bytes())
    else:
        raise DarkroomError(f"The service gives no link to '{asset['key']}'; it lies at {asset.get('url')}.")
