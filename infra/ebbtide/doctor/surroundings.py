"""What other files say of a workload: the ConfigMaps that its variables are from, the overlays that may patch it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final

from ebbtide.doctor.data import Map, Place, Said
from ebbtide.doctor.readers.dotenv import NAMES
from ebbtide.doctor.readers.messenger import Transport, variable_of, with_address
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


def know_addresses(setup: SetUp) -> None:
    """Give each of Messenger's transports the address that its variable holds, where the files say what that is."""
    setup.transports = [_known(setup, one) for one in setup.transports]


def _known(setup: SetUp, transport: Transport) -> Transport:
    name = variable_of(transport)
    value = _value_of(setup, transport, name) if name else ""
    return with_address(transport, value) if value else transport


def _value_of(setup: SetUp, transport: Transport, name: str) -> str:
    """What a variable of an application holds: what every manifest that sets it says, or else its `.env`, unless a
    Secret of which nothing is known may set it. Empty where nobody knows."""
    containers = [one for workload in setup.workloads for one in workload.containers]
    maps = {one.name for one in setup.objects if one.kind == "ConfigMap"}
    if any(_may_set(one, name, maps) for one in containers):
        return ""
    values = {one.environment[name].value for one in containers if name in one.environment}
    if values:
        return values.pop() if len(values) == 1 else ""
    root = transport.root.rstrip("/")
    files = [posixpath.join(root, one) for one in NAMES]
    found = [setup.dotenv[file][name].value for file in files if name in setup.dotenv.get(file, {})]
    return found[-1] if found and "$" not in found[-1].partition(":")[0] else ""


def _may_set(container: Container, name: str, maps: set[str]) -> bool:
    """Whether a container gets a variable from where its value is not written."""
    if name in container.environment:
        return False
    is_named = any(entry.text("name") == name for entry in container.data.items_of("env"))
    return is_named or any(
        source.map("configMapRef").text("name") not in maps for source in container.data.items_of("envFrom")
    )


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
