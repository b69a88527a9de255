"""Recording rules and alerts: valid, each alert tested firing and not firing, and explained in the runbook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cli.main import app
from core.state import keys
from core.telemetry.metrics import WAIT_BUCKETS_S
from tests.house.test_docs import page, table
from tests.house.tree import ROOT
from tests.watching.boards import boards
from tests.watching.catalogue import METRIC, RECORDED, names
from tests.watching.promtool import complaints, complaints_about, rules

DEPLOY = ROOT / "deploy"
RUNBOOK = (DEPLOY / "runbook.md").read_text()
CASES = sorted((Path(__file__).parent / "cases").glob("*.yml"))
CONFIGURATIONS = [
    DEPLOY / "prometheus" / "prometheus.yml",
    DEPLOY / "prometheus" / "up.yml",
    DEPLOY / "prometheus" / "kubernetes.yml",
    DEPLOY / "compose" / "prometheus.yml",
]


ALERTS = {rule["alert"]: rule for rule in rules("alerts.yml")}
FIGURES = {rule["record"]: rule for rule in rules("rules.yml")}
RULES_TEXT = (DEPLOY / "prometheus" / "rules.yml").read_text()


def expectations() -> Iterator[tuple[str, str]]:
    """Of every test that asks for an alert: its name, and the labels that it fires with, empty where it does not."""
    for test in (test for path in CASES for test in yaml.safe_load(path.read_text())["tests"]):
        for expected in test["promql_expr_test"]:
            asked = re.fullmatch(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}', expected["expr"])
            if asked:
                samples = expected.get("exp_samples", [])
                yield asked[1], " ".join(sample["labels"] for sample in samples)


EXPECTED = tuple(expectations())


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("name", ["rules.yml", "alerts.yml"])
def test_promtool_takes_the_rules(name: str) -> None:
    assert complaints("check", "rules", "--lint-fatal", DEPLOY / "prometheus" / name) == ""


@pytest.mark.needs("promtool")
def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    here, up, cluster, container = CONFIGURATIONS
    assert complaints("check", "config", here) == ""
    assert (
        complaints("check", "config", "--syntax-only", up) == ""
    )  # its targets are there when something runs
    assert complaints("check", "config", "--syntax-only", container) == ""
    # Debian's promtool is built without the discovery of pods: it looks at all the rest.
    told = yaml.safe_load(cluster.read_text())
    for job in told["scrape_configs"]:
        assert [*job.pop("kubernetes_sd_configs")[0]] == ["role", "namespaces"]
    told["rule_files"] = [str(cluster.parent / name) for name in told["rule_files"]]
    (tmp_path / "rest.yml").write_text(yaml.safe_dump(told))
    assert complaints("check", "config", tmp_path / "rest.yml") == ""


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_alerts_fire_when_they_have_to(path: Path) -> None:
    assert complaints("test", "rules", path) == ""


def test_every_alert_is_tested_firing_and_not_firing() -> None:
    assert {name for name, labels in EXPECTED if labels} == set(ALERTS), "one is never seen firing"
    assert {name for name, labels in EXPECTED if not labels} == set(ALERTS), "one is never seen silent"


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        (rule.get("record") or rule["alert"], rule["expr"])
        for file in ("rules.yml", "alerts.yml")
        for rule in rules(file)
    ],
)
def test_no_rule_sums_several_installations(name: str, expression: str) -> None:
    """Where figures are put together, or matched, they are of one environment."""
    grouped = re.findall(r"(?<!:)\b(?:sum|max|min|count)\b(?! by \(environment[,)])", expression)
    matched = re.findall(r"\bon \((?!environment[,)]|scope\)|le\))", expression)
    assert (grouped, matched) == ([], []), name


def test_what_is_promised_of_waiting_is_a_bound_of_the_histogram() -> None:
    bounds = [f"{float(bound)}" for bound in WAIT_BUCKETS_S]
    assert FIGURES["darkroom:wait_objective:ratio"]["labels"]["le"] in bounds
    offered = RULES_TEXT.partition("written as there:")[2].partition("With any other")[0]
    assert re.findall(r"\d+\.0", offered) == bounds[3:]


@pytest.mark.parametrize("promise", ["wait", "call"])
def test_a_promise_can_be_broken_so_fast_that_it_is_heard_of(promise: str) -> None:
    """The most that can go wrong is everything, and 14.4 times what is allowed has to be less."""
    (share,) = re.findall(r"vector\((0\.\d+)\)", FIGURES[f"darkroom:{promise}_objective:ratio"]["expr"])
    assert 14.4 * (1 - float(share)) < 1


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(("bound", "fires"), [("900.0", False), ("7200.0", True)])
def test_a_promise_is_changed_in_one_place_and_one_that_no_bound_tells_is_heard_of(
    bound: str, fires: bool, tmp_path: Path
) -> None:
    """All pictures start within ten minutes, whatever was promised before."""
    changed = RULES_TEXT.replace('labels: {le: "14400.0"}', f'labels: {{le: "{bound}"}}')
    (tmp_path / "rules.yml").write_text(changed)
    series = [
        {"series": f'darkroom_wait_seconds_{part}{{lane="main",priority="normal"{le}}}', "values": "0+20x60"}
        for part, le in (("bucket", ',le="900.0"'), ("bucket", ',le="14400.0"'), ("count", ""))
    ]
    labels = 'ALERTS{alertname="DarkroomWaitSLOBurn",alertstate="firing",lane="main",severity="warning"}'
    asked = {
        "expr": 'ALERTS{alertname="DarkroomWaitSLOBurn",alertstate="firing"}',
        "eval_time": "1h",
        "exp_samples": [{"labels": labels, "value": 1}] if fires else [],
    }
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [asked]}
    files = [str(tmp_path / "rules.yml"), str(DEPLOY / "prometheus" / "alerts.yml")]
    written = {"rule_files": files, "evaluation_interval": "5m", "tests": [test]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(written))
    assert complaints("test", "rules", tmp_path / "test.yml") == ""


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_names_only_labels_that_it_has(name: str) -> None:
    named = set(re.findall(r"\$labels\.(\w+)", str(ALERTS[name]["annotations"])))
    fired = " ".join(labels for alert, labels in EXPECTED if alert == name)
    assert named <= set(re.findall(r"(\w+)=\"", fired))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_everything_that_a_person_needs(name: str) -> None:
    alert = ALERTS[name]
    notes = alert["annotations"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert notes["summary"]
    assert not notes["summary"].endswith(".")
    assert notes["description"].endswith(".")
    assert notes["runbook_url"] == f"{{{{ $externalLabels.darkroom_runbook }}}}#{name.lower()}"
    assert notes["dashboard"].removeprefix("/d/") in {board["uid"] for board in boards().values()}


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_one_label_of_prometheus_says_where_all_alerts_find_the_runbook(path: Path, tmp_path: Path) -> None:
    found = yaml.safe_load(path.read_text())
    shipped = found["global"]["external_labels"]
    assert [*shipped] == [rule["regex"] for rule in found["alerting"]["alert_relabel_configs"]]
    assert (DEPLOY.parent / shipped["darkroom_runbook"]).is_file()
    assert runbook_of("DarkroomServiceMissing", shipped, tmp_path) == ""
    address = {"darkroom_runbook": "https://wiki.example.com/runbook"}
    assert runbook_of("DarkroomServiceMissing", address, tmp_path) == ""


def runbook_of(name: str, labels: dict[str, str], folder: Path) -> str:
    """What promtool has to say when this alert, which fires where nothing is, should link to the runbook of `labels`."""
    notes = {key: text for key, text in ALERTS[name]["annotations"].items() if key != "runbook_url"}
    alert = {
        "exp_labels": ALERTS[name]["labels"],
        "exp_annotations": notes | {"runbook_url": f"{labels['darkroom_runbook']}#{name.lower()}"},
    }
    test = {
        "input_series": [{"series": "nothing", "values": "0"}],
        "external_labels": labels,
        "alert_rule_test": [{"eval_time": "10m", "alertname": name, "exp_alerts": [alert]}],
    }
    written = folder / "runbook.yml"
    files = [str(DEPLOY / "prometheus" / "alerts.yml")]
    written.write_text(yaml.safe_dump({"rule_files": files, "evaluation_interval": "1m", "tests": [test]}))
    return complaints("test", "rules", written)


def test_the_runbook_has_a_section_for_every_alert_in_their_order() -> None:
    assert re.findall(r"^## (Darkroom\w+)$", RUNBOOK, re.MULTILINE) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_says_what_it_means_how_to_look_and_what_to_do(name: str) -> None:
    section = RUNBOOK.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE) == ["Means", "Look", "Do"]
    assert ALERTS[name]["labels"]["severity"] in section.splitlines()[0]


def test_every_installation_scrapes_under_the_same_names_and_loads_every_rule() -> None:
    loaded = [yaml.safe_load(path.read_text()) for path in CONFIGURATIONS]
    for configuration in loaded:
        assert [Path(path).name for path in configuration["rule_files"]] == ["rules.yml", "alerts.yml"]
        jobs = [job["job_name"] for job in configuration["scrape_configs"]]
        assert jobs == ["darkroom-service", "darkroom-worker"]
    volumes = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["prometheus"]["volumes"]
    mounted = next(entry.split(":")[1] for entry in volumes if entry.startswith("./prometheus:"))
    assert {str(Path(path).parent) for path in loaded[-1]["rule_files"]} == {mounted}


# The runbook


@pytest.mark.needs("promtool")
def test_what_the_runbook_asks_prometheus_is_a_query_of_what_there_is(tmp_path: Path) -> None:
    asked = re.findall(r"^ask '(.+)'$", RUNBOOK, re.MULTILINE)
    assert len(asked) > len(ALERTS)
    assert complaints_about([(f"query {number}", text) for number, text in enumerate(asked)], tmp_path) == ""
    recorded = {rule["record"] for rule in rules("rules.yml")}
    assert set(RECORDED.findall(RUNBOOK)) - {keys.FLEET} <= recorded
    assert {name for text in asked for name in METRIC.findall(text)} <= set(names())


def test_the_runbook_names_events_and_settings_and_commands_that_exist() -> None:
    events = {row[0].strip("`") for row in table(page("telemetry.md"), "event")}
    looked_for = re.findall(r"(?:grep|-e) ([a-z]+\.[a-z]+)", RUNBOOK)
    assert looked_for
    assert set(looked_for) <= events
    settings = set(re.findall(r"DARKROOM_[A-Z]+__[A-Z_<>]+", RUNBOOK))
    assert settings <= set(re.findall(r"`(DARKROOM_\w+?__[\w<>]+)`", page("settings.md")))
    commands = set(re.findall(r"(?:^|`)darkroom ([a-z]+)", RUNBOOK, re.MULTILINE))
    known = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert commands <= known


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", RUNBOOK))))
def test_a_link_of_the_runbook_leads_somewhere(link: str) -> None:
    place, _, section = link.partition("#")
    assert (DEPLOY / place).exists()
    headings = re.findall(r"^##+ (.+)$", (DEPLOY / place).read_text() if place else RUNBOOK, re.MULTILINE)
    assert not section or section in {heading.lower().replace(" ", "-") for heading in headings}
