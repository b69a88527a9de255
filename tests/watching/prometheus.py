"""A Prometheus of its own, set up as the one we ship but faster, and asked as Grafana asks it."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError

import httpx
import yaml

from tests.conftest import free_port
from tests.house.tree import ROOT
from tests.processes import Process
from tests.watching.promtool import complaints

SHIPPED = ROOT / "deploy" / "prometheus"
SCRAPE_S = 1
HERE = {"environment": "shop"}
"""How the installation is called that is watched."""

Group = Mapping[str, Any]
"""Addresses as `targets`, and the `labels` with which they were found."""

Found = list[tuple[dict[str, str], list[float]]]
"""Series: labels, and values in the order of their time."""


class Prometheus(Process):
    """Reads what it finds, by the name of its job, once a second; all else is as `shipped` has it, as is where a job looks
    that is not among what is `found`."""

    def __init__(
        self, folder: Path, found: Mapping[str, Sequence[Group]], shipped: str = "prometheus.yml"
    ) -> None:
        folder.mkdir()
        told = yaml.safe_load((SHIPPED / shipped).read_text())
        told["global"] = {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"}
        told["rule_files"] = [str(SHIPPED / name) for name in told["rule_files"]]
        for job in told["scrape_configs"]:
            if job["job_name"] in found:
                job.pop("kubernetes_sd_configs", None)
                job["static_configs"] = list(found[job["job_name"]])
        (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
        _remember(folder)
        self.address = f"127.0.0.1:{free_port()}"
        argv = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder}"]
        argv += [f"--web.listen-address={self.address}", "--enable-feature=exemplar-storage"]
        super().__init__(argv, folder / "prometheus.log")
        self.wait_until(self._is_ready)
        self._started_s = time.time()
        self._http = httpx.Client(base_url=f"http://{self.address}/api/v1", timeout=60)

    def kill(self) -> None:
        super().kill()
        self._http.close()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except URLError:
            return False

    def ask(self, what: str, **words: str) -> Any:
        """What its API says.

        Raises:
            AssertionError: it refuses the question; with its words.
        """
        answer = self._http.get(f"/{what}", params=words)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def looked_at(self, expression: str, *, at_once: bool, chosen: dict[str, str]) -> Found:
        """The series of a panel that shows all the time since the start."""
        now_s = time.time()
        query = self._filled(expression, chosen, round(now_s - self._started_s))
        if at_once:
            return [
                (series["metric"], [float(series["value"][1])])
                for series in self.ask("query", query=query)["result"]
            ]
        span = {"start": str(self._started_s), "end": str(now_s), "step": str(SCRAPE_S)}
        return [
            (series["metric"], [float(value) for _, value in series["values"]])
            for series in self.ask("query_range", query=query, **span)["result"]
        ]

    def exemplars(self, expression: str) -> list[dict[str, str]]:
        """The labels of every exemplar that is kept of it since the start."""
        span = {"start": str(self._started_s), "end": str(time.time())}
        found = self.ask("query_exemplars", query=expression, **span)
        return [exemplar["labels"] for series in found for exemplar in series["exemplars"]]

    def values(self, query: str) -> list[str]:
        """What a variable offers that asks for `label_values(metric, label)`."""
        asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
        assert asked, query
        metric, label = asked.groups()
        found: list[str] = self.ask(f"label/{label}/values", **{"match[]": metric})
        return found

    def wait_for_more(self, scrapes: int = 3) -> None:
        """Until everything that happened is read, and rules have been made of it."""
        seen, end_s = self._evaluated(), time.monotonic() + 180
        while self._evaluated() < seen + scrapes:
            assert time.monotonic() < end_s, "it does not evaluate its rules"
            time.sleep(0.2)

    def _evaluated(self) -> float:
        found = self.ask("query", query="sum(timestamp(darkroom:workers:max))")["result"]
        return float(found[0]["value"][1]) if found else 0.0

    @staticmethod
    def _filled(expression: str, chosen: dict[str, str], range_s: int) -> str:
        """As Grafana fills it in: the rate interval is four scrapes at least, and the range is what is looked at."""
        words = {"__rate_interval": f"{4 * SCRAPE_S}s", "__range": f"{range_s}s", **chosen}
        return re.sub(r"\$(\w+)", lambda found: words[found[1]], expression)


def _remember(folder: Path) -> None:
    """Puts into its store what it would have seen before, or what looks back so far has nothing to say."""
    here = f'environment="{HERE["environment"]}"'
    _put(folder, "darkroom:budget_spent_usd:max", f'{here},scope="tenant_month",tenant="default"', days=1)
    _put(folder, "darkroom:cost_usd:increase1h", here, days=7)


def _put(folder: Path, name: str, labels: str, *, days: int) -> None:
    """Twenty minutes of a figure that was 0, around this time of a day before."""
    then_s = int(time.time()) - 86_400 * days
    samples = [f"{name}{{{labels}}} 0 {then_s + 60 * minute}" for minute in range(-5, 15)]
    written = folder / f"{days}-days-ago"
    written.write_text("\n".join([f"# TYPE {name} gauge", *samples, "# EOF\n"]))
    assert complaints("tsdb", "create-blocks-from", "openmetrics", written, folder) == ""
