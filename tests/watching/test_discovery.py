"""Who is looked at in a cluster: a real Prometheus is told of pods as a cluster tells it, and sorts them out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, Gauge, start_http_server

from tests.conftest import free_port
from tests.deploy.composition import DEPLOY
from tests.deploy.kustomization import build
from tests.watching.prometheus import SHIPPED, Group, Prometheus

OBJECTS = build(DEPLOY / "kubernetes" / "overlays" / "production")
JOBS = {
    name: {job["job_name"]: job for job in yaml.safe_load((SHIPPED / name).read_text())["scrape_configs"]}
    for name in ("prometheus.yml", "kubernetes.yml")
}
PORT = "prometheus.io/port"
UNSAFE = str.maketrans("./-", "___")
"""What cannot be in the name of a label becomes an underscore in it."""


@dataclass(frozen=True)
class Pod:
    """A pod of one of our objects, which shows its figures at a port of this machine."""

    name: str
    port: int
    template: dict[str, Any]

    def as_told(self) -> Group:
        """What Prometheus knows of it: a target for each port that its container names, and all of its metadata.

        Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#pod, 2026-11-21.
        """
        told = {"name": self.name, "ip": "127.0.0.1"}
        for kind in ("label", "annotation"):
            for key, value in self.template["metadata"][f"{kind}s"].items():
                told[f"{kind}_{key.translate(UNSAFE)}"] = str(self.port) if key == PORT else value
        return {
            "targets": [f"127.0.0.1:{port}" for port in ports(self.template)],
            "labels": {f"__meta_kubernetes_pod_{key}": value for key, value in told.items()},
        }


def ports(template: dict[str, Any]) -> list[int]:
    (container,) = template["spec"]["containers"]
    return [port["containerPort"] for port in container["ports"]]


def templates() -> dict[str, dict[str, Any]]:
    """Of everything that runs, by its name."""
    kinds = ("Deployment", "StatefulSet")
    return {each["metadata"]["name"]: each["spec"]["template"] for each in OBJECTS if each["kind"] in kinds}


STRANGER = {
    "metadata": {"labels": {"app.kubernetes.io/name": "cache"}, "annotations": {PORT: "9100"}},
    "spec": {"containers": [{"ports": [{"containerPort": 9100}]}]},
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Told for every job of two pods of everything that runs, and of a stranger; each tells its name to whoever asks."""
    pods = [
        Pod(f"{name}-{number}", free_port(), template)
        for name, template in {**templates(), "cache": STRANGER}.items()
        for number in (0, 1)
    ]
    servers = []
    for pod in pods:
        registry = CollectorRegistry()
        Gauge("its_name", "Who answers.", ["pod"], registry=registry).labels(pod.name).set(1)
        servers.append(start_http_server(pod.port, "127.0.0.1", registry)[0])
    folder = tmp_path_factory.mktemp("discovery") / "prometheus"
    told = [pod.as_told() for pod in pods]
    asked = Prometheus(folder, dict.fromkeys(JOBS["kubernetes.yml"], told), "kubernetes.yml")
    yield asked
    asked.kill()
    for server in servers:
        server.shutdown()
        server.server_close()


def seen(prometheus: Prometheus) -> set[tuple[str, str, str]]:
    """Job, instance, and the name that answered, of every pod that was read."""
    found = prometheus.ask("query", query="its_name")["result"]
    return {(each["metric"]["job"], each["metric"]["instance"], each["metric"]["pod"]) for each in found}


@pytest.mark.needs("prometheus", "promtool")
def test_every_pod_of_ours_is_read_once_by_its_job_and_named_and_no_other_pod_is(
    prometheus: Prometheus,
) -> None:
    ours = {
        ("darkroom-service", "darkroom-service-0", "darkroom-service-0"),
        ("darkroom-service", "darkroom-service-1", "darkroom-service-1"),
        ("darkroom-worker", "darkroom-workers-0", "darkroom-workers-0"),
        ("darkroom-worker", "darkroom-workers-1", "darkroom-workers-1"),
    }
    end_s = time.monotonic() + 180
    while seen(prometheus) < ours and time.monotonic() < end_s:
        time.sleep(0.1)

    assert seen(prometheus) == ours
    targets = prometheus.ask("targets", state="active")["activeTargets"]
    assert {(each["labels"]["instance"], each["health"]) for each in targets} == {
        (name, "up") for _, name, _ in ours
    }
    assert len(targets) == len(ours)


def test_a_pod_is_read_at_a_port_that_its_container_has() -> None:
    for template in templates().values():
        assert int(template["metadata"]["annotations"][PORT]) in ports(template)


def test_it_is_told_of_all_pods_of_the_namespace_and_its_jobs_are_those_that_alerts_know() -> None:
    """Debian's Prometheus knows no discovery of pods, so its words are compared.

    Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config, 2026-11-21.
    """
    assert list(JOBS["kubernetes.yml"]) == list(JOBS["prometheus.yml"])
    (namespace,) = (each["metadata"]["name"] for each in OBJECTS if each["kind"] == "Namespace")
    for job in JOBS["kubernetes.yml"].values():
        assert set(job) == {"job_name", "kubernetes_sd_configs", "relabel_configs"}
        assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": [namespace]}}]
