"""The Kubernetes manifests: valid, and what they promise about paid work holds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from pydantic import ValidationError

from core.settings import CREDENTIALS, SECRETS_DIR, FetchSettings, FinishingSettings, load_settings
from service.app import openapi_document
from tests.deploy.composition import DEPLOY
from tests.deploy.image import environment
from tests.deploy.kustomization import Object, build
from tests.house.tree import ROOT
from workers.inspecting.opening import BYTES_PER_PIXEL, OWN_BYTES

FOLDERS = {
    name: DEPLOY / "kubernetes" / name for name in ("base", "overlays/production", "overlays/rehearsal")
}
OVERLAYS = ("overlays/production", "overlays/rehearsal")
TELEMETRY = (ROOT / "docs" / "telemetry.md").read_text()


def objects(folder: str, kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in build(FOLDERS[folder]) if each["kind"] == kind}


def pods(folder: str) -> dict[str, Any]:
    """What runs, by the name of what keeps it running."""
    found = objects(folder, "Deployment") | objects(folder, "StatefulSet")
    return {name: each["spec"]["template"]["spec"] for name, each in found.items()}


def told(folder: str, name: str) -> dict[str, str]:
    """The variables of a container, but for the secret ones."""
    (container,) = pods(folder)[name]["containers"]
    own = {each["name"]: each.get("value", "") for each in container.get("env", ())}
    config: dict[str, str] = objects(folder, "ConfigMap")["darkroom-settings"]["data"]
    return environment() | config | own


def validate(each: Object) -> None:
    """Against the schema of its kind, in which every field has to be known."""
    if each["kind"] == "ScaledObject":
        # Here, because it takes seconds, and every process that runs tests collects this file.
        from cloudcoil.models.keda.v1alpha1 import ScaledObject

        ScaledObject.model_validate(each, strict=True, extra="forbid", by_alias=True, by_name=False)
    else:
        kubernetes_validate.validate(each, "1.33", strict=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_valid_down_to_its_last_field(folder: str) -> None:
    for each in build(FOLDERS[folder]):
        validate(each)


def test_no_file_lies_beside_what_is_built_and_looked_at() -> None:
    named = set()
    for folder in FOLDERS.values():
        asked = yaml.safe_load((folder / "kustomization.yaml").read_text())
        patches = [patch["path"] for patch in asked.get("patches", ())]
        named |= {(folder / name).resolve() for name in [*asked["resources"], *patches, "kustomization.yaml"]}
    assert {path for path in (DEPLOY / "kubernetes").rglob("*") if path.is_file()} <= named


def test_a_field_that_does_not_exist_is_found() -> None:
    workers = objects("base", "StatefulSet")["darkroom-workers"]
    workers["spec"]["template"]["spec"]["terminationGracePeriod"] = 660
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(workers)


MISTAKES = {
    "no such field": {"maxReplicas": 20},
    "not a number": {"minReplicaCount": "2"},
    "nothing to scale by": {"triggers": None},
    "no such field inside": {"advanced": {"horizontalPodAutoscalerConfig": {"behaviour": {}}}},
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_how_workers_are_scaled_is_found(mistake: dict[str, Any]) -> None:
    scaling = objects("overlays/production", "ScaledObject")["darkroom-workers"]
    scaling["spec"] |= mistake
    with pytest.raises(ValidationError):
        validate(scaling)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pod_is_locked_up(folder: str) -> None:
    for pod in pods(folder).values():
        (container,) = pod["containers"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        # The variables Kubernetes makes of a Service `darkroom-service` would be read as settings.
        assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_worker_is_given_longer_than_it_drains(folder: str) -> None:
    workers = objects(folder, "StatefulSet")["darkroom-workers"]
    drain_s = float(told(folder, "darkroom-workers")["DARKROOM_WORKER__DRAIN_S"])
    assert workers["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= drain_s + 30


def test_the_spool_outlives_its_pod() -> None:
    spec = objects("base", "StatefulSet")["darkroom-workers"]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    (container,) = spec["template"]["spec"]["containers"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    spool = told("base", "darkroom-workers")["DARKROOM_SPOOL__DIR"]
    assert Path(spool).is_relative_to(mounted[claim["metadata"]["name"]])
    assert set(spec["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_worker_may_take_what_it_and_its_processes_can_take(folder: str) -> None:
    (worker,) = pods(folder)["darkroom-workers"]["containers"]
    processes = int(told(folder, "darkroom-workers")["DARKROOM_FINISHING__PROCESSES"])
    finishing = processes * FinishingSettings().memory_bytes
    inspecting = OWN_BYTES + FetchSettings().max_picture_pixels * BYTES_PER_PIXEL
    own = 2**20 * (int(told(folder, "darkroom-workers")["DARKROOM_WORKER__SLOTS"]) + 512)
    assert worker["resources"]["limits"] == {"memory": "4Gi"}
    assert finishing + inspecting + own <= 4 * 2**30


def test_no_probe_kills_a_worker_whose_calls_are_paid() -> None:
    (worker,) = pods("base")["darkroom-workers"]["containers"]
    assert "livenessProbe" not in worker


@pytest.mark.parametrize("folder", FOLDERS)
def test_probes_ask_what_the_service_answers(folder: str) -> None:
    (service,) = pods(folder)["darkroom-service"]["containers"]
    paths = openapi_document()["paths"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert service[probe]["httpGet"]["path"] in paths
    assert (
        service["livenessProbe"]["httpGet"]["path"] == "/livez"
    )  # not of Redis: to restart cures nothing there
    assert service["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", ["darkroom-service", "darkroom-workers"])
def test_the_settings_in_it_are_settings(
    folder: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "DARKROOM_REDIS__URL").write_text("redis://:password@redis:6379/0\n")
    (tmp_path / "DARKROOM_LANES__MAIN__API_KEY").write_text("sk-1\n")
    for key, value in told(folder, name).items():
        monkeypatch.setenv(key, value)
    settings = load_settings(secrets_dir=tmp_path)
    assert set(settings.lanes) == {"main"}
    assert settings.budgets.tenant_month_usd
    assert ("simulator" in settings.lanes["main"].base_url) == (folder == "overlays/rehearsal")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("name", ["darkroom-service", "darkroom-workers"])
def test_secrets_are_files_where_settings_are_looked_for_and_no_variables(folder: str, name: str) -> None:
    pod, settings = pods(folder)[name], told(folder, name)
    looked_for = Path(settings[CREDENTIALS])
    (container,) = pod["containers"]
    (secret,) = [volume for volume in pod["volumes"] if "secret" in volume]
    mounted = {mount["name"]: mount for mount in container["volumeMounts"]}[secret["name"]]
    assert mounted == {"name": secret["name"], "mountPath": str(looked_for), "readOnly": True}
    assert not looked_for.is_relative_to(SECRETS_DIR)  # below which clusters put tokens of their own
    assert secret["secret"]["defaultMode"] == 0o440  # for the group of the pod, which is 10001
    assert [source for source in container["envFrom"] if "secretRef" in source] == []
    assert Path(settings["AWS_SHARED_CREDENTIALS_FILE"]).parent == looked_for


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_name_that_is_pointed_to_is_there(folder: str) -> None:
    labels = [
        pod["metadata"]["labels"]
        for pod in (
            each["spec"]["template"]
            for kind in ("Deployment", "StatefulSet")
            for each in objects(folder, kind).values()
        )
    ]
    budgets = objects(folder, "PodDisruptionBudget").values()
    selectors = [each["spec"]["selector"]["matchLabels"] for each in budgets]
    selectors += [each["spec"]["selector"] for each in objects(folder, "Service").values()]
    selectors += [
        each["spec"]["podSelector"]["matchLabels"] for each in objects(folder, "NetworkPolicy").values()
    ]
    assert all(any(selector.items() <= each.items() for each in labels) for selector in selectors)
    workers = objects(folder, "StatefulSet")["darkroom-workers"]
    assert workers["spec"]["serviceName"] in objects(folder, "Service")


def test_nothing_reaches_the_addresses_where_clouds_hand_out_credentials() -> None:
    for folder in FOLDERS:
        for policy in objects(folder, "NetworkPolicy").values():
            assert {"Ingress", "Egress"} == set(policy["spec"]["policyTypes"])
            blocks = [
                to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule["to"] if "ipBlock" in to
            ]
            assert blocks
            assert [block for block in blocks if not is_kept_from_credentials(block)] == []


def is_kept_from_credentials(block: dict[str, Any]) -> bool:
    """The one address of its kind that may be reached is that of a resolver on the node."""
    return block["cidr"] == "169.254.20.10/32" or "169.254.0.0/16" in block.get("except", ())


@pytest.mark.parametrize("folder", OVERLAYS)
def test_an_overlay_is_in_a_namespace_of_its_own_and_names_a_version(folder: str) -> None:
    (namespace,) = objects(folder, "Namespace")
    placed = [each for each in build(FOLDERS[folder]) if each["kind"] != "Namespace"]
    assert {each["metadata"]["namespace"] for each in placed} == {namespace}
    images = [pod["containers"][0]["image"] for pod in pods(folder).values()]
    assert all(image.count(":") == 1 and not image.endswith(":latest") for image in images)


def scaled() -> Any:
    return objects("overlays/production", "ScaledObject")["darkroom-workers"]["spec"]


def test_one_worker_more_is_asked_for_each_time_one_is_full() -> None:
    """The schema knows no words of a trigger; these are all that one of this type has to have.

    Source: https://keda.sh/docs/2.16/scalers/prometheus/, 2026-11-21.
    """
    (trigger,) = scaled()["triggers"]
    assert trigger["type"] == "prometheus"
    assert set(trigger["metadata"]) == {"serverAddress", "query", "threshold"}
    workers = objects("overlays/production", "StatefulSet")
    assert scaled()["scaleTargetRef"]["name"] in workers
    assert (
        trigger["metadata"]["threshold"]
        == told("overlays/production", "darkroom-workers")["DARKROOM_WORKER__SLOTS"]
    )


def test_to_apply_the_manifests_again_takes_no_worker_away() -> None:
    """A number in the StatefulSet would be put back by every `kubectl apply`, whatever KEDA has made of it."""
    assert "replicas" not in objects("overlays/production", "StatefulSet")["darkroom-workers"]["spec"]
    assert scaled()["minReplicaCount"] >= 2
    assert objects("overlays/rehearsal", "StatefulSet")["darkroom-workers"]["spec"]["replicas"] == 2


def test_it_is_asked_for_by_metrics_that_the_service_shows() -> None:
    asked = set(re.findall(r"darkroom_\w+", scaled()["triggers"][0]["metadata"]["query"]))
    assert asked == {"darkroom_slots_wanted"}
    assert {name for name in asked if f"| `{name}` | gauge |" not in TELEMETRY} == set()


@pytest.mark.needs("promtool")
@pytest.mark.parametrize(
    ("wanted_by", "slots"),
    [({"east": "700", "west": "20"}, 720), ({}, 0)],  # none: no picture has told the latency yet
    ids=["two lanes", "unknown"],
)
def test_workers_are_scaled_by_what_the_service_says_is_wanted(
    wanted_by: dict[str, str], slots: int, tmp_path: Path
) -> None:
    series = [
        {"series": f'darkroom_slots_wanted{{lane="{lane}",instance="{instance}"}}', "values": value}
        for lane, value in wanted_by.items()
        for instance in ("service-1", "service-2")  # both show the same figures of the whole queue
    ]
    query = scaled()["triggers"][0]["metadata"]["query"]
    wanted = {"expr": query, "eval_time": "0m", "exp_samples": [{"labels": "{}", "value": slots}]}
    tests = {"rule_files": [], "tests": [{"input_series": series, "promql_expr_test": [wanted]}]}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))

    tested = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "tests.yml"], capture_output=True, text=True, check=False
    )

    assert tested.returncode == 0, tested.stdout + tested.stderr
