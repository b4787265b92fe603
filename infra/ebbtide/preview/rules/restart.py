"""What restarts consumers, and what only looks as if it did."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ebbtide.preview.autoscalers import bounds_before
from ebbtide.preview.change import UNKNOWN, Operation, ResourceChange
from ebbtide.preview.fleet import Overlap, Pods, drain_sentence, overlap_of, rolls_pods, takes_none_away
from ebbtide.preview.harmless import COMMON_LABELS
from ebbtide.preview.patterns import CREATED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.image import split_image
from ebbtide.settings.values.units import format_duration, format_memory, plural

_POD = "spec.template.spec"


_CONTAINER = f"{_POD}.containers.*"


_BESIDE = f"{_POD}.initContainers.*"


# What a new pod may have otherwise without being another program: if it cannot start, the old ones stay, because
# no pod may be missing in an update (P-17 says where that is not so). No probe and no entrypoint is among them.
_ROLLS = (
    # By others somebody selects pods (P-10a), or acts on them.
    *(f"spec.template.metadata.labels[{name}]" for name in COMMON_LABELS),
    "spec.template.metadata.annotations[cluster-autoscaler.kubernetes.io/safe-to-evict]",
    f"{_POD}.enableServiceLinks",
    f"{_POD}.nodeSelector.*",
    *(f"{_POD}.tolerations.*.{name}" for name in ("key", "operator", "value", "effect")),
    *(
        f"{_POD}.topologySpreadConstraints.*.{name}"
        for name in ("maxSkew", "topologyKey", "whenUnsatisfiable", "nodeTaintsPolicy", "matchLabelKeys.*")
    ),
    f"{_POD}.topologySpreadConstraints.*.labelSelector.matchLabels.*",
    f"{_POD}.topologySpreadConstraints",
    f"{_POD}.affinity.podAntiAffinity",
    # Of a singleton, which is nowhere beside itself: it comes and goes with the kind.
    *(
        f"{_POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.*.{name}"
        for name in ("topologyKey", "labelSelector.matchLabels.*")
    ),
    f"{_POD}.volumes.*.name",
    f"{_POD}.volumes.*.emptyDir.medium",
    f"{_POD}.volumes.*.emptyDir.sizeLimit",
    f"{_POD}.volumes.*.emptyDir",
    *(f"{_POD}.volumes.*.{name}" for name in ("secret.secretName", "configMap.name")),
    *(f"{_POD}.volumes.*.{kind}.items.*.{name}" for kind in ("secret", "configMap") for name in ("key", "path")),
    *(f"{_POD}.volumes.*.persistentVolumeClaim.{name}" for name in ("claimName", "readOnly")),
    *(f"{_POD}.volumes.*.csi.{name}" for name in ("driver", "readOnly", "volumeAttributes.*")),
    f"{_POD}.imagePullSecrets.*.name",
    f"{_POD}.priorityClassName",
    f"{_CONTAINER}.image",
    f"{_CONTAINER}.imagePullPolicy",
    f"{_CONTAINER}.workingDir",
    f"{_CONTAINER}.args.*",
    f"{_CONTAINER}.env.*.name",
    f"{_CONTAINER}.env.*.value",
    *(f"{_CONTAINER}.resources.requests.{name}" for name in ("cpu", "memory", "ephemeral-storage")),
    f"{_CONTAINER}.resources.limits.cpu",
    f"{_CONTAINER}.terminationMessagePolicy",
    f"{_CONTAINER}.volumeMounts.*.name",
    f"{_CONTAINER}.volumeMounts.*.mountPath",
    f"{_CONTAINER}.volumeMounts.*.readOnly",
    *(f"{_CONTAINER}.envFrom.*.{name}" for name in ("prefix", "secretRef.name", "configMapRef.name")),
    # Beside the workers: what comes, goes or changes there rolls the pods, and the old ones drain.
    *(
        f"{_BESIDE}.{name}"
        for name in (
            *("name", "image", "imagePullPolicy", "restartPolicy", "command.*", "args.*", "terminationMessagePolicy"),
            *("env.*.name", "env.*.value", "env.*.valueFrom.secretKeyRef.name", "env.*.valueFrom.secretKeyRef.key"),
            *(f"envFrom.*.{part}" for part in ("prefix", "secretRef.name", "configMapRef.name")),
            *(f"volumeMounts.*.{part}" for part in ("name", "mountPath", "readOnly")),
            *(f"resources.requests.{part}" for part in ("cpu", "memory", "ephemeral-storage")),
            "resources.limits.memory",
            *(f"startupProbe.{part}" for part in ("tcpSocket.port", "httpGet.port", "httpGet.path")),
            *(f"startupProbe.{part}" for part in ("periodSeconds", "failureThreshold")),
            *("securityContext.runAsUser", "securityContext.runAsGroup"),
        )
    ),
)


# The settings behind our own variables.
_OWN_VARIABLES = {
    image_contract.LONGEST_MESSAGE_SECONDS: "shutdown budget",
    image_contract.STOP_WAIT_SECONDS: "shutdown budget",
    image_contract.DRAIN_DEADLINE_SECONDS: "shutdown budget",
    image_contract.GRACE_SECONDS: "shutdown budget",
    image_contract.PROCESSES: "processes",
    image_contract.DRAIN_BY: "way to drain",
    image_contract.TIME_LIMIT_SECONDS: "time limit",
    image_contract.MEMORY_LIMIT_MEBIBYTES: "memory limit of a process",
    image_contract.WORKER_START: "start of a process",
    image_contract.SHARED_MEBIBYTES: "start of a process",
    image_contract.RECOVER_AFTER_SECONDS: "recovery of killed messages",
}


@change_rule(
    "P-10",
    RiskLevel.DISRUPTIVE,
    RiskLevel.INFO,
    remedy="Make sure that broker and database take the connections of both fleets.",
    source="Kubernetes counts no pod that is ending, so that old and new run side by side.",
    tells={"Deployment": _ROLLS},
)
def check_restart(context: Context) -> Iterator[Risk]:
    """The pod template changes: every pod is replaced by a rolling update. Says how many drain, how
    long the slowest may take, and how many pods and connections there are while old and new overlap. Information where
    the pods that go have a hook and time for their longest message, as every consumer of ebbtide's has."""
    for change in context.of("Deployment", Operation.UPDATE):
        if rolls_pods(change):
            overlap = _overlap(context, change)
            cause = f"{change.title} restarts ({_reasons(change)})"
            sentence = f"{cause}: {drain_sentence(change, overlap)}"
            advice = "make sure that broker and database take that many connections" if overlap else ""
            level = RiskLevel.INFO if _is_ordinary(change) else RiskLevel.DISRUPTIVE
            yield Risk(change.title, sentence, advice, change.key, level, cause=cause)


def _overlap(context: Context, change: ResourceChange) -> Overlap | None:
    consumer = context.consumers.get(change.title)
    return overlap_of(change, consumer, bounds_before(context, change.title)) if consumer else None


def _is_ordinary(change: ResourceChange) -> bool:
    """Whether the pods that go drain in time, and none goes before its successor is there."""
    return Pods.of(change.old).drains_in_time and takes_none_away(change.new)


@change_rule(
    "P-38",
    RiskLevel.INFO,
    remedy="Make sure that broker, database and cluster take all of it at once, or update one after the other.",
    source="The engine updates every consumer of a stack at the same time.",
)
def check_fleet_restarts(context: Context) -> Iterator[Risk]:
    """Several consumers restart in one update. Says what all of them hold at the peak, old and new together."""
    restarts = [
        (change, overlap)
        for change in context.of("Deployment", Operation.UPDATE)
        if rolls_pods(change) and (overlap := _overlap(context, change))
    ]
    if len(restarts) < 2:
        return
    overlaps = [overlap for _, overlap in restarts]
    limits = [overlap.memory_bytes for overlap in overlaps if overlap.memory_bytes is not None]
    memory = f" and {math.ceil(sum(limits) / 1024**3)}Gi of memory" if len(limits) == len(overlaps) else ""
    sentence = (
        f"{len(restarts)} consumers restart at once: up to {sum(found.most for found in overlaps)} pods drain; "
        f"together at most {sum(found.pods for found in overlaps)} pods with "
        f"{sum(found.broker_connections for found in overlaps)} broker and "
        f"{sum(found.database_connections for found in overlaps)} database connections{memory}"
    )
    yield Risk("all consumers", sentence, "make sure that broker, database and cluster take that at once")


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
    if below[:2] == ("spec", "containers"):
        below = below[3:]
    words = [str(part) for part in below if part != "spec" and not isinstance(part, int)]
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
    for successor in successors(context):
        for whose, before, after in successor.containers():
            old, new = before.image, after.image
            if old == new or not old or new == "":
                continue
            words, advice = _image_words(whose, old, new)
            yield Risk(successor.title, words, advice, successor.change.key)


def _image_words(whose: str, old: str, new: str | None) -> tuple[str, str]:
    """From which to which, and what to do about it."""
    if new is None:
        return f"{whose} changes its image from {_version(old)} to one that is {UNKNOWN!r}", ""
    words = f"{whose} changes its image from {_version(old)} to {_version(new)}"
    try:
        (old_repository, old_tag, old_digest), (repository, tag, digest) = split_image(old), split_image(new)
    except ValueError:
        return words, ""
    if old_repository != repository:
        words += f", from {old_repository} to {repository}"
    if old_tag == tag and tag and old_digest != digest:
        words += f" under the same tag {tag}"
    return words, "a tag can change without a word; name the digest" if old_digest and not digest else ""


def _version(image: str) -> str:
    try:
        _, tag, digest = split_image(image)
    except ValueError:
        return image
    short = digest[: len("sha256:") + 12] if digest else ""
    # Kubernetes takes an image that states neither for its `latest`.
    return f"{tag} ({short})" if tag and short else short or tag or "latest"


@change_rule(
    "P-13",
    RiskLevel.INFO,
    remedy="Expect updates and scale-downs to take longer.",
    source="terminationGracePeriodSeconds.",
    reads={"Deployment": (f"{_POD}.terminationGracePeriodSeconds",)},
)
def check_drains_longer(context: Context) -> Iterator[Risk]:
    """Pods get more time to finish: updates, drains and scale-downs take longer."""
    for successor in successors(context):
        title = successor.title
        was, now = (Pods.of(side).grace_seconds for side in (successor.old, successor.new))
        if was is not None and now is not None and now > was:
            sentence = f"pods of {title} may take {format_duration(now)} to end instead of {format_duration(was)}"
            yield Risk(title, sentence, resource=successor.change.key)


@change_rule(
    "P-14",
    RiskLevel.INFO,
    remedy="Make sure that its queue is meant to be consumed.",
    source="The Deployment is new.",
    tells={"Deployment": (CREATED,)},
)
def check_new_consumer(context: Context) -> Iterator[Risk]:
    """A consumer is new: says what it runs, how many, within which limits, what it may reach and how it ends."""
    for change in context.of("Deployment", Operation.CREATE):
        consumer = context.consumers.get(change.title)
        pods = Pods.of(change.new)
        size = ""
        if consumer:
            least, most = consumer.autoscaling.min_replicas, consumer.autoscaling.max_replicas
            size = (
                f" with {least} to {most} pods of {consumer.worker.processes} processes"
                if most != least
                else f" with {plural(least, 'pod')}"
            )
        words = [f"image {pods.image or UNKNOWN}"]
        if pods.memory_limit_bytes is not None:
            words.append(f"memory limit {format_memory(pods.memory_limit_bytes)}")
        if consumer:
            words.append(f"reaches {_destinations(consumer)}")
        grace = UNKNOWN if pods.grace_seconds is None else format_duration(pods.grace_seconds)
        words.append(f"{grace} to finish")
        yield Risk(change.title, f"{change.title} is new{size}: {', '.join(words)}", resource=change.key)


def _destinations(consumer: ConsumerSettings) -> str:
    """`10.82.0.0/24 (6379)`."""
    named = [
        f"{rule.cidr or rule.namespace or 'pods'} ({', '.join(map(str, rule.ports))})"
        for rule in consumer.network.egress
    ]
    return " and ".join(named) or "nothing but DNS"
