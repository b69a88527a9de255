"""The environment of this process, and what the processes of `darkroom up` are told through theirs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Variables = dict[str, str]
CODE = Path(__file__).resolve().parents[1]
"""The folder that holds the packages: a clone, or site-packages."""
LIVE_BUDGET_USD = "25.00"
"""A month, when nobody said otherwise: real money should be a decision."""


def inherited() -> Variables:
    """Ours, with the packages importable from every folder, and without a name that several workers would share."""
    paths = [str(CODE), os.environ.get("PYTHONPATH", "")]
    ours = {name: value for name, value in os.environ.items() if name != "DARKROOM_WORKER__NAME"}
    return {**ours, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a lane may do a minute."""

    images_per_minute: int
    requests_per_minute: int
    tokens_per_minute: int


def service_variables(*, data: Path, redis_url: str, port: int, key: str) -> Variables:
    """Where everything is."""
    return {
        "DARKROOM_REDIS__URL": redis_url,
        "DARKROOM_STORAGE__URL": (data / "storage").as_uri(),
        "DARKROOM_SPOOL__DIR": str(data / "spool"),
        "DARKROOM_SERVICE__HOST": "127.0.0.1",
        "DARKROOM_SERVICE__PORT": str(port),
        "DARKROOM_SERVICE__BOOTSTRAP_KEY": key,
    }


def worker_variables(*, metrics_port: int) -> Variables:
    """What each worker has for itself: several of one machine cannot share a port."""
    return {
        "DARKROOM_TELEMETRY__WORKER_METRICS_HOST": "127.0.0.1",
        "DARKROOM_TELEMETRY__WORKER_METRICS_PORT": str(metrics_port),
    }


def rehearsal_variables(variables: Variables, *, api_url: str, limits: Limits) -> Variables:
    """Two lanes to the simulator, the second to its upscaler. Whatever leads to a real account is taken away, so that
    nothing can be paid."""
    kept = {
        name: value
        for name, value in variables.items()
        if not name.upper().startswith("DARKROOM_LANES__") and name != "OPENAI_API_KEY"
    }
    return {
        **kept,
        "DARKROOM_LANES__MAIN__BASE_URL": api_url,
        "DARKROOM_LANES__MAIN__API_KEY": "simulated",
        "DARKROOM_LANES__MAIN__IMAGES_PER_MINUTE": str(limits.images_per_minute),
        "DARKROOM_LANES__MAIN__REQUESTS_PER_MINUTE": str(limits.requests_per_minute),
        "DARKROOM_LANES__MAIN__TOKENS_PER_MINUTE": str(limits.tokens_per_minute),
        "DARKROOM_LANES__UPSCALER__ADAPTER": "stability",
        "DARKROOM_LANES__UPSCALER__BASE_URL": api_url.removesuffix("/v1"),
        "DARKROOM_LANES__UPSCALER__API_KEY": "simulated",
        "DARKROOM_BUDGETS__TENANT_MONTH_USD": "1000000",
    }


def live_variables(variables: Variables, *, images_per_minute: int) -> Variables:
    """One lane, to the account of OPENAI_API_KEY, and a budget; whatever of it is not set already."""
    told = {name: value for name, value in variables.items() if name != "OPENAI_API_KEY"}
    if not any(name.upper().startswith("DARKROOM_LANES__") for name in told):
        told["DARKROOM_LANES__MAIN__API_KEY"] = variables["OPENAI_API_KEY"]
        told["DARKROOM_LANES__MAIN__IMAGES_PER_MINUTE"] = str(images_per_minute)
    return {"DARKROOM_BUDGETS__TENANT_MONTH_USD": LIVE_BUDGET_USD, **told}


def version_text() -> str:
    try:
        return f"darkroom {version('darkroom')}"
    except PackageNotFoundError:
        return "darkroom (not installed)"
