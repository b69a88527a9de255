"""Logs and metrics: the one door to structlog's set-up and to Prometheus.

Must not live here: anything that decides. A metric has base units and bounded labels, never a batch, row or task id.
"""
