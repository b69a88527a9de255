"""The documents say what the code does."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from core.settings import BudgetSettings
from core.state.overview import BudgetOverview, LaneOverview, Overview, Paid, RedisOverview
from core.telemetry.metrics import ServiceMetrics, WorkerMetrics
from schemas.asset import Receipt
from schemas.catalog import Row
from schemas.manifest import Catalog, ImageSettings, Manifest, Spend, Template
from schemas.manifest_check import check_manifest
from service.routes.gauges import QueueFigures
from tests.house import generate, manual
from tests.house.tree import DOCS, ROOT, files, modules, name_of, parsed

PAGES = [*ROOT.glob("*.md"), *files("*.md", under="docs"), *files("*.md", under="examples")]
LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "write": "debug or info",  # the middleware chooses between the two
}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def table(text: str, first: str) -> list[list[str]]:
    """Rows of the table whose head begins with `first`, cell by cell."""
    _, _, rest = text.partition(f"| {first} |")
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.parametrize("name", generate.DOCUMENTS)
def test_what_is_made_from_the_code_is_up_to_date(name: str) -> None:
    assert page(name) == generate.DOCUMENTS[name](), "run `make docs`"


# The manifest


def manifests() -> list[Any]:
    found = re.findall(r"^```yaml\n(.*?)^```$", page("manifest.md"), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(text) for text in found]


def test_every_part_of_the_manifest_has_its_table_of_fields() -> None:
    shapes = {name for name, part in manual.schema()["$defs"].items() if "properties" in part}
    assert manual.shapes_on(page("manifest.md")) == {"Manifest", *shapes}


def test_every_field_of_the_manifest_has_its_row_in_the_table_of_its_part() -> None:
    """Counted from the models themselves: a row elsewhere on the page does not stand for it."""
    for shape in (Manifest, Template, Catalog, ImageSettings, Spend):
        _, _, below = page("manifest.md").partition(f"<!-- fields: {shape.__name__} -->")
        named = re.findall(r"^\| `(\w+)` \|", below.partition("<!-- end -->")[0], re.MULTILINE)
        assert named == [field.alias or name for name, field in shape.model_fields.items()]


def test_every_field_of_a_row_is_named() -> None:
    assert [field for field in Row.model_fields if f"`{field}`" not in page("manifest.md")] == [
        "attrs",
        "raw",
    ]


@pytest.mark.parametrize("place", range(len(manifests())))
def test_the_manifests_in_the_documents_are_accepted_and_fit_the_schema(place: int) -> None:
    manifest = json.loads(json.dumps(manifests()[place], default=str))
    check_manifest(manifest)
    Draft202012Validator(json.loads(page("manifest.schema.json"))).validate(manifest)


def test_every_field_of_a_receipt_is_told_once() -> None:
    rows = table(page("exports.md"), "about | fields")
    told = [name for _, fields in rows for name in re.findall(r"`(\w+)`", fields)]
    kinds = ["generation", "edit", "upscale"]
    assert sorted(told) == sorted([*Receipt.model_fields, *kinds])


# Telemetry


def written_metrics() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Kind and labels by name, of every metric the processes show."""
    found = dict(_of_processes(WorkerMetrics().registry)) | dict(_of_processes(ServiceMetrics().registry))
    known = {"images": 250.0}
    about: Any = {"limits": known, "remaining": known, "retries": 10, "group": "main", "claimed_at_s": 1}
    lane = LaneOverview("main", 1, 0, 0, "auth", 5, **about)
    budgets = (BudgetOverview(None, 1, 1), BudgetOverview("acme", 1, 1))
    server = RedisOverview(evicts=False, persists={"append_only": True}, used_bytes=1, limit_bytes=2)
    costs = {Paid("main", "gpt-image-2", "low", "acme"): 1}
    queue = Overview((lane,), 1, budgets=budgets, redis=server, costs_usd_micros=costs)
    figures = QueueFigures(queue, BudgetSettings(tenant_month_usd="1", house_day_usd="1"))
    shown = ServiceMetrics().render(also=figures)[0].decode()
    told = {family.name for family in figures.collect()}
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", shown, re.MULTILINE):
        if name.removesuffix("_total") not in told:
            continue
        sample = re.search(rf"^{name}(?:{{(.*?)}})? ", shown, re.MULTILINE)
        labels = re.findall(r'(\w+)="', sample[1] or "") if sample else []
        found[name.removesuffix("_total")] = (kind, tuple(sorted(labels)))
    return found


def _of_processes(registry: CollectorRegistry) -> Iterator[tuple[str, tuple[str, tuple[str, ...]]]]:
    for collector in set(registry._collector_to_names):
        assert isinstance(collector, MetricWrapperBase)
        yield collector._name, (str(collector._type), tuple(sorted(collector._labelnames)))


def test_every_metric_is_in_the_catalogue_as_it_is() -> None:
    rows = table(page("telemetry.md"), "metric")
    told = {
        name.strip("`"): (kind, tuple(sorted(re.findall(r"`(\w+)`", labels))))
        for name, kind, labels, *_ in rows
    }
    assert told == written_metrics()


EVENT = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")


def first_words() -> Iterator[tuple[str, str]]:
    """Of every call whose first argument is a text: what is called, and the text."""
    for node in (node for path in modules() for node in ast.walk(parsed(path))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield _callee(node.func), str(node.args[0].value)


def written_events() -> set[tuple[str, str]]:
    return {(text, LEVELS[name]) for name, text in first_words() if name in LEVELS and EVENT.fullmatch(text)}


def _callee(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def test_every_log_event_is_in_the_catalogue_with_its_level() -> None:
    rows = table(page("telemetry.md"), "event")
    assert {(event.strip("`"), level) for event, level, *_ in rows} == written_events()


def test_every_error_in_the_log_says_what_to_do() -> None:
    rows = table(page("telemetry.md"), "event")
    assert [event for event, level, _, advice in rows if level == "error" and not advice] == []


# What the documents name


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in PAGES:
        named = set(re.findall(r"`make ([a-z]+)", path.read_text())) | set(
            re.findall(r"^make ([a-z]+)", path.read_text(), re.MULTILINE)
        )
        assert named <= targets, name_of(path)


def test_every_module_that_is_run_exists() -> None:
    for path in PAGES:
        for module in re.findall(r"python -m ([a-z_.]+[a-z])", path.read_text()):
            place = ROOT.joinpath(*module.split("."))
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), name_of(path)


def test_every_benchmark_is_named_in_the_readme() -> None:
    folder = ROOT / "tests" / "benchmarks"
    runnable = [*folder.glob("[a-z]*.py"), *(path.parent for path in folder.glob("*/__main__.py"))]
    readme = (ROOT / "README.md").read_text()
    assert [path.stem for path in runnable if f"python -m tests.benchmarks.{path.stem} " not in readme] == []


def test_every_setting_that_is_named_exists() -> None:
    known = set(re.findall(r"`(DARKROOM_\w+?__[\w<>]+)`", page("settings.md")))
    for path in PAGES:
        named = set(re.findall(r"DARKROOM_[A-Z]+__[A-Z0-9_]+", path.read_text()))
        unknown = {
            re.sub(r"^DARKROOM_LANES__MAIN__", "DARKROOM_LANES__<LANE>__", name) for name in named
        } - known
        assert unknown <= {"DARKROOM_LANES__"}, name_of(path)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" not in link:
            assert (path.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_files_that_are_named_exist(path: Path) -> None:
    tops = "|".join(
        entry.name for entry in ROOT.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    for named in re.findall(rf"`((?:{tops})/[\w./-]+)`", path.read_text()):
        assert (ROOT / named).exists(), named


def test_the_map_of_folders_is_the_tree() -> None:
    rows = table((ROOT / "README.md").read_text(), "folder")
    on_disk = {
        path.relative_to(ROOT).parts[0] for path in files("*") if len(path.relative_to(ROOT).parts) > 1
    }
    assert {row[0].strip("`") for row in rows} == {name for name in on_disk if not name.startswith(".")}


# Decisions

PARTS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]


def decisions() -> list[Path]:
    return sorted((DOCS / "adr").glob("[0-9]*.md"))


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in decisions()] == list(range(1, len(decisions()) + 1))


@pytest.mark.parametrize("path", decisions(), ids=lambda path: path.stem[:4])
def test_a_decision_has_every_part(path: Path) -> None:
    text = path.read_text()
    assert text.startswith(f"# {path.name[:4]}. ")
    assert re.search(
        r"^- Status: (accepted|superseded by \d{4})$\n- Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE
    )
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE))


def test_the_index_lists_every_decision_by_its_title() -> None:
    listed = re.findall(
        r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \| (.+?) \|$", page("adr/README.md"), re.MULTILINE
    )
    written = []
    for path in decisions():
        title, status = path.read_text().splitlines()[0], path.read_text().splitlines()[2]
        written.append((path.name[:4], title[8:], path.name, status.removeprefix("- Status: ")))
    assert listed == written
