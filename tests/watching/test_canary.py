"""Secrets and prompts are planted everywhere, everything is made to fail, and then they are looked for everywhere."""

from __future__ import annotations

import base64
import io
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import redis as blocking_redis

from core.state import keys
from tests.buckets import s3_server
from tests.faults.stage import BUCKET
from tests.processes import Process
from tests.studio import manifest
from tests.watching.canary import PROMPT, PROMPTS, SECRETS, met
from tests.watching.house import House
from tests.watching.otlp import Receiver, receiver
from tests.watching.parrot import ANSWERS, parrot

EAST, WEST = "gpt-image-2.6-flare", "gpt-image-2.5-flare"
NOWHERE = f"http://:{SECRETS['endpoint_password']}@127.0.0.1:9/dk_{SECRETS['kept_key']}"
"""botocore names it when it cannot connect: a password without a user, and a key as `darkroom up` makes it."""
Places = list[tuple[str, bytes]]
"""Where something stands, and what."""


class Scene:
    """The house after everything has happened, and what was heard of it meanwhile."""

    def __init__(self, folder: Path, house: House, storage: Any, redis: Any, traces: Receiver) -> None:
        self.folder = folder
        self.house = house
        self.storage = storage
        self.redis = redis
        self.traces = traces
        self.heard: Places = []
        self.links: dict[str, str] = {}

    def get(self, path: str, **options: Any) -> None:
        """Listens to an answer."""
        self._hear(self.house.api.get(path, **options))

    def post(self, path: str = "/v1/batches", **options: Any) -> httpx.Response:
        return self._hear(self.house.api.post(path, **options))

    def _hear(self, answer: httpx.Response) -> httpx.Response:
        said = f"{answer.headers}\n".encode() + answer.content
        self.heard.append((f"{answer.request.method} {answer.request.url.path}: {answer.status_code}", said))
        return answer

    def logs(self) -> Places:
        return [(path.name, path.read_bytes()) for path in self.folder.glob("*.log")]

    def figures(self) -> Places:
        addresses = [self.house.service.url, *(f"http://127.0.0.1:{port}" for port in self.house.workers)]
        return [(address, httpx.get(f"{address}/metrics", timeout=60).content) for address in addresses]

    def objects(self) -> Places:
        """Everything in storage, names included."""
        pages = self.storage.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [
            (found["Key"], found["Key"].encode() + self._object(found["Key"]))
            for page in pages
            for found in page.get("Contents", [])
        ]

    def _object(self, key: str) -> bytes:
        answer = self.storage.get_object(Bucket=BUCKET, Key=key)
        return str(answer["Metadata"]).encode() + bytes(answer["Body"].read())

    def values(self) -> Places:
        """Everything in Redis, names included."""
        read = {
            b"string": self.redis.get,
            b"hash": self.redis.hgetall,
            b"set": self.redis.smembers,
            b"list": lambda key: self.redis.lrange(key, 0, -1),
            b"zset": lambda key: self.redis.zrange(key, 0, -1, withscores=True),
            b"stream": self.redis.xrange,
        }
        found = [(key, read[self.redis.type(key)](key)) for key in self.redis.scan_iter()]
        return [
            (key.decode(), key + (value if isinstance(value, bytes) else repr(value).encode()))
            for key, value in found
            if value is not None
        ]

    def disk(self) -> Places:
        spool = self.folder / "spool"
        return [(str(path), path.read_bytes()) for path in spool.rglob("*") if path.is_file()]


def settings(parrot: str, storage: str, traces: str) -> dict[str, str]:
    """Every secret that there is, and logs that say everything."""
    return {
        "DARKROOM_TELEMETRY__TRACES_ENDPOINT": traces,
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={SECRETS['collector_key']}",
        "AWS_SECRET_ACCESS_KEY": SECRETS["s3_secret"],
        "AWS_ACCESS_KEY_ID": "planted",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DARKROOM_SERVICE__BOOTSTRAP_KEY": f"dk_{SECRETS['caller_key']}",
        "DARKROOM_SERVICE__SUBMIT_WAIT_S": "10",
        "DARKROOM_STORAGE__URL": f"s3://{BUCKET}/canary",
        "DARKROOM_STORAGE__ENDPOINT_URL": storage,
        "DARKROOM_FETCH__ALLOW_HTTP": "true",
        "DARKROOM_FETCH__ALLOW_PRIVATE": "true",
        "DARKROOM_TELEMETRY__LOG_LEVEL": "debug",
        "DARKROOM_LANES__EAST__BASE_URL": f"{parrot}/v1",
        "DARKROOM_LANES__EAST__API_KEY": SECRETS["api_key"],
        "DARKROOM_LANES__EAST__ADMIN_KEY": SECRETS["admin_key"],
        "DARKROOM_LANES__EAST__USAGE_LAG_S": "0",
        "DARKROOM_LANES__EAST__MODELS": EAST,
        "DARKROOM_LANES__WEST__BASE_URL": f"{parrot}/v1",
        "DARKROOM_LANES__WEST__API_KEY": SECRETS["api_key"],
        "DARKROOM_LANES__WEST__MODELS": WEST,
        "DARKROOM_WORKER__CALL_DEADLINE_S": "5",
    }


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("canary")
    with ExitStack() as ending:
        provider = ending.enter_context(parrot())
        storage = "http://{}:{}".format(*ending.enter_context(s3_server(BUCKET)))
        received = ending.enter_context(receiver())
        told, password = settings(provider, storage, received.url), SECRETS["redis_password"]
        house = ending.enter_context(House(folder, told, password=password))
        redis = ending.enter_context(blocking_redis.Redis(port=house.redis.port, password=password))
        scene = Scene(
            folder, house, boto3.client("s3", endpoint_url=storage, region_name="us-east-1"), redis, received
        )
        ending.callback(scene.storage.close)
        make_pictures(scene, provider)
        crash(scene)
        be_refused(scene)
        look(scene)
        take_away(scene)
        look_closely(scene)
        yield scene


def asked(*answers: str, **changes: Any) -> dict[str, Any]:
    """A picture for each answer that is wanted, whose prompt is the canary."""
    templates = {"hero": {"prompt": f"{PROMPT}, {{{{ row.title }}}}"}}
    titles = [f"answer: {answer}" for answer in answers]
    return {**manifest(*titles, templates=templates), **changes}


def make_pictures(scene: Scene, provider: str) -> None:
    """Every way in which a call can end, and references behind secret addresses."""
    answers = [answer for answer in ANSWERS if answer != "unknown"]
    every = scene.post(json=asked(*answers)).json()["id"]
    hidden = f"{provider}/photo.jpg?token={SECRETS['link_token']}"
    scene.post("/v1/batches:plan", json=with_reference(hidden))
    behind = scene.post(json=with_reference(hidden)).json()["id"]
    ended = scene.house.ended(every), scene.house.ended(behind)
    assert ended[0]["counts"]["done"] >= 3, ended[0]
    assert set(ended[0]["failures_by_class"]) >= {"invalid_request", "moderation_blocked", "bad_output"}
    assert ended[1]["failures_by_class"] == {"bad_reference": 1}


def with_reference(address: str) -> dict[str, Any]:
    return {
        **asked("fine"),
        "templates": {"hero": {"prompt": f"{PROMPT} beside Image 1", "references": [address]}},
    }


def crash(scene: Scene) -> None:
    """Errors of our own, whose words hold what they tripped over: the manifest of one batch and the rows of another."""
    image = {"model": WEST, "quality": "low", "format": "jpeg"}
    paused = scene.post(json=asked("unknown", image=image)).json()["id"]
    wait_for(scene, "attempt.ended", "auth")
    first, second = (
        scene.post(json=asked(name, image=image)).json()["id"] for name in ("fine, twice", "fine")
    )
    for batch_id, name, text in ((first, "manifest.json", PROMPT), (second, "rows/", PROMPT)):
        of = f"canary/tenants/default/batches/{batch_id}/{name}"
        (key,) = (
            found["Key"] for found in scene.storage.list_objects_v2(Bucket=BUCKET, Prefix=of)["Contents"]
        )
        before = scene.storage.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        spoilt = (
            before.replace('"hero":{', f'"other":"{text}","hero":{{')
            if name == "manifest.json"
            else (f'{{"row":"{text}","files":{{"{text}":3}}}}\n')
        )
        assert spoilt != before
        scene.storage.put_object(Bucket=BUCKET, Key=key, Body=spoilt.encode())
    scene.redis.hdel(keys.lane("west"), "paused_until")
    wait_for(scene, "attempt.crashed", first)
    wait_for(scene, "attempt.crashed", second)
    scene.post(f"/v1/batches/{paused}/cancel")


def wait_for(scene: Scene, *words: str) -> None:
    """Until a line of the log has all these words."""
    end_s = time.monotonic() + 180
    while not any(all(word in line for word in words) for line in scene_log(scene).splitlines()):
        assert time.monotonic() < end_s, f"no line says {words}:\n{scene_log(scene)[-3000:]}"
        time.sleep(0.1)


def scene_log(scene: Scene) -> str:
    return (scene.folder / "worker-1.log").read_text()


def be_refused(scene: Scene) -> None:
    """Everything that a caller can do wrong with a prompt in his hands."""
    good = asked("fine")
    hero: dict[str, Any] = {"prompt": PROMPT}
    for templates in (
        {"hero": {**hero, "unknown": PROMPT}},
        {"hero": {"prompt": [PROMPT]}},
        {"hero": {"prompt": f"{PROMPT} {{{{ row.missing }}}}"}},
        {"hero": {"prompt": f"{PROMPT} {{{{ row.title | no_such_filter }}}}"}},
        {"hero": {"prompt": f"{PROMPT} {{% if %}} {PROMPT}"}},
        {"hero": {"prompt": f"{PROMPT} " * 1000}},
        {"hero": {**hero, "from": PROMPT}},
        PROMPT,
        {"hero": {"prompt": f"{PROMPT} {{{{ {PROMPT} }}}} {{% {PROMPT} %}}"}},
    ):
        scene.post(json={**good, "templates": templates})
    scene.post(content=f'{{"templates": {{"hero": "{PROMPT}"', headers={"Content-Type": "application/json"})
    scene.post(content=f"templates: {{{PROMPT}: [", headers={"Content-Type": "application/yaml"})
    scene.post(content=PROMPT, headers={"Content-Type": "text/plain"})
    scene.post(json=good, headers={"Authorization": f"Bearer {SECRETS['wrong_key']}"})
    scene.get("/v1/batches", params={"cursor": PROMPT, "limit": PROMPT})
    scene.get("/v1/batches", params={"key": SECRETS["wrong_key"]})
    scene.get(
        "/v1/batches", params={"limit": SECRETS["wrong_key"]}, headers={"Authorization": "Basic nobody"}
    )


def look(scene: Scene) -> None:
    """Every page about what has happened."""
    batches = [batch["id"] for batch in scene.house.api.get("/v1/batches").json()["data"]]
    assert len(batches) >= 4
    scene.get("/v1/batches")
    for batch_id in batches:
        for shelf in ("", "/tasks", "/results.jsonl"):
            scene.get(f"/v1/batches/{batch_id}{shelf}")


def take_away(scene: Scene) -> None:
    """Every file that is handed out, and the links that let in whoever has them: in files and answers, and nowhere else."""
    for batch in scene.house.api.get("/v1/batches").json()["data"]:
        of = f"/v1/batches/{batch['id']}"
        for name in ("results.csv", "contact-sheet.html", "feeds/shopify.csv", "feeds/merchant.tsv"):
            scene.get(f"{of}/{name}")
        feed = scene.house.api.get(f"{of}/feeds/pictures.csv").text
        for signature in re.findall(r"Signature=([\w%]{20,})", feed):
            scene.links["address"] = signature
        made = scene.post(f"{of}/archive_links")
        if not made.is_success:  # of a batch whose manifest was spoilt: an error of our own
            continue
        link = made.json()["url"]
        scene.links["archive"] = link.rpartition("/")[2]
        scene.get(link[:-4])
        unpacked(scene, f"{of}/pictures.zip", scene.house.api.get(link, headers={"Authorization": ""}))


def unpacked(scene: Scene, name: str, answer: httpx.Response) -> None:
    """Listens to what is in an archive."""
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        scene.heard += [
            (f"{name}: {each}", each.encode() + archive.read(each)) for each in archive.namelist()
        ]


def look_closely(scene: Scene) -> None:
    """The doctor, and processes that are told wrong things."""
    told, wrong = scene.house.told, {"DARKROOM_REDIS__URL": wrong_address(scene)}
    darkroom, address = (
        str(Path(sys.executable).with_name("darkroom")),
        {"DARKROOM_URL": scene.house.service.url},
    )
    for name, words, changes in (
        ("doctor", ("-m", "workers", "doctor"), {}),
        ("doctor-wrong", ("-m", "workers", "doctor", "--json"), wrong | {"AWS_SECRET_ACCESS_KEY": ""}),
        ("doctor-alone", ("-m", "workers", "doctor", "storage"), {"DARKROOM_STORAGE__ENDPOINT_URL": NOWHERE}),
        ("service-wrong", ("-m", "service"), wrong),
        (
            "worker-wrong",
            ("-m", "workers"),
            {"DARKROOM_LANES__EAST__MODELS": "none"},
        ),
        ("settings-wrong", ("-m", "core.settings"), misspelled()),
        ("rebuild", ("-m", "workers", "rebuild", "--dry-run"), {}),
        ("rebuild-wrong", ("-m", "workers", "rebuild", "--dry-run"), wrong),
        ("list-wrong", (darkroom, "ls"), address | {"DARKROOM_KEY": SECRETS["wrong_key"]}),
        ("list-nowhere", (darkroom, "ls"), {"DARKROOM_URL": NOWHERE.rpartition("/")[0]}),
    ):
        argv = words if words[0] == darkroom else (sys.executable, *words)
        process = Process(argv, scene.folder / f"{name}.log", told | changes)
        process.exit_code(within_s=240)


def misspelled() -> dict[str, str]:
    """Secrets where no setting is, and where another kind of value should be."""
    word = SECRETS["wrong_password"]
    return {
        "DARKROOM_LANES__EAST__API_KEYS": word,
        "DARKROOM_REDIS__URL": word,
        "DARKROOM_WORKER__SLOTS": word,
        "DARKROOM_LANES__EAST__BASE_URL": f"ftp://{word}",
        "DARKROOM_STORAGE__PUBLIC_URL": f"http://a:{word}@b",
    }


def wrong_address(scene: Scene) -> str:
    return f"redis://:{SECRETS['wrong_password']}@127.0.0.1:{scene.house.redis.port}/0"


def test_a_link_that_lets_people_in_stands_nowhere_but_in_what_was_asked_for(scene: Scene) -> None:
    assert set(scene.links) == {"address", "archive"}
    traces = [(f"traces {number}", body) for number, body in enumerate(scene.traces.bodies)]
    places = [*scene.logs(), *traces, *scene.figures(), *scene.values(), *scene.objects(), *scene.disk()]
    assert met(scene.links, places) == []


def test_no_log_holds_a_secret_or_a_prompt(scene: Scene) -> None:
    logs = scene.logs()
    assert len(logs) >= 12
    for crash in (b"attempt.crashed", b"request.failed"):
        assert any(crash in text for _, text in logs)
    assert met(SECRETS | PROMPTS, logs) == []


def test_no_trace_holds_a_secret_or_a_prompt(scene: Scene) -> None:
    spans = scene.traces.wait_for(lambda found: any(span.failed for span in found if span.name == "attempt"))
    assert {span.process for span in spans} == {"darkroom-service", "darkroom-worker"}
    bodies = [(f"traces {number}", body) for number, body in enumerate(scene.traces.bodies)]
    assert met(SECRETS | PROMPTS, bodies) == []


def test_no_figure_holds_a_secret_or_a_prompt(scene: Scene) -> None:
    assert met(SECRETS | PROMPTS, scene.figures()) == []


def test_no_answer_holds_a_secret_and_only_a_plan_holds_a_prompt(scene: Scene) -> None:
    assert met(SECRETS, scene.heard) == []
    assert (
        met(PROMPTS, [place for place in scene.heard if not place[0].startswith("POST /v1/batches:plan")])
        == []
    )


def test_nothing_in_redis_holds_a_secret_or_a_prompt(scene: Scene) -> None:
    values = scene.values()
    assert len(values) > 20
    assert met(SECRETS | PROMPTS, values) == []


def test_prompts_are_stored_with_what_was_submitted_and_secrets_nowhere(scene: Scene) -> None:
    objects = scene.objects()
    of_callers = re.compile(r"/manifest\.json$|/prompts/[^/]+\.json$|\.jsonl$")
    assert met({"prompt": PROMPTS["prompt"]}, objects) != []
    found = met(SECRETS | PROMPTS, [place for place in objects if not of_callers.search(place[0])])
    assert found == []
    ours = {name: word for name, word in SECRETS.items() if name != "link_token"}
    assert met(ours, objects) == []


def test_nothing_on_the_disk_of_a_worker_holds_a_secret_or_a_prompt(scene: Scene) -> None:
    assert met(SECRETS | PROMPTS, scene.disk()) == []


@pytest.mark.parametrize("written", ["plain", "base64", "shifted", "capitals", "hexadecimal"])
def test_a_canary_is_met_however_it_is_written(written: str) -> None:
    word = SECRETS["api_key"].encode()
    text = {
        "plain": word,
        "base64": base64.b64encode(word),
        "shifted": base64.b64encode(b"is it " + word + b" or not?")[3:],
        "capitals": word.upper(),
        "hexadecimal": word.hex().encode(),
    }[written]
    assert met(SECRETS, [("a place", b"before " + text + b" behind")]) == ["api_key in a place"]
