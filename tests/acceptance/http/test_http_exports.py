import asyncio
import io
import re
import shutil
import subprocess
import zipfile
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from core.documents import picture_key
from schemas.batch import Batch
from schemas.catalog import Row
from tests.acceptance.http.gallery import COLOURS, made, pieces_of, png, rows_of, with_a_twin
from tests.acceptance.http.stage import MANIFEST, Service, problem

DAY_S = 24 * 3600


async def archive_of(service: Service, batch: Batch, query: str = "") -> zipfile.ZipFile:
    answer = await service.get(f"/v1/batches/{batch.id}/pictures.zip{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].startswith('attachment; filename="autumn-pictures.zip"')
    return zipfile.ZipFile(io.BytesIO(answer.content))


async def test_an_archive_of_some_hundred_pictures_is_whole(service: Service, tmp_path: Path) -> None:
    rows = rows_of(*(f"Shirt {n}" for n in range(150)))
    batch = await made(service, rows)

    archive = await archive_of(service, batch)

    assert archive.testzip() is None
    assert archive.namelist() == [f"{rows[n // 2].key}/{n}.png" for n in range(300)]
    for index, name in enumerate(archive.namelist()):
        assert archive.read(name) == png(COLOURS[index % len(COLOURS)])
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    if shutil.which("unzip"):
        kept = tmp_path / "pictures.zip"
        kept.write_bytes(_bytes_of(archive))
        assert "No errors detected" in await asyncio.to_thread(told_by_unzip, kept)


def told_by_unzip(archive: Path) -> str:
    """What another program says of it."""
    return subprocess.run(["unzip", "-t", archive], capture_output=True, text=True, check=True).stdout


async def test_an_entry_has_its_length_in_front_so_that_it_can_be_unpacked_while_it_is_read(
    service: Service,
) -> None:
    archive = await archive_of(service, await made(service, rows_of("Shirt")))

    for info in archive.infolist():
        head = _bytes_of(archive)[info.header_offset :]
        assert not int.from_bytes(head[6:8], "little") & 0x08
        assert int.from_bytes(head[14:18], "little") == info.CRC
        assert int.from_bytes(head[18:22], "little") == info.file_size > 0


async def test_an_archive_leaves_picture_by_picture(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.exports.archive.AT_ONCE", 1)
    batch = await made(service, rows_of("Shirt", "Hat"))

    pieces = await pieces_of(service, f"/v1/batches/{batch.id}/pictures.zip")

    assert [piece[:4] for piece in pieces] == [b"PK\3\4"] * 4 + [b"PK\1\2"]


async def test_an_archive_of_a_batch_of_any_size_keeps_only_the_names(service: Service) -> None:
    """Written to its end, an archive has let go of everything that was read from it."""
    from service.exports.archive import _Window

    window = _Window()
    with zipfile.ZipFile(window, "w") as file:
        for number in range(100):
            file.writestr(f"{number}.png", bytes(100_000))
            assert len(window.take()) < 101_000
            assert len(window.take()) == 0
    assert len(window.take()) < 10_000
    assert window.tell() > 10_000_000


async def test_a_skipped_task_has_its_file_in_the_archive(service: Service) -> None:
    archive = await archive_of(service, await with_a_twin(service))

    first, second = archive.namelist()
    assert (first, second) == ("row-1/hero-spring-1024x1024-1.png", "row-1/hero-autumn-1024x1024-1.png")
    assert archive.read(first) == archive.read(second) == png("#b5482f")


async def test_an_archive_has_the_receipts_if_it_is_asked_for_them(service: Service) -> None:
    archive = await archive_of(service, await made(service, rows_of("Shirt")), "?receipts=true")

    assert sorted(archive.namelist()) == [
        "row-1/0.png",
        "row-1/0.png.json",
        "row-1/1.png",
        "row-1/1.png.json",
    ]
    assert archive.read("row-1/0.png.json") == b"{}"


async def test_what_storage_has_no_more_is_named_and_the_rest_is_there(service: Service) -> None:
    batch = await made(service, rows_of("Shirt"))
    await service.desk.documents.store.delete(picture_key(batch.tenant, batch.id, "row-1/0.png"))

    archive = await archive_of(service, batch)

    assert archive.namelist() == ["row-1/1.png", "missing.txt"]
    assert archive.read("missing.txt") == b"row-1/0.png\n"


async def test_a_batch_without_pictures_is_an_empty_archive(service: Service) -> None:
    assert (await archive_of(service, await service.batch())).namelist() == []


async def test_a_link_gives_the_archive_to_who_has_no_key_for_a_day(service: Service) -> None:
    batch = await made(service, rows_of("Shirt"))
    link = (await service.ask("POST", f"/v1/batches/{batch.id}/archive_links?receipts=true")).json()
    service.client.headers.pop("Authorization")

    answer = await service.get(link["url"])

    assert answer.status_code == 200, answer.text
    assert "row-1/0.png.json" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert link["expires_at"] == "2026-11-22T08:00:00Z"
    service.clock.slept_s = DAY_S - 1
    assert (await service.get(link["url"])).status_code == 200
    service.clock.slept_s = DAY_S
    problem(await service.get(link["url"]), 404, "not_found")


@pytest.mark.parametrize("place", [0, 5, 30, -1])
async def test_a_link_that_was_changed_leads_nowhere(service: Service, place: int) -> None:
    batch = await made(service, rows_of("Shirt"))
    url = (await service.ask("POST", f"/v1/batches/{batch.id}/archive_links")).json()["url"]
    start, _, token = url.rpartition("/")
    changed = list(token)
    changed[place] = "A" if changed[place] != "A" else "B"

    problem(await service.get(f"{start}/{''.join(changed)}"), 404, "not_found")


async def test_a_cursor_is_no_link(service: Service) -> None:
    await service.batch()
    await service.batch({**MANIFEST, "name": "other"})
    cursor = (await service.get("/v1/batches?limit=1")).json()["next_cursor"]

    problem(await service.get(f"/archives/{cursor}"), 404, "not_found")


class Page(HTMLParser):
    """What a page shows, and whether it needs or runs anything."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        assert not any(name.startswith("on") for name in found)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            self.pictures.append(found["alt"] or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


async def test_a_contact_sheet_shows_every_picture_and_needs_nothing_else(service: Service) -> None:
    batch = await made(service, rows_of("Shirt", "<script>alert(1)</script>"), name="A & <b>B</b>")

    answer = await service.get(f"/v1/batches/{batch.id}/contact-sheet.html")

    page = Page(answer.text)
    assert page.pictures == ["row-1/0.png", "row-1/1.png", "row-2/2.png", "row-2/3.png"]
    assert "A & <b>B</b>" in page.words and "<script>alert(1)</script>" in page.words
    assert not page.tags & {"script", "b", "link", "iframe"}
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "link" not in answer.headers
    for address in page.addresses:
        start, _, data = address.partition(",")
        assert start == "data:image/webp;base64"
        with Image.open(io.BytesIO(b64decode(data))) as small:
            assert small.size == (96, 64)


async def test_a_contact_sheet_leads_to_the_next_one(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.routes.exports.HTML_PICTURES", 3)
    batch = await made(service, rows_of("Shirt", "Hat"))

    first = await service.get(f"/v1/batches/{batch.id}/contact-sheet.html")
    found = re.fullmatch(r'<(.+)>; rel="next"', first.headers["link"])
    assert found is not None
    second = await service.get(found[1])

    assert len(Page(first.text).pictures) == 3
    assert Page(second.text).pictures == ["row-2/3.png"]
    assert "link" not in second.headers


async def test_a_contact_sheet_is_drawn_with_each_picture_in_its_place(service: Service) -> None:
    batch = await made(service, rows_of(*(f"Shirt {n}" for n in range(6))))

    answer = await service.get(f"/v1/batches/{batch.id}/contact-sheet.png")

    assert answer.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(answer.content)) as sheet:
        assert sheet.size == (12 + 5 * 212, 44 + 3 * 292)
        seen = [sheet.getpixel((12 + 100 + 212 * (n % 5), 44 + 100 + 292 * (n // 5))) for n in range(12)]
    expected = [tuple(bytes.fromhex(COLOURS[n % len(COLOURS)][1:])) for n in range(12)]
    assert seen == expected


@pytest.mark.parametrize("ending", ["html", "png"])
async def test_a_picture_that_cannot_be_shown_leaves_its_place_empty(service: Service, ending: str) -> None:
    batch = await made(service, rows_of("Shirt"))
    store = service.desk.documents.store
    await store.delete(picture_key(batch.tenant, batch.id, "row-1/0.png"))
    broken = picture_key(batch.tenant, batch.id, "row-1/1.png")
    await store.put_bytes(broken, png("#fff")[:60], media_type="image/png", overwrite=True)

    answer = await service.get(f"/v1/batches/{batch.id}/contact-sheet.{ending}")

    assert answer.status_code == 200
    if ending == "html":
        assert Page(answer.text).words.count("no picture") == 2


@pytest.mark.parametrize("ending", ["html", "png"])
async def test_a_batch_without_pictures_has_an_empty_sheet(service: Service, ending: str) -> None:
    batch = await service.batch()

    assert (await service.get(f"/v1/batches/{batch.id}/contact-sheet.{ending}")).status_code == 200


@pytest.mark.parametrize("query", ["select=approved", "start=-1", "start=x", "receipts=perhaps", "begin=3"])
async def test_a_parameter_of_an_export_that_is_none_is_refused(service: Service, query: str) -> None:
    batch = await service.batch()
    export = "pictures.zip" if "receipts" in query else "contact-sheet.html"

    problem(await service.get(f"/v1/batches/{batch.id}/{export}?{query}"), 400, "bad_request")


async def test_a_key_is_text_on_a_contact_sheet(service: Service) -> None:
    batch = await made(service, [Row(number=1, key='"><b onload=x>', title="Shirt")])

    page = Page((await service.get(f"/v1/batches/{batch.id}/contact-sheet.html")).text)

    assert page.pictures == ['"><b onload=x>/0.png', '"><b onload=x>/1.png']


def _bytes_of(archive: zipfile.ZipFile) -> bytes:
    assert isinstance(archive.fp, io.BytesIO)
    return archive.fp.getvalue()
