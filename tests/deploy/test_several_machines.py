"""Service, two workers and Redis on machines of their own; the provider and storage are somewhere else again."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from schemas.batch import ENDED
from tests.conftest import free_port
from tests.deploy.machines import FarRedis, Machine, Switch
from tests.processes import Process, Simulator, Worker
from tests.studio import Place, Studio, eventually, manifest, numbered

pytestmark = pytest.mark.needs("ip", root=True)

KEY, BUCKET, TENANT = "of-the-callers", "darkroom", "default"


@dataclass(frozen=True)
class Fleet:
    """What runs where."""

    studio: Studio
    east: Simulator
    api: str
    machines: tuple[Machine, Machine]
    workers: tuple[Worker, Worker]

    async def submit(self, count: int) -> str:
        """By HTTP, as everybody does."""
        async with httpx.AsyncClient(base_url=self.api, headers={"Authorization": f"Bearer {KEY}"}) as client:
            answer = await client.post("/v1/batches", json=manifest(*numbered(count)), timeout=120)
        assert answer.status_code == 202, answer.text
        batch_id: str = answer.json()["id"]
        self.studio._tenants[batch_id] = TENANT
        return batch_id

    def running(self, worker: int, batch_id: str) -> int:
        """Attempts at a batch that a worker has brought to an end."""
        return self.workers[worker].ended_attempts(batch_id)


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as switch:
        yield switch


@pytest.fixture
async def fleet(switch: Switch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with ExitStack() as ending:
        redis = FarRedis(switch.machine(), tmp_path / "redis")
        ending.callback(redis.kill)
        east = Simulator(tmp_path / "east.log", "--host", switch.address, "--latency-factor", "0.1")
        ending.callback(east.kill)
        east.url = f"http://{switch.address}:{east.port}"
        storage = ThreadedMotoServer(ip_address=switch.address, port=free_port(), verbose=False)
        storage.start()
        ending.callback(storage.stop)
        host, port = storage.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        place = Place(tmp_path, redis, {"east": east}, f"s3://{BUCKET}/several", endpoint)
        studio = Studio(place)
        api = started_service(switch.machine(), place, ending)
        machines = (switch.machine(), switch.machine())
        first, second = (
            studio.worker(
                *machine.words(sys.executable, "-m", "workers"),
                DARKROOM_SPOOL__DIR=str(tmp_path / machine.name),
                DARKROOM_WORKER__SLOTS="4",
            )
            for machine in machines
        )
        yield Fleet(studio, east, api, machines, (first, second))
        await studio.aclose()


def started_service(machine: Machine, place: Place, ending: ExitStack) -> str:
    port = free_port()
    told = {
        "DARKROOM_SERVICE__HOST": machine.address,
        "DARKROOM_SERVICE__PORT": str(port),
        "DARKROOM_SERVICE__BOOTSTRAP_KEY": KEY,
    }
    log = place.folder / "service.log"
    service = Process(machine.words(sys.executable, "-m", "service"), log, place.settings() | told)
    ending.callback(service.kill)
    service.wait_until(lambda: "service listening" in log.read_text())
    return f"http://{machine.address}:{port}"


async def test_each_is_at_an_address_of_its_own_and_all_make_pictures(fleet: Fleet) -> None:
    batch_id = await fleet.submit(24)

    batch = await fleet.studio.ended(batch_id)

    assert batch.counts["done"] == 24
    assert fleet.running(0, batch_id) > 0
    assert fleet.running(1, batch_id) > 0
    books = await fleet.studio.books(batch_id)
    assert (books.lost, books.duplicated, books.unaccounted, books.held) == (0, 0, 0, 0)


async def test_a_worker_that_is_cut_off_and_comes_back_costs_no_picture_and_no_money(fleet: Fleet) -> None:
    batch_id = await fleet.submit(48)
    await eventually(lambda: both_are_at_work(fleet, batch_id))

    fleet.machines[1].pull_cable()
    await eventually(lambda: only_one_is_alive(fleet))
    assert fleet.workers[1].is_running
    alone = fleet.running(0, batch_id)
    await eventually(lambda: more_than(fleet, batch_id, alone))  # the other one goes on
    await eventually(lambda: takes_over(fleet))
    fleet.machines[1].plug_in()

    batch = await fleet.studio.ended(batch_id)
    await eventually(lambda: nothing_in_flight(fleet))
    books = await fleet.studio.books(batch_id)
    assert batch.state in ENDED
    assert books.lost == 0
    assert books.done + batch.counts["parked"] == 48
    assert books.duplicated == 0
    assert books.unaccounted == 0
    assert books.settled + books.surplus <= books.charged  # what is held on top of it is in doubt

    await eventually(lambda: works_again(fleet))


async def both_are_at_work(fleet: Fleet, batch_id: str) -> bool:
    return all(fleet.running(worker, batch_id) >= 2 for worker in (0, 1)) and fleet.east.in_flight >= 4


async def only_one_is_alive(fleet: Fleet) -> bool:
    """The lease of the one that is cut off runs out."""
    async with httpx.AsyncClient() as client:
        figures = (await client.get(f"{fleet.api}/metrics", timeout=120)).text
    return "darkroom_workers 1.0" in figures


async def works_again(fleet: Fleet) -> bool:
    """The one that was away makes pictures; its connections come back within seconds, not at once."""
    batch_id = await fleet.submit(12)
    assert (await fleet.studio.ended(batch_id)).counts["done"] == 12
    return fleet.running(1, batch_id) > 0


async def more_than(fleet: Fleet, batch_id: str, count: int) -> bool:
    return fleet.running(0, batch_id) > count + 2


async def takes_over(fleet: Fleet) -> bool:
    """What the one that is cut off had claimed is found by the other."""
    return fleet.workers[0].has_logged("claim.lost")


async def nothing_in_flight(fleet: Fleet) -> bool:
    return fleet.east.in_flight == 0
