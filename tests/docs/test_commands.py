"""Every command of every page is run as it stands; what cannot run here says so on the page, and is looked at."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from typer.core import TyperArgument, TyperGroup
from typer.main import get_command

from cli.main import app
from tests.docs.checkout import START, Checkout
from tests.docs.pages import LANGUAGES, PAGES, Block, blocks, inline, shell
from tests.house.tree import ROOT, name_of

NEEDS = {
    "a terminal of its own",  # the checkout of these tests runs it
    "Docker",  # tests/deploy/test_compose.py starts what the files start
    "a cluster",  # tests/deploy/test_kubernetes.py
    "systemd and root",  # tests/deploy/test_systemd.py
    "an account, and costs money",
    "ten minutes or more",  # the tests themselves among it
}
"""All that a block may say that it needs, and these tests do not have."""
OPERATORS = {"deploy/runbook.md", "docs/operating.md", "docs/upgrading.md"}
"""Pages for those who have the settings of a worker, and Prometheus."""
SHELL = [block for page in PAGES for block in shell(page)]
TRIED = [page for page in PAGES if any(block.needs is None for block in shell(page))]
LEFT = [block for block in SHELL if block.needs is not None]
COMMANDS = get_command(app)


def place(block: Block) -> str:
    return f"{name_of(block.page)}:{block.line}"


@pytest.mark.parametrize("page", TRIED, ids=name_of)
def test_a_page_can_be_followed_from_its_first_command_to_its_last(checkout: Checkout, page: Path) -> None:
    variables = checkout.reader
    if name_of(page) in OPERATORS:
        variables = checkout.operator
    ended = checkout.read(page, variables)
    assert ended.returncode == 0, f"{name_of(page)}: {ended.stderr[-3000:]}\n{ended.stdout[-1000:]}"


def test_every_block_says_what_it_is() -> None:
    """So that no command stands where nobody runs it."""
    found = [block for page in PAGES for block in blocks(page)]
    assert [place(block) for block in found if block.language not in LANGUAGES] == []


def test_what_is_not_run_needs_one_of_few_things() -> None:
    assert {block.needs for block in LEFT} == NEEDS
    assert [place(block) for block in SHELL if block.needs is None and "# needs" in block.text] == []


def test_what_is_left_running_in_a_terminal_of_its_own_is_what_runs_here() -> None:
    left = [block.commands for block in LEFT if block.needs == "a terminal of its own"]
    assert left == [[START]]


@pytest.mark.parametrize("block", LEFT, ids=place)
def test_what_is_not_run_names_files_and_targets_that_exist(block: Block) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in block.commands:
        first, *words = shlex.split(command)
        tops = {entry.name for entry in ROOT.iterdir()} - {".venv"}
        named = [word for word in words if "/" in word and word.partition("/")[0] in tops]
        assert [word for word in named if not (ROOT / word).exists()] == []
        assert first != "make" or words[0] in targets
        modules = [
            word for option, word in pairwise(words) if option == "-m" and word.partition(".")[0] in tops
        ]
        assert [word for word in modules if not is_a_program(word)] == []


def is_a_program(module: str) -> bool:
    """Whether `python -m` would start it."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    return file.is_file() and '__name__ == "__main__"' in file.read_text()


def test_a_program_that_is_none_is_found() -> None:
    assert is_a_program("tests.benchmarks.queue")
    assert not any(map(is_a_program, ("tests.benchmarks.no_such", "tests.benchmarks.rig", "tests.studio")))


def said_commands() -> list[str]:
    """Commands of ours in sentences and tables: `darkroom` with a word that it knows."""
    found = {text for page in PAGES for text in inline(page) if text.startswith("darkroom ")}
    found |= {command for block in LEFT for command in block.commands if command.startswith("darkroom ")}
    return sorted(found)


OF_OTHERS = re.compile(r"(?:redis-cli|docker|systemctl|journalctl|kubectl|curl|promtool|install|psql|aws) .+")
"""Programs of others that a page may tell to be run."""


def said_of_others(page: Path) -> list[str]:
    return [text for text in inline(page) if OF_OTHERS.fullmatch(text)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_of_others_stands_in_a_block(page: Path) -> None:
    """Where it is run, or says what it needs; in a sentence nobody would look at it."""
    in_blocks = {command for block in SHELL for command in block.commands}
    assert [said for said in said_of_others(page) if said not in in_blocks] == []


def test_a_command_of_others_in_a_sentence_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("At once: `redis-cli config set\nappendonly yes`, with `redis-cli`.\n")
    assert said_of_others(tmp_path / "page.md") == ["redis-cli config set appendonly yes"]


def complaint(name: str, *words: str) -> str:
    """What the command line has against it; a sentence may leave away what it is about."""
    assert isinstance(COMMANDS, TyperGroup)
    try:
        COMMANDS.commands[name].make_context(name, list(words))
    except typer.BadParameter as error:
        is_left_away = type(error).__name__ == "MissingParameter" and isinstance(error.param, TyperArgument)
        return "" if is_left_away else error.format_message()
    return ""


@pytest.mark.parametrize("said", said_commands())
def test_a_command_in_a_sentence_is_one(said: str) -> None:
    _, *words = shlex.split(re.sub(r"\[(\w+)\]", r"\1", said))
    assert complaint(*words) == ""


def test_a_command_with_a_mistake_is_found() -> None:
    assert complaint("results", "BATCH", "--format", "pdf")
