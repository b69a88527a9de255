"""The composition root of the worker process: it builds, and it starts and stops what it built.

arq carries the coarse jobs. Shifts live as long as their worker and are not jobs: see docs/adr.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.clock import Clock, SystemClock
from core.documents import Documents
from core.lane_settings import LaneSettings
from core.settings import Settings
from core.state.batches import BatchStore
from core.state.claims import Caps, ClaimStore
from core.state.connection import check, connect, connect_blocking, translated
from core.state.doubts import DoubtStore
from core.state.lanes import LaneStore
from core.state.plans import PlanStore
from core.state.recording import RecordStore
from core.state.shelving import ShelvingStore
from core.state.tasks import TaskStore
from core.storage.opening import open_store
from core.telemetry.measured_store import MeasuredStore
from core.telemetry.metrics import WorkerMetrics
from core.telemetry.opening import open_traces
from core.telemetry.traces import Traces
from schemas.errors import DarkroomError, UnavailableError
from schemas.upscaler import Adapter
from workers.catalogs.reading import CatalogLimits
from workers.fetching.fetcher import Fetcher
from workers.finishing.finisher import Finisher
from workers.images.client import ImagesClient
from workers.images.exchange import Client
from workers.images.upscaler import UpscalerClient
from workers.jobs import NewJobs, PlanCarrier, jobs_worker
from workers.keeper import PictureKeeper
from workers.lane_keeper import LaneKeeper
from workers.lease import LeaseKeeper
from workers.linker import Linker
from workers.patience import Patience
from workers.planning.planner import Planner
from workers.planning.source import SourceOpener
from workers.preparer import Preparer
from workers.recorder import Recorder
from workers.references import ReferenceKeeper
from workers.reporter import Reporter
from workers.rescuer import Rescuer
from workers.resolver import Resolver
from workers.reuser import Reuser
from workers.runner import AttemptRunner
from workers.shelf import CampaignShelf
from workers.shelver import Shelver
from workers.shift import Shift
from workers.slots import Slots, SlotsWatcher
from workers.spool import Spool, SpoolFolder
from workers.storer import Storer
from workers.usage.client import UsageReport

JOBS_REST_S = 1.0
CLOSE_S = 2.0
"""How long cancelled loops are waited for: redis-py can swallow a cancellation that arrives while it connects."""

_log = structlog.get_logger()


@dataclass(slots=True)
class WorkerProcess:
    """Everything a worker process runs."""

    settings: Settings
    redis: Redis
    documents: Documents
    clients: dict[str, Client]
    fetcher: Fetcher
    references: ReferenceKeeper
    finisher: Finisher
    lanes: LaneKeeper
    lease: LeaseKeeper
    reports: dict[str, UsageReport]
    rescuer: Rescuer
    recorder: Recorder
    shelver: Shelver
    resolver: Resolver
    shifts: list[Shift]
    watcher: SlotsWatcher
    new_jobs: NewJobs
    folder: SpoolFolder
    spool: Spool
    metrics: WorkerMetrics
    traces: Traces
    clock: Clock

    async def run(self, stop: asyncio.Event) -> int:
        """Works until `stop` is set, then drains. How many paid calls were still running when time was up."""
        for problem in await check(self.redis):
            _log.warning("redis.misconfigured", problem=problem)
        await self._round(self.lanes.configure_lanes)
        await self._round(self.lanes.name_unserved)
        self.lease.start()
        rescue = self._rounds(
            self.lanes.configure_lanes,
            self.lanes.name_unserved,
            self.rescuer.take_back,
            self.rescuer.expire,
            self.watcher.look_at_slots,
            self._measure_spool,
        )
        replay = self._rounds(self.rescuer.replay_spools)  # apart: it waits while storage does not answer
        record = self._rounds(self.recorder.record)  # apart for the same reason
        resolve = self._rounds(self.resolver.resolve)  # apart: it waits for the provider's usage reports
        shelve = self._rounds(self._put_away)  # apart: a large batch takes a while
        works = (rescue, replay, record, resolve, shelve, self._carry_jobs())
        working = [asyncio.create_task(work) for work in (*(shift.work() for shift in self.shifts), *works)]
        _log.info("worker.started", lanes=sorted(self.settings.lanes), slots=self.settings.worker.slots)
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait({stopping, *working}, return_when=asyncio.FIRST_COMPLETED)
            left = await self._stop()
            for task in done - {stopping}:
                task.result()  # nothing but `stop` ends these: what did is an error, and the process must not go on
            return left
        finally:
            await self._close([stopping, *working])

    async def _carry_jobs(self) -> None:
        """arq's worker dies when Redis goes away; a new one takes its place, and attempts go on."""
        while True:
            jobs = self.new_jobs()
            try:
                with translated():
                    await jobs.main()
            except (UnavailableError, RedisError, OSError) as error:
                _log.warning("round.failed", round="jobs", reason=type(error).__name__)
            finally:
                with suppress(asyncio.CancelledError, UnavailableError, RedisError, OSError), translated():
                    await jobs.close()
            await self.clock.sleep(JOBS_REST_S)

    async def _rounds(self, *works: Callable[[], Awaitable[int]]) -> None:
        """Does these at the start and every few seconds; safe beside other workers'."""
        while True:
            for work in works:
                await self._round(work)
            await self.clock.sleep(self.settings.worker.rescue_every_s)

    async def _put_away(self) -> int:
        count = await self.shelver.put_away()
        self.metrics.batches_put_away.inc(count)
        return count

    async def _measure_spool(self) -> int:
        files, size_bytes, oldest_s = self.spool.load(self.clock.now_ms() / 1000)
        self.metrics.spool_files.set(files)
        self.metrics.spool_bytes.set(size_bytes)
        self.metrics.spool_oldest_seconds.set(oldest_s)
        return files

    async def _round(self, work: Callable[[], Awaitable[int]]) -> None:
        try:
            await work()
        except (DarkroomError, OSError) as error:
            _log.warning("round.failed", round=getattr(work, "__name__", ""), reason=str(error))

    async def _stop(self) -> int:
        """No more claims; what is in flight is paid and is waited for."""
        for shift in self.shifts:
            shift.stop()
        _log.info("worker.draining", drain_s=self.settings.worker.drain_s)
        left = sum(
            await asyncio.gather(*(shift.drain(self.settings.worker.drain_s) for shift in self.shifts))
        )
        _log.info("worker.drained", left=left)
        return left

    async def _close(self, tasks: list[asyncio.Task[object]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLOSE_S)
        self.lease.stop()
        for client in self.clients.values():
            await client.aclose()
        for report in self.reports.values():
            await report.aclose()
        await self.fetcher.aclose()
        await self.references.aclose()
        await self.finisher.aclose()
        await self.documents.store.aclose()
        await self.redis.aclose()
        self.folder.close()
        await asyncio.to_thread(self.traces.close)


def build(settings: Settings, *, clock: Clock | None = None) -> WorkerProcess:
    """A worker process, not yet started.

    Raises:
        UnavailableError: the spool's disk does not take it.
    """
    clock = clock or SystemClock()
    name = _life_name(settings)
    redis = connect(settings.redis.address)
    metrics = WorkerMetrics()
    metrics.expect_lanes(settings.lanes)
    traces = open_traces(settings.telemetry, process="worker")
    store = MeasuredStore(
        open_store(
            settings.storage.url, endpoint_url=settings.storage.endpoint_url, threads=settings.storage.threads
        ),
        metrics,
        clock.monotonic,
    )
    documents, batches = Documents(store), BatchStore(redis)
    tasks, plans = TaskStore(redis), PlanStore(redis)
    caps = Caps(settings.budgets.tenant_month_usd, settings.budgets.house_day_usd)
    claims, lanes, fetcher = (
        ClaimStore(redis, caps),
        LaneStore(redis),
        Fetcher(settings.fetch, endpoint_url=settings.storage.endpoint_url),
    )
    spool = Spool(settings.spool.dir / "attempts", settings.spool.min_free_bytes)
    try:
        folder = spool.open(name)
    except OSError as error:
        raise UnavailableError(f"The spool at {settings.spool.dir} cannot be used: {error}") from error
    finisher = Finisher(**settings.finishing.model_dump())
    patience = Patience(clock)
    keeper = PictureKeeper(
        name,
        documents=documents,
        tasks=tasks,
        storer=Storer(documents, finisher, patience),
        patience=patience,
        clock=clock,
    )
    references = ReferenceKeeper(
        settings.spool.dir / "references",
        documents=documents,
        batches=batches,
        tasks=tasks,
        fetcher=fetcher,
        settings=settings.fetch,
    )
    clients = {lane: _client(config, settings, clock) for lane, config in settings.lanes.items()}
    reports = {
        lane: UsageReport(config.base_url, config.admin_key.get_secret_value(), api_key_id=config.api_key_id)
        for lane, config in settings.lanes.items()
        if config.admin_key is not None
    }
    shelf = CampaignShelf(documents, batches)
    runner = AttemptRunner(
        worker=name,
        shelf=shelf,
        preparer=Preparer(documents, references, Linker.of(settings, store), clock),
        clients=clients,
        spool=folder,
        keeper=keeper,
        reuser=Reuser(documents, keeper, clock),
        tasks=tasks,
        lanes=lanes,
        reporter=Reporter(metrics, traces),
        clock=clock,
        chance=random.random,
        audited=frozenset(reports),
    )
    slots = Slots(settings.worker.slots)
    metrics.slots.set(slots.count)
    shifts = [
        Shift(
            lane,
            group=group,
            claims=claims,
            runner=runner,
            slots=slots,
            has_room=spool.has_room,
        )
        for group, lanes_of_group in settings.groups.items()
        for lane in lanes_of_group
    ]
    planner = Planner(
        documents=documents,
        batches=batches,
        plans=plans,
        lanes=lanes,
        opener=SourceOpener(documents, fetcher, settings.fetch, CatalogLimits()),
        settings=settings,
        clock=clock,
    )
    lease = LeaseKeeper(
        connect_blocking(settings.redis.address),
        name,
        lease_s=settings.worker.lease_s,
        renew_s=settings.worker.renew_s,
        on_lost=metrics.leases_lost.inc,
    )
    carrier = PlanCarrier(
        planner,
        worker=name,
        lease=lease,
        plans=plans,
        batches=batches,
        documents=documents,
        traces=traces,
        clock=clock,
    )
    return WorkerProcess(
        settings=settings,
        redis=redis,
        documents=documents,
        clients=clients,
        fetcher=fetcher,
        references=references,
        finisher=finisher,
        lanes=LaneKeeper(lanes, settings.lanes),
        lease=lease,
        recorder=Recorder(records=RecordStore(redis), documents=documents),
        shelver=Shelver(
            worker=name,
            shelving=ShelvingStore(redis),
            batches=batches,
            documents=documents,
            keep_days=settings.redis.keep_ended_days,
            clock=clock,
        ),
        rescuer=Rescuer(
            worker=name,
            claims=claims,
            tasks=tasks,
            batches=batches,
            shelf=shelf,
            keeper=keeper,
            spool=spool,
            clock=clock,
        ),
        reports=reports,
        resolver=Resolver(
            worker=name,
            doubts=DoubtStore(redis),
            tasks=tasks,
            shelf=shelf,
            documents=documents,
            reports=reports,
            settings=settings,
            metrics=metrics,
        ),
        shifts=shifts,
        watcher=SlotsWatcher(slots, partial(lanes.demand, sorted(settings.lanes))),
        new_jobs=partial(jobs_worker, settings, carrier.function()),
        folder=folder,
        spool=spool,
        metrics=metrics,
        traces=traces,
        clock=clock,
    )


def _client(lane: LaneSettings, settings: Settings, clock: Clock) -> Client:
    """Who speaks to the provider of a lane."""
    kinds: dict[Adapter, type[ImagesClient | UpscalerClient]] = {
        "openai": ImagesClient,
        "stability": UpscalerClient,
    }
    return kinds[lane.adapter](
        lane.base_url,
        lane.api_key.get_secret_value(),
        clock=clock.monotonic,
        read_timeout_s=settings.worker.call_deadline_s,
        deadline_s=settings.worker.call_deadline_s,
    )


def _life_name(settings: Settings) -> str:
    """A name for this life of the process. Were it that of the life before, as process number 1 of a container that
    starts anew would have it, that one's claims would be renewed for ever and its spool would belong to nobody."""
    name = settings.worker.name or f"{socket.gethostname()}-{os.getpid()}"
    return f"{name}-{os.urandom(3).hex()}"
