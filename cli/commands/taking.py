"""Options of `darkroom results`: what is taken out of a batch, and in which form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import Export, LeftOut, Output

Listed = Annotated[
    Output | None, typer.Option("-o", "--output", help="How the list is written [default: jsonl].")
]
Format = Annotated[
    Export | None, typer.Option("--format", help="Make this one file of the batch, in place of the list.")
]
To = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="With --format the file; without, a folder to fetch the pictures into."
    ),
]
Templates = Annotated[
    list[str] | None, typer.Option("--template", help="Only of this template; may be repeated.")
]
Sizes = Annotated[
    list[str] | None,
    typer.Option("--size", help="Only in this size, as the manifest writes it; may be repeated."),
]
Samples = Annotated[
    list[int] | None,
    typer.Option("--sample", min=1, help="Only this sample, counted from 1; may be repeated."),
]
LeaveOut = Annotated[
    LeftOut | None, typer.Option(help="Of a feed: pictures whose checks came to this, or worse.")
]
IdColumn = Annotated[
    str | None,
    typer.Option(
        "--id", metavar="COLUMN", help="Of a Merchant feed: the catalog's column that holds the ids."
    ),
]
Variants = Annotated[
    bool, typer.Option("--variants", help="Of a Shopify feed: bind pictures to variants by their options.")
]
Link = Annotated[
    bool, typer.Option("--link", help="Of an archive: print an address that works for a day, without a key.")
]
