"""Service meshes: by which labels and annotations a pod asks for their proxy, and which make it a native sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mesh:
    """Whose proxy stands between the workers and their broker."""

    name: str
    asked_by: Mapping[str, frozenset[str]]
    """The keys that ask for a proxy, each with the values that do not."""
    native: tuple[str, ...] = ()
    """The annotations that make it a native sidecar, which Kubernetes ends after the workers."""


_NO = frozenset({"false", "disabled", "disable", "no", "off", "n", "0", ""})
ISTIO = Mesh(
    "Istio",
    {"sidecar.istio.io/inject": _NO, "istio.io/rev": frozenset()},
    ("sidecar.istio.io/nativeSidecar",),
)
LINKERD = Mesh(
    "Linkerd",
    {"linkerd.io/inject": _NO},
    tuple(f"config.{stage}.linkerd.io/proxy-enable-native-sidecar" for stage in ("beta", "alpha")),
)
MESHES = (
    ISTIO,
    LINKERD,
    Mesh("Kuma", {"kuma.io/sidecar-injection": _NO}),
    Mesh("Consul", {"consul.hashicorp.com/connect-inject": _NO}),
)
