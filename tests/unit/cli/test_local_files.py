"""Files that a manifest on this disk names: what is sent to the service, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import problem

MISSING = {"pointer": "/templates/hero/prompt", "code": "unknown_field", "detail": "row.colour is not known"}


def test_the_catalog_and_the_files_that_templates_name_are_uploaded(
    service: Any, run: Any, manifest: Path
) -> None:
    service.references = ["photos/a.jpg"]
    assert run("plan", manifest).code == 0
    assert service.uploads["products.csv"].startswith(b"sku,")
    assert service.uploads["photos/a.jpg"] == b"a photo"


def test_a_file_that_the_service_has_already_is_not_sent_again(
    service: Any, run: Any, manifest: Path
) -> None:
    service.references = ["photos/a.jpg"]
    service.uploads["photos/a.jpg"] = b"a photo"
    run("plan", manifest)
    assert "PUT /v1/uploads/photos/a.jpg" not in service.asked


def test_a_file_that_differs_is_sent_again(service: Any, run: Any, manifest: Path) -> None:
    service.references = ["photos/a.jpg"]
    service.uploads["photos/a.jpg"] = b"an older photo"
    run("plan", manifest)
    assert service.uploads["photos/a.jpg"] == b"a photo"


def test_a_file_that_does_not_lie_here_is_named_as_missing(service: Any, run: Any, manifest: Path) -> None:
    service.references = ["photos/gone.jpg"]
    said = run("plan", manifest)
    assert any(line.split() == ["missing", "photos/gone.jpg"] for line in said.out.splitlines())


def test_files_are_uploaded_although_the_first_plan_has_problems(
    service: Any, run: Any, manifest: Path
) -> None:
    service.references, service.plan_errors = ["photos/a.jpg"], [MISSING]
    run("plan", manifest)
    assert "photos/a.jpg" in service.uploads


def test_a_name_with_spaces_and_umlauts_arrives_as_it_is(service: Any, run: Any, manifest: Path) -> None:
    (manifest.parent / "photos" / "größe 1.jpg").write_bytes(b"x")
    service.references = ["photos/größe 1.jpg"]
    run("plan", manifest)
    assert service.uploads["photos/größe 1.jpg"] == b"x"


@pytest.mark.parametrize(
    "source", ["../secret.csv", "/etc/passwd", "./products.csv", "photos/../products.csv"]
)
def test_a_catalog_that_is_not_plainly_below_the_folder_is_refused(
    service: Any, run: Any, manifest: Path, source: str
) -> None:
    manifest.write_text(f"catalog: {{source: {source}}}\n")
    said = run("plan", manifest)
    assert (said.code, service.uploads) == (3, {})
    assert said.err.startswith(f"/catalog/source (line 1): '{source}' must be a plain path below")


def test_a_link_that_leads_out_of_the_folder_is_never_read(service: Any, run: Any, manifest: Path) -> None:
    secret = manifest.parent.parent / "secret"
    secret.write_text("key")
    (manifest.parent / "photos" / "link.jpg").symlink_to(secret)
    service.references = ["photos/link.jpg"]
    assert run("plan", manifest).code == 3
    assert "photos/link.jpg" not in service.uploads


def test_a_folder_is_uploaded_as_the_list_of_what_is_in_it_without_hidden_files(
    service: Any, run: Any, manifest: Path
) -> None:
    (manifest.parent / "photos" / "b.jpg").write_bytes(b"b")
    (manifest.parent / "photos" / ".DS_Store").write_bytes(b"x")
    (manifest.parent / "photos" / "raw").mkdir()
    service.references = ["photos/"]
    run("plan", manifest)
    assert service.uploads["photos/"] == b"a.jpg\nb.jpg\nraw/\n"
    run("plan", manifest)
    assert service.asked.count("PUT /v1/uploads/photos/") == 1


def test_a_picture_that_was_taken_out_of_its_folder_is_taken_out_of_the_list(
    service: Any, run: Any, manifest: Path
) -> None:
    service.references = ["photos/"]
    service.uploads["photos/"] = b"a.jpg\nold.jpg\n"
    run("plan", manifest)
    assert service.uploads["photos/"] == b"a.jpg\n"


def test_a_folder_that_does_not_lie_here_is_named_as_missing(service: Any, run: Any, manifest: Path) -> None:
    service.references = ["styles/"]
    said = run("plan", manifest)
    assert any(line.split() == ["missing", "styles/"] for line in said.out.splitlines())


@pytest.mark.parametrize("folder", ["../", "/etc/", "photos/../", "./photos/", "photos//"])
def test_a_folder_that_is_not_plainly_below_the_manifests_is_never_listed(
    service: Any, run: Any, manifest: Path, folder: str
) -> None:
    service.references = [folder]
    assert run("plan", manifest).code == 3
    assert folder not in service.uploads


def test_a_mapping_in_a_file_is_uploaded_with_its_catalog_and_shown(
    service: Any, run: Any, manifest: Path
) -> None:
    (manifest.parent / "akeneo.yaml").write_text("title: label-en_US\n")
    manifest.write_text("catalog: {source: products.csv, mapping: akeneo.yaml}\n")
    said = run("plan", manifest)
    assert service.uploads["akeneo.yaml"] == b"title: label-en_US\n"
    assert "sku: sku" in said.out


def test_a_mapping_outside_the_folder_is_refused(service: Any, run: Any, manifest: Path) -> None:
    manifest.write_text("catalog: {source: products.csv, mapping: ../akeneo.yaml}\n")
    said = run("plan", manifest)
    assert (said.code, list(service.uploads)) == (3, ["products.csv"])
    assert said.err.startswith("/catalog/mapping (line 1): ")


def test_addresses_are_left_to_the_service(service: Any, run: Any, manifest: Path) -> None:
    manifest.write_text("catalog: {source: 'https://shop.example/products.csv'}\n")
    assert run("plan", manifest).code == 0
    assert service.uploads == {}


NO_UPLOAD = "nothing was uploaded as 'gone.csv'; upload it first"


def test_every_file_that_is_missing_or_refused_is_told_at_once_in_the_words_of_this_disk(
    service: Any, run: Any, manifest: Path
) -> None:
    manifest.write_text(
        "name: x\ncatalog:\n  source: gone.csv\n  mapping: /etc/map.yaml\n"
        "templates:\n  hero:\n    prompt: x\n    references:\n    - ../a.jpg\n    - styles/\n    - b.jpg\n"
    )
    service.references = ["../a.jpg", "styles/", "b.jpg"]
    here, plain = "/templates/hero/references", "must be a plain path below the manifest's folder, such as"
    service.plan_errors = [
        {"pointer": "/catalog/source", "code": "missing_file", "detail": NO_UPLOAD},
        {"pointer": f"{here}/0", "code": "missing_file", "detail": "'../a.jpg' was not uploaded"},
        {"pointer": f"{here}/1", "code": "missing_file", "detail": "'styles/' was not uploaded: upload it"},
        {
            "pointer": "/catalog/rows/4",
            "code": "missing_file",
            "detail": "'b.jpg' was not uploaded",
            "row": 5,
        },
        {"pointer": "/templates/hero/size", "code": "extra_forbidden", "detail": "'size' is no field"},
    ]

    said = run("plan", manifest)

    folder = manifest.parent
    assert (said.code, said.err.splitlines()) == (
        3,
        [
            f"/catalog/source (line 3): there is no file 'gone.csv' in {folder}",
            f"{here}/0 (line 9): '../a.jpg' {plain} photos/shirt.jpg",
            f"{here}/1 (line 10): there is no folder 'styles/' in {folder}",
            f"/catalog/rows/4 (row 5): there is no file 'b.jpg' in {folder}",
            "/templates/hero/size (line 6): 'size' is no field",
            f"/catalog/mapping (line 4): '/etc/map.yaml' {plain} photos/shirt.jpg",
        ],
    )


def test_files_are_told_of_beside_problems_that_leave_no_plan(service: Any, run: Any, manifest: Path) -> None:
    manifest.write_text("catalog: {source: gone.csv}\nname: 7\n")
    found = [{"pointer": "/name", "code": "string_type", "detail": "a text"}]
    service.plan_answer = (422, {"status": 422, "code": "manifest_invalid", "errors": found})
    said = run("plan", manifest)
    assert said.err.splitlines() == [
        "/name (line 2): a text",
        f"/catalog/source (line 1): there is no file 'gone.csv' in {manifest.parent}",
    ]


def test_a_file_that_only_the_service_has_is_not_missed(service: Any, run: Any, manifest: Path) -> None:
    manifest.write_text("catalog: {source: elsewhere.csv}\n")
    service.uploads["elsewhere.csv"] = b"sku\nA\n"
    assert run("plan", manifest).code == 0


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("photos", 3, "/catalog/source (line 3): 'photos' is a folder in {folder}; name a file"),
        ("loop.csv", 3, "/catalog/source (line 3): 'loop.csv' is a link that leads to itself"),
        (
            "n" * 300,
            1,
            f"'{'n' * 300}', which {{folder}}/manifest.yaml names, cannot be read: File name too long.",
        ),
    ],
)
def test_a_catalog_that_cannot_be_read_is_told_with_its_name_and_why(
    service: Any, run: Any, manifest: Path, name: str, code: int, says: str
) -> None:
    (manifest.parent / "loop.csv").symlink_to("loop.csv")
    manifest.write_text(f"darkroom: 1\nname: apparel\ncatalog: {{source: {name}}}\n")
    said = run("plan", manifest)
    assert (said.code, said.err) == (code, says.format(folder=manifest.parent) + "\n")


def test_a_manifest_that_is_too_large_is_told_by_its_name_and_with_what_to_do(
    service: Any, run: Any, manifest: Path
) -> None:
    service.plan_answer = problem(413, "too_large", "The body is larger than 1,024 bytes.")
    said = run("plan", manifest)
    assert said.code == 1
    assert said.err.startswith(
        f"The manifest {manifest} is too large: The body is larger than 1,024 bytes. Rows may"
    )
