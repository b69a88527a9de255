"""Storage and delivery: what is paid and not stored yet, how storage answers, and whether pictures are as asked for."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import panels as p
from deploy.grafana.board import board


def storage() -> models.Dashboard:
    rows = {"Spool": _spool(), "Storage": _storage(), "Pictures": _pictures()}
    says = (
        "What is paid and not stored yet, how storage answers, and whether pictures are what was asked for."
    )
    return board("darkroom-storage", "storage and delivery", says, rows)


def _spool() -> list[p.Panel]:
    """Workers of one machine look at the same spool: the highest of an instance's figures, and no sum."""
    return [
        p.graph(
            "Paid pictures on disk", "Not stored yet; workers of one machine report the same number.", p.COUNT,
            ("max by (instance) (darkroom_spool_files)", "{{instance}}"),
            ("max(darkroom_stranded_pictures)", "with workers that are gone"), span=8,
        ),
        p.graph(
            "Bytes on disk", "Size of the paid pictures that are not stored yet.", p.BYTES,
            ("max by (instance) (darkroom_spool_bytes)", "{{instance}}"), span=8,
        ),
        p.graph(
            "Oldest paid picture", "How long it has waited to be stored.", p.SECONDS,
            ("max by (instance) (darkroom_spool_oldest_seconds)", "{{instance}}"), span=8,
        ),
    ]  # fmt: skip


def _storage() -> list[p.Panel]:
    return [
        p.graph(
            "Operations", "Storage operations a second.", p.PER_SECOND,
            ("sum by (operation) (rate(darkroom_storage_operations_total[$__rate_interval]))", "{{operation}}"),
            stacked=True,
        ),
        p.graph(
            "Operations that are not ok", "Operations a second by how they ended; only failed ones are trouble.",
            p.PER_SECOND,
            (
                'sum by (operation, outcome) (rate(darkroom_storage_operations_total{outcome!="ok"}[$__rate_interval]))',
                "{{operation}} {{outcome}}",
            ),
        ),
        p.quantiles("Time of an operation", "By operation.", "darkroom_storage_seconds", by="operation"),
        p.graph(
            "Bytes", "Bytes a second, written to storage or read from it.", p.BYTES_PER_SECOND,
            ("sum by (direction) (rate(darkroom_storage_bytes_total[$__rate_interval]))", "{{direction}}"),
        ),
    ]  # fmt: skip


def _pictures() -> list[p.Panel]:
    checks = "sum by (preset, rule) (increase(darkroom_picture_checks_total"
    return [
        p.bars(
            "Rules that pictures broke", "Checks of presets that failed in this range; at most fifteen.", p.COUNT,
            (f'topk(15, {checks}{{result="fail"}}[$__range])))', "{{preset}} {{rule}}"), steps=[(1, "orange")],
        ),
        p.graph(
            "Checks by result", "Rules of presets that finished pictures were held against.", p.PER_SECOND,
            ("sum by (result) (rate(darkroom_picture_checks_total[$__rate_interval]))", "{{result}}"), stacked=True,
        ),
    ]  # fmt: skip
