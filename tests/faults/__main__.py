"""`python -m tests.faults`: plays every row in its long size, and prints one table. `make faults` runs it.

Exit code 1: something that must hold did not, or a target was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.benchmarks.rig.ending import leaving_nothing
from tests.faults.row import Result, Row, heading, line
from tests.faults.stage import equipment, staged
from tests.faults.suite import chosen


def main() -> int:
    asked = _parser().parse_args()
    table, failed = [heading()], 0
    with tempfile.TemporaryDirectory(prefix="darkroom-faults-") as folder, leaving_nothing():
        for number, row in enumerate(chosen(asked.words)):
            started_s = time.monotonic()
            result = _result_of(row, Path(folder) / str(number), is_quick=asked.quick)
            failed += result is None or bool(result.missed())
            table.append(line(row.name, result) if result else f"{row.name}: FAILED")
            print(f"took {time.monotonic() - started_s:.0f} s", flush=True)
    print("\n" + "\n".join(table))
    return 1 if failed else 0


def _result_of(row: Row, folder: Path, *, is_quick: bool) -> Result | None:
    """What came of a row, with servers of its own; None when it failed, which is told."""

    async def played() -> Result:
        folder.mkdir()
        with equipment(folder) as servers:
            async with staged(servers) as stage:
                return await row.played(stage, row.quick if is_quick else row.long)

    try:
        return asyncio.run(played())
    except Exception:  # noqa: BLE001 - the other rows are played all the same
        print(f"\n{row.name}: FAILED", flush=True)
        traceback.print_exc()
        return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("words", nargs="*", help="play rows alone whose name holds one of these")
    parser.add_argument("--quick", action="store_true", help="play them in their quick size")
    return parser


if __name__ == "__main__":
    sys.exit(main())
