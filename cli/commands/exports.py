"""`darkroom results --format`: what a batch made as one file: a table, an archive, contact sheets, feeds for shops."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cli.client import Query, ServiceClient
from cli.exits import ExitCode, WrongUsageError
from cli.output import Export, LeftOut, counted, is_terminal, say
from schemas.errors import DarkroomError

_FILES: dict[Export, tuple[str, dict[str, str]]] = {
    Export.JSONL: ("results.jsonl", {}),
    Export.CSV: ("results.csv", {}),
    Export.ZIP: ("pictures.zip", {}),
    Export.ZIP_WITH_RECEIPTS: ("pictures.zip", {"receipts": "true"}),
    Export.CONTACT_SHEET: ("contact-sheet.html", {}),
    Export.SHOPIFY: ("feeds/shopify.csv", {"headers": "new"}),
    Export.SHOPIFY_OLD: ("feeds/shopify.csv", {"headers": "old"}),
    Export.MERCHANT: ("feeds/merchant.tsv", {}),
    Export.FEED_CSV: ("feeds/pictures.csv", {}),
}

_SHEETS = (".html", ".png")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pictures are taken out; what is empty is not asked for."""

    templates: list[str]
    sizes: list[str]
    samples: list[int]
    leave_out: LeftOut | None = None

    @property
    def is_for_feeds(self) -> bool:
        """Whether something is asked that only a feed can do."""
        return self.leave_out is not None

    @property
    def query(self) -> Query:
        """As the service is asked; every export takes these."""
        cells = {"template": self.templates, "size": self.sizes, "sample": list(map(str, self.samples))}
        return {name: values for name, values in cells.items() if values}


def export(service: ServiceClient, batch_id: str, kind: Export, to: Path | None, wanted: Wanted) -> ExitCode:
    """Takes one file out of a batch, or contact sheets: as many as it takes. Without `to`, to standard output."""
    name, own = _FILES[kind]
    query: Query = {**own, **wanted.query}
    if wanted.leave_out is not None:
        if not name.startswith("feeds/"):
            raise WrongUsageError(
                "--leave-out is for feeds: give it with --format shopify, merchant or feed-csv."
            )
        query["leave_out"] = wanted.leave_out.value
    if name.endswith(".zip") and to is None and is_terminal(sys.stdout):
        raise WrongUsageError("A zip archive is nothing to look at: name a file with --to.")
    if to is not None and to.is_dir():
        raise WrongUsageError(f"{to} is a folder; --format makes a file: name it.")
    if kind is Export.CONTACT_SHEET and to is not None:
        name = _sheet(to)
    _take_all(service, batch_id, (name, query), to)
    return ExitCode.DONE


def _sheet(to: Path) -> str:
    """
    Raises:
        WrongUsageError: a sheet is not made as such a file.
    """
    ending = to.suffix.lower()
    if ending not in _SHEETS:
        raise WrongUsageError(
            f"A contact sheet is made as {' or '.join(_SHEETS)}; {to} is neither: name it so."
        )
    return f"contact-sheet{ending}"


def _take_all(service: ServiceClient, batch_id: str, file: tuple[str, Query], to: Path | None) -> None:
    """Follows to the next file where there is one: `sheet.html`, `sheet-2.html` and so on."""
    name, query = file
    number, following = 1, _take(service, batch_id, file, to)
    while following is not None:
        if to is None:
            say("This shows the first pictures only; with --to there are as many sheets as it takes.")
            return
        number += 1
        numbered = to.with_name(f"{to.stem}-{number}{to.suffix}")
        following = _take(service, batch_id, (name, {**query, "start": following}), numbered)


def _take(service: ServiceClient, batch_id: str, file: tuple[str, Query], to: Path | None) -> str | None:
    """One file, and where the next one starts."""
    with service.download(batch_id, *file) as response:
        if to is None:
            sys.stdout.buffer.writelines(response.iter_bytes())
            sys.stdout.buffer.flush()
        else:
            _write(response.iter_bytes(), to)
            say(f"{to} is written.")
        _tell_of_checks(response.headers, file[1].get("leave_out"))
        _tell_of_addresses(response.headers.get("Darkroom-Addresses"))
        address = response.links.get("next", {}).get("url", "")
        return next(iter(parse_qs(urlsplit(address).query).get("start", [])), None)


def _tell_of_checks(headers: Mapping[str, str], leave_out: object) -> None:
    failed, warned = (int(headers.get(f"Darkroom-{name}-Checks", "0")) for name in ("Failed", "Warned"))
    if failed:
        fail = "fails a check of its" if failed == 1 else "fail a check of their"
        told = "left out" if leave_out else "in it all the same; --leave-out fail makes it without"
        say(f"{counted(failed, 'picture')} of this batch {fail} channel: {told}.")
    if warned and leave_out == LeftOut.WARN:
        say(f"{counted(warned, 'picture')} of this batch should be looked at: left out as well.")


def _tell_of_addresses(reach: str | None) -> None:
    if reach == "local":
        say(
            "Its addresses are files on the machine of the service, which no shop can read: set "
            "DARKROOM_STORAGE__PUBLIC_URL there to the https:// address under which its folder is served, or keep "
            "pictures in S3 (DARKROOM_STORAGE__URL)."
        )


def _write(pieces: Iterable[bytes], to: Path) -> None:
    """Under another name until it is whole."""
    part = to.with_name(f".{to.name}.part")
    is_new = not to.parent.exists()
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        if is_new:
            say(f"The folder {to.parent.resolve()} is new.")
        with part.open("wb") as sink:
            sink.writelines(pieces)
        os.replace(part, to)
    except OSError as error:
        raise DarkroomError(f"{to} cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # a file in place of its folder
            part.unlink(missing_ok=True)
