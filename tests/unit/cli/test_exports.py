import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ID = "batch_00000000000000000000000001"
FILES = {
    "jsonl": "results.jsonl",
    "csv": "results.csv",
    "zip": "pictures.zip",
    "zip-with-receipts": "pictures.zip?receipts=true",
    "contact-sheet": "contact-sheet.html",
    "shopify": "feeds/shopify.csv?headers=new",
    "shopify-old": "feeds/shopify.csv?headers=old",
    "merchant": "feeds/merchant.tsv",
    "feed-csv": "feeds/pictures.csv",
}


@pytest.mark.parametrize(("kind", "address"), FILES.items())
def test_each_format_is_a_file_of_the_service(
    service: Any, run: Any, tmp_path: Path, kind: str, address: str
) -> None:
    service.exports = {address: [b"what the service made\n"]}

    said = run("results", ID, "--format", kind, "--to", tmp_path / "new" / "file.html")

    assert (said.code, said.out) == (0, "")
    assert (tmp_path / "new" / "file.html").read_bytes() == b"what the service made\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file.html"]


def test_without_a_path_a_file_goes_to_standard_output(service: Any, run: Any) -> None:
    service.exports = {"results.csv": [b'"index"\r\n']}

    assert run("results", ID, "--format", "csv").out.splitlines() == ['"index"']


@pytest.mark.parametrize("ending", ["html", "png"])
def test_contact_sheets_are_fetched_to_the_last(service: Any, run: Any, tmp_path: Path, ending: str) -> None:
    name = f"contact-sheet.{ending}"
    service.exports = {
        name: [b"first", f"/v1/batches/{ID}/{name}?start=40"],
        f"{name}?start=40": [b"second", f"/v1/batches/{ID}/{name}?start=80"],
        f"{name}?start=80": [b"third"],
    }

    said = run("results", ID, "--format", "contact-sheet", "--to", tmp_path / f"look.{ending}")

    assert said.code == 0
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {f"look.{ending}": b"first", f"look-2.{ending}": b"second", f"look-3.{ending}": b"third"}


@pytest.mark.parametrize("name", ["sheet.jpg", "sheet.pdf", "sheet"])
def test_a_contact_sheet_is_not_made_as_a_file_that_it_is_not(
    service: Any, run: Any, tmp_path: Path, name: str
) -> None:
    said = run("results", ID, "--format", "contact-sheet", "--to", tmp_path / name)

    assert (said.code, service.asked, list(tmp_path.iterdir())) == (2, [], [])
    assert (
        said.err == f"A contact sheet is made as .html or .png; {tmp_path / name} is neither: name it so.\n"
    )


@pytest.mark.parametrize("ending", [".PNG", ".html"])
def test_the_ending_of_a_contact_sheet_says_how_it_is_made(
    service: Any, run: Any, tmp_path: Path, ending: str
) -> None:
    service.exports = {f"contact-sheet{ending.lower()}": [b"x"]}

    assert run("results", ID, "--format", "contact-sheet", "--to", tmp_path / f"sheet{ending}").code == 0


@pytest.mark.parametrize(("reach", "is_told"), [("local", True), ("signed", False), ("public", False)])
def test_a_feed_whose_addresses_no_shop_can_read_is_written_with_what_to_do_about_it(
    service: Any, run: Any, reach: str, is_told: bool
) -> None:
    service.exports, service.export_headers = {"feeds/merchant.tsv": [b"id"]}, {"Darkroom-Addresses": reach}

    said = run("results", ID, "--format", "merchant")

    assert (said.code, said.out) == (0, "id")
    assert ("DARKROOM_STORAGE__PUBLIC_URL" in said.err) == is_told


@pytest.mark.parametrize("kind", FILES)
def test_of_each_format_only_some_pictures_can_be_taken(
    service: Any, run: Any, tmp_path: Path, kind: str
) -> None:
    asked = "template=hero&template=detail&size=google_merchant&sample=2"
    address = FILES[kind]
    service.exports = {f"{address}{'&' if '?' in address else '?'}{asked}": [b"x"]}
    options = ["--template", "hero", "--template", "detail", "--size", "google_merchant", "--sample", "2"]

    assert run("results", ID, "--format", kind, "--to", tmp_path / "file.html", *options).code == 0


def test_of_the_list_only_some_pictures_can_be_taken(service: Any, run: Any) -> None:
    service.exports = {"results.jsonl?template=hero": [b'{"index": 3}\n']}

    assert run("results", ID, "--template", "hero").out == '{"index": 3}\n'


def test_a_folder_is_no_file(service: Any, run: Any, tmp_path: Path) -> None:
    said = run("results", ID, "--format", "zip", "--to", tmp_path)

    assert said.code == 2
    assert "is a folder" in said.err


def test_an_export_of_an_unknown_batch_is_a_sentence_and_leaves_no_file(
    service: Any, run: Any, tmp_path: Path
) -> None:
    said = run("results", "batch_unknown", "--format", "zip", "--to", tmp_path / "a.zip")

    assert (said.code, said.err) == (1, "There is no such thing.\n")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def breaking_off() -> Iterator[str]:
    """The address of a service that begins an answer and goes away."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_an_answer_that_breaks_off_is_no_file(run: Any, tmp_path: Path) -> None:
    with breaking_off() as url:
        said = run("--url", url, "results", ID, "--format", "csv", "--to", tmp_path / "a.csv")

    assert (said.code, said.err) == (1, f"The service at {url} broke off its answer; try again.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_an_archive_is_a_whole_address_and_says_how_long_it_is_good(service: Any, run: Any) -> None:
    link = b'{"url": "/archives/abc", "expires_at": "2026-11-22T08:00:00Z"}'
    service.exports = {"archive_links?receipts=true&template=hero": [link]}

    said = run("results", ID, "--format", "zip-with-receipts", "--template", "hero", "--link")

    assert (said.code, said.out) == (0, f"{service.url}/archives/abc\n")
    assert service.asked[-1].startswith("POST ")
    assert "until 2026-11-22T08:00:00Z, without a key" in said.err


def test_a_link_is_no_file(service: Any, run: Any, tmp_path: Path) -> None:
    said = run("results", ID, "--format", "zip", "--link", "--to", tmp_path / "a.zip")

    assert (said.code, service.asked) == (2, [])
    assert "leave --to out" in said.err


@pytest.mark.parametrize(
    ("options", "address", "left_out", "told"),
    [
        ("merchant --id Handle", "feeds/merchant.tsv?id=Handle", "2", "2 rows without an id left out"),
        ("merchant", "feeds/merchant.tsv", "1", "1 row without an id left out; --id COLUMN"),
        ("merchant", "feeds/merchant.tsv", "0", ""),
        ("shopify --variants", "feeds/shopify.csv?headers=new&variants=true", "3", "3 products left out"),
        ("shopify-old --variants", "feeds/shopify.csv?headers=old&variants=true", "0", ""),
    ],
)
def test_a_feed_is_asked_for_as_its_shop_needs_it_and_what_is_missing_is_told(
    service: Any, run: Any, options: str, address: str, left_out: str, told: str
) -> None:
    service.exports, service.export_headers = {address: [b"id"]}, {"Darkroom-Left-Out": left_out}

    said = run("results", ID, "--format", *options.split())

    assert (said.code, said.out) == (0, "id")
    assert said.err.startswith(told) and bool(said.err) == bool(told)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--id sku", "--id is for a feed for Merchant Center: give it with --format merchant."),
        (
            "--format shopify --link",
            "--link is for an archive: give it with --format zip or zip-with-receipts.",
        ),
        ("--variants --format merchant", "--variants is for a feed for Shopify"),
        (
            "--format csv -o json",
            "-o is for the list, and --format makes a file in its place: leave one out.",
        ),
        ("--leave-out fail --format csv", "--leave-out is for feeds: give it with --format shopify, "),
    ],
)
def test_an_option_that_a_format_does_not_have_is_refused(
    service: Any, run: Any, options: str, told: str
) -> None:
    said = run("results", ID, *options.split())

    assert (said.code, service.asked) == (2, [])
    assert said.err.startswith(told)
