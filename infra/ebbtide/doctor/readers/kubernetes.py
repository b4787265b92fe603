"""Objects of Kubernetes, and the workloads among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ebbtide.doctor.data import Map, Place, Said, Seq
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.image import Command
from ebbtide.doctor.shown import one_line
from ebbtide.doctor.workload import Container, Hook, ManifestObject, Workload

# Where the pod's template stands, by kind, if it is elsewhere than almost all have it: Argo's Rollout, OpenShift's
# DeploymentConfig and Knative's Service do as a Deployment does.
_TEMPLATE: Final = ("spec", "template")
_TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "ScaledJob": ("spec", "jobTargetRef", "template"),
    "Pod": (),
}
_KNATIVE_SECONDS: Final = 300
"""Knative's default of timeoutSeconds, which is the grace period of its pods too."""


def objects_of(document: Any, file: str) -> Iterator[ManifestObject]:
    """The objects of a document; a List is what is in it."""
    if isinstance(document, Seq):
        for entry in document:
            yield from objects_of(entry, file)
    if not isinstance(document, Map) or "kind" not in document or "apiVersion" not in document:
        return
    if document.text("kind").endswith("List") and isinstance(document.get("items"), Seq):
        yield from objects_of(document["items"], file)
    else:
        yield ManifestObject(document, file)


def pod_of(one: ManifestObject) -> Map:
    """The spec of the pods that an object makes; empty where it makes none."""
    return one.data.map(*_TEMPLATES.get(one.kind, _TEMPLATE), "spec")


def workload_of(one: ManifestObject) -> Workload | None:
    """The workload that an object is; None where it runs no pods, or states none."""
    pod = pod_of(one)
    containers = [_container(entry, one.file) for entry in pod.items_of("containers")]
    containers += [
        _container(entry, one.file, is_sidecar=True)
        for entry in pod.items_of("initContainers")
        if entry.get("restartPolicy") == "Always"
    ]
    if not containers:
        return None
    spec = one.data.map("spec")
    is_knative = one.group == "serving.knative.dev"
    return Workload(
        kind=one.kind,
        name=one.name or one.data.map("metadata").text("generateName"),
        namespace=one.namespace,
        place=one.at(),
        containers=containers,
        data=one.data,
        pod=pod,
        annotations=one.data.map(*_TEMPLATES.get(one.kind, _TEMPLATE), "metadata", "annotations"),
        labels=one.data.map(*_TEMPLATES.get(one.kind, _TEMPLATE), "metadata", "labels"),
        grace=_integer(pod, "timeoutSeconds" if is_knative else "terminationGracePeriodSeconds", one.file),
        default_grace=_KNATIVE_SECONDS if is_knative else 30,
        replicas=_integer(spec, "replicas", one.file),
        is_live=one.is_live,
    )


def no_object(document: Any, file: str) -> Iterator[Note]:
    """Of a document that would be a workload if it said its kind."""
    if isinstance(document, Map) and document.map(*_TEMPLATE, "spec").items_of("containers"):
        lacks = "apiVersion" if "kind" in document else "kind"
        yield Note(Place(file, document.line), f"has no {lacks}: kubectl refuses it, and it was not judged")


def not_read(one: ManifestObject) -> Iterator[Note]:
    """Where a workload says something in a form that nothing here reads, so that it passes for not said."""
    pod = pod_of(one)
    for data, key in ((pod, "terminationGracePeriodSeconds"), (one.data.map("spec"), "replicas")):
        value = data.get(key)
        if pod and isinstance(value, str) and not value.isdecimal():
            text = (
                f"{one.title}: {key} is {one_line(value)!r}, which is no number here; what depends on it is not judged"
            )
            yield Note(one.at(data, key), text)
    for key in ("containers", "initContainers"):
        entries = pod.get(key)
        is_list = isinstance(entries, Seq) and all(isinstance(entry, Map) for entry in entries)
        if key in pod and entries is not None and not is_list:
            yield Note(one.at(pod, key), f"{one.title}: its {key} are no list of containers, and were not judged")


def _integer(data: Map, key: str, file: str) -> Said[int] | None:
    value = data.get(key)
    if isinstance(value, str) and value.isdecimal() and len(value) < 9:
        value = int(value)  # in quotes: it is refused (D-6b), and judged as it was meant
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return Said(value, Place(file, data.line_of(key))) if is_number and value is not None else None


def _container(data: Map, file: str, *, is_sidecar: bool = False) -> Container:
    place = Place(file, data.line)
    image = Said(data.text("image"), Place(file, data.line_of("image"))) if data.text("image") else None
    signal = data.map("lifecycle").text("stopSignal")
    return Container(
        name=data.text("name"),
        place=place,
        image=image,
        command=_command(data, "command", file),
        arguments=_command(data, "args", file),
        hook=_hook(data, file),
        environment=_environment(data, file),
        stop_signal=Said(signal.removeprefix("SIG"), Place(file, data.map("lifecycle").line)) if signal else None,
        resources=data.map("resources"),
        data=data,
        is_sidecar=is_sidecar,
        has_ports=bool(data.get("ports")),
    )


def _command(data: Map, key: str, file: str) -> Command | None:
    words = data.get(key)
    if not isinstance(words, Seq) or not words:
        return None
    return Command(tuple(str(word) for word in words), Place(file, data.line_of(key)))


def _loosely(data: Map, name: str) -> Map:
    return data.map(next((key for key in data if key.lower() == name.lower()), name))


def _hook(data: Map, file: str) -> Hook | None:
    # Also one that is misspelt, which the cluster drops (D-62): it is judged as it was meant.
    hook = _loosely(_loosely(data, "lifecycle"), "preStop")
    if not hook:
        return None
    place = Place(file, hook.line)
    command = _command(hook.map("exec"), "command", file)
    seconds = hook.map("sleep").get("seconds")
    return Hook(place, command, seconds if isinstance(seconds, int) else None)


def _environment(data: Map, file: str) -> dict[str, Said[str]]:
    return {
        entry.text("name"): Said(entry.text("value"), Place(file, entry.line))
        for entry in data.items_of("env")
        if "value" in entry
    }
