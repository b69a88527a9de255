"""Two pictures never get one key: what becomes the same only when a key is made safe, or on a
disk that does not tell capitals and accents apart, is found in the plan."""

from __future__ import annotations

import pytest

from tests.unit.planning.desk import Desk, manifest, said

DEFAULT_KEY = "{{ row.key }}/{{ template }}-{{ variant_key }}-{{ size }}-{{ sample }}"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a?b", "a*b"),
        ("a", "a."),
        ("a", "../a"),
        ("a/b", "a//b"),
        ("a.png", "a.png_"),
        ("NUL", "nul_"),
        ("Mug", "mug"),
        ("caf\u00e9", "cafe\u0301"),
        ("STRASSE", "stra\u00dfe"),
        ("x" * 150 + "é" * 30 + "1", "x" * 150 + "é" * 30 + "2"),
    ],
    ids=["signs", "dot", "folder", "slashes", "picture", "device", "case", "accent", "sharp-s", "length"],
)
@pytest.mark.parametrize("key", [DEFAULT_KEY, "{{ row.key }}/x/{{ template }}", "all/{{ row.sku }}/x"])
async def test_rows_whose_keys_become_one_are_refused(desk: Desk, key: str, first: str, second: str) -> None:
    await desk.upload("products.csv", f'sku,title\nz,Zero\n"{first}",One\n"{second}",Two\n')

    found = said(
        await desk.plan(manifest(output={"key": key}, catalog={"source": "products.csv", "key": "sku"}))
    )

    assert any("make output.key tell them apart" in detail for detail in found.values())


async def test_rows_whose_keys_stay_apart_are_taken(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,title\na,One\nc,Two\na b,Three\na_b,Four\nä,Five\n")

    assert said(await desk.plan(manifest(catalog={"source": "products.csv", "key": "sku"}))) == {}
