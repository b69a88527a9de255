"""Logs, metrics and traces: the one door to structlog's set-up, to Prometheus and to OpenTelemetry.

Must not live here: anything that decides. A metric has base units and bounded labels, never a batch, row or task id.
"""
