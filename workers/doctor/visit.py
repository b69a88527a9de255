"""A visit of the doctor: `python -m workers doctor [redis] [storage] [provider] [spool] [--json]`."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict

from core.clock import Clock, SystemClock
from core.places import is_loopback
from core.settings import Settings, SettingsError, load_settings
from core.storage.opening import open_store
from core.telemetry.logs import configure, redacted
from schemas.ids import new_id
from workers.doctor import provider, redis, sources, spool, storage
from workers.doctor.finding import Finding, Level

Findings = Mapping[str, Sequence[Finding]]
ENDINGS = {
    Level.OK: "Everything is as it should be.",
    Level.WARNING: "It works; the warnings are worth reading.",
    Level.FAILED: "Something is not as it has to be.",
}


def main(arguments: Sequence[str]) -> int:
    """Looks, and says what it found. Exit codes: 0 nothing failed, 1 something did, 2 wrong arguments or settings, 130
    interrupted."""
    asked = [argument for argument in arguments if argument != "--json"]
    if unknown := [name for name in asked if name not in PATIENTS]:
        print(f"The doctor knows {', '.join(PATIENTS)}, and not '{unknown[0][:100]}'.", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
    except SettingsError as error:
        print("\n".join([str(error), *(f"  {line}" for line in also_missing())]), file=sys.stderr)
        return 2
    configure(settings.telemetry, process="doctor")
    try:
        found = asyncio.run(visit(asked or list(PATIENTS), settings, SystemClock()))
    except KeyboardInterrupt:
        print("Interrupted; what was written to look at it is removed.", file=sys.stderr)
        return 130
    levels = {finding.level for findings in found.values() for finding in findings}
    worst = next(level for level in reversed(Level) if level in levels)
    print(_document(found, worst) if "--json" in arguments else _table(found, worst))
    return 1 if worst is Level.FAILED else 0


def also_missing() -> list[str]:
    """What nothing can be made without, beside that which stops a process at once; nothing where more than that is wrong."""
    try:
        settings = load_settings(storage={"url": "file:///var/lib/darkroom/storage"})
    except SettingsError:
        return []
    lines = []
    if not settings.lanes:
        lines.append(
            "DARKROOM_LANES__MAIN__API_KEY: there is no lane; such as: export DARKROOM_LANES__MAIN__API_KEY=sk-..."
        )
    if not settings.budgets.tenant_month_usd:
        lines.append(
            "DARKROOM_BUDGETS__TENANT_MONTH_USD: nothing may be spent; such as: export DARKROOM_BUDGETS__TENANT_MONTH_USD=25"
        )
    return lines


async def visit(patients: Sequence[str], settings: Settings, clock: Clock) -> dict[str, list[Finding]]:
    """The findings of each patient, in the order in which they are listed here."""
    return {name: await look(settings, clock) for name, look in PATIENTS.items() if name in patients}


async def _redis(settings: Settings, clock: Clock) -> list[Finding]:
    return await redis.examine(settings.redis.address, clock)


async def _storage(settings: Settings, clock: Clock) -> list[Finding]:
    where = settings.storage
    store = open_store(where.url, endpoint_url=where.endpoint_url, threads=1)
    try:
        found = await storage.examine(store, name=_name(clock), clock=clock, linking=_linking(settings))
        return [*found, *await sources.examine(settings.fetch.s3_sources, endpoint_url=where.endpoint_url)]
    finally:
        await store.aclose()


async def _provider(settings: Settings, clock: Clock) -> list[Finding]:
    return await provider.examine(settings.lanes, settings.budgets, clock=clock)


async def _spool(settings: Settings, clock: Clock) -> list[Finding]:
    slots = settings.worker.slots
    return await asyncio.to_thread(spool.examine, settings.spool, slots=slots, name=_name(clock))


def _linking(settings: Settings) -> list[str]:
    """Lanes that send links to a provider outside; a stand-in on this machine reads from this machine."""
    return [
        name
        for name, lane in sorted(settings.lanes.items())
        if lane.references == "url" and not is_loopback(lane.base_url)
    ]


def _name(clock: Clock) -> str:
    return new_id("doctor", now_ms=clock.now_ms(), random_bytes=os.urandom(10))


def _table(found: Findings, worst: Level) -> str:
    rows = [
        (finding.level.value, name, f"{finding.check}: {redacted(finding.detail)}")
        for name, findings in found.items()
        for finding in findings
    ]
    lines = [f"{level:<7}  {name:<8}  {' '.join(text.split())}" for level, name, text in rows]
    return "\n".join([*lines, ENDINGS[worst]])


def _document(found: Findings, worst: Level) -> str:
    checks = [
        {"patient": name, **redacted(asdict(finding))} for name, all_of in found.items() for finding in all_of
    ]
    return json.dumps({"result": worst, "checks": checks}, indent=2, ensure_ascii=False)


PATIENTS: Mapping[str, Callable[[Settings, Clock], Awaitable[list[Finding]]]] = {
    "redis": _redis,
    "storage": _storage,
    "provider": _provider,
    "spool": _spool,
}
