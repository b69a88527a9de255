"""The patient Redis: whether it keeps what it is told, and stays as it is when its memory is full."""

from __future__ import annotations

from collections.abc import Callable

from core.clock import Clock
from core.redis_address import RedisAddress
from core.state.connection import ServerFacts, connect, facts_of
from core.state.scripts import NAMES, Scripts
from schemas.errors import UnavailableError
from workers.doctor.finding import Finding, failed, ok, warning

OLDEST = (6, 2)
MOST_SKEW_MS = 5_000
FULL, NEARLY_FULL = 0.95, 0.75
"""Parts of the memory. At the limit Redis refuses writes, and nothing new starts."""

NOT_TOLD = "this server does not tell; see to it yourself that it is {}"


async def examine(address: RedisAddress | str, clock: Clock) -> list[Finding]:
    """Looks at the Redis at `address`."""
    client = connect(address)
    try:
        before_ms = clock.now_ms()
        facts = await facts_of(client)
        ours_ms = (before_ms + clock.now_ms()) // 2
        found = [ok("answers", "it answers"), *(look(facts) for look in LOOKS), _clock(facts, ours_ms)]
        return [*found, await _scripts(Scripts(client))]
    except UnavailableError as error:
        return [failed("answers", f"{error.detail}; {RedisAddress.of(address).remedy}")]
    finally:
        await client.aclose()


def _version(facts: ServerFacts) -> Finding:
    told = str(facts.info.get("redis_version", ""))
    numbers = tuple(int(part) for part in told.split(".")[:2] if part.isdecimal())
    if not numbers:
        return warning("version", NOT_TOLD.format("6.2 or newer"))
    if numbers < OLDEST:
        return failed("version", f"{told} is too old; install 6.2 or newer, or Valkey")
    return ok("version", told)


def _role(facts: ServerFacts) -> Finding:
    if facts.info.get("role") == "slave":
        return failed(
            "role", "this is a replica, which takes no writes; name the primary in DARKROOM_REDIS__URL"
        )
    if facts.info.get("cluster_enabled"):
        return failed("role", "this is a cluster, over which a script cannot reach; use a single primary")
    return ok("role", "a single primary")


def _eviction(facts: ServerFacts) -> Finding:
    policy = facts.info.get("maxmemory_policy")
    if policy is None:
        return warning("eviction", NOT_TOLD.format("maxmemory-policy noeviction"))
    if policy != "noeviction":
        return failed(
            "eviction", f"maxmemory-policy is {policy}, which throws paid work away; set it to noeviction"
        )
    return ok("eviction", "noeviction: nothing is thrown away")


def _append_only(facts: ServerFacts) -> Finding:
    if (enabled := facts.info.get("aof_enabled")) is None:
        return warning("append-only", NOT_TOLD.format("appendonly yes"))
    if not enabled:
        return failed("append-only", "a crash of Redis forgets what was paid; set appendonly yes")
    if facts.info.get("aof_last_write_status", "ok") != "ok":
        return failed("append-only", "the last write to its file failed; look at the disk of Redis")
    return ok("append-only", "every change is appended to a file")


def _sync(facts: ServerFacts) -> Finding:
    mode = facts.configuration.get("appendfsync")
    if mode is None:
        return warning("appendfsync", NOT_TOLD.format("appendfsync always"))
    if mode != "always":
        lost = "up to a second" if mode == "everysec" else "up to half a minute"
        return warning(
            "appendfsync", f"{mode}: a power cut forgets {lost} of what was paid; set it to always"
        )
    return ok("appendfsync", "always: what is acknowledged is on disk")


def _rewrite(facts: ServerFacts) -> Finding:
    name = "no-appendfsync-on-rewrite"
    told = facts.configuration.get(name)
    if told is None:
        return warning(name, NOT_TOLD.format(f"{name} no"))
    if told != "no":
        return warning(name, "while the file is rewritten, nothing is sure to be on disk; set it to no")
    return ok(name, "no: also while the file is rewritten")


def _replicas(facts: ServerFacts) -> Finding:
    count, least = (
        int(facts.info.get("connected_slaves", 0)),
        facts.configuration.get("min-replicas-to-write"),
    )
    if count and least in (None, "0"):
        advice = "set min-replicas-to-write 1, and look at parked and doubled pictures after a failover"
        return warning("replicas", f"{count} of them may be behind when one takes over; {advice}")
    return ok("replicas", f"{count}" if count else "none that could take over with less than it has")


def _memory(facts: ServerFacts) -> Finding:
    used, cap = int(facts.info.get("used_memory", 0)), int(facts.info.get("maxmemory", 0))
    room, limit = cap or int(facts.info.get("total_system_memory", 0)), "maxmemory" if cap else "the machine"
    if not room:
        return warning("memory", NOT_TOLD.format("large enough"))
    text = f"{used / 2**20:,.0f} MiB of the {room / 2**20:,.0f} MiB of {limit} are used"
    if used >= FULL * room:
        return failed("memory", f"{text}: it is about to refuse writes; give it more")
    if used >= NEARLY_FULL * room:
        return warning("memory", f"{text}; give it more before it refuses writes")
    return ok("memory", text)


def _clock(facts: ServerFacts, ours_ms: int) -> Finding:
    skew_ms = facts.now_ms - ours_ms
    if abs(skew_ms) > MOST_SKEW_MS:
        told = f"{abs(skew_ms) / 1000:,.0f} s {'ahead of' if skew_ms > 0 else 'behind'} this machine's"
        return warning("clock", f"its clock is {told}; deadlines and receipts follow both: synchronise them")
    return ok("clock", f"within {MOST_SKEW_MS // 1000} s of this machine's")


async def _scripts(scripts: Scripts) -> Finding:
    try:
        await scripts.load()
    except UnavailableError as error:
        return failed("scripts", f"{error.detail}; allow this user SCRIPT LOAD and EVALSHA")
    return ok("scripts", f"all {len(NAMES)} are taken")


LOOKS: tuple[Callable[[ServerFacts], Finding], ...] = (
    _version,
    _role,
    _eviction,
    _append_only,
    _sync,
    _rewrite,
    _replicas,
    _memory,
)
