"""What Prometheus itself says about our rules and queries, and the rules as it reads them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.house.tree import ROOT
from tests.watching.boards import filled

PROMETHEUS = ROOT / "deploy" / "prometheus"


def rules(name: str) -> list[dict[str, Any]]:
    """The rules of a file, of all of its groups."""
    groups = yaml.safe_load((PROMETHEUS / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def complaints(*arguments: str | Path) -> str:
    """What promtool has to say against it; nothing when all is well."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr + done.stdout


def complaints_about(queries: Iterable[tuple[str, str]], folder: Path) -> str:
    """What it says about expressions, by their names: each is written as the rule of a group of its own."""
    groups = [{"name": name, "rules": [{"record": "asked", "expr": filled(text)}]} for name, text in queries]
    written = folder / "queries.yml"
    written.write_text(yaml.safe_dump({"groups": groups}, width=1000))
    return complaints("check", "rules", "--lint=none", written)
