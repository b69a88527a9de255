"""`python -m simulator`: runs the stand-in until it is told to stop."""

import argparse
import asyncio
import signal
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiohttp import web

from simulator.app import build
from simulator.calls import ImageCalls
from simulator.faults import FaultScript, Kind, load
from simulator.limits import LimitSettings, RateLimits, Window
from simulator.usage import UsageReport

_DRAWING_THREADS = 2
_BACKLOG = 1024
# aiohttp reads 0 as "for ever".
_SHUTDOWN_S = 0.05

_KINDS = textwrap.fill(", ".join(Kind), 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
_MANUAL = f"""
A stand-in for the OpenAI Images API: same paths, parameters, errors, headers, limits, prices and latencies, and a
ledger of what it charged. Any bearer key is let in unless --api-key names one; each key is an account of its own.

paths:
  POST /v1/images/generations   POST /v1/images/edits   GET /v1/models   GET /v1/models/ID
  GET  /v1/organization/usage/images   with an admin key, sk-admin-...; the id of a key is key_ and its account
  POST /v2beta/stable-image/upscale/fast   GET /v1/user/balance   another provider's upscaler, in the same books
  GET  /_sim/state              limits, latency factor and faults in force
  POST /_sim/limits             {{"images_per_minute": 5, ...}}  names as the options below; accounts start afresh
  POST /_sim/latency            {{"factor": 0.1}}
  GET, POST, DELETE /_sim/faults    show, replace, clear the fault script
  GET  /_sim/ledger?since=N     calls from number N on, and totals (N may be past the end);  DELETE clears

a prompt that contains [moderation:input] is refused at once and free; with [moderation:output] it is refused after
the latency, and the ledger says "unknown" about the charge.

fault script (TOML or JSON): seed, and rules; the first rule that fires takes the call. A rule:
  kind = "reset"                one of:
{_KINDS}
  times = 3                     or every = 10, or probability = 0.05; none of them: every matching call
  match = {{ prompt = "part of it", path = "/v1/images/edits", model = "gpt-image-2", client_request_id = "start" }}
  at_percent = 50               reset, truncated_json: where in the body (reset at 0: before the headers)
  retry_after_s = 12            rate_limit, error_503        code = "..."     quota
  seconds = 600                 hang                         status = 504     gateway_html
  bytes_per_s = 65536           slow_drip                    charged = true   or false, "unknown": what the ledger says
  of an upscale error_in_200 is a picture that the content filter blurred, and unverified_403 the filter's refusal.
  Refusals, error_500 and a 502 are not charged; everything that goes wrong after the picture was made is, and so is
  a gateway that gave up waiting (504).
"""


def main() -> int:
    """Run until SIGTERM or SIGINT; calls in flight are then dropped."""
    arguments = _parser().parse_args()
    settings = LimitSettings(
        requests_per_minute=arguments.requests_per_minute,
        images_per_minute=arguments.images_per_minute,
        tokens_per_minute=arguments.tokens_per_minute,
        window=Window(arguments.window),
        count_references=arguments.count_references,
    )
    try:
        settings.changed({})
        faults = load(arguments.faults) if arguments.faults else FaultScript()
    except (OSError, ValueError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    pool = ThreadPoolExecutor(_DRAWING_THREADS, thread_name_prefix="drawing")
    try:
        calls = ImageCalls(
            clock=time.monotonic,
            wall_clock=time.time,
            sleep=asyncio.sleep,
            pool=pool,
            api_key=arguments.api_key,
            latency_factor=arguments.latency_factor,
            limits=RateLimits(settings),
            faults=faults,
        )
        asyncio.run(_serve(calls, arguments))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return 0


async def _serve(calls: ImageCalls, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    usage = UsageReport(calls, admin_key=arguments.admin_key, lag_s=arguments.usage_lag)
    app = build(calls, dict(arguments.shutdown_date), usage)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, arguments.host, arguments.port, backlog=_BACKLOG).start()
        host, port = runner.addresses[0][:2]
        print(f"simulator listening on http://{host}:{port}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="simulator",
        description=_MANUAL,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tier = LimitSettings()
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add(
        "--port",
        type=int,
        default=8100,
        help="0 takes a free one (default: %(default)s)",
    )
    add("--api-key", metavar="KEY", help="let in this key only")
    add("--admin-key", metavar="KEY", help="the usage report lets in this key only")
    add(
        "--usage-lag",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="seconds until it shows a call (default: 0)",
    )
    add(
        "--requests-per-minute",
        type=int,
        default=tier.requests_per_minute,
        metavar="N",
        help="default: %(default)s",
    )
    add(
        "--images-per-minute",
        type=int,
        default=tier.images_per_minute,
        metavar="N",
        help="default: %(default)s",
    )
    add(
        "--tokens-per-minute",
        type=int,
        default=tier.tokens_per_minute,
        metavar="N",
        help="default: %(default)s",
    )
    add(
        "--window",
        choices=[window.value for window in Window],
        default=Window.BUCKET.value,
        help="kind of limiter",
    )
    add(
        "--count-references",
        action="store_true",
        help="an edit draws max(n, references) pictures, not n",
    )
    add(
        "--latency-factor",
        type=_factor,
        default=1.0,
        metavar="F",
        help="0 answers at once (default: %(default)s)",
    )
    add("--faults", type=Path, metavar="FILE", help="fault script, .toml or .json")
    add(
        "--shutdown-date",
        type=_dated,
        action="append",
        default=[],
        metavar="MODEL=YYYY-MM-DD",
        help="may be repeated",
    )
    return parser


def _factor(text: str) -> float:
    factor = float(text)
    if not 0 <= factor < float("inf"):
        raise argparse.ArgumentTypeError("the latency factor is a number of at least 0")
    return factor


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError("expected seconds, at least 0")
    return seconds


def _dated(text: str) -> tuple[str, str]:
    model, _, date = text.partition("=")
    if not model or not date:
        raise argparse.ArgumentTypeError("expected MODEL=YYYY-MM-DD")
    return model, date


if __name__ == "__main__":
    sys.exit(main())
