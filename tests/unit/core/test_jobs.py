"""Coarse jobs, as one version queues them and another takes them up, and as several workers take them at once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from arq.constants import job_key_prefix
from arq.worker import Worker, func
from redis.asyncio import Redis

from core.queue import QUEUE, JobQueue, PlanJob, deserialize, serialize
from core.settings import RedisSettings, Settings, StorageSettings
from core.state.connection import connect_for_jobs
from workers.jobs import jobs_worker

JOBS = 40


def test_what_only_a_later_version_says_of_a_job_is_left_out() -> None:
    facts = {"plan_id": "plan_1", "tenant": "acme", "batch_id": None, "hue": "teal"}

    assert PlanJob.of(facts) == PlanJob("plan_1", "acme", None)


def test_an_exception_is_written_down_by_its_name_alone() -> None:
    assert deserialize(serialize({"r": ValueError("A prompt.")})) == {"r": "ValueError"}


def test_a_job_of_anything_else_is_refused() -> None:
    with pytest.raises(TypeError, match="A job cannot hold a builtin_function_or_method"):
        serialize({"r": print})


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[JobQueue]:
    queue = JobQueue(connect_for_jobs(redis_url))
    yield queue
    await queue.aclose()


class Crew:
    """Workers on one queue, whose jobs do nothing but to be counted."""

    def __init__(self, redis_url: str, size: int) -> None:
        self.runs: Counter[str] = Counter()
        self._settings = Settings(
            redis=RedisSettings(url=redis_url), storage=StorageSettings(url="file:///nowhere")
        )
        self._workers = [self._worker() for _ in range(size)]

    async def work(self) -> None:
        """Until the queue is empty."""
        await asyncio.gather(*(worker.main() for worker in self._workers))
        for worker in self._workers:
            await worker.pool.aclose()  # what the own `close` of arq calls is deprecated

    def _worker(self) -> Worker:
        async def plan(ctx: dict[Any, Any], *arguments: Any, **options: Any) -> None:
            self.runs[PlanJob.of(arguments[0]).plan_id] += 1

        worker = jobs_worker(self._settings, func(plan, name="plan"))
        worker.burst, worker.poll_delay_s = True, 0.01
        return worker


async def test_several_workers_run_each_job_once(
    queue: JobQueue, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"plan_{number}" for number in range(JOBS)]
    for name in names:
        await queue.enqueue_plan(PlanJob(name, "acme", None))

    crew = Crew(redis_url, 3)
    await crew.work()

    assert crew.runs == dict.fromkeys(names, 1)
    assert [found.getMessage() for found in caplog.records if found.levelno >= logging.WARNING] == []


async def test_a_job_that_is_not_there_any_more_leaves_nothing_behind(
    queue: JobQueue, redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = PlanJob("plan_1", "acme", None)
    await queue.enqueue_plan(job)
    await redis.delete(f"{job_key_prefix}plan:{job.plan_id}")
    await Crew(redis_url, 1).work()
    told = [found.getMessage() for found in caplog.records if found.levelno >= logging.WARNING]
    assert told == ["job plan:plan_1 expired"]
    assert [key async for key in redis.scan_iter(match="arq:[!q]*")] == []
    assert await redis.zcard(QUEUE) == 0

    await queue.enqueue_plan(job)
    crew = Crew(redis_url, 1)
    await crew.work()

    assert crew.runs == {"plan_1": 1}
