"""What other files say of a workload: the ConfigMaps that its variables are from, the overlays that may patch it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

from ebbtide.doctor.data import Map, Place, Said
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import Container

_PATCHES: Final = re.compile(r"(?m)^\s*(?:-\s*)?(?:patch|patches|patchesStrategicMerge|patchesJson6902|components):")

Variables = Mapping[str, Said[str]]


def fill_in(setup: SetUp) -> None:
    """Write into each workload what stands elsewhere in the set-up."""
    maps = {
        (one.namespace, one.name): _variables(one.data.map("data"), one.file)
        for one in setup.objects
        if one.kind == "ConfigMap"
    }
    # A base alone lists its files; whether it is patched says the overlay.
    based = {posixpath.dirname(one.name) for one in setup.overlays}
    are_patched = any(_PATCHES.search(one.text) for one in setup.overlays)
    for workload in setup.workloads:
        workload.may_be_patched = are_patched and posixpath.dirname(workload.place.file) in based
        for container in workload.containers if maps else ():
            container.environment = _environment(container, workload.namespace, maps)


def _environment(container: Container, namespace: str, maps: Mapping[tuple[str, str], Variables]) -> Variables:
    def named(name: str) -> Variables:
        return maps.get((namespace, name)) or maps.get(("", name)) or {}

    found: dict[str, Said[str]] = {}
    for source in container.data.items_of("envFrom"):
        values = named(source.map("configMapRef").text("name"))
        found |= {f"{source.text('prefix')}{name}": said for name, said in values.items()}
    for entry in container.data.items_of("env"):
        reference = entry.map("valueFrom", "configMapKeyRef")
        said = named(reference.text("name")).get(reference.text("key"))
        if said is not None:
            found[entry.text("name")] = said
    return found | dict(container.environment)


def _variables(data: Map, file: str) -> Variables:
    return {name: Said(str(value), Place(file, data.line_of(name))) for name, value in data.items()}
