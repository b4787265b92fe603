"""What a kustomization.yaml makes of the workloads of its base, of two fields: how long a pod may take to end, and how
many of it there are. The rest of an overlay is not built here, which is said."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ebbtide.doctor.data import UNKNOWN, Map, Place, Said, Seq
from ebbtide.doctor.files import File
from ebbtide.doctor.readers import yaml
from ebbtide.doctor.readers.kubernetes import objects_of, pod_of
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import ManifestObject, Workload

_GRACE: Final = "terminationGracePeriodSeconds"
_PATHS: Final = {"/spec/replicas": "replicas", f"/spec/template/spec/{_GRACE}": _GRACE}


@dataclass(frozen=True)
class Change:
    """A field that an overlay sets; None takes it away, UNKNOWN may be any."""

    kind: str
    """Empty: of any."""
    name: str
    """A pattern for the whole name; empty: any."""
    field: str
    value: Any
    place: Place

    def is_of(self, workload: Workload) -> bool:
        """Whether it is made to a workload."""
        try:
            is_named = not self.name or re.fullmatch(self.name, workload.name) is not None
        except re.error:
            is_named = False
        return is_named and self.kind in ("", workload.kind)


def build_overlays(setup: SetUp) -> None:
    """Take the patches for what they are, and write what they say into the workloads. Of several overlays the least
    time counts, and the most pods: what is said then is so in one of them at least."""
    changes: list[Change] = []
    patches: set[str] = set()
    for overlay in setup.overlays:
        document = _document(overlay)
        paths = {posixpath.normpath(posixpath.join(posixpath.dirname(overlay.name), path)) for path in _paths(document)}
        files = {one.file for one in setup.objects if posixpath.normpath(one.file) in paths}
        patches |= files
        changes += _counts(document, overlay)
        changes += _inline(document, overlay)
        changes += [change for one in setup.objects if one.file in files for change in _of_object(one, "", "")]
    for one in setup.objects:
        data = _of_gitops(one)
        changes += _counts(data, File(one.file, ""))
        changes += _inline(data, File(one.file, ""))
    setup.workloads = [one for one in setup.workloads if one.place.file not in patches]
    setup.objects = [one for one in setup.objects if one.file not in patches]
    for workload in setup.workloads:
        its = [one for one in changes if one.is_of(workload)]
        _set_grace(workload, [one for one in its if one.field == _GRACE])
        _set_replicas(workload, [one for one in its if one.field == "replicas"])


def _of_gitops(one: ManifestObject) -> Map:
    """What Flux or Argo CD is told to change, in an overlay's words."""
    if one.group == "kustomize.toolkit.fluxcd.io":
        return one.data.map("spec")
    return one.data.map("spec", "source", "kustomize") if one.group == "argoproj.io" else Map()


def _set_grace(workload: Workload, its: list[Change]) -> None:
    known = [Said(one.value, one.place) for one in its if isinstance(one.value, int)]
    if len(known) < len(its):
        workload.grace, workload.may_be_patched = None, True
    elif known:
        workload.grace = min(known, key=lambda said: said.value)


def _set_replicas(workload: Workload, its: list[Change]) -> None:
    known = [Said(one.value, one.place) for one in its if isinstance(one.value, int)]
    if its:
        workload.replicas = max(known, key=lambda said: said.value) if known else None


def _document(overlay: File) -> Map:
    try:
        found = next(iter(yaml.documents(overlay.text)), None)
    except yaml.NotYamlError:
        found = None
    return found if isinstance(found, Map) else Map()


def _paths(document: Map) -> Iterator[str]:
    """The files that it takes for patches."""
    for key in ("patches", "patchesJson6902"):
        yield from (one.text("path") for one in document.items_of(key) if one.text("path"))
    listed = document.get("patchesStrategicMerge")
    yield from (one for one in listed or () if isinstance(one, str) and "\n" not in one)


def _counts(document: Map, overlay: File) -> Iterator[Change]:
    for one in document.items_of("replicas"):
        if isinstance(count := one.get("count"), int):
            yield Change("", re.escape(one.text("name")), "replicas", count, overlay.at(one.line_of("count")))


def _inline(document: Map, overlay: File) -> Iterator[Change]:
    """Of patches that stand in it: a part of an object, or steps of a JSON patch."""
    for key in ("patches", "patchesJson6902"):
        for one in document.items_of(key):
            target = one.map("target")
            kind, name = target.text("kind"), target.text("name")
            if one.text("patch"):
                yield from _of_text(one.text("patch"), overlay, one.line_of("patch"), kind, name)
    listed = document.get("patchesStrategicMerge")
    for text, line in zip(listed, listed.lines, strict=True) if isinstance(listed, Seq) else ():
        if isinstance(text, str) and "\n" in text:
            yield from _of_text(text, overlay, line, "", "")


def _of_text(text: str, overlay: File, before: int, kind: str, name: str) -> Iterator[Change]:
    inside = File(overlay.name, text, first_line=before)
    try:
        documents = list(yaml.documents(text))
    except yaml.NotYamlError:
        return
    for document in documents:
        if isinstance(document, Seq):
            for step in document:
                field = _PATHS.get(step.text("path"), "") if isinstance(step, Map) else ""
                if field and step.text("op") != "test":
                    value = None if step.text("op") == "remove" else step.get("value", UNKNOWN)
                    yield Change(kind, name, field, value, inside.at(step.line_of("value")))
        elif isinstance(document, Map):
            for one in objects_of(document, overlay.name):
                yield from _of_object(one, kind, name, before)


def _of_object(one: ManifestObject, kind: str, name: str, before: int = 0) -> Iterator[Change]:
    """What a part of an object says; a target says of which others."""
    kind, name = kind or one.kind, name or re.escape(one.name)
    for data, field in ((one.data.map("spec"), "replicas"), (pod_of(one), _GRACE)):
        if field in data:
            yield Change(kind, name, field, data[field], Place(one.file, before + data.line_of(field)))
