"""What a process traces with, by its settings."""

from __future__ import annotations

from core.settings import TelemetrySettings
from core.telemetry.traces import Traces


def open_traces(settings: TelemetrySettings, *, process: str) -> Traces:
    """What this process traces with. OpenTelemetry is imported only where an endpoint is set."""
    if settings.traces_endpoint is None:
        return Traces()
    from core.telemetry.otel import OpenTelemetryTraces

    return OpenTelemetryTraces(settings.traces_endpoint, process)
