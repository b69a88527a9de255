from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from core.parsing.yaml_text import parse_yaml
from schemas.manifest_check import check_manifest
from service.app import openapi_document
from service.contract.openapi import EXAMPLE_MANIFEST, EXAMPLE_YAML

DOCUMENT = openapi_document()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_the_document_is_valid() -> None:
    validate(DOCUMENT)


def test_every_operation_has_a_name_of_its_own_a_summary_and_one_tag() -> None:
    names = [operation["operationId"] for _, operation in operations()]

    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)
    assert all(operation["summary"] and len(operation["tags"]) == 1 for _, operation in operations())
    assert {operation["tags"][0] for _, operation in operations()} == {
        tag["name"] for tag in DOCUMENT["tags"]
    }


def test_every_error_is_declared_as_a_problem() -> None:
    for path, operation in operations():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert {"500", "503"} <= errors.keys(), path
        for answer in errors.values():
            assert list(answer["content"]) == ["application/problem+json"]
            assert answer["description"]


def test_what_needs_a_key_says_so_and_declares_401() -> None:
    for path, operation in operations():
        assert bool(operation.get("security")) == path.startswith("/v1") == ("401" in operation["responses"])


def test_every_success_has_a_shape() -> None:
    for path, operation in operations():
        for status, answer in operation["responses"].items():
            if status in ("200", "201", "202"):
                (content, *_) = answer["content"].values()  # figures come in two formats
                assert content["schema"], path


def test_nothing_of_the_frameworks_own_errors_is_left() -> None:
    assert not {"HTTPValidationError", "ValidationError"} & DOCUMENT["components"]["schemas"].keys()


@pytest.mark.parametrize("manifest", [EXAMPLE_MANIFEST, parse_yaml(EXAMPLE_YAML)])
def test_the_examples_are_manifests(manifest: Any) -> None:
    check_manifest(manifest)
    schema = {**DOCUMENT["components"]["schemas"]["Manifest"], "components": DOCUMENT["components"]}

    Draft202012Validator(schema).validate(manifest)
