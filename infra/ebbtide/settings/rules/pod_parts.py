"""Rules about what a pod has beside its workers: nothing of it may take the ground from under the drain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import Any

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.pod_parts import hides_the_system
from ebbtide.settings.models.shutdown import SAFE_TO_EVICT
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumer_rule, consumers_of, stack_rule
from ebbtide.settings.values.image_contract import (
    CONSUMER_NAME,
    HOSTNAME,
    PROGRAMS_DIRECTORY,
    STATE_DIRECTORY,
    VARIABLE_PREFIX,
)
from ebbtide.settings.values.names import CONTAINER_NAME, SELECTING_LABELS

# SidecarContainers: on by default from 1.29.
SIDECARS_MINOR = 29
DIRECTIVE = "$patch"
MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "evictionResponders": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ports": "containerPort",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""By which field Kubernetes tells the entries of a Deployment's lists apart, by the list's name."""

POD = ("spec", "template", "spec")
WORKERS = (*POD, "containers", CONTAINER_NAME)
_NUMBERS = "the numbers of the shutdown are derived together; write shutdown.longestMessage"
_IDENTITY = "other objects find it by this"
_HOSTNAME = "workers name themselves towards the broker by their pod's host name"
_PID_1 = "PID 1 must be the image's own, and alone with its workers"
_PROBES = "it knows what a drain is; another would end a pod that drains"
PROTECTED: tuple[tuple[Path, str], ...] = (
    *(((name,), _IDENTITY) for name in ("apiVersion", "kind")),
    *((("metadata", name), _IDENTITY) for name in ("name", "namespace")),
    (("spec", "selector"), "it can never change, and decides whose pods are counted"),
    *((("spec", "template", "metadata", "labels", name), "pods are selected by it") for name in SELECTING_LABELS),
    (
        ("spec", "template", "metadata", "annotations", SAFE_TO_EVICT),
        "the time that a pod has to finish is judged by it; write shutdown.nodeScaleDown",
    ),
    (("spec", "replicas"), "the autoscaler owns it; write autoscaling"),
    (("spec", "strategy"), "an update must take no pod away before another one is ready"),
    (("spec", "paused"), "no update would ever reach the pods"),
    ((*POD, "terminationGracePeriodSeconds"), _NUMBERS),
    *(((*POD, name), _PID_1) for name in ("shareProcessNamespace", "hostPID", "restartPolicy")),
    *(((*POD, name), _HOSTNAME) for name in ("hostNetwork", "hostname", "subdomain", "setHostnameAsFQDN")),
    *(
        ((*POD, "securityContext", name), "what the image writes belongs to its user; write userId")
        for name in ("runAsUser", "runAsGroup", "fsGroup")
    ),
    *(((*POD, "volumes", name), "the image writes there while it drains") for name in ("state", "tmp")),
    ((*POD, "activeDeadlineSeconds"), "the API server refuses it: pods of a Deployment have no end"),
    ((*WORKERS, "image"), "settings and image are checked together; write image"),
    ((*WORKERS, "command"), _PID_1),
    ((*WORKERS, "args"), "the worker's command is judged; write worker"),
    ((*WORKERS, "lifecycle"), "its preStop hook is the drain"),
    *(((*WORKERS, name), _PROBES) for name in ("startupProbe", "readinessProbe", "livenessProbe")),
    # Others, as GPUs, no rule knows, and no setting says.
    *(
        ((*WORKERS, "resources", part, name), "rules hold it against what the workers need; write resources")
        for part in ("requests", "limits")
        for name in ("cpu", "memory", "ephemeral-storage")
    ),
    *(
        ((*WORKERS, "securityContext", name), "what the image writes belongs to its user; write userId")
        for name in ("runAsUser", "runAsGroup")
    ),
    *(((*WORKERS, "env", name), _HOSTNAME) for name in (HOSTNAME, CONSUMER_NAME)),
    *(
        ((*WORKERS, name), "a pod whose container is not started again has no workers")
        for name in ("restartPolicy", "restartPolicyRules")
    ),
)
"""What the drain stands on, with the reason; and what stands beside it is in `_refusal`."""
# Of what is nowhere beside itself.
_APART = (*POD, "affinity", "podAntiAffinity")


@stack_rule(
    "M-01",
    Level.ERROR,
    remedy="Upgrade the cluster and write the new kubernetesVersion.",
    source="Kubernetes, sidecar containers: on by default from 1.29.",
)
def check_sidecars_exist(stack: StackSettings) -> Iterator[Finding]:
    """Sidecars are ended after the workers, which Kubernetes does from 1.29 on."""
    for path, consumer in consumers_of(stack):
        if consumer.pod.sidecars and stack.kubernetes_minor < SIDECARS_MINOR:
            yield Finding(
                (*path, "pod", "sidecars"),
                f"need Kubernetes 1.{SIDECARS_MINOR} (the cluster has {stack.cluster.kubernetes_version})",
                "upgrade the cluster, and write the new kubernetesVersion",
            )


@consumer_rule(
    "M-02",
    Level.ERROR,
    remedy="Give each a directory of its own.",
    source="The API server refuses two mounts at one path; one inside of another hides what is below it.",
)
def check_mounts_apart(consumer: ConsumerSettings) -> Iterator[Finding]:
    """No two volumes of a container lie at one path, or one inside of the other."""
    pod = consumer.pod
    places: list[tuple[Path, str]] = [
        *((("writableDirectories", at), path) for at, path in enumerate(consumer.writable_directories)),
        *((("pod", "files", at), files.path) for at, files in enumerate(pod.files)),
        *((("pod", "volumes", at), volume.path) for at, volume in enumerate(pod.volumes)),
    ]
    yield from _nested(places)
    for kind, parts in (("sidecars", pod.sidecars), ("initContainers", pod.init_containers)):
        for name, part in parts.items():
            at: Path = ("pod", kind, name)
            inside = [
                *(((*at, "writableDirectories", n), path) for n, path in enumerate(part.writable_directories)),
                *(((*at, "files", n), files.path) for n, files in enumerate(part.files)),
            ]
            yield from _nested(inside)


def _nested(places: list[tuple[Path, str]]) -> Iterator[Finding]:
    for at, (path, directory) in enumerate(places):
        for _, other in places[:at]:
            if f"{directory}/".startswith(f"{other}/") or f"{other}/".startswith(f"{directory}/"):
                yield Finding(
                    path, f"lies at or inside of another volume (got {directory} and {other})", "move one of them"
                )


@consumer_rule(
    "M-03",
    Level.WARNING,
    remedy="Write started: {port: ...}.",
    source="Kubernetes, sidecar containers: what comes next starts when the startup probe of a sidecar has succeeded.",
)
def check_sidecars_are_waited_for(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The workers wait until a sidecar is there that they need; otherwise the first fail, and starts are held."""
    for name, sidecar in consumer.pod.sidecars.items():
        if sidecar.started is None:
            yield Finding(
                ("pod", "sidecars", name),
                "is not waited for: workers that need it fail until it listens",
                "write started: {port: ...}, or accept this where no worker needs it",
            )


@consumer_rule(
    "M-04",
    Level.ERROR,
    remedy="Use the setting that the message names, or leave it out.",
    source="docs/draining.md: what a drain stands on.",
)
def check_patch_leaves_the_drain_alone(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A patch touches nothing that the drain stands on: the grace period, the hook, PID 1, probes, the state directory,
    who owns the number of pods, what keeps a singleton from being there twice; and adds no plain container, which is
    ended while workers still finish."""
    for where, target, value in touched(consumer.pod.patch):
        if reason := refusal_of(consumer, target, value):
            yield Finding(("pod", "patch", *where), f"must not be patched: {reason}", "take it out of the patch")


def touched(patch: Mapping[str, Any]) -> Iterator[tuple[Path, Path, Any]]:
    """Everything that a patch writes: where it stands in the patch, which place of the Deployment it is, and the value.
    Entries of named lists are told apart by their names."""
    return _touched(patch, (), ())


def _touched(value: Any, where: Path, target: Path) -> Iterator[tuple[Path, Path, Any]]:
    if isinstance(value, Mapping):
        if DIRECTIVE in value or (target and not value):
            yield where, target, value
        for key, entry in value.items():
            if key != DIRECTIVE:
                yield from _touched(entry, (*where, str(key)), (*target, str(key)))
    elif isinstance(value, (list, tuple)) and (key := MERGE_KEYS.get(str(target[-1]))) is not None:
        for at, entry in enumerate(value):
            name = entry.get(key) if isinstance(entry, Mapping) else None
            yield from _touched(entry, (*where, at), (*target, "" if name is None else str(name)))
    else:
        yield where, target, value


def refusal_of(consumer: ConsumerSettings, target: Path, value: Any) -> str:
    """Why a place of the Deployment must stay as it is; empty where it may change."""
    if reason := _unknown(target, value) or _protected(target) or _of_containers(target):
        return reason
    is_apart = not consumer.autoscaling.overlaps and _is_at(target, _APART)
    return "it keeps the next pod from starting before this one has ended" if is_apart else ""


def _unknown(target: Path, value: Any) -> str:
    """What this patch would not do as it is meant."""
    if "" in target:
        return "an entry of this list needs its name, by which it is found"
    directive = value.get(DIRECTIVE) if isinstance(value, Mapping) else None
    if directive not in {None, "delete", "replace"} or any(str(part).startswith("$") for part in target):
        return "of the directives only $patch: delete and $patch: replace are known here"
    return ""


def _protected(target: Path) -> str:
    return next((reason for protected, reason in PROTECTED if _is_at(target, protected)), "")


def _is_at(target: Path, protected: Path) -> bool:
    """At or below it, or a whole mapping around it that goes."""
    return protected[: len(target)] == target or target[: len(protected)] == protected


def _of_containers(target: Path) -> str:
    """What depends on a name that is not known before."""
    name = target[-1]
    if target[:4] == (*POD, "containers") and target[:5] != WORKERS:
        return "a plain container is ended while the workers still finish their messages; write pod.sidecars"
    if target[:4] == (*POD, "initContainers") and name == "restartPolicy":
        return "it decides whether a container is ended after the workers; write pod.sidecars"
    below = target[6:7]
    if target[:6] == (*WORKERS, "env") and below and str(below[0]).startswith(VARIABLE_PREFIX):
        return _NUMBERS
    if target[:6] == (*WORKERS, "volumeMounts") and below:
        path = normpath(str(below[0]))
        if _is_own(path):
            return "the image writes there while it drains"
        if hides_the_system(path):
            return "a volume there hides programs of the system"
    return ""


def _is_own(path: str) -> bool:
    own = (STATE_DIRECTORY, PROGRAMS_DIRECTORY, "/tmp")  # noqa: S108 - a path in the container
    return any(f"{one}/".startswith(f"{path.rstrip('/')}/") or path.startswith(f"{one}/") for one in own)


# What the volumes of a pod are called by ebbtide.
_OWN_VOLUME = re.compile(r"state|tmp|broker|api-server|(?:.+-)?(?:writable|files|volume)-[0-9]+")


@consumer_rule(
    "M-04b",
    Level.ERROR,
    remedy="Give the patch a volume of this name, or write pod.volumes, pod.files or writableDirectories instead.",
    source="The API server's validation of a Deployment: a volumeMount's volume must be there.",
)
def check_patched_mounts_have_their_volume(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What a patch mounts is there: among the volumes of the patch, or of the pod. Else the Deployment is refused."""
    written = list(touched(consumer.pod.patch))
    volumes = {target[4] for _, target, _ in written if target[:4] == (*POD, "volumes") and len(target) > 4}
    for where, target, value in written:
        is_mount = target[3:4] in {("containers",), ("initContainers",)} and target[5:6] == ("volumeMounts",)
        if is_mount and target[7:] == ("name",) and value not in volumes and not _OWN_VOLUME.fullmatch(str(value)):
            yield Finding(
                ("pod", "patch", *where),
                f"is a volume that the pod has not (got {value!r}): the API server refuses the Deployment",
                "write it under volumes of the patch too, or write pod.volumes instead",
            )


@consumer_rule(
    "W-02",
    Level.WARNING,
    remedy="Mount it below the directory in which the workers start, or accept this where the program lies elsewhere.",
    source="A volume hides what the image has at its place.",
)
def check_the_program_is_not_hidden(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Files and volumes stand beside the program, and not in its place: of the directory in which the workers start
    nothing is left that the image has there. W-01 says it of an empty one."""
    start = normpath(consumer.worker.working_directory)
    places: list[tuple[Path, str]] = [
        *((("pod", "files", at), files.path) for at, files in enumerate(consumer.pod.files)),
        *((("pod", "volumes", at), volume.path) for at, volume in enumerate(consumer.pod.volumes)),
        *(
            (("pod", "patch", *where), normpath(str(value)))
            for where, target, value in touched(consumer.pod.patch)
            if target[:6] == (*WORKERS, "volumeMounts") and target[7:] == ("mountPath",)
        ),
    ]
    for where, path in places:
        if f"{start}/".startswith(f"{path}/"):
            yield Finding(
                where,
                f"hides what the image has in {start}, where the workers start (mounted at {path})",
                "mount it below, or accept this where the program lies elsewhere",
            )


@consumer_rule(
    "M-05",
    Level.ERROR,
    remedy="Name a class of your own.",
    source="Kubernetes, PriorityClasses: system- is reserved; such pods push system pods off a node.",
)
def check_priority_is_no_systems(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A consumer takes no priority of the system's."""
    name = consumer.pod.priority_class
    if name is not None and name.startswith("system-"):
        yield Finding(("pod", "priorityClass"), f"is the system's own (got {name!r})", "name a class of your own")


@consumer_rule(
    "M-06",
    Level.WARNING,
    remedy="Write kind: containerCpu, which measures the workers alone.",
    source="Kubernetes, HPA: a Resource metric is the sum of all containers, sidecars included.",
)
def check_sidecars_are_not_measured(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A CPU target measures the workers, and not what stands beside them."""
    if consumer.pod.sidecars:
        for one in consumer.autoscaling.pod_targets:
            if one.resource == "cpu" and one.container is None:
                yield Finding((*one.path, *one.alone_at), "measures the sidecars as well", f"write {one.alone}")


@consumer_rule(
    "M-06a",
    Level.WARNING,
    remedy="Write consumer, which is what the workers' container is called, or the name of a sidecar.",
    source="Kubernetes, HPA: a pod without metrics of the named container is an error of the metric.",
)
def check_measured_container_is_there(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A container that is measured is one of the pod's. What something else injects is not known here."""
    names = [CONTAINER_NAME, *consumer.pod.sidecars]
    for one in consumer.autoscaling.pod_targets:
        if one.container is not None and one.container not in names:
            yield Finding(
                (*one.path, *one.container_at),
                f"is no container of these pods ({', '.join(names)}), unless something injects it (got "
                f"{one.container!r}): nothing would be measured",
                f"write {CONTAINER_NAME}",
            )
