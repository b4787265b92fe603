"""Rule M-04a: what else a patch writes is known to leave a drain alone, or is not judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.rules.pod_parts import POD, WORKERS, touched

_STARTS = "only where and when a pod starts"
_NAMES = "only how a name becomes an address"
_BEFORE = "it has ended before the workers start"
HARMLESS: Mapping[Path, str] = {
    **dict.fromkeys((("metadata", "labels"), ("metadata", "annotations")), "of the Deployment, and not of its pods"),
    **dict.fromkeys(
        tuple(("spec", "template", "metadata", name) for name in ("labels", "annotations")),
        "M-08 and M-08a judge these",
    ),
    ("spec", "minReadySeconds"): "only how fast an update goes on",
    ("spec", "progressDeadlineSeconds"): "only when an update that goes on is called failed",
    ("spec", "revisionHistoryLimit"): "only how many old ReplicaSets, of no pods, are kept",
    **dict.fromkeys(tuple((*POD, name) for name in ("topologySpreadConstraints", "preemptionPolicy")), _STARTS),
    # By labels of nodes it may ask for Spot ones.
    **dict.fromkeys(tuple((*POD, "affinity", name) for name in ("podAffinity", "podAntiAffinity")), _STARTS),
    **dict.fromkeys(tuple((*POD, name) for name in ("hostAliases", "dnsConfig")), _NAMES),
    (*POD, "enableServiceLinks"): "variables of services that the workers do not read",
    (*POD, "imagePullSecrets"): _STARTS,
    (*POD, "initContainers"): f"{_BEFORE}; M-04 refuses what would make a sidecar of it",
    (*POD, "volumes"): "M-04 refuses those that the image writes to",
    (*WORKERS, "volumeMounts"): "M-04 refuses those that hide what the image needs",
    (*WORKERS, "name"): "by it the container is found",
    (*WORKERS, "imagePullPolicy"): _STARTS,
    (*WORKERS, "ports"): "a port is only written down",
    (*WORKERS, "terminationMessagePath"): "only where the last words of a container are kept",
    (*WORKERS, "terminationMessagePolicy"): "only where the last words of a container are kept",
    # What M-04 leaves of it: GPUs and the like.
    **dict.fromkeys(tuple((*WORKERS, "resources", part) for part in ("requests", "limits")), _STARTS),
}
"""What a patch may write without anybody asking further, by place, each with its reason; short on purpose."""
# Where a setting says the same, and rules hold it.
_SETTINGS: Mapping[Path, str] = {
    (*POD, "nodeSelector"): "placement.nodeSelector",
    (*POD, "tolerations"): "placement.tolerations",
    (*POD, "serviceAccountName"): "serviceAccount",
    (*POD, "priorityClassName"): "pod.priorityClass",
    (*WORKERS, "env"): "environment",
    (*WORKERS, "envFrom"): "pod.environmentFrom",
}


@consumer_rule(
    "M-04a",
    Level.WARNING,
    remedy="Use a setting where there is one; otherwise see a busy pod drain with it, and accept this with that.",
    source="ebbtide.settings.rules.patch_judged: what is known to leave a drain alone, each with its reason.",
)
def check_patch_is_judged(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What else a patch writes is known to leave a drain alone. Of any other field nobody here knows that: a runtime
    class, a scheduler, a gate may well be right, and is not judged."""
    for where, target, _ in touched(consumer.pod.patch):
        if any(target[: len(known)] == known for known in HARMLESS):
            continue
        setting = next((name for place, name in _SETTINGS.items() if target[: len(place)] == place), None)
        yield Finding(
            ("pod", "patch", *where),
            "is not judged: whether a drain stays as it is with it, no rule knows",
            f"write {setting}, which rules hold" if setting else "see a busy pod drain with it, and accept this",
        )
