"""Proxies that a service mesh puts into a pod when it is made: where that is asked for, and when such a proxy ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ebbtide.doctor.data import Map, Place, Seq
from ebbtide.doctor.rules.network import broker_ports
from ebbtide.doctor.times import longest_of
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import ManifestObject, Workload
from ebbtide.kubernetes.meshes import ISTIO, LINKERD, MESHES

ISTIO_SECONDS: Final = 5
"""terminationDrainDuration where nothing is said (istio.mesh.v1alpha1, ProxyConfig)."""
LINKERD_SECONDS: Final = 120
"""config.linkerd.io/shutdown-grace-period where nothing is said (Linkerd, Graceful Pod Shutdown)."""
_BROKERS: Final = frozenset({5671, 5672, 6379, 6380, 9092, 9093, 4222, 11300, 61613})
_OF_MESH: Final = re.compile(r"istio")
_MESH_KINDS: Final = frozenset({"IstioOperator", "Istio", "ProxyConfig"})
_INJECT, _REVISION = ISTIO.asked_by
(_NATIVE,) = ISTIO.native
_CONFIG: Final = "proxy.istio.io/config"
_TRAFFIC: Final = "traffic.sidecar.istio.io/"
_LINKERD_WAITS: Final = "config.alpha.linkerd.io/proxy-wait-before-exit-seconds"
_EXITS_LAST: Final = re.compile(r"EXIT_ON_ZERO_ACTIVE_CONNECTIONS\W+true", re.IGNORECASE)
_DRAIN: Final = re.compile(r"terminationDrainDuration\W+(?P<number>[0-9]+)(?P<unit>[smh])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "": 1}


@dataclass(frozen=True)
class Injected:
    """A proxy that ends before the workers may."""

    place: Place
    """Where it is asked for."""
    when: str
    """When it ends, in words."""
    remedy: str
    doubt: str = ""
    """What nobody here knows of it; empty where the files say it."""
    is_open: bool = False
    """Whether that decides alone, so that it is no fault yet."""


def injected(unit: Unit) -> Injected | None:
    """The proxy that a mesh puts beside a unit's workers, if it is not known to outlast them."""
    workload = unit.workload
    if workload is None or not unit.is_kubernetes or workload.pod.get("hostNetwork") is True:
        return None
    space = _namespace_of(unit, workload)
    place = _asked_of_istio(workload, space)
    if place is not None:
        return _of_istio(unit, workload, place)
    place = _asked_of_linkerd(workload, space)
    return _of_linkerd(unit, workload, space, place) if place is not None else _of_another(workload, space)


def _of_another(workload: Workload, space: ManifestObject | None) -> Injected | None:
    """One of which nobody here has read when its proxy ends. What the pods say counts before their namespace's."""
    said: list[tuple[Map, Workload | ManifestObject]] = [(workload.labels, workload), (workload.annotations, workload)]
    if space is not None:
        said += [(space.data.map("metadata", part), space) for part in ("labels", "annotations")]
    for mesh in MESHES:
        for key, refusals in mesh.asked_by.items() if mesh not in (ISTIO, LINKERD) else ():
            data, owner = next(((data, owner) for data, owner in said if key in data), (Map(), workload))
            if key in data and _said(data, key) not in refusals:
                doubt = f"when the proxy that {mesh.name} puts beside the workers ends is not known here"
                return Injected(owner.at(data, key), "", "", doubt, is_open=True)
    return None


def _namespace_of(unit: Unit, workload: Workload) -> ManifestObject | None:
    """Its own; of a workload that names none the only one that was handed over."""
    spaces = [one for one in unit.setup.of_kind("Namespace") if not one.group]
    if workload.namespace:
        return next((one for one in spaces if one.name == workload.namespace), None)
    return spaces[0] if len(spaces) == 1 else None


def _asked_of_istio(workload: Workload, space: ManifestObject | None) -> Place | None:
    """By a label or an annotation of the pods, else by their namespace; either may refuse."""
    labels = space.data.map("metadata", "labels") if space is not None else Map()
    if _said(labels, "istio-injection") == "disabled":
        return None
    for data in (workload.labels, workload.annotations):
        if _INJECT in data:
            return workload.at(data, _INJECT) if _said(data, _INJECT) == "true" else None
    if _REVISION in workload.labels:
        return workload.at(workload.labels, _REVISION)
    if space is not None:
        for key, value in (("istio-injection", "enabled"), (_REVISION, "")):
            if key in labels and (not value or _said(labels, key) == value):
                return space.at(labels, key)
    return None


def _asked_of_linkerd(workload: Workload, space: ManifestObject | None) -> Place | None:
    (key,) = LINKERD.asked_by
    if key in workload.annotations:
        return workload.at(workload.annotations, key) if _enables(workload.annotations, key) else None
    annotations = space.data.map("metadata", "annotations") if space is not None else Map()
    return space.at(annotations, key) if space is not None and _enables(annotations, key) else None


def _enables(data: Map, key: str) -> bool:
    return _said(data, key) in ("enabled", "ingress")


def _said(data: Map, key: str) -> str:
    return str(data.get(key, "")).lower()


def _of_istio(unit: Unit, workload: Workload, place: Place) -> Injected | None:
    said, mesh = workload.annotations, list(_mesh_says(unit))
    config = str(said.get(_CONFIG, ""))
    drain = _DRAIN.search(config) or next((found for text in mesh if (found := _DRAIN.search(text))), None)
    seconds = int(drain["number"]) * _UNITS[drain["unit"]] if drain is not None else ISTIO_SECONDS
    own = _said(said, _NATIVE)
    natives = [text for text in mesh if re.search(r"ENABLE_NATIVE_SIDECARS\W+true", text)]
    if own == "true" or (natives and own != "false") or any(map(_EXITS_LAST.search, (config, *mesh))):
        return None
    if _outlasts(unit, workload, seconds) or _goes_past(unit, str(said.get(f"{_TRAFFIC}excludeOutboundPorts", ""))):
        return None
    is_plain = own == "false" or any(re.search(r"ENABLE_NATIVE_SIDECARS\W+false", text) for text in mesh)
    unless = "" if is_plain else " (unless it is a native sidecar, as Istio 1.27 makes it from Kubernetes 1.33 on)"
    others = ("includeOutboundPorts", "includeOutboundIPRanges", "excludeOutboundIPRanges")
    return Injected(
        place,
        f"has Istio's proxy beside it, which ends {seconds} s after SIGTERM{unless}",
        f"annotate the pods with {_NATIVE}: 'true', or set EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' in proxyMetadata of "
        f"{_CONFIG}",
        ""
        if is_plain
        else "which version of Istio injects its proxy, and what the mesh's own settings say of it "
        "(ENABLE_NATIVE_SIDECARS, meshConfig.defaultConfig), was not handed over",
        any(f"{_TRAFFIC}{name}" in said for name in others),
    )


def _of_linkerd(unit: Unit, workload: Workload, space: ManifestObject | None, place: Place) -> Injected | None:
    said = dict(space.data.map("metadata", "annotations") if space is not None else {}) | dict(workload.annotations)
    if any(str(said.get(key, "")).lower() == "true" for key in LINKERD.native):
        return None
    if _outlasts(unit, workload, _seconds(said.get(_LINKERD_WAITS)) or 0):
        return None
    if _goes_past(unit, str(said.get("config.linkerd.io/skip-outbound-ports", ""))):
        return None
    seconds = _seconds(said.get("config.linkerd.io/shutdown-grace-period")) or LINKERD_SECONDS
    return Injected(
        place,
        "has Linkerd's proxy beside it, which takes no new connection after SIGTERM, and closes the others "
        f"{seconds} s later (unless the mesh's own settings make it wait, or a native sidecar)",
        f"annotate the pods with {LINKERD.native[0]}: 'true', or with {_LINKERD_WAITS}: what the workers may take",
        "what Linkerd's own settings say of its proxy (proxy.nativeSidecar, proxy.waitBeforeExitSeconds) was not "
        "handed over",
    )


def _seconds(value: Any) -> int | None:
    found = re.fullmatch(r"([0-9]{1,6})([smh]?)", str(value))
    return int(found[1]) * _UNITS[found[2]] if found else None


def _outlasts(unit: Unit, workload: Workload, seconds: int) -> bool:
    """Whether a proxy that stays for so long stays as long as the workers."""
    longest = [longest_of(unit, worker) for worker in unit.workers]
    known = [one.value for one in longest if one is not None]
    if known and len(known) == len(longest):
        return seconds >= max(known)
    return seconds >= workload.grace_seconds * 0.75


def _goes_past(unit: Unit, ports: str) -> bool:
    """Whether the broker's port is among those that the proxy does not see."""
    left_out = [_range(one) for one in ports.split(",") if _range(one)]
    brokers = broker_ports(unit)
    if brokers:
        return all(any(port in one for one in left_out) for port in brokers)
    return any(port in one for one in left_out for port in _BROKERS)


def _range(text: str) -> range:
    found = re.fullmatch(r"\s*([0-9]{1,5})(?:-([0-9]{1,5}))?\s*", text)
    return range(int(found[1]), int(found[2] or found[1]) + 1) if found else range(0)


def _mesh_says(unit: Unit) -> Iterator[str]:
    """What Istio's own objects say, as far as they were handed over: `NAME: value`, a line each."""
    for one in unit.setup.objects:
        is_own = one.kind in _MESH_KINDS or (one.kind in ("ConfigMap", "Deployment") and _OF_MESH.match(one.name))
        if is_own:
            yield "\n".join(_lines(one.data))


def _lines(data: Any) -> Iterator[str]:
    if isinstance(data, Map):
        if "name" in data and "value" in data:
            yield f"{data.text('name')}: {_said(data, 'value')}"
        for key, value in data.items():
            if isinstance(value, (Map, Seq)):
                yield from _lines(value)
            else:
                yield f"{key}: {str(value).lower() if isinstance(value, bool) else value}"
    elif isinstance(data, Seq):
        for value in data:
            yield from _lines(value)
