"""`darkroom results`: one line per picture that has ended, and the pictures themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from cli.client import Query, ServiceClient, sha256_of
from cli.commands.batches import SHOWN_OF_RESULTS, TASK_COLUMNS
from cli.exits import ExitCode, InterruptedCommandError, WrongUsageError
from cli.output import Output, counted, say, write, write_records
from schemas.errors import DarkroomError

Json = dict[str, Any]
PIECE_BYTES = 1024 * 1024


def results(
    service: ServiceClient, batch_id: str, output: Output, folder: Path | None, query: Query
) -> ExitCode:
    """Prints the results; with a folder, fetches every picture into it as well. `query` is which of them."""
    lines = service.results(batch_id, query)
    if folder is not None:
        kept = list(lines)
        _fetch_all((json.loads(line) for line in kept), folder)
        lines = iter(kept)
    if output is Output.JSONL:
        for line in lines:
            write(line)
    else:
        none = "No picture of this batch has ended yet."
        found = (json.loads(line) for line in lines)
        write_records(found, TASK_COLUMNS, output, none=none, shown=SHOWN_OF_RESULTS)
    return ExitCode.DONE


def _fetch_all(tasks: Iterable[Json], folder: Path) -> None:
    """
    Raises:
        InterruptedCommandError: Ctrl-C; what has been fetched stays.
    """
    root = _folder(folder)
    fetched = present = 0
    with httpx.Client(
        timeout=60.0, follow_redirects=True
    ) as http:  # without our key: links carry their own right
        try:
            for asset in (task["asset"] for task in tasks if task.get("asset")):
                target = _target(root, str(asset["key"]))
                if _is_there(target, asset):
                    present += 1
                else:
                    _fetch(http, asset, target)
                    fetched += 1
        except KeyboardInterrupt:
            said = _fetched(fetched, present, folder)
            raise InterruptedCommandError(f"Interrupted. {said} The same command fetches the rest.") from None
    say(_fetched(fetched, present, folder))


def _folder(folder: Path) -> Path:
    """The folder, which is made if it is not there; that is said, as its name may be mistyped.

    Raises:
        WrongUsageError: it cannot be one.
    """
    root = folder.resolve()
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise WrongUsageError(f"{root} is a file; name a folder with --to.") from error
    except OSError as error:
        raise WrongUsageError(f"The folder {root} cannot be made: {error.strerror}.") from error
    if is_new:
        say(f"The folder {root} is new.")
    return root


def _fetched(fetched: int, present: int, folder: Path) -> str:
    return f"{counted(fetched, 'picture')} {'was' if fetched == 1 else 'were'} fetched into {folder}" + (
        f"; {present} {'was' if present == 1 else 'were'} there already." if present else "."
    )


def _target(root: Path, key: str) -> Path:
    target = (root / PurePosixPath(key)).resolve()
    if not target.is_relative_to(root) or target == root:
        raise DarkroomError(f"The picture '{key}' would be written outside of {root}; it was not fetched.")
    return target


def _is_there(target: Path, asset: Json) -> bool:
    return target.is_file() and sha256_of(target) == asset["sha256"]


def _fetch(http: httpx.Client, asset: Json, target: Path) -> None:
    """Under another name until it is whole and the right one."""
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as sink:
            for piece in _pieces(http, asset):
                sink.write(piece)
        if sha256_of(part) != asset["sha256"]:
            raise DarkroomError(
                f"The picture '{asset['key']}' did not arrive as it was stored; fetch it again."
            )
        os.replace(part, target)
    except OSError as error:
        raise DarkroomError(
            f"The picture {target} cannot be written: {error.strerror or error}. What was fetched before it stays; the same "
            "command fetches the rest."
        ) from error
    finally:
        with suppress(OSError):  # a file in place of its folder
            part.unlink(missing_ok=True)


def _pieces(http: httpx.Client, asset: Json) -> Iterator[bytes]:
    """
    Raises:
        DarkroomError: it cannot be read where it lies.
    """
    try:
        yield from _bytes_of(http, asset)
    except httpx.HTTPStatusError as error:
        advice = "links last a quarter of an hour; the same command gets new ones, and fetches the rest"
        told = (
            f"The picture '{asset['key']}' was refused by storage ({error.response.status_code}): {advice}."
        )
        raise DarkroomError(told) from error
    except httpx.HTTPError as error:
        told = f"The picture '{asset['key']}' did not arrive ({type(error).__name__}); the same command fetches the rest."
        raise DarkroomError(told) from error


def _bytes_of(http: httpx.Client, asset: Json) -> Iterator[bytes]:
    address = urlsplit(str(asset.get("url") or ""))
    if address.scheme == "file":
        yield from _bytes_at(Path(unquote(address.path)), asset)
    elif asset.get("link"):
        with http.stream("GET", str(asset["link"])) as response:
            response.raise_for_status()
            yield from response.iter_bytes()
    else:
        raise DarkroomError(f"The service gives no link to '{asset['key']}'; it lies at {asset.get('url')}.")


def _bytes_at(place: Path, asset: Json) -> Iterator[bytes]:
    try:
        with place.open("rb") as source:
            while piece := source.read(PIECE_BYTES):
                yield piece
    except OSError as error:
        told = f"The picture '{asset['key']}' cannot be read at {place}: {error.strerror}."
        raise DarkroomError(told) from error
