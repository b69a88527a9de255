"""Runs the variants one after the other and prints the table."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import tests.benchmarks.versus_sdk as package
from tests.benchmarks.rig.ending import leaving_nothing
from tests.benchmarks.rig.fleet import Account
from tests.benchmarks.versus_sdk.books import books_of, rows
from tests.benchmarks.versus_sdk.provider import Load, provider
from tests.benchmarks.versus_sdk.variants import VARIANTS

DEFAULT = ["darkroom", "darkroom_retry_once", "sdk"]
LATENCY_FACTOR = 0.5
"""Ten seconds a picture: 42 calls in flight use 250 a minute, so that fifty, the script's number, is a good guess."""


def main() -> None:
    asked = _parser().parse_args()
    account = Account(asked.images_per_minute, asked.latency_factor)
    load = Load(asked.tasks, account, is_rested=asked.rested)
    columns = {name: measured(name, load) for name in asked.variants}
    _print(load, columns)


def measured(name: str, load: Load) -> dict[str, str]:
    """One column of the table."""
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-versus-") as folder,
        leaving_nothing(),
        provider(load, Path(folder) / "simulator.log") as simulator,
    ):
        work = asyncio.run(VARIANTS[name](load, simulator, Path(folder) / "pictures"))
        return rows(load, work, books_of(load, work, simulator.ledger()))


def _print(load: Load, columns: dict[str, dict[str, str]]) -> None:
    account = "a full bucket" if load.is_rested else "no burst left"
    title = (
        f"{load.tasks} pictures at {load.account.images_per_minute} a minute, {account}, "
        f"about {20 * load.account.latency_factor:g} s each; ideal {load.ideal_s:.0f} s"
    )
    table = Table("", *columns, title=title)
    for row in next(iter(columns.values())):
        table.add_row(row, *(cells[row] for cells in columns.values()))
    Console(width=110).print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.versus_sdk", description=package.__doc__
    )
    add = parser.add_argument
    add("--tasks", type=int, default=500, metavar="N")
    add("--images-per-minute", type=int, default=250, metavar="R")
    add(
        "--latency-factor",
        type=float,
        default=LATENCY_FACTOR,
        metavar="F",
        help="1: twenty seconds a picture",
    )
    add("--rested", action="store_true", help="the account was not used before: its bucket is full")
    add("--variants", nargs="+", choices=VARIANTS, default=DEFAULT)
    return parser


if __name__ == "__main__":
    main()
