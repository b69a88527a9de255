"""The compose file: valid, safe for money, and its very processes make a batch."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from core.settings import load_settings
from tests.deploy.composition import DEPLOY, LIVE, Composition, UnsetError, mounts, read
from tests.deploy.image import DOCKERFILE
from tests.deploy.kustomization import build
from tests.docs.pages import shell
from tests.processes import ROOT

CHOSEN = {"DARKROOM_SECRETS": "/etc/darkroom/live", "DARKROOM_MONTH_USD": "40"}
SECRET = re.compile(r"`(\w+?__[\w<>]+)` \| text, \*secret\*")
MANIFEST = ROOT / "examples" / "sizes.yaml"
OURS = ("bucket", "simulator", "service", "worker")
OTHERS = ("redis", "storage", "prometheus", "grafana")


def test_the_compose_files_fit_the_specification() -> None:
    checked = subprocess.run(
        [
            Path(sys.executable).with_name("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec"),
            *(DEPLOY / name for name in LIVE),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_by_default_nothing_leads_to_a_real_account() -> None:
    composed = read(variables={"OPENAI_API_KEY": "sk-live", **CHOSEN})
    assert "sk-live" not in json.dumps(composed)
    assert CHOSEN["DARKROOM_SECRETS"] not in json.dumps(composed)
    assert "openai.com" not in json.dumps(composed)


def test_live_shares_no_queue_and_no_storage_with_what_was_rehearsed() -> None:
    """The name of the project is the name of its volumes."""
    offline, live = read(variables={}), read(*LIVE, variables=CHOSEN)
    assert (offline["name"], live["name"]) == ("darkroom", "darkroom-live")
    assert live["services"]["simulator"]["profiles"] == ["never"]
    assert "simulat" not in json.dumps(live["services"]["worker"]["environment"])
    assert "rehearsal" not in json.dumps([live["services"], live["secrets"]])
    assert set(live["secrets"]) == set(offline["secrets"])


@pytest.mark.parametrize("left_out", CHOSEN)
def test_live_does_not_start_before_the_secrets_and_the_budget_are_chosen(left_out: str) -> None:
    with pytest.raises(UnsetError, match=left_out):
        read(*LIVE, variables={name: value for name, value in CHOSEN.items() if name != left_out})


@pytest.mark.parametrize("files", [(), LIVE], ids=["offline", "live"])
def test_no_secret_is_a_variable(files: tuple[str, ...]) -> None:
    """Variables are shown by `docker inspect`, and go to every child of a process."""
    secret = set(SECRET.findall((ROOT / "docs" / "settings.md").read_text()))
    assert "DARKROOM_LANES__<LANE>__API_KEY" in secret
    for name, service in read(*files, variables=CHOSEN)["services"].items():
        told = {key.replace("LANES__MAIN__", "LANES__<LANE>__") for key in service.get("environment", ())}
        assert told & secret == set(), name
        assert [key for key in told if re.search(r"PASSWORD$|SECRET|ACCESS_KEY", key)] == [], name


def test_every_secret_is_a_file_that_is_given_to_those_who_need_it() -> None:
    composed = read(variables={})
    given = {
        name: service["secrets"] for name, service in composed["services"].items() if "secrets" in service
    }
    assert {secret for secrets in given.values() for secret in secrets} == set(composed["secrets"])
    assert {path.name for path in (DEPLOY / "compose" / "rehearsal").iterdir()} == set(composed["secrets"])
    assert {name for name, secrets in given.items() if "DARKROOM_SERVICE__BOOTSTRAP_KEY" in secrets} == {
        "service"
    }


def make_secrets(folder: Path, *, key: str = "sk-live") -> subprocess.CompletedProcess[str]:
    """As the page says, with a key in the environment."""
    return subprocess.run(
        [sys.executable, DEPLOY / "compose" / "make_secrets.py", folder],
        env={"OPENAI_API_KEY": key}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def live_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets for real money."""
    folder = tmp_path_factory.mktemp("secrets") / "live"
    made = make_secrets(folder)
    assert made.returncode == 0, made.stderr
    return folder


def test_secrets_that_are_made_fit_together_and_nobody_else_gets_at_them(live_secrets: Path) -> None:
    made = {path.name: path.read_text().strip() for path in live_secrets.iterdir()}
    assert set(made) == set(read(*LIVE, variables=CHOSEN)["secrets"])
    assert made["DARKROOM_LANES__MAIN__API_KEY"] == "sk-live"
    assert (
        made["DARKROOM_REDIS__URL"]
        == f"redis://:{made['redis.conf'].removeprefix('requirepass ')}@redis:6379/0"
    )
    (identity,) = json.loads(made["storage.json"])["identities"]
    (offline,) = json.loads((DEPLOY / "compose" / "rehearsal" / "storage.json").read_text())["identities"]
    assert [identity[key] == offline[key] for key in ("name", "actions", "credentials")] == [
        True,
        True,
        False,
    ]
    assert all(f"= {word}" in made["aws_credentials"] for word in identity["credentials"][0].values())
    assert live_secrets.stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o777 for path in live_secrets.iterdir()} == {
        0o444
    }  # for the user of a container


def test_secrets_are_made_once_and_never_shown(live_secrets: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_text() for path in live_secrets.iterdir()}
    again, other = make_secrets(live_secrets), make_secrets(tmp_path / "other")
    assert (again.returncode, again.stderr) == (
        1,
        f"{live_secrets} cannot be made (File exists); nothing was written.\n",
    )
    assert {path.name: path.read_text() for path in live_secrets.iterdir()} == before
    words = [text.strip() for text in before.values()] + ["sk-live"]
    assert not any(word in said for word in words for said in (again.stderr, other.stdout, other.stderr))
    same = {path.name for path in (tmp_path / "other").iterdir() if path.read_text() == before[path.name]}
    assert same == {"DARKROOM_LANES__MAIN__API_KEY"}


@pytest.mark.parametrize("key", ["", " "])
def test_without_the_key_of_the_account_no_secrets_are_made(tmp_path: Path, key: str) -> None:
    made = make_secrets(tmp_path / "live", key=key)
    assert (made.returncode, "set OPENAI_API_KEY" in made.stderr) == (1, True)
    assert not (tmp_path / "live").exists()


@pytest.mark.parametrize("files", [(), LIVE], ids=["offline", "live"])
@pytest.mark.parametrize("name", ["service", "worker"])
def test_the_settings_in_it_are_settings(
    files: tuple[str, ...], name: str, live_secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = read(*files, variables={**CHOSEN, "DARKROOM_SECRETS": str(live_secrets)})
    told, given = (composed["services"][name][key] for key in ("environment", "secrets"))
    known = set((ROOT / "docs" / "settings.md").read_text().split("`"))
    ours = [key for key in (*told, *given) if key.startswith("DARKROOM_")]
    named = {key.replace("LANES__MAIN__", "LANES__<LANE>__") for key in ours}
    for key, value in told.items():
        monkeypatch.setenv(key, value)
    for secret in given:
        (tmp_path / secret).write_bytes((DEPLOY / composed["secrets"][secret]["file"]).read_bytes())

    settings = load_settings(secrets_dir=tmp_path)

    assert named <= known
    assert set(settings.lanes) == {"main"}
    assert settings.lanes["main"].api_key.get_secret_value() == ("sk-live" if files else "simulated")
    assert settings.budgets.tenant_month_usd


def test_a_worker_is_given_longer_than_it_drains() -> None:
    worker = read(variables={})["services"]["worker"]
    drain_s = float(worker["environment"]["DARKROOM_WORKER__DRAIN_S"])
    assert float(worker["stop_grace_period"].removesuffix("s")) >= drain_s + 30
    assert worker["deploy"]["replicas"] == 2


def test_our_containers_can_change_nothing_but_their_spool() -> None:
    services = read(variables={})["services"]
    assert set(services) == {*OURS, *OTHERS}
    for name in OURS:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_every_container_that_stays_is_asked_whether_it_is_well() -> None:
    services = read(variables={})["services"]
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"bucket"}


def test_what_starts_children_has_somebody_to_take_them_in() -> None:
    assert read(variables={})["services"]["worker"]["init"] is True


def test_nothing_is_open_to_other_machines() -> None:
    ports = [port for service in read(variables={})["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_watched_is_started_only_when_asked_for() -> None:
    services = read(variables={})["services"]
    profiled = {name for name, service in services.items() if service.get("profiles") == ["observability"]}
    assert profiled == {"prometheus", "grafana"}


def test_every_file_that_is_mounted_is_there_and_every_volume_is_declared() -> None:
    composed = read(variables={})
    sources = {source for source, _ in mounts(composed["services"])}
    assert {
        source for source in sources if source.startswith(".") and not (DEPLOY / source).exists()
    } == set()
    assert {source for source in sources if not source.startswith(".")} == set(composed["volumes"])


def test_prometheus_asks_every_process_where_it_answers() -> None:
    asked = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {(found["names"][0], found["port"]) for job in asked for found in job["dns_sd_configs"]}
    assert targets == {("service", 8080), ("worker", 9100)}


@pytest.fixture(scope="module")
def everything(composition: Composition) -> Composition:
    """All of it that is not only watching, started in its order."""
    composition.wait_for("redis", composition.start("redis"))
    composition.start_storage()
    for _ in range(2):  # as often as it is started
        made = composition.run("bucket")
        assert (made.returncode, made.stderr) == (0, "")
    composition.wait_for("simulator", composition.start("simulator"))
    quicken(composition.ports["simulator"])
    composition.wait_for("service", composition.start("service"))
    return composition


def test_its_processes_make_a_batch(everything: Composition) -> None:
    workers = [everything.start("worker", number=number) for number in (1, 2)]

    submitted = subprocess.run(
        [everything.image.python.with_name("darkroom"), "submit", MANIFEST, "--sample", "4", "--yes"],
        env={
            "PATH": str(everything.image.python.parent),
            "PYTHONSAFEPATH": "1",
            "DARKROOM_URL": f"http://127.0.0.1:{everything.ports['service']}",
            "DARKROOM_KEY": "rehearsal",
        },
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip

    assert submitted.returncode == 0, submitted.stderr
    for name in ("simulator", "service", "worker"):
        health = everything.run(name, everything.services[name]["healthcheck"]["test"][1:])
        assert health.returncode == 0, health.stderr
    assert all(worker.is_running for worker in workers)
    assert {path.name for path in everything.folder.glob("spool/*")} >= {"attempts"}


OPERATING = ROOT / "docs" / "operating.md"
TRIED_ELSEWHERE = {"docker", "export", "kubectl", "python3", "install", "systemctl", "/opt/darkroom/bin/pip"}
"""What needs an engine, a cluster or a machine of its own; the files that these name are tested in this folder."""


def commands(first: str | None = None) -> list[list[str]]:
    """The commands of the page, or those of them that begin with this word."""
    lines = [shlex.split(line) for block in shell(OPERATING) for line in block.commands]
    return [words for words in lines if first in (None, words[0])]


@pytest.mark.parametrize("words", commands("python"), ids=" ".join)
def test_the_commands_for_operators_run_in_its_containers(everything: Composition, words: list[str]) -> None:
    ran = everything.run("worker", words)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_page_starts_what_is_tested_and_nothing_else() -> None:
    assert {words[0] for words in commands()} == {*TRIED_ELSEWHERE, "python"}
    build_image, *starts = commands("docker")
    assert build_image[2:4] == ["--file", DOCKERFILE.relative_to(ROOT).as_posix()]
    named = {tuple(word for word in words if word.endswith(".yaml")) for words in starts}
    assert named == {("deploy/compose.yaml",), tuple(f"deploy/{name}" for name in LIVE)}
    units = [Path(word).name for words in commands("install") for word in words if word.endswith(".service")]
    assert set(units) == {path.name for path in (DEPLOY / "systemd").iterdir()}
    for words in commands("/opt/darkroom/bin/pip"):
        assert all((ROOT / word).exists() for word in words if word.endswith((".lock", ".")))


def test_the_cluster_is_given_the_namespace_and_the_secret_that_its_objects_name() -> None:
    namespace, secret, apply = commands("kubectl")
    objects = {each["kind"]: each for each in build(ROOT / apply[-1])}
    assert (
        objects["Namespace"]["metadata"]["name"] == namespace[-1] == secret[secret.index("--namespace") + 1]
    )
    volumes = objects["StatefulSet"]["spec"]["template"]["spec"]["volumes"]
    assert secret[4] in [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]


def quicken(port: int) -> None:
    """The simulator at a hundredth of the real latency; its limits are those of the file."""
    body = json.dumps({"factor": 0.01}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_sim/latency", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
