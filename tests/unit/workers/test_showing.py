"""A worker shows its figures where it is told to, or says why it cannot."""

from __future__ import annotations

import socket

import pytest

from core.settings import TelemetrySettings
from core.telemetry.metrics import WorkerMetrics
from schemas.errors import DarkroomError
from workers import __main__ as program


def test_a_port_that_is_taken_is_a_sentence_that_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = TelemetrySettings(worker_metrics_port=port)
        with pytest.raises(DarkroomError) as refused:
            program._show(WorkerMetrics(), told)
    assert f"Metrics cannot be shown at 127.0.0.1:{port}: it is taken" in refused.value.detail
    assert "Set another DARKROOM_TELEMETRY__WORKER_METRICS_PORT" in refused.value.detail


def test_without_a_port_nothing_is_shown() -> None:
    assert program._show(WorkerMetrics(), TelemetrySettings()) is None
