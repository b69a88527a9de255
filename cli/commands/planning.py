"""`darkroom plan` and `darkroom submit`: what it would make and cost, then making it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from cli.client import ServiceClient, problems_of
from cli.commands.watching import outcome_of, watch_interruptibly, write_batch
from cli.exits import ExitCode, InterruptedCommandError, WrongUsageError
from cli.manifests.local import LocalManifest
from cli.manifests.uploader import Uploader
from cli.output import Output, counted, is_terminal, say, write, write_record
from cli.progress import dollars, duration
from schemas.errors import (
    ConflictError,
    DarkroomError,
    ManifestError,
    Problem,
    SpendRefusedError,
    TooLargeError,
)
from schemas.wording import first_few

Json = dict[str, Any]
MAX_PLANS = 1000
"""A plan with many problems stops early, so that each one may make more files known."""
FEW_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A manifest whose files are all with the service, and its plan."""

    manifest: LocalManifest
    plan: Json
    problems: list[Problem]
    digest: str


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """How to submit.

    Args:
        max_cost_usd: refuse when the likely cost is over this; decimal dollars.
        idempotency_key: None: made of the manifest, its files and the next two.
        plan: digest of the plan that was looked at; another one is refused.
        sample: make only so many pictures.
    """

    watch: bool
    yes: bool
    max_cost_usd: str | None
    idempotency_key: str | None
    plan: str | None
    sample: int | None
    output: Output


def plan(service: ServiceClient, path: Path, sample: int | None, output: Output) -> ExitCode:
    prepared = prepare(service, path, sample)
    if not prepared.problems or output is not Output.TABLE:
        write_record(prepared.plan, plan_lines(prepared.plan), output)
    require_accepted(prepared)
    return ExitCode.DONE


def submit(service: ServiceClient, path: Path, options: SubmitOptions) -> ExitCode:
    limit = _dollars(options.max_cost_usd)
    prepared = prepare(service, path, options.sample)
    require_accepted(prepared)
    _require_unchanged(prepared.plan, options.plan)
    _require_consent(prepared.plan, limit, yes=options.yes)
    key = options.idempotency_key or _key(prepared, options)
    try:
        batch, replayed = service.submit(
            prepared.manifest.document, key, plan=options.plan, sample=options.sample
        )
    except KeyboardInterrupt:
        raise InterruptedCommandError(
            "Interrupted while it was submitted, so it may be: look at darkroom ls. "
            "The same command again makes nothing twice."
        ) from None
    if replayed:
        say(
            "The same manifest and files were submitted before; this is that batch. "
            "To make everything again, name another --idempotency-key."
        )
    if options.output is Output.TABLE:
        write(batch["id"])
    if not options.watch:
        if options.output is not Output.TABLE:
            write_batch(batch, options.output)
        return ExitCode.DONE
    final = watch_interruptibly(service, batch["id"])
    if options.output is not Output.TABLE:
        write_batch(final, options.output)
    return outcome_of(final)


def prepare(service: ServiceClient, path: Path, sample: int | None = None) -> Prepared:
    """Uploads what the service lacks of the files that lie below the manifest's folder, and plans.

    Raises:
        ManifestError: it has problems of shape, so that there is no plan.
    """
    manifest = LocalManifest.read(path)
    files = Uploader(service, manifest)
    files.bring_sources()
    for _ in range(MAX_PLANS):
        try:
            found = service.plan(manifest.document, sample=sample)
        except TooLargeError as error:
            advice = "Rows may be many more in a catalog file of their own."
            raise TooLargeError(f"The manifest {path} is too large: {error.detail} {advice}") from error
        except ManifestError as error:
            problems = manifest.told(error.problems, files.lacking)
            raise ManifestError(problems, truncated=error.truncated) from error
        if not files.bring({file["name"]: file.get("sha256") for file in found.get("files") or []}):
            problems = manifest.told(problems_of(found.get("errors") or []), files.lacking)
            digest = manifest.digest(f"{files.digests[name]} {name}" for name in files.digests)
            return Prepared(manifest, found, problems, digest)
    raise DarkroomError(
        f"The plan names more files each time; after {MAX_PLANS} plans there is no end to it."
    )


def plan_lines(plan: Json) -> dict[str, str]:
    tasks, cost, catalog = plan["tasks"], plan["cost"], plan["catalog"]
    by_variant = [f"{axis}: {_parts(counts)}" for axis, counts in (tasks.get("by_variant") or {}).items()]
    lines = {
        "manifest": str(plan.get("name", "")),
        "pictures": f"{tasks['total']} ({_parts(tasks['by_template'])}; {_parts(tasks['by_size'])})",
        "variants": "\n".join(by_variant),
        "models": _parts(tasks["by_model"]),
        "templates": "\n".join(map(_branch, plan.get("templates") or [])),
        "catalog": _catalog(catalog),
        "columns": "\n".join(
            f"{field}: {source}" for field, source in (catalog.get("mapping") or {}).items()
        ),
        "cost": f"{_about(cost)}, at most {dollars(cost['high'])}, "
        + (f"cap {dollars(cost['cap'])}" if cost.get("cap") else "no cap"),
        "time": _time(plan.get("duration") or {}),
        "same": _same(plan.get("duplicates") or {}),
        "there": _there(plan.get("unchanged") or {}, tasks["total"]),
        "advice": "\n".join(
            (*_of_catalog(catalog), *map(_advice, plan.get("lint") or []), *_looked_at(plan))
        ),
        "prompts": "\n".join(map(_prompt, plan.get("prompts") or [])),
        "missing": _missing(plan.get("files") or []),
        "plan": str(plan.get("id", "")),
        "digest": str(plan.get("digest") or ""),
    }
    return {label: text for label, text in lines.items() if text}


def _catalog(catalog: Json) -> str:
    left_out = f", {catalog['left_out']} left out" if catalog.get("left_out") else ""
    dialect = f", read as {catalog['dialect']}" if catalog.get("dialect") else ""
    return f"{counted(catalog['rows'], 'row')}{left_out}{dialect}" if catalog["rows"] or left_out else ""


def _parts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _branch(template: Json) -> str:
    start = f"{'  ' * template['depth']}{template['name']}"
    source = f", from {template['from']}" if template.get("from") else ""
    return (
        f"{start}: {template['tasks']}{source}, {template['model']} {template['quality']}, "
        f"lane {template['lane']}, {dollars(template['cost'])}"
    )


def _about(cost: Json) -> str:
    """What it likely costs, and the least, where that is less: a service of an older version does not tell it."""
    likely = str(cost["likely"])
    low = str(cost.get("low", likely))
    return (
        f"about {dollars(likely)}" if low == likely else f"about {dollars(likely)}, at least {dollars(low)}"
    )


def _time(found: Json) -> str:
    if found.get("seconds") is None:
        return "not known"
    if not found["seconds"]:
        return "none: every picture is there"
    limit = f", limited by {found['limited_by']}" if found.get("limited_by") else ""
    slots = f", {found['slots_needed']} side by side" if found.get("slots_needed") else ""
    return f"about {duration(found['seconds'])}{limit}{slots}"


def _same(duplicates: Json) -> str:
    return "\n".join(filter(None, (_alike(duplicates), _anew(duplicates.get("finished_anew") or 0))))


def _anew(pictures: int) -> str:
    said = "comes" if pictures == 1 else "come"
    return f"{counted(pictures, 'picture')} {said} from the same call as another size" if pictures else ""


def _there(unchanged: Json, total: int) -> str:
    about = "about " if unchanged.get("looked_at", 0) < total else ""
    lines = []
    if unchanged.get("total"):
        said = f"{about}{counted(unchanged['total'], 'picture')} of earlier batches, at no cost"
        lines.append(f"{said} ({_parts(unchanged['by_template'])})")
    if unchanged.get("unknown"):
        said = f"{about}{counted(unchanged['unknown'], 'picture')} start from an address"
        lines.append(f"{said}: whether they are there is known when they are made")
    return "\n".join(lines)


def _alike(duplicates: Json) -> str:
    if not duplicates.get("total"):
        return ""
    alike = "is the same as another" if duplicates["total"] == 1 else "are the same as others"
    said = f"{counted(duplicates['total'], 'picture')} {alike} ({_parts(duplicates['by_template'])})"
    pairs = dict.fromkeys(f"row {one['row']} as row {one['same_as_row']}" for one in duplicates["rows"])
    idle = (
        f"{' and '.join(axes)} {'makes' if len(axes) == 1 else 'make'} no difference to {name}"
        for name, axes in (duplicates.get("axes") or {}).items()
    )
    reasons = [", ".join(list(pairs)[:FEW_SHOWN]), *idle]
    return f"{said}: {'; '.join(filter(None, reasons))}".removesuffix(": ")


def _advice(found: Json) -> str:
    rows = f" of {counted(found['rows'], 'row')}" if found.get("rows") and found["row"] else ""
    times = f"{found['count']} prompts{rows}" if found["count"] > 1 else ""
    first = f"{', first in ' if times else ''}row {found['row']}" if found["row"] else ""
    where = f"; {times}{first}" if times or first else ""
    return f"{found['template']}: {found['message']} ({found['rule']}{where})"


def _of_catalog(catalog: Json) -> list[str]:
    return [f"catalog: {catalog['advice']}"] if catalog.get("advice") else []


def _looked_at(plan: Json) -> list[str]:
    """Of how many rows the prompts were looked at, where others were not."""
    looked, rows = plan.get("linted_rows") or 0, plan["catalog"]["rows"]
    return [f"looked at the prompts of {looked} of {counted(rows, 'row')}"] if 0 < looked < rows else []


def _prompt(shown: Json) -> str:
    cell = filter(None, (shown["template"], shown["row_key"], shown["variant"]))
    return f"{', '.join(cell)}: {' '.join(shown['prompt'].split())}"


def _missing(files: list[Json]) -> str:
    names = [file["name"] for file in files if not file.get("sha256")]
    return first_few(names, 10)


def _key(prepared: Prepared, options: SubmitOptions) -> str:
    """The same for the same pictures: what is sampled or was planned anew is another submission."""
    extra = [str(part) for part in (options.sample, options.plan) if part is not None]
    return ":".join([prepared.digest, *extra])


def _require_unchanged(plan: Json, digest: str | None) -> None:
    """
    Raises:
        ConflictError: the plan is another one now.
    """
    if digest is not None and plan.get("digest") != digest:
        raise ConflictError(
            f"The plan is not {digest} any more: the manifest, its catalog, a file or a price has changed, and the digest "
            f"is {plan.get('digest')} now. Nothing was submitted and nothing was spent."
        )


def require_accepted(prepared: Prepared) -> None:
    """
    Raises:
        ManifestError, SpendRefusedError: it was not.
    """
    if prepared.problems:
        raise ManifestError(prepared.problems, truncated=bool(prepared.plan.get("errors_truncated")))
    if not prepared.plan.get("accepted"):
        raise SpendRefusedError(_refusal(prepared.plan))


def _refusal(plan: Json) -> str:
    return str(plan.get("refusal") or "The plan was not accepted, and the service does not say why.")


def _require_consent(plan: Json, limit: Decimal | None, *, yes: bool) -> None:
    """A cap in the manifest or on the command line is consent; without one somebody has to say yes."""
    likely, cap = plan["cost"]["likely"], plan["cost"].get("cap")
    if limit is not None and Decimal(likely) > limit:
        raise SpendRefusedError(
            f"This would cost about {dollars(likely)}, over --max-cost {limit}. Nothing was spent."
        )
    if not (yes or cap or limit is not None):
        wanted = counted(plan["tasks"]["total"], "picture")
        ask(f"Make {wanted} for about {dollars(likely)}, with no spend.cap_usd and no --max-cost?")


def ask(question: str) -> None:
    """
    Raises:
        WrongUsageError: nobody is there to answer.
        SpendRefusedError: the answer is no.
    """
    if not is_terminal(sys.stdin):
        raise WrongUsageError(f"{question} There is no terminal to ask on; to agree, add --yes.")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise SpendRefusedError("Nothing was submitted and nothing was spent.")


def _dollars(text: str | None) -> Decimal | None:
    try:
        amount = Decimal(text) if text is not None else None
    except InvalidOperation as error:
        raise WrongUsageError(f"--max-cost {text} is not an amount in dollars, such as 20.00.") from error
    if amount is not None and not (amount.is_finite() and amount >= 0):
        raise WrongUsageError(f"--max-cost {text} is not an amount in dollars, such as 20.00.")
    return amount
