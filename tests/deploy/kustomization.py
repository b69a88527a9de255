"""Reads Kustomize folders as far as ours go: resources, namespace, labels, images, and patches that are merged.

Whatever else a kustomization asks for is an error here, so that nothing is passed over. Compared once with
`kubectl kustomize` 5.5 on all of our folders: the same objects.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Object = dict[str, Any]
KNOWN = {"apiVersion", "kind", "resources", "namespace", "labels", "images", "patches"}
CLUSTER_WIDE = {"Namespace"}


def build(folder: Path) -> list[Object]:
    """The objects of a folder, those it takes from others included."""
    asked = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(asked) <= KNOWN, f"{folder}: this reader does not know {set(asked) - KNOWN}"
    found: list[Object] = []
    for name in asked.get("resources", ()):
        found += build(folder / name) if (folder / name).is_dir() else _documents(folder / name)
    for patch in asked.get("patches", ()):
        assert set(patch) == {"path"}, "this reader takes patches from files, each naming its object"
        for over in _documents(folder / patch["path"]):
            (place,) = [place for place, under in enumerate(found) if _name(under) == _name(over)]
            found[place] = _merged(found[place], over)
    for labels in asked.get("labels", ()):
        assert set(labels) == {"pairs"}, "this reader adds labels to the objects alone"
        for each in found:
            each["metadata"].setdefault("labels", {}).update(labels["pairs"])
    for each in found:
        _place(each, asked.get("namespace"))
        for image in asked.get("images", ()):
            _tag(each, image)
    return found


def _documents(path: Path) -> list[Object]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _name(each: Object) -> tuple[str, str]:
    return each["kind"], each["metadata"]["name"]


def _merged(under: Any, over: Any) -> Any:
    """A strategic merge of what we patch: lists are replaced, as those of a NetworkPolicy and a ConfigMap are."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return deepcopy(over)
    return under | {name: _merged(under.get(name), value) for name, value in over.items()}


def _place(each: Object, namespace: str | None) -> None:
    if namespace and each["kind"] not in CLUSTER_WIDE:
        each["metadata"]["namespace"] = namespace


def _tag(each: Object, image: dict[str, str]) -> None:
    pod = each.get("spec", {}).get("template", {}).get("spec", {})
    for container in pod.get("containers", ()):
        if container["image"] == image["name"]:
            container["image"] = f"{image['newName']}:{image['newTag']}"
