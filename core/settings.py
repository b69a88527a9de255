"""Settings: the one door to the environment. Built once per process, frozen, handed down.

Sources, the first wins: arguments, `DARKROOM_<GROUP>__<NAME>`, a file of that name in /run/secrets (or where systemd puts
credentials), then `darkroom.toml` in the working directory.
Every problem is reported at once. `docs/settings.md` is generated from this module. `python -m core.settings` says what is
wrong with the settings of the process that would be started in its place, and ends with 2, or with 0.
"""

from __future__ import annotations

import sys
from decimal import Decimal
from importlib.util import find_spec
from os import cpu_count, environ  # noqa: TID251 - this is the door
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from core import secret_files
from core.complaints import complaint, misspelled, variable
from core.lane_settings import Group, LaneSettings, Secret, words
from core.places import link_refusal, source_refusal, storage_place
from core.redis_address import RedisAddress, is_redis_url
from schemas.lane import Limits, together
from schemas.pricing import micros

SECRETS_DIR = Path("/run/secrets")
"""Where Docker Compose puts secrets. Source: https://docs.docker.com/compose/how-tos/use-secrets/, 2026-11-21."""

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Names the folder instead, where systemd loads credentials, and in clusters. Source: https://systemd.io/CREDENTIALS/,
2026-11-22."""


class SettingsError(ValueError):
    """The settings are not usable; the message lists every problem with the name of its variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(["The settings have problems:", *(f"  {each}" for each in problems)]))


def _usd_micros(value: Any) -> Any:
    return micros(str(value)) if isinstance(value, str | int | float | Decimal) else value


UsdMicros = Annotated[int, BeforeValidator(_usd_micros), Field(ge=0)]
_HTTP_ADDRESS = r"^https?://[A-Za-z0-9._~:/%+\[\]-]+$"
_SENTINEL = r"^([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$"
_S3_PLACE = r"^s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?$"
_PATTERNS = {
    _HTTP_ADDRESS: "this is not an address such as https://pictures.example",
    _SENTINEL: "this is not an address such as sentinel-1:26379",
    _S3_PLACE: "this is not a place such as s3://bucket/folder",
}
HttpAddress = Annotated[str, Field(pattern=_HTTP_ADDRESS), AfterValidator(lambda text: text.rstrip("/"))]
Sentinel = Annotated[str, Field(pattern=_SENTINEL)]
S3Place = Annotated[str, Field(pattern=_S3_PLACE)]


def _redis_url(url: SecretStr) -> SecretStr:
    """An address that redis-py can read; the complaint does not repeat it, because a password may be in it."""
    if not is_redis_url(url.get_secret_value()):
        raise ValueError("this is not an address such as redis://:password@host:6379/0")
    return url


class RedisSettings(Group):
    """The state: a dedicated Redis (6.2 or newer, or Valkey) with `noeviction` and append-only persistence."""

    url: Annotated[SecretStr, AfterValidator(_redis_url)] = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        description="redis:// or rediss:// (TLS) address, which may end in `?ssl_ca_certs=FILE`; with `sentinels` its host "
        "and port do not count, and `rediss` is for both",
    )
    sentinels: Annotated[tuple[Sentinel, ...], NoDecode, BeforeValidator(words)] = Field(
        (),
        description="Sentinels that know the primary, as host:port with commas; none: `url` is the primary",
    )
    keep_ended_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="days after which the tasks of an ended batch are kept in storage alone, until they are asked for",
    )
    master_name: str = Field("darkroom", min_length=1, description="name under which the Sentinels know it")

    @property
    def address(self) -> RedisAddress:
        pairs = [sentinel.rpartition(":") for sentinel in self.sentinels]
        return RedisAddress(
            self.url.get_secret_value(),
            tuple((host.strip("[]"), int(port)) for host, _, port in pairs),
            self.master_name,
        )


def _storage_url(url: str) -> str:
    storage_place(url)
    return url


class StorageSettings(Group):
    """Where pictures, receipts, manifests and catalogs are kept."""

    url: Annotated[str, AfterValidator(_storage_url)] = Field(
        description="file:///folder or s3://bucket/prefix", examples=["file:///var/lib/darkroom/storage"]
    )
    endpoint_url: HttpAddress | None = Field(None, description="address of an S3-compatible store; none: AWS")
    public_url: HttpAddress | None = Field(
        None,
        description="https:// address under which anybody reads what is stored, for feeds; none: signed links",
    )
    threads: int = Field(32, ge=1, le=256, description="storage calls at the same time in one process")


class SpoolSettings(Group):
    """Local disk for bytes that are paid for and not yet stored; it must outlive the process."""

    dir: Path = Field(Path(".darkroom/spool"), description="folder of the spool, one per machine")
    min_free_bytes: int = Field(
        512 * 1024 * 1024,
        ge=0,
        description="claims stop below this much free space, before anything more is paid",
    )


class ServiceSettings(Group):
    """The HTTP API."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on")
    bootstrap_key: Secret | None = Field(None, description="key accepted as the default tenant's admin")
    max_body_bytes: int = Field(8 * 1024**2, ge=1024, description="largest manifest, inline catalog included")
    max_upload_bytes: int = Field(
        1024**3, ge=1024, description="largest uploaded catalog or reference picture"
    )
    max_tasks: int = Field(2_000_000, ge=1, description="most pictures in one batch")
    plan_wait_s: float = Field(60.0, ge=0, le=600, description="how long a dry run is waited for before 202")
    submit_wait_s: float = Field(
        0.7, ge=0, le=60, description="how long a submission waits for problems found early"
    )


class BudgetSettings(Group):
    """Caps over all batches. A tenant without a budget cannot spend."""

    tenant_month_usd: UsdMicros | None = Field(
        None, description="dollars a tenant may spend in a calendar month, UTC"
    )
    house_day_usd: UsdMicros | None = Field(
        None, description="dollars all tenants may spend in a day, UTC; none: no cap"
    )


class WorkerSettings(Group):
    """One worker process."""

    name: str | None = Field(None, description="name of this worker; none: host and process number")
    slots: int = Field(200, ge=1, le=5000, description="calls in flight in this process; about 1 MB each")
    drain_s: float = Field(
        300.0, ge=0, le=3600, description="how long SIGTERM waits for calls in flight, which are paid"
    )
    lease_s: float = Field(
        30.0, ge=3, le=600, description="a worker not heard of for so long has lost its claims"
    )
    renew_s: float = Field(10.0, ge=0.5, le=200, description="how often the lease is renewed")
    call_deadline_s: float = Field(
        600.0, ge=1, le=3600, description="longest a call may take; measured p95 is near 280"
    )
    rescue_every_s: float = Field(
        10.0, ge=0.5, le=300, description="how often dead workers and the spool are looked for"
    )


class FetchSettings(Group):
    """Fetching catalogs and reference pictures by URL."""

    allow_http: bool = Field(False, description="allow http:// besides https://")
    allow_private: bool = Field(
        False, description="allow private and loopback addresses; for tests and closed networks"
    )
    max_picture_bytes: int = Field(
        50 * 1024**2, ge=1024, description="largest reference picture the provider takes"
    )
    max_picture_pixels: int = Field(
        50_000_000, ge=1_000_000, le=200_000_000, description="largest reference picture that is decoded"
    )
    s3_sources: Annotated[tuple[S3Place, ...], NoDecode, BeforeValidator(words)] = Field(
        (),
        description="buckets, or folders in them, that manifests may read: s3://bucket/folder, with commas; `{tenant}` in "
        "one is the tenant's name, so that each reads its own alone; none: no s3://",
    )
    max_catalog_bytes: int = Field(1024**3, ge=1024, description="largest catalog fetched")


class FinishingSettings(Group):
    """Finishing pictures: crops, sizes, files, labels; in processes of their own beside a worker's."""

    processes: int = Field(
        default_factory=lambda: max(1, (cpu_count() or 1) - 1),
        ge=1,
        le=64,
        description="pictures finished at the same time; all processors but one unless set",
    )
    deadline_s: float = Field(60.0, ge=1, le=600, description="longest that finishing a picture may take")
    memory_bytes: int = Field(
        2 * 1024**3, ge=256 * 1024**2, description="what one of these processes may take for its data"
    )


def _needs_opentelemetry(address: str | None) -> str | None:
    if address is not None and find_spec("opentelemetry") and find_spec("opentelemetry.exporter"):
        return address
    if address is not None:
        raise ValueError("this needs the extra `otel`: install darkroom[otel], or leave it out")
    return None


class TelemetrySettings(Group):
    """Logs, metrics and traces."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line written"
    )
    log_format: Literal["json", "text"] = Field("json", description="json for machines, text for a terminal")
    worker_metrics_host: str = Field("127.0.0.1", description="address of a worker's /metrics")
    worker_metrics_port: int | None = Field(
        None, ge=0, le=65535, description="port of a worker's /metrics; none: off"
    )
    traces_endpoint: Annotated[HttpAddress | None, AfterValidator(_needs_opentelemetry)] = Field(
        None,
        description="address that takes traces by OTLP over HTTP, such as http://collector:4318; none: no traces",
    )


class Settings(BaseSettings):
    """Everything a process is told from outside."""

    model_config = SettingsConfigDict(
        env_prefix="DARKROOM_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        toml_file="darkroom.toml",
    )

    redis: RedisSettings = RedisSettings()
    storage: StorageSettings
    spool: SpoolSettings = SpoolSettings()
    service: ServiceSettings = ServiceSettings()
    lanes: dict[str, LaneSettings] = Field(default_factory=dict)
    budgets: BudgetSettings = BudgetSettings()
    worker: WorkerSettings = WorkerSettings()
    fetch: FetchSettings = FetchSettings()
    finishing: FinishingSettings = FinishingSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        secrets = secret_files.SecretFiles(
            file_secret_settings, secrets_dir_missing="ok", secrets_nested_delimiter="__"
        )
        return init_settings, env_settings, secrets, TomlConfigSettingsSource(settings_cls)

    @field_validator("lanes")
    @classmethod
    def _groups_are_alike(cls, lanes: dict[str, LaneSettings]) -> dict[str, LaneSettings]:
        for group, names in _groups(lanes).items():
            if group in lanes and names != (group,):
                raise ValueError(f"'{group}' is the name of a lane and of a group; give the group another")
            if len({frozenset(lanes[name].models) for name in names}) > 1:
                raise ValueError(
                    f"the lanes of group '{group}' serve different models; they share their work"
                )
        return lanes

    @model_validator(mode="after")
    def _places_fit(self) -> Settings:
        storage = self.storage
        for name, lane in self.lanes.items():
            refusal = link_refusal(storage.url, storage.endpoint_url, lane.base_url)
            if lane.references == "url" and refusal:
                raise ValueError(f"{variable(('lanes', name, 'references'))}=url: {refusal}; or say upload")
        for source in self.fetch.s3_sources:
            if refusal := source_refusal(source, storage.url):
                raise ValueError(f"{variable(('fetch', 's3_sources'))}: {refusal}")
        return self

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The lanes that share their work, by the name of their group; a lane without one is a group by itself."""
        return _groups(self.lanes)

    @property
    def limits(self) -> dict[str, Limits]:
        """What the lanes of each group may take together."""
        return {
            name: together([self.lanes[lane].limits for lane in lanes]) for name, lanes in self.groups.items()
        }

    @property
    def slots(self) -> dict[str, int]:
        """Calls that the lanes of each group may have in flight together."""
        return {
            name: sum(self.lanes[lane].max_concurrency for lane in lanes)
            for name, lanes in self.groups.items()
        }

    def serving(self, model: str) -> tuple[str, ...]:
        """The groups that serve `model`, in the order of their names."""
        return tuple(name for name, lanes in self.groups.items() if model in self.lanes[lanes[0]].models)


def _groups(lanes: dict[str, LaneSettings]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted(lanes):
        group = lanes[name].group or name
        found[group] = (*found.get(group, ()), name)
    return dict(sorted(found.items()))


def load_settings(*, secrets_dir: Path | None = None, **overrides: Any) -> Settings:
    """The settings of this process.

    Args:
        secrets_dir: folder of settings in files; none: where Compose, clusters or systemd put them.

    Raises:
        SettingsError: every problem at once, each with the variable to set.
    """
    secrets_dir = secrets_dir or Path(environ.get(CREDENTIALS, SECRETS_DIR))
    in_files = secret_files.complaints(secrets_dir)
    names = [*environ, *secret_files.names(secrets_dir)]
    problems, settings = [*misspelled(names, Settings), *in_files.values()], None
    try:
        settings = Settings(_secrets_dir=secrets_dir, **overrides)
    except ValidationError as error:
        told = [complaint(found, Settings, _PATTERNS) for found in error.errors(include_input=False)]
        problems += [each for each in told if each.partition(":")[0] not in in_files]
    if settings is None or problems:
        raise SettingsError(problems)
    return settings


def told_settings() -> Settings | None:
    """The settings of this process; None, and the exit code is 2, when standard error was told what is wrong with them."""
    try:
        return load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return None


if __name__ == "__main__":
    found = told_settings()
    if found is None:
        sys.exit(2)
    sys.stdout.write(f"{found.worker.drain_s}\n")  # what `darkroom up` has to know before it stops workers
