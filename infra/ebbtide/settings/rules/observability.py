"""Rules about what watches a stack: whether there is somebody who looks, and something to look at."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import consumer_rule, consumers_of, stack_rule
from ebbtide.settings.values.units import format_duration


@stack_rule(
    "O-01",
    Level.ERROR,
    remedy="Write gcp:project and gcp:region.",
    source="Cloud Logging and Cloud Monitoring keep metrics, alert policies and dashboards in a project.",
)
def check_has_project(stack: StackSettings) -> Iterator[Finding]:
    """A collector that counts the log in Google Cloud has a project to count in."""
    if stack.observability is not None and stack.observability.counts_logs and stack.google is None:
        yield Finding(("observability", "kind"), "needs a project of Google Cloud", "write gcp:project and gcp:region")


@stack_rule(
    "O-02",
    Level.ERROR,
    remedy="Switch it on in the cluster, or name another collector.",
    source="GKE, Managed Service for Prometheus; GKE, workload logs.",
)
def check_collects_what_is_sent(stack: StackSettings) -> Iterator[Finding]:
    """What a cluster of this stack is told not to send, nobody collects: an alert that never can fire is worse than
    none."""
    collector = stack.observability
    if collector is None or not collector.counts_logs or not is_gke(stack.cluster):
        return
    sent = stack.cluster.observability
    for name, is_sent in (("managedPrometheus", sent.managed_prometheus), ("workloadLogs", sent.workload_logs)):
        if not is_sent:
            yield Finding(
                ("cluster", "observability", name),
                f"is false, and observability.kind {collector.kind} is made of it",
                f"write {name}: true, or remove observability",
            )


@stack_rule(
    "O-03",
    Level.WARNING,
    remedy="Write cluster.platform: gkeStandard where it is one, or observability.kind: prometheusOperator.",
    source="Google Cloud Managed Service for Prometheus comes with GKE; elsewhere its operator must be installed.",
)
def check_is_gke(stack: StackSettings) -> Iterator[Finding]:
    """Google's collector runs in the cluster."""
    collector = stack.observability
    if collector is not None and collector.counts_logs and stack.cluster.platform == "other":
        yield Finding(
            ("observability", "kind"),
            "is Google's, and the cluster is not said to be one of GKE: without its operator the objects are refused, "
            "and without its logging agent no event is counted",
            "write cluster.platform: gkeStandard, or kind: prometheusOperator",
        )


@consumer_rule(
    "O-04",
    Level.ERROR,
    remedy="Write one of the bounds, the next above what you promise.",
    source="Prometheus, histograms: a share is known at the bounds of the buckets only.",
)
def check_goal_is_a_bound(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A goal is one of the bounds of the image's histogram: between two of them the share is a guess."""
    from ebbtide.image.ebbtide_supervisor.metric_texts import duration_bounds  # noqa: PLC0415 - not at every start

    within = consumer.goal.within
    bounds = [int(bound) for bound in duration_bounds(consumer.shutdown.longest_message) if not bound % 1]
    if within is not None and within not in bounds:
        yield Finding(
            ("goal", "within"),
            f"is no bound of the histogram (got {format_duration(within)})",
            f"write one of {', '.join(map(format_duration, bounds))}",
        )


@stack_rule(
    "O-05",
    Level.INFO,
    remedy="Watch the broker's own exporter: only symfonyMessenger can tell, with WorkerProgress.php copied into it.",
    source="docs/draining.md, what the application can tell.",
)
def check_messages_are_known(stack: StackSettings) -> Iterator[Finding]:
    """Alerts about messages need a worker that tells of them: of any other program only its processes are known."""
    if stack.observability is None:
        return
    for path, consumer in consumers_of(stack):
        if not consumer.worker.tells_of_messages:
            yield Finding(
                (*path, "worker", "kind"),
                "tells nothing of its messages: alerts about messages and goals never fire, those about drains, "
                "starts and pods do",
                "know that; nothing can be set",
            )
