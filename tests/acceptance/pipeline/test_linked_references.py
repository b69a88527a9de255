"""A lane that sends links: the provider reads the pictures that storage keeps, and nobody else learns the links."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from core.storage.opening import open_store
from schemas.task import TaskState
from tests.conftest import free_port
from tests.processes import ROOT, Process, RedisServer, Worker
from tests.studio import Place, Studio, manifest

PHOTO = ROOT / "examples" / "photos" / "tee-oct-sand.jpg"
TEMPLATES: dict[str, dict[str, Any]] = {
    "hero": {"prompt": "Image 1 on {{ row.title }}.", "references": ["photo.jpg"]},
    "banner": {"prompt": "A wide scene around Image 1.", "from": "hero"},
}
LINKED = {
    "AWS_ACCESS_KEY_ID": "linked",
    "AWS_SECRET_ACCESS_KEY": "linked",
    "AWS_EC2_METADATA_DISABLED": "true",
    "DARKROOM_LANES__EAST__REFERENCES": "url",
    "DARKROOM_LANES__EAST__MODELS": "gpt-image-2.6-flare",
    "DARKROOM_FETCH__S3_SOURCES": "s3://darkroom/feeds",
}


class Bucket(Process):
    """A server that speaks S3, with a bucket, and with what it was asked in its log."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        argv = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
        super().__init__(argv, folder / "s3.log")
        self.wait_until(lambda: "Running on" in self.log.read_text())

    @property
    def reads_by_link(self) -> list[str]:
        """What was read by a signed link, as paths."""
        asked = [line.split('"')[1] for line in self.log.read_text().splitlines() if '"GET ' in line]
        return [line.split("?")[0].removeprefix("GET ") for line in asked if "X-Amz-Signature=" in line]


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as ending:
        for name, value in LINKED.items():
            patch.setenv(name, value)
        bucket = Bucket(tmp_path_factory.mktemp("s3"))
        ending.callback(bucket.kill)
        client = boto3.client("s3", endpoint_url=bucket.url, region_name="us-east-1")
        client.create_bucket(Bucket="darkroom")
        client.close()
        yield bucket


@pytest.fixture(scope="module")
def bucket_house(
    place: Place, bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Place, Worker]]:
    """A house with its storage in the bucket, a Redis of its own, since workers of one Redis share its plans and tasks,
    and a worker whose lane sends links."""
    lanes, folder = {"east": place.lanes["east"]}, tmp_path_factory.mktemp("linking")
    redis = RedisServer(folder / "redis")
    house = Place(folder, redis, lanes, "s3://darkroom/kept", bucket.url, LINKED)
    worker = Worker(folder / "worker.log", house.settings())
    yield house, worker
    worker.kill()
    redis.kill()


@pytest.fixture
async def linking(bucket_house: tuple[Place, Worker]) -> AsyncIterator[Studio]:
    studio = Studio(bucket_house[0])
    await studio.forget()
    yield studio
    await studio.aclose()


def commands(redis: RedisServer) -> str:
    """Everything that was ever written to this Redis, by its append-only file."""
    return "".join(path.read_text(errors="replace") for path in redis.log.parent.rglob("*.aof"))


async def test_a_batch_with_references_and_children_is_made_by_links_that_nobody_else_learns(
    linking: Studio, bucket: Bucket, bucket_house: tuple[Place, Worker]
) -> None:
    batch = await linking.ended(
        await linking.submit(manifest("a table", "a beach", templates=TEMPLATES), {"photo.jpg": PHOTO})
    )

    assert batch.counts["done"] == 4
    receipts = await linking.receipts(batch.id)
    kept = {f"/darkroom/kept/tenants/acme/uploads/contents/{receipt.references[0]}" for receipt in receipts}
    originals = {path for path in bucket.reads_by_link if "/originals/" in path}
    assert (len(bucket.reads_by_link), len(originals)) == (4, 2)
    assert set(bucket.reads_by_link) - originals <= kept
    books = await linking.books(batch.id)
    assert (books.charged, books.held) == (books.settled, 0)
    told = commands(linking.place.redis) + bucket_house[1].log.read_text() + "".join(map(str, receipts))
    assert batch.id in commands(linking.place.redis)
    assert "X-Amz" not in told


async def test_a_picture_that_storage_has_lost_is_given_up_after_three_free_calls_and_holds_up_no_other(
    linking: Studio, tmp_path: Path
) -> None:
    other = tmp_path / "other.jpg"
    other.write_bytes(PHOTO.read_bytes() + b"\0")
    uploads = {"photo.jpg": PHOTO, "other.jpg": other}
    asked = {
        "lost": {**TEMPLATES["hero"], "references": ["photo.jpg"]},
        "kept": {**TEMPLATES["hero"], "references": ["other.jpg"]},
    }
    first = await linking.ended(await linking.submit(manifest("a desk", templates=asked), uploads))
    assert first.counts["done"] == 2
    (lost,) = {
        receipt.references[0] for receipt in await linking.receipts(first.id) if receipt.template == "lost"
    }
    await linking.documents.store.delete(f"tenants/acme/uploads/contents/{lost}")

    # The worker has both on its disk; the provider finds one of them.
    batch = await linking.ended(await linking.submit(manifest("a wall", templates=asked)))

    assert (batch.counts["done"], batch.counts["failed"], batch.refusal) == (1, 1, None)
    (failed,) = [task for task in await linking.task_list(batch.id) if task.state is TaskState.FAILED]
    assert failed.failure is not None
    assert (failed.failure["class"], failed.sends) == ("server_error", 3)
    assert "Failed to download" in commands(linking.place.redis)
    assert "X-Amz" not in commands(linking.place.redis)
    assert await linking.paused_for("east") is None
    assert (await linking.books(batch.id)).charged == sum(
        call["cost_usd_micros"] for call in linking.calls(batch.id) if call["status"] == 200
    )


async def test_a_picture_is_made_from_a_folder_of_a_bucket_and_an_uploaded_one_in_the_order_of_their_names(
    linking: Studio, bucket: Bucket, tmp_path: Path
) -> None:
    names = ["styles/a.jpg", "styles/b.jpg", "feeds/c.jpg", "feeds/d.jpg"]
    contents = {name: PHOTO.read_bytes() + name.encode() for name in names}
    uploads = {name: tmp_path / name.replace("/", "-") for name in names}
    for name, path in uploads.items():
        path.write_bytes(contents[name])
    uploads["styles/"] = tmp_path / "list"
    uploads["styles/"].write_text("b.jpg\na.jpg\n")
    feeds = open_store("s3://darkroom", endpoint_url=bucket.url, threads=1)
    for name in names[2:]:
        await feeds.put_bytes(name, contents[name], media_type="image/jpeg", overwrite=True)
    await feeds.aclose()
    hero = {**TEMPLATES["hero"], "references": ["s3://darkroom/feeds/", "styles/"]}

    batch = await linking.ended(await linking.submit(manifest("a bench", templates={"hero": hero}), uploads))

    assert (batch.counts["done"], batch.problems, batch.refusal) == (1, (), None)
    (receipt,) = await linking.receipts(batch.id)
    ordered = [*names[2:], *names[:2]]
    assert list(receipt.references) == [hashlib.sha256(contents[name]).hexdigest() for name in ordered]
