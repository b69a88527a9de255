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
from cli.output import Export, LeftOut, Output, counted, is_terminal, say, write
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


_OWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "--leave-out": ("feeds", ("shopify", "shopify-old", "merchant", "feed-csv")),
    "--id": ("a feed for Merchant Center", ("merchant",)),
    "--variants": ("a feed for Shopify", ("shopify", "shopify-old")),
    "--link": ("an archive", ("zip", "zip-with-receipts")),
}
"""Options that not every format has: what they are for, and with which formats they go."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is taken out, and in which form; what is empty is not asked for."""

    kind: Export | None
    templates: list[str]
    sizes: list[str]
    samples: list[int]
    leave_out: LeftOut | None
    id_column: str | None
    variants: bool
    link: bool
    listed: Output | None

    @property
    def own(self) -> Query:
        """What only some formats can do, by its option."""
        given: dict[str, str | None] = {
            "--leave-out": self.leave_out,
            "--id": self.id_column,
            "--variants": "true" if self.variants else None,
            "--link": "true" if self.link else None,
        }
        return {option: value for option, value in given.items() if value is not None}

    @property
    def cells(self) -> Query:
        """Which pictures, as the service is asked; every export takes these."""
        cells = {"template": self.templates, "size": self.sizes, "sample": list(map(str, self.samples))}
        return {name: values for name, values in cells.items() if values}

    def file(self) -> tuple[str, Query]:
        """The name of the export, and all that the service is asked.

        Raises:
            WrongUsageError: this format has no such option.
        """
        if self.kind and self.listed:
            raise WrongUsageError(
                "-o is for the list, and --format makes a file in its place: leave one out."
            )
        kind = self.kind or Export.JSONL
        for option in self.own:
            what, kinds = _OWN[option]
            if kind not in kinds:
                raise WrongUsageError(f"{option} is for {what}: give it with --format {_listed(kinds)}.")
        name, query = _FILES[kind]
        own = {option.removeprefix("--").replace("-", "_"): value for option, value in self.own.items()}
        return name, {**query, **self.cells, **own}


def _listed(names: tuple[str, ...]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def export(service: ServiceClient, batch_id: str, wanted: Wanted, to: Path | None) -> ExitCode:
    """Takes one file out of a batch, or contact sheets: as many as it takes. Without `to`, to standard output."""
    name, query = wanted.file()
    if wanted.link:
        query.pop("link")
        return _link(service, batch_id, query, to)
    if name.endswith(".zip") and to is None and is_terminal(sys.stdout):
        raise WrongUsageError("A zip archive is nothing to look at: name a file with --to.")
    if to is not None and to.is_dir():
        raise WrongUsageError(f"{to} is a folder; --format makes a file: name it.")
    if wanted.kind is Export.CONTACT_SHEET and to is not None:
        name = _sheet(to)
    _take_all(service, batch_id, (name, query), to)
    return ExitCode.DONE


def _link(service: ServiceClient, batch_id: str, query: Query, to: Path | None) -> ExitCode:
    """Prints an address of the archive, and until when it is good."""
    if to is not None:
        raise WrongUsageError("--link prints an address and makes no file: leave --to out.")
    link = service.archive_link(batch_id, query)
    write(link["url"])
    say(f"Whoever has this address can begin the download until {link['expires_at']}, without a key.")
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
        _tell_of_left_out(response.headers.get("Darkroom-Left-Out", "0"), name=file[0])
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


def _tell_of_left_out(number: str, *, name: str) -> None:
    """What a shop would not know."""
    if number == "0":
        return
    if "merchant" in name:
        rows = counted(int(number), "row")
        say(f"{rows} without an id left out; --id COLUMN says which column of the catalog holds it.")
    else:
        products = counted(int(number), "product")
        say(f"{products} left out: not every row of theirs names its options (Option1 Name, Option1 Value).")


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
