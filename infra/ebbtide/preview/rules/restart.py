"""What restarts consumers, and what only looks as if it did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import Operation, ResourceChange
from ebbtide.preview.fleet import Pods, autoscalers, drain_sentence, plural, rolls_pods
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.settings.values.image import split_image

_SPOT_LABEL = "cloud.google.com/gke-spot"
# The settings behind our own variables.
_OWN_VARIABLES = {
    "EBBTIDE_LONGEST_MESSAGE_SECONDS": "shutdown budget",
    "EBBTIDE_STOP_WAIT_SECONDS": "shutdown budget",
    "EBBTIDE_DRAIN_DEADLINE_SECONDS": "shutdown budget",
    "EBBTIDE_GRACE_SECONDS": "shutdown budget",
    "EBBTIDE_PROCESSES": "processes",
    "EBBTIDE_DRAIN": "way to drain",
    "EBBTIDE_TIME_LIMIT_SECONDS": "time limit",
    "EBBTIDE_MEMORY_LIMIT_MEBIBYTES": "memory limit of a process",
    "EBBTIDE_WORKER_START": "start of a process",
    "EBBTIDE_RECOVER_AFTER_SECONDS": "recovery of killed messages",
}


@change_rule(
    "P-10",
    RiskLevel.DISRUPTIVE,
    remedy="Make sure that broker and database take the connections of both fleets.",
    source="Kubernetes counts no pod that is ending, so that old and new run side by side.",
)
def check_restart(context: Context) -> Iterator[Risk]:
    """The pod template changes: every pod is replaced by a rolling update. Says how many drain, how
    long the slowest may take, and how many pods and connections there are while old and new overlap."""
    for change in context.of("Deployment", Operation.UPDATE):
        if rolls_pods(change):
            autoscaler = next((found for found in autoscalers(context) if found.title == change.title), None)
            consumer = context.consumers.get(change.title)
            sentence = f"{change.title} restarts ({_reasons(change)}): {drain_sentence(change, consumer, autoscaler)}"
            advice = "make sure that broker and database take that many connections" if consumer else ""
            yield Risk(change.title, sentence, advice, change.key)


def _reasons(change: ResourceChange) -> str:
    names = dict.fromkeys(_reason(found.path) for found in change.properties if found.path[:2] == ("spec", "template"))
    listed = list(names)
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")


def _reason(path: tuple[str | int, ...]) -> str:
    """The part of the template in one word or two: `image`, `variable APP_ENV`, `resources`."""
    below = path[2:]
    if "env" in below and below.index("env") + 1 < len(below):
        name = str(below[below.index("env") + 1])
        return _OWN_VARIABLES.get(name, f"variable {name}")
    if below[-1:] == ("terminationGracePeriodSeconds",):
        return "shutdown budget"
    if "args" in below:
        return "worker command"
    if below[:1] == ("metadata",):
        return "labels" if "labels" in below else "annotations"
    words = [
        str(part) for part in below if part not in {"spec", "containers", "consumer"} and not isinstance(part, int)
    ]
    return words[0] if words else "pod template"


@change_rule(
    "P-11",
    RiskLevel.INFO,
    remedy="Name digests: a tag can change without a word.",
    source="OCI: a tag is a name, a digest is the content.",
)
def check_image(context: Context) -> Iterator[Risk]:
    """The image changes: says which versions, whether it comes from another repository, and whether a
    digest gives way to a tag, which can change without a word."""
    for change in context.of("Deployment", Operation.UPDATE):
        old, new = Pods.of(change.old).image, Pods.of(change.new).image
        if old == new or not old or not new:
            continue
        words = f"{change.title} changes its image from {_version(old)} to {_version(new)}"
        advice = ""
        try:
            (old_repository, old_tag, old_digest), (repository, tag, digest) = split_image(old), split_image(new)
        except ValueError:
            yield Risk(change.title, words, advice, change.key)
            continue
        if old_repository != repository:
            words += f", from {old_repository} to {repository}"
        if old_tag == tag and tag and old_digest != digest:
            words += f" under the same tag {tag}"
        if old_digest and not digest:
            advice = "a tag can change without a word; name the digest"
        yield Risk(change.title, words, advice, change.key)


def _version(image: str) -> str:
    try:
        _, tag, digest = split_image(image)
    except ValueError:
        return image
    return digest[: len("sha256:") + 12] if digest else str(tag)


@change_rule(
    "P-12",
    RiskLevel.DISRUPTIVE,
    remedy="Choose the time; every pod drains once.",
    source="GKE, node upgrades: surge upgrades evict pod by pod.",
)
def check_nodes(context: Context) -> Iterator[Risk]:
    """Nodes are made anew or upgraded: pods are evicted one by one and drain."""
    for change in context.of("NodePool", Operation.UPDATE):
        if change.touches("nodeConfig") or change.touches("version"):
            sentence = (
                f"nodes of {change.title} are replaced one after the other: pods on them are evicted, drain and start "
                "elsewhere"
            )
            yield Risk(change.title, sentence, resource=change.key)


@change_rule(
    "P-13",
    RiskLevel.INFO,
    remedy="Expect updates and scale-downs to take longer.",
    source="terminationGracePeriodSeconds.",
)
def check_drains_longer(context: Context) -> Iterator[Risk]:
    """Pods get more time to finish: updates, drains and scale-downs take longer."""
    for change in context.of("Deployment", Operation.UPDATE):
        before, after = Pods.of(change.old), Pods.of(change.new)
        if after.grace_seconds > before.grace_seconds:
            sentence = (
                f"pods of {change.title} may take {after.grace_seconds}s to end instead of {before.grace_seconds}s"
            )
            yield Risk(change.title, sentence, resource=change.key)


@change_rule(
    "P-14",
    RiskLevel.INFO,
    remedy="Make sure that its queue is meant to be consumed.",
    source="The Deployment is new.",
)
def check_new_consumer(context: Context) -> Iterator[Risk]:
    """A consumer is new."""
    for change in context.of("Deployment", Operation.CREATE):
        consumer = context.consumers.get(change.title)
        size = ""
        if consumer:
            least, most = consumer.autoscaling.min_replicas, consumer.autoscaling.max_replicas
            size = (
                f" with {least} to {most} pods of {consumer.worker.processes} processes"
                if most != least
                else f" with {plural(least, 'pod')}"
            )
        yield Risk(change.title, f"{change.title} is new{size}", resource=change.key)


@change_rule(
    "P-16",
    RiskLevel.DISRUPTIVE,
    remedy="Keep messages shorter than the notice.",
    source="GKE, Spot VMs: 30 s of notice, 15 of them for user pods; up to 120 s by the kubelet's configuration.",
)
def check_spot(context: Context) -> Iterator[Risk]:
    """A consumer moves onto Spot capacity, where a pod gets 15 s to finish, best effort (V-08)."""
    for change in context.of("Deployment", Operation.CREATE, Operation.UPDATE):
        selector = ("spec", "template", "spec", "nodeSelector")
        if _at(change.new, *selector).get(_SPOT_LABEL) and not _at(change.old, *selector).get(_SPOT_LABEL):
            sentence = f"{change.title} runs on Spot capacity: a pod may be ended at any time with 15s to finish"
            yield Risk(change.title, sentence, resource=change.key)


def _at(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The mapping at a path; empty if there is none."""
    here: Any = document
    for part in path:
        here = here.get(part) if isinstance(here, Mapping) else None
    return here if isinstance(here, Mapping) else {}


@change_rule(
    "P-15",
    RiskLevel.INFO,
    remedy="Nothing.",
    source="metadata of an object is not in its pod template.",
)
def check_labels_only(context: Context) -> Iterator[Risk]:
    """Only labels or annotations of objects change; no pod restarts."""
    relabelled: dict[str, list[ResourceChange]] = {}
    for change in context.change.changes:
        only = change.operation is Operation.UPDATE and change.properties and not change.options
        if only and all(
            found.path[:1] == ("metadata",) or found.path[:1] in {("labels",), ("resourceLabels",)}
            for found in change.properties
        ):
            relabelled.setdefault(change.title, []).append(change)
    for title, changes in relabelled.items():
        sentence = f"only labels or annotations of {', '.join(change.kind for change in changes)} {title} change"
        yield Risk(title, sentence, resource=changes[0].key)
