"""The door to OpenTelemetry: traces sent by OTLP over HTTP. It comes with the extra `otel`, and is imported on demand.

What an endpoint needs besides its address is told by OpenTelemetry's own variables, such as OTEL_EXPORTER_OTLP_HEADERS,
OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from core.telemetry.traces import Fact, Kind, TracedTask, Traces


class OpenTelemetryTraces(Traces):
    """Traces of one process. Whether a trace is written is decided where it begins, and kept everywhere."""

    def __init__(self, endpoint: str, process: str) -> None:
        self._ids = _Ids()
        told = {"service.name": f"darkroom-{process}", "service.version": version("darkroom")}
        self._provider = TracerProvider(
            resource=Resource.create(told), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces"))
        )
        self._tracer = self._provider.get_tracer("darkroom", version("darkroom"))

    @property
    def traceparent(self) -> str | None:
        here = get_current_span().get_span_context()
        if not here.is_valid:
            return None
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"

    @property
    def trace_id(self) -> str | None:
        span = get_current_span()
        return f"{span.get_span_context().trace_id:032x}" if span.is_recording() else None

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        under: str | None = None,
        facts: dict[str, Fact] | None = None,
    ) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name,
            None if under is None else _below(_read(under)),
            SpanKind[kind.upper()],
            facts,
            record_exception=False,
            set_status_on_exception=False,
        ):
            try:
                yield
            except BaseException as error:
                self.tell({}, failed=type(error).__name__)
                raise

    def tell(self, facts: dict[str, Fact], failed: str | None = None) -> None:
        span = get_current_span()
        span.set_attributes(facts)
        if failed is not None:
            span.set_attribute("error.type", failed)
            span.set_status(Status(StatusCode.ERROR))

    def task(self, task: TracedTask, *, started_at_ms: int, ended_at_ms: int, facts: dict[str, Fact]) -> None:
        if task.batch is None or task.parent is None:
            return
        batch, own = _read(task.batch), _read(task.parent)
        if not batch.trace_flags.sampled:
            return
        with self._ids.given(own):
            span = self._tracer.start_span(
                "task",
                _below(batch) if not task.is_alone else Context(),
                attributes=facts,
                links=[Link(batch)] if task.is_alone else None,
                start_time=started_at_ms * 1_000_000,
            )
        span.end(ended_at_ms * 1_000_000)

    def close(self) -> None:
        self._provider.shutdown()


class _Ids(RandomIdGenerator):
    """Ids by chance, but for a span whose id is known beforehand."""

    def __init__(self) -> None:
        self._next: SpanContext | None = None

    @contextmanager
    def given(self, context: SpanContext) -> Iterator[None]:
        """The span that is started in this block, which does not wait for anything, has these ids."""
        self._next = context
        try:
            yield
        finally:
            self._next = None

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self._next is None else self._next.span_id

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self._next is None else self._next.trace_id


def _read(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )


def _below(parent: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(parent), Context())
