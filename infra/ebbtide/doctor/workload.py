"""Workloads and their containers, of Kubernetes and of compose files, with the line of each fact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ebbtide.doctor.data import Map, Place, Said
from ebbtide.doctor.image import Command


@dataclass(frozen=True, slots=True)
class Hook:
    """What runs before the stop signal."""

    place: Place
    command: Command | None = None
    sleep_seconds: int | None = None
    """Of the `sleep` action."""


@dataclass
class Container:
    """One container of a pod."""

    name: str
    place: Place
    image: Said[str] | None = None
    command: Command | None = None
    arguments: Command | None = None
    hook: Hook | None = None
    environment: Mapping[str, Said[str]] = field(default_factory=dict)
    stop_signal: Said[str] | None = None
    resources: Map = field(default_factory=Map)
    data: Map = field(default_factory=Map)
    is_sidecar: bool = False
    """A native one: it ends after the others."""
    has_ports: bool = False


@dataclass
class Workload:
    """Pods of one template, or a service of a compose file."""

    kind: str
    name: str
    namespace: str
    place: Place
    containers: list[Container]
    data: Map
    pod: Map
    annotations: Map = field(default_factory=Map)
    """Of its pods."""
    labels: Map = field(default_factory=Map)
    """Of its pods."""
    grace: Said[int] | None = None
    """None: nobody wrote it."""
    default_grace: int = 30
    replicas: Said[int] | None = None
    is_live: bool = False
    """It comes from a cluster, which fills in what nobody wrote."""
    may_be_patched: bool = False
    """An overlay that was handed over may say what it leaves out."""

    @property
    def title(self) -> str:
        """`Deployment mail`."""
        return f"{self.kind} {self.name}"

    @property
    def grace_seconds(self) -> int:
        """From the stop signal, hook included, to the kill."""
        return self.grace.value if self.grace else self.default_grace

    @property
    def grace_place(self) -> Place:
        """Where it is written, or where the pod is."""
        return (
            self.grace.place if self.grace else Place(self.place.file, self.pod.line if self.pod else self.place.line)
        )

    def at(self, data: Map, key: str = "") -> Place:
        """A key of its manifest."""
        return Place(self.place.file, data.line_of(key) if key else data.line)


@dataclass(frozen=True, slots=True)
class ManifestObject:
    """Any object of Kubernetes."""

    data: Map
    file: str

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.data.text("kind")

    @property
    def group(self) -> str:
        """Its API group; empty for the core's."""
        return self.data.text("apiVersion").rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its name."""
        return self.data.map("metadata").text("name")

    @property
    def namespace(self) -> str:
        """Its namespace, as far as it is written."""
        return self.data.map("metadata").text("namespace")

    @property
    def title(self) -> str:
        """`HorizontalPodAutoscaler mail`."""
        return f"{self.kind} {self.name}".rstrip()

    @property
    def is_live(self) -> bool:
        """Whether it comes from a cluster."""
        return "uid" in self.data.map("metadata") or "resourceVersion" in self.data.map("metadata")

    def at(self, data: Map | None = None, key: str = "") -> Place:
        """A key of it."""
        where = self.data if data is None else data
        return Place(self.file, where.line_of(key) if key else where.line)

    def scaled(self) -> Map:
        """What an autoscaler scales; empty for anything else."""
        return self.data.map("spec", "scaleTargetRef")


Autoscalers = Mapping[tuple[str, str], list[ManifestObject]]
"""By kind and name of what they scale."""


def autoscalers_of(objects: Iterable[ManifestObject]) -> Autoscalers:
    """The autoscalers among objects."""
    found: dict[tuple[str, str], list[ManifestObject]] = {}
    for one in objects:
        if one.kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            target = one.scaled()
            found.setdefault((target.text("kind") or "Deployment", target.text("name")), []).append(one)
    return found


def scaled_by(workload: Workload, autoscalers: Autoscalers) -> Iterator[ManifestObject]:
    """The autoscalers of a workload; a namespace that nobody wrote is any."""
    for one in autoscalers.get((workload.kind, workload.name), ()):
        if not one.namespace or not workload.namespace or one.namespace == workload.namespace:
            yield one
