"""Rules about `shutdown.idleFirst`: where it would do nothing, or the wrong thing."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumer_rule, consumers_of, stack_rule
from ebbtide.settings.rules.pod_parts import touched
from ebbtide.settings.values.image_contract import DELETION_COST

# ValidatingAdmissionPolicy v1.
LEAST_MINOR = 30
_PATH = ("shutdown", "idleFirst")


@stack_rule(
    "V-46",
    Level.ERROR,
    remedy="Upgrade the cluster to Kubernetes 1.30, or leave shutdown.idleFirst out.",
    source="admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy, from 1.30 on.",
)
def check_confined(stack: StackSettings) -> Iterator[Finding]:
    """A pod that may write its own deletion cost may write nothing else. RBAC alone would let it change every pod of
    its namespace; the admission policy that takes that back needs Kubernetes 1.30."""
    for path, consumer in consumers_of(stack):
        if consumer.shutdown.idle_first is not None and stack.kubernetes_minor < LEAST_MINOR:
            yield Finding(
                (*path, *_PATH),
                f"needs an admission policy, and Kubernetes {stack.cluster.kubernetes_version} has none",
                'write at least kubernetesVersion: "1.30", or leave it out',
            )


@consumer_rule(
    "V-47",
    Level.ERROR,
    remedy="Leave shutdown.idleFirst out.",
    source="Only an application with WorkerProgress.php tells when a worker has a message; the image says so by the "
    "event idleFirstFailed where a Symfony application has not.",
)
def check_tells_whether_busy(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A worker whose pod says how busy it is can tell. Of another program nobody knows whether it has a message, and
    all pods would cost the same."""
    if consumer.shutdown.idle_first is not None and not consumer.worker.tells_of_messages:
        yield Finding(_PATH, f"a worker of kind {consumer.worker.kind} cannot tell whether it is busy", "leave it out")


@consumer_rule(
    "V-48",
    Level.ERROR,
    remedy="Remove the annotation, or leave shutdown.idleFirst out.",
    source="controller.kubernetes.io/pod-deletion-cost has one value, whoever writes it.",
)
def check_one_writer(consumer: ConsumerSettings) -> Iterator[Finding]:
    """One writer sets a pod's deletion cost. A second one would overwrite it, each time in vain."""
    if consumer.shutdown.idle_first is None:
        return
    places: list[Path] = [("annotations", DELETION_COST)] if DELETION_COST in consumer.annotations else []
    places += [
        ("pod", "patch", *where) for where, target, _ in touched(consumer.pod.patch) if target[-1] == DELETION_COST
    ]
    for place in places:
        yield Finding(
            place,
            "is written by the pods themselves with shutdown.idleFirst",
            "remove it, or leave shutdown.idleFirst out",
        )
