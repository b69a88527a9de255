"""What `--help` says below the options: lines that run as they stand, in a clone, with a service that answers."""

from __future__ import annotations

_LINES = {
    "plan": ("examples/apparel.yaml", "examples/apparel.yaml --sample 3 -o json"),
    "submit": ("examples/apparel.yaml --sample 3", "examples/apparel.yaml --max-cost 10 --no-watch"),
    "watch": ('"$BATCH"',),
    "ls": ("", "-n 100 -o jsonl"),
    "show": ('"$BATCH"', '"$BATCH" --failed', '"$BATCH" --check fail'),
    "cancel": ('"$BATCH"',),
    "pause": ('"$BATCH"',),
    "resume": ('"$BATCH"',),
    "set": ('"$BATCH" --cap 20.00 --priority bulk',),
    "replay": ('"$BATCH" --class bad_output --dry-run', '"$BATCH" --class doubtful --accept-double-charge'),
    "results": (
        '"$BATCH" --to pictures',
        '"$BATCH" --format zip --to pictures.zip',
        '"$BATCH" --format shopify --leave-out fail --to shopify.csv',
    ),
    "up": ("", "--port 0 --data elsewhere --latency-factor 0.1", "--live --images-per-minute 5"),
    "demo": ("",),
    "doctor": ("", "redis storage --json"),
    "size": ("10000 --tier 3", "500 --quality high --size 1536x1024"),
    "rebuild": ("--from-storage --dry-run", "--from-storage"),
    "version": ("",),
}


def examples(command: str) -> str:
    """The mark in front keeps the lines as they are."""
    lines = [f"  darkroom {command} {words}".rstrip() for words in _LINES[command]]
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *lines])
