"""Traces, received by OTLP from real processes: one over service and workers, with what may be said and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from core.settings import SettingsError, load_settings
from core.telemetry.traces import MOST_IN_ONE_TRACE, TracedTask, Traces, valid_parent
from tests.studio import manifest, numbered
from tests.watching.house import House
from tests.watching.otlp import Receiver, Seen, receiver

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE, PARENT = CALLER.split("-")[1:3]
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
MODEL = "gpt-image-2.6-flare"


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Receiver]]:
    """A house whose traces are received soon."""
    folder = tmp_path_factory.mktemp("traced")
    with receiver() as received:
        told = {
            "DARKROOM_TELEMETRY__TRACES_ENDPOINT": received.url,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "DARKROOM_WORKER__SLOTS": "4",
        }
        with House(folder, told) as house:
            yield house, received


def of(batch_id: str, spans: list[Seen], name: str = "") -> list[Seen]:
    return [
        span for span in spans if span.facts.get("darkroom.batch.id") == batch_id and name in ("", span.name)
    ]


def by_name(spans: list[Seen], trace: str) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for span in spans:
        if span.trace == trace:
            found.setdefault(span.name, []).append(span)
    return found


def test_a_batch_is_one_trace_from_the_caller_to_the_call(traced: tuple[House, Receiver]) -> None:
    house, received = traced
    batch_id = house.submit(manifest("cup", "jug"), traceparent=CALLER)
    house.ended(batch_id)

    spans = by_name(received.wait_for(lambda found: len(of(batch_id, found, "task")) == 2), TRACE)

    (request,), (batch,), (plan,) = spans["POST"], spans["batch"], spans["plan"]
    assert (request.process, request.kind, request.parent) == ("darkroom-service", SERVER, PARENT)
    assert request.facts["http.route"] == "/v1/batches"
    assert request.facts["http.response.status_code"] == 202
    assert (batch.process, batch.kind, batch.parent) == ("darkroom-service", PRODUCER, request.id)
    assert (plan.process, plan.kind, plan.parent) == ("darkroom-worker", CONSUMER, batch.id)
    assert {task.parent for task in spans["task"]} == {batch.id}
    attempts = {span.id: span for span in spans["attempt"]}
    assert sorted(span.parent for span in attempts.values()) == sorted(task.id for task in spans["task"])
    for part in ("prepare", f"generate_content {MODEL}", "store"):
        assert sorted(span.parent for span in spans[part]) == sorted(attempts), part
    assert all(not span.failed for spans_of_name in spans.values() for span in spans_of_name)


def test_a_figure_names_the_trace_that_it_came_from(traced: tuple[House, Receiver]) -> None:
    house, received = traced
    batch_id = house.submit(manifest("mug"))
    house.ended(batch_id)
    (task,) = of(batch_id, received.wait_for(lambda found: bool(of(batch_id, found, "task"))), "task")

    (port,) = house.workers
    texts = [
        httpx.get(f"{address}/metrics", headers={"Accept": "application/openmetrics-text"}, timeout=60).text
        for address in (f"http://127.0.0.1:{port}", house.service.url)
    ]

    assert f'# {{attempt="{batch_id}:0:1",trace_id="{task.trace}"}}' in texts[0]
    assert re.search(r'darkroom_http_request_seconds_bucket.*# \{trace_id="[0-9a-f]{32}"\}', texts[1])


def test_a_call_is_told_in_the_words_of_the_conventions(traced: tuple[House, Receiver]) -> None:
    house, received = traced
    batch_id = house.submit(manifest("vase"))
    house.ended(batch_id)
    (task,) = of(batch_id, received.wait_for(lambda found: bool(of(batch_id, found, "task"))), "task")

    (call,) = by_name(received.spans(), task.trace)[f"generate_content {MODEL}"]

    assert call.kind == CLIENT
    (told,) = house.east.calls(batch_id)
    assert call.facts == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.output.type": "image",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.id": told["request_id"],
        "gen_ai.usage.input_tokens": told["usage"]["input_tokens"],
        "gen_ai.usage.output_tokens": told["usage"]["output_tokens"],
        "server.address": "127.0.0.1",
        "server.port": house.east.port,
        "darkroom.image.operation": "generation",
        "darkroom.image.size": "1024x1024",
        "darkroom.image.quality": "low",
        "darkroom.image.format": "jpeg",
        "darkroom.image.references": 0,
        "darkroom.client_request_id": f"{batch_id}:0:1",
    }
    assert task.facts["darkroom.verdict"] == "done"
    assert task.facts["darkroom.cost_usd_micros"] == told["cost_usd_micros"]


def test_what_failed_is_named_by_its_class_and_a_second_attempt_stands_beside_the_first(
    traced: tuple[House, Receiver],
) -> None:
    house, received = traced
    house.east.script({"kind": "error_500", "times": 1, "match": {"prompt": "bowl"}})
    batch_id = house.submit(manifest("bowl"))
    house.ended(batch_id)

    (task,) = of(batch_id, received.wait_for(lambda found: bool(of(batch_id, found, "task"))), "task")

    spans = by_name(received.spans(), task.trace)
    first, second = sorted(spans["attempt"], key=lambda span: span.facts["darkroom.attempt"])
    assert (first.parent, second.parent) == (task.id, task.id)
    assert (first.failed, first.facts["error.type"]) == (True, "server_error")
    assert first.facts["darkroom.verdict"] == "retryin"
    call = next(span for span in spans[f"generate_content {MODEL}"] if span.parent == first.id)
    assert (call.failed, call.facts["error.type"]) == (True, "server_error")
    assert call.facts["http.response.status_code"] == 500
    assert not second.failed
    assert task.lasted_ms > first.lasted_ms + second.lasted_ms


def test_a_task_of_a_large_batch_is_a_trace_of_its_own_that_is_linked_to_its_batch(
    traced: tuple[House, Receiver],
) -> None:
    house, received = traced
    batch_id = house.submit(manifest(*numbered(MOST_IN_ONE_TRACE + 1)))
    some = received.wait_for(lambda found: len(of(batch_id, found, "task")) >= 3)
    house.api.post(f"/v1/batches/{batch_id}/cancel")

    (batch,) = of(batch_id, some, "batch")
    tasks = of(batch_id, some, "task")
    assert len({task.trace for task in tasks} | {batch.trace}) == len(tasks) + 1
    for task in tasks:
        assert (task.parent, task.links) == ("", ((batch.trace, batch.id),))
        assert {span.parent for span in of(batch_id, some, "attempt") if span.trace == task.trace} == {
            task.id
        }


def test_lines_of_the_log_name_their_trace(traced: tuple[House, Receiver]) -> None:
    house, _ = traced
    batch_id = house.submit(manifest("plate"), traceparent=CALLER.replace("4bf9", "beef"))
    house.ended(batch_id)

    trace = TRACE.replace("4bf9", "beef")
    lines = [
        json.loads(line)
        for name in ("service.log", "worker-1.log")
        for line in (house.folder / name).read_text().splitlines()
        if trace in line
    ]
    assert {line["event"] for line in lines} >= {"request.completed", "attempt.ended"}
    assert {line["trace_id"] for line in lines} == {trace}


def test_what_a_caller_does_not_want_traced_is_not(traced: tuple[House, Receiver]) -> None:
    house, received = traced
    unwanted = CALLER.replace("4bf9", "dead")[:-1] + "0"
    house.ended(house.submit(manifest("spoon"), traceparent=unwanted))
    after = house.submit(manifest("fork"))
    house.ended(after)

    found = received.wait_for(lambda found: bool(of(after, found, "task")))
    assert {span.trace for span in found if span.trace.startswith("dead")} == set()


@pytest.mark.parametrize(
    "sent", [{}, {"authorization": "Bearer guessed"}, {"authorization": "Basic guessed"}]
)
def test_who_is_not_let_in_decides_nothing_about_traces(
    traced: tuple[House, Receiver], sent: dict[str, str]
) -> None:
    house, received = traced
    for mark, flag in (("aaaa", "1"), ("bbbb", "0")):  # neither that it is traced, nor that it is not
        parent = CALLER.replace("4bf9", mark)[:-1] + flag
        address = f"{house.service.url}/v1/batches/{mark}"
        before = len(refused(received.spans()))
        assert httpx.get(address, headers={"traceparent": parent, **sent}, timeout=60).status_code == 401
        found = received.wait_for(lambda found, seen=before: len(refused(found)) > seen)  # type: ignore[misc]
        assert [span for span in found if span.trace.startswith(mark)] == []


def refused(spans: list[Seen]) -> list[Seen]:
    return [span for span in spans if span.facts.get("http.response.status_code") == 401]


def test_health_and_figures_are_not_traced(traced: tuple[House, Receiver]) -> None:
    house, received = traced
    for path in ("/livez", "/readyz", "/metrics"):
        assert httpx.get(house.service.url + path, timeout=60).status_code == 200
    house.api.get("/v1/batches", headers={"traceparent": CALLER.replace("4bf9", "cafe")})

    found = received.wait_for(lambda found: any(span.trace.startswith("cafe") for span in found))
    routes = {span.facts["http.route"] for span in found if span.kind == SERVER}
    assert "/v1/batches" in routes
    assert routes.isdisjoint({"/livez", "/readyz", "/metrics"})


# Without an endpoint


def test_without_an_endpoint_nothing_of_opentelemetry_is_imported() -> None:
    """The API of it may be: the HTTP framework brings it along."""
    code = (
        "import sys, workers.app, service.app, core.telemetry.opening as o, core.settings as s\n"
        "o.open_traces(s.TelemetrySettings(), process='worker')\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_traced_is_nothing_sent_along() -> None:
    traces = Traces()
    with traces.span("anything", under=CALLER):
        assert (traces.traceparent, traces.trace_id) == (None, None)


def test_an_endpoint_without_the_extra_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.settings.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"DARKROOM_TELEMETRY__TRACES_ENDPOINT: .*darkroom\[otel\]"):
        load_settings(storage={"url": "file:///x"}, telemetry={"traces_endpoint": "http://collector:4318"})


# Where a task stands


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        CALLER.upper(),
        CALLER + "0",
        "01" + CALLER[2:],
        CALLER.replace(TRACE, "0" * 32),
        f"x{CALLER[1:]}",
    ],
)
def test_a_parent_that_is_none_is_left_out(header: str) -> None:
    assert valid_parent(header) is None
    assert valid_parent(CALLER) == CALLER


def test_every_process_tells_the_same_place_of_a_task_and_another_of_another() -> None:
    first, again, second = (TracedTask(CALLER, "batch_1", index, 10).parent for index in (0, 0, 1))
    assert first == again != second
    assert first is not None
    assert valid_parent(first) == first
    assert first.split("-")[1] == TRACE
    assert TracedTask(None, "batch_1", 0, 10).parent is None
