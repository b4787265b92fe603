"""Rules about KEDA in the cluster: that it is there, fits, and may do no more than it has to."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.keda_operator import DEFAULT_VERSION
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import consumers_of, stack_rule

# The versions of Kubernetes with which each version of KEDA was tested: KEDA's own table, "TBD" for 2.21 when it was
# read; 2.21.0 ran here with 1.34.
TESTED = {18: (31, 33), 19: (32, 34), 20: (33, 35), 21: (34, 34)}
_OLDEST = 18


@stack_rule(
    "KE-01",
    Level.WARNING,
    remedy="Write a version of KEDA that was tested with the cluster's, or upgrade the cluster.",
    source="KEDA, Kubernetes compatibility; its chart asks only for 1.23, so Helm installs any pair. 2.21.0 ran here "
    "with 1.34.",
)
def check_versions_fit(stack: StackSettings) -> Iterator[Finding]:
    """KEDA was tested with the cluster's version of Kubernetes."""
    keda = stack.cluster.keda
    version = keda.installed_version if keda is not None else None
    if version is None:
        return
    minor = int(version.split(".")[1])
    path = ("cluster", "keda", "version")
    if minor < _OLDEST:
        yield Finding(
            path,
            f"is older than these rules know (got {version}), and lacks some of what is rendered",
            f"write 2.{_OLDEST}.0 or newer",
        )
        return
    least, most = TESTED.get(minor, (0, 0))
    if not least <= stack.kubernetes_minor <= most:
        tested = f"with 1.{least} to 1.{most}" if most else "with none that these rules know"
        fits = [f"2.{one}" for one, (low, high) in TESTED.items() if low <= stack.kubernetes_minor <= high]
        yield Finding(
            path,
            f"is {version}, which was tested {tested}, and the cluster has {stack.cluster.kubernetes_version}",
            f"write {' or '.join(fits)}" if fits else "look for a newer KEDA, or a newer ebbtide",
        )


@stack_rule(
    "KE-22",
    Level.WARNING,
    remedy="List under watches the namespaces in which it scales.",
    source="The chart 2.20.2, manager/clusterrole.yaml: without watchNamespace a ClusterRole that lists Secrets.",
)
def check_rights(stack: StackSettings) -> Iterator[Finding]:
    """KEDA reads the Secrets of the namespaces in which it scales, and no others."""
    keda = stack.cluster.keda
    if keda is not None and keda.install and not stack.consumers and not keda.watches:
        yield Finding(
            ("cluster", "keda", "watches"),
            "is empty, and this stack has no consumers: KEDA would read every Secret of the cluster",
            "list the namespaces in which it scales, for example [consumers]",
        )


@stack_rule(
    "KE-26",
    Level.INFO,
    remedy="Admit KEDA's operator to the broker, in its firewall and in its namespace's network policies.",
    source="KEDA's operator dials the broker; the consumers' own way to it does not help.",
)
def check_way_to_broker(stack: StackSettings) -> Iterator[Finding]:
    """Whoever asks the broker is let in: KEDA's operator, from its own namespace. One that this stack installs may
    reach the brokers of its transports; what guards a broker is somebody else's."""
    keda = stack.cluster.keda
    if keda is None or keda.install:
        return
    for path, consumer in consumers_of(stack):
        transport = consumer.transport
        if consumer.autoscaling.asks_transport and transport is not None and transport.asked_at:
            yield Finding(
                (*path, "transport"),
                f"is asked at {transport.asked_at} by KEDA's operator, from namespace {keda.namespace}",
                "admit it in the broker's firewall and network policies, and in KEDA's own",
            )


@stack_rule(
    "KE-43",
    Level.ERROR,
    remedy=f"Write cluster.keda: {{version: {DEFAULT_VERSION}}}, which installs it, or existing.",
    source="A ScaledObject is of a kind that only KEDA brings: `no matches for kind`.",
)
def check_keda_is_there(stack: StackSettings) -> Iterator[Finding]:
    """A cluster that is made here has KEDA where a consumer scales by it."""
    if not is_gke(stack.cluster) or stack.cluster.keda is not None:
        return
    for path, consumer in consumers_of(stack):
        if consumer.autoscaling.needs_keda:
            place: Path = (*path, "autoscaling", "kind")
            yield Finding(
                place,
                "is keda, and nothing installs KEDA in the cluster that this stack makes",
                f'write cluster: {{keda: {{version: "{DEFAULT_VERSION}"}}}}, '
                "or keda: existing where another stack does",
            )


@stack_rule(
    "KE-43a",
    Level.INFO,
    remedy=f"Write cluster.keda: existing where it is there, or {{version: {DEFAULT_VERSION}}}, which installs it.",
    source="Without KEDA, Pulumi's Kubernetes provider tries for a minute to make what it reads, and fails (seen).",
)
def check_keda_is_said(stack: StackSettings) -> Iterator[Finding]:
    """Of a cluster that exists somebody says whether it has KEDA, where a consumer scales by it: nobody here can
    look."""
    if is_gke(stack.cluster) or stack.cluster.keda is not None:
        return
    if any(consumer.autoscaling.needs_keda for _, consumer in consumers_of(stack)):
        yield Finding(
            ("cluster", "keda"),
            "is not given, and a consumer scales by KEDA: in a cluster without it the first `pulumi up` fails",
            f'write existing where it is there, or {{version: "{DEFAULT_VERSION}"}} to install it',
        )
