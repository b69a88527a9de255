"""The `darkroom` command: names, options and their help. What a command needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands import sizing, taking
from cli.exits import EXIT_CODES, ExitCode, code_of
from cli.manual import examples
from cli.output import CheckResult, Output

if TYPE_CHECKING:
    from cli.client import ServiceClient

app = typer.Typer(
    help="A catalog in, pictures out, never paid twice. Standard output is data, standard error is talk.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ManifestPath = Annotated[Path, typer.Argument(metavar="MANIFEST", help="A manifest, YAML or JSON.")]
BatchId = Annotated[str, typer.Argument(metavar="BATCH", help="The id of a batch.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How data is written.")]
Data = Annotated[Path, typer.Option("--data", help="Folder for everything that is kept.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Worker processes.")]
Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port of the service; 0 takes a free one.")
]
ImagesPerMinute = Annotated[
    int | None,
    typer.Option("--images-per-minute", min=1, help="Limit of the account [default: simulated 250, real 5]."),
]
LatencyFactor = Annotated[
    float, typer.Option("--latency-factor", min=0, help="Of the simulator; 1 is as slow as the real API.")
]
Sample = Annotated[
    int | None,
    typer.Option(
        min=1, max=100, metavar="N", help="Only N pictures, spread over rows, variants and templates."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        from cli.environment import version_text

        typer.echo(version_text())
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str, typer.Option(envvar="DARKROOM_URL", help="Address of the service.")
    ] = "http://127.0.0.1:8080",
    key: Annotated[
        str | None, typer.Option(envvar="DARKROOM_KEY", help="Key of the service.", show_default=False)
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback has done it
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = (url, key)


@app.command(epilog=examples("plan"))
def plan(
    context: typer.Context,
    manifest: ManifestPath,
    sample: Sample = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a manifest would make and cost. Spends nothing."""
    from cli.commands import planning

    _with_service(context, lambda service: planning.plan(service, manifest, sample, output))


@app.command(epilog=examples("submit"))
def submit(
    context: typer.Context,
    manifest: ManifestPath,
    watch: Annotated[bool, typer.Option(help="Show progress until it has ended.")] = True,
    yes: Yes = False,
    max_cost: Annotated[
        str | None, typer.Option(metavar="USD", help="Refuse when it would likely cost more.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(help="Submitting again under the same key makes nothing new. [default: a hash]"),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            metavar="DIGEST", help="Refuse when anything has changed since the plan of this digest."
        ),
    ] = None,
    sample: Sample = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make the pictures of a manifest."""
    from cli.commands import planning

    chosen = planning.SubmitOptions(
        watch=watch,
        yes=yes,
        max_cost_usd=max_cost,
        idempotency_key=idempotency_key,
        plan=plan,
        sample=sample,
        output=output,
    )
    _with_service(context, lambda service: planning.submit(service, manifest, chosen))


@app.command(epilog=examples("watch"))
def watch(context: typer.Context, batch: BatchId, output: OutputOption = Output.TABLE) -> None:
    """Show the progress of a batch until it has ended."""
    from cli.commands import watching

    _with_service(context, lambda service: watching.watch_command(service, batch, output))


@app.command("ls", epilog=examples("ls"))
def list_batches(
    context: typer.Context,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="At most so many.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """List batches, newest first."""
    from cli.commands import batches

    _with_service(context, lambda service: batches.ls(service, limit, output))


@app.command(epilog=examples("show"))
def show(
    context: typer.Context,
    batch: BatchId,
    tasks: Annotated[bool, typer.Option("--tasks", help="List its pictures.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="List those that failed or are in doubt.")] = False,
    check: Annotated[
        CheckResult | None, typer.Option("--check", help="List those whose checks came to this at worst.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show a batch as it stands."""
    from cli.commands import batches

    chosen = batches.ShowOptions(tasks=tasks, failed=failed, check=check, output=output)
    _with_service(context, lambda service: batches.show(service, batch, chosen))


@app.command(epilog=examples("cancel"))
def cancel(context: typer.Context, batch: BatchId, output: OutputOption = Output.TABLE) -> None:
    """Stop a batch; what is in flight is paid, and is kept."""
    from cli.commands import batches

    _with_service(context, lambda service: batches.cancel(service, batch, output))


@app.command(epilog=examples("pause"))
def pause(context: typer.Context, batch: BatchId, output: OutputOption = Output.TABLE) -> None:
    """Start nothing new of a batch until it is resumed."""
    from cli.commands import steering

    _with_service(context, lambda service: steering.pause(service, batch, output))


@app.command(epilog=examples("resume"))
def resume(context: typer.Context, batch: BatchId, output: OutputOption = Output.TABLE) -> None:
    """Let a paused batch go on."""
    from cli.commands import steering

    _with_service(context, lambda service: steering.resume(service, batch, output))


@app.command("set", epilog=examples("set"))
def change(
    context: typer.Context,
    batch: BatchId,
    cap: Annotated[str | None, typer.Option(metavar="USD", help="What it may cost in all.")] = None,
    priority: Annotated[
        str | None, typer.Option(metavar="CLASS", help="interactive, normal or bulk.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Change the cap or the priority of a batch that runs."""
    from cli.commands import steering

    _with_service(
        context,
        lambda service: steering.change(service, batch, cap=cap, priority=priority, output=output),
    )


@app.command(epilog=examples("replay"))
def replay(
    context: typer.Context,
    batch: BatchId,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only these failure classes; may be repeated.")
    ] = None,
    templates: Annotated[
        list[str] | None, typer.Option("--template", help="Only these templates; may be repeated.")
    ] = None,
    accept_double_charge: Annotated[
        bool,
        typer.Option("--accept-double-charge", help="With --class doubtful: parked pictures, too."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count and price.")] = False,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make pictures of a batch again that failed or were cancelled."""
    from cli.commands import steering

    chosen = steering.ReplayOptions(
        classes=classes or [],
        templates=templates or [],
        accept_double_charge=accept_double_charge,
        dry_run=dry_run,
        yes=yes,
        output=output,
    )
    _with_service(context, lambda service: steering.replay(service, batch, chosen))


@app.command(epilog=examples("results"))
def results(
    context: typer.Context,
    batch: BatchId,
    output: taking.Listed = None,
    export: taking.Format = None,
    to: taking.To = None,
    templates: taking.Templates = None,
    sizes: taking.Sizes = None,
    samples: taking.Samples = None,
    leave_out: taking.LeaveOut = None,
    id_column: taking.IdColumn = None,
    variants: taking.Variants = False,
    link: taking.Link = False,
) -> None:
    """List, fetch or export the pictures of a batch that have ended."""
    from cli.commands import exports
    from cli.commands import results as command

    wanted = exports.Wanted(
        export, templates or [], sizes or [], samples or [], leave_out, id_column, variants, link, output
    )
    if export is None and not wanted.own:
        listed = output or Output.JSONL
        _with_service(context, lambda service: command.results(service, batch, listed, to, wanted.cells))
    else:
        _with_service(context, lambda service: exports.export(service, batch, wanted, to))


@app.command(epilog=examples("up"))
def up(
    data: Data = Path(".darkroom"),
    workers: Workers = 2,
    port: Port = 8080,
    live: Annotated[
        bool, typer.Option("--live/--simulate", help="The real API for real money, or the simulator.")
    ] = False,
    images_per_minute: ImagesPerMinute = None,
    latency_factor: LatencyFactor = 1.0,
) -> None:
    """Run Redis, service, workers and simulator here."""
    from cli.commands import machine
    from cli.up import UpOptions

    chosen = UpOptions(
        data=data,
        workers=workers,
        port=port,
        live=live,
        images_per_minute=images_per_minute,
        latency_factor=latency_factor,
    )
    _exit_with(lambda: machine.up(chosen))


@app.command(epilog=examples("demo"))
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder for everything that is kept [default: a new one].")
    ] = None,
    workers: Workers = 2,
    live: Annotated[
        bool, typer.Option("--live/--simulate", envvar="DEMO_LIVE", help="The real API for real money.")
    ] = False,
    images_per_minute: ImagesPerMinute = None,
    latency_factor: LatencyFactor = 0.1,
    yes: Yes = False,
) -> None:
    """Start everything, make the example, stop everything."""
    from datetime import UTC, datetime

    from cli.commands import machine
    from cli.up import UpOptions

    folder = data or Path(".darkroom") / f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    chosen = UpOptions(
        data=folder,
        workers=workers,
        port=0,
        live=live,
        images_per_minute=images_per_minute,
        latency_factor=latency_factor,
    )
    _exit_with(lambda: machine.demo(chosen, yes=yes))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
)
def simulate(context: typer.Context) -> None:
    """Run the stand-in for the Images API."""
    from cli.commands import machine

    _exit_with(lambda: machine.simulate(context.args))


@app.command(epilog=examples("doctor"))
def doctor(
    patients: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[redis] [storage] [provider] [spool]", help="What to look at.", show_default="all"
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Check what the configuration here promises; nothing is charged."""
    from cli.commands import machine

    _exit_with(lambda: machine.doctor([*(patients or []), *(["--json"] if json else [])]))


app.command(epilog=examples("size"))(sizing.size)


@app.command(epilog=examples("rebuild"))
def rebuild(
    from_storage: Annotated[bool, typer.Option("--from-storage", help="From what storage holds.")] = False,
    batch: Annotated[str | None, typer.Option(metavar="BATCH", help="Only this batch.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="TENANT", help="Only this tenant's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would come back.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring back batches that Redis lost, with a worker's settings."""
    from cli.commands import rebuilding

    chosen = rebuilding.RebuildOptions(from_storage, batch, tenant, dry_run, output)
    _exit_with(lambda: rebuilding.rebuild(chosen))


@app.command("version", epilog=examples("version"))
def print_version() -> None:
    """Print the version."""
    _tell_version(True)


def main() -> None:
    """The entry point of the script."""
    app()


def _with_service(context: typer.Context, command: Callable[[ServiceClient], ExitCode]) -> None:
    from contextlib import closing

    from cli.client import ServiceClient

    def connected() -> ExitCode:
        with closing(ServiceClient(*context.obj)) as service:
            return command(service)

    _exit_with(connected)


def _exit_with(command: Callable[[], ExitCode]) -> None:
    raise typer.Exit(code_of(command))


if __name__ == "__main__":
    main()
