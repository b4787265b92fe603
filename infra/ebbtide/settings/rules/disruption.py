"""Rules about how long each way of ending a pod lets it finish."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.kubernetes.spot import (
    SPOT_DEFAULT_NOTICE_SECONDS,
    SPOT_LABELS,
    SPOT_USER_PODS_MAX_SECONDS,
    names_spot,
)
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.disruption import disruption_caps, upgraded_pools
from ebbtide.settings.models.node_choice import takers, tolerates_spot
from ebbtide.settings.models.node_pool import COMPUTE_CLASS, MAX_POD_GRACE_SECONDS, OWN_COMPUTE_CLASSES
from ebbtide.settings.models.shutdown import DisruptionCap
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.units import format_duration

# What placement.spot knows to ask for.
_OF_GOOGLE = "cloud.google.com/"
SPOT_NOTICE_MINOR = 35  # control plane 1.35.0-gke.1171000


@stack_rule(
    "V-05",
    Level.ERROR,
    remedy="Split the work into shorter messages; against a node scale-down, nodeScaleDown: protect helps too, and "
    "against an upgrade of nodes that the stack makes, a longer upgrade.podGrace.",
    source="GKE, extended duration pods; kubernetes#94435: a grace of three hours, killed after ten minutes.",
)
def check_grace_within_caps(stack: StackSettings) -> Iterator[Finding]:
    """The grace period is within what every way of ending a pod allows. A node that is scaled down waits 10 minutes,
    an upgrade an hour, and then they kill."""
    for path, consumer, cap in _caps(stack, "V-05"):
        grace = consumer.shutdown_budget.grace_seconds
        ways = ["write nodeScaleDown: protect"] if cap.kind == "nodeScaleDown" else []
        if cap.kind == "nodeUpgrade" and grace <= MAX_POD_GRACE_SECONDS:
            pools_of = upgraded_pools(stack, consumer).items()
            short = [name for name, pool in pools_of if pool.upgrade.pod_grace < grace]
            pools = " and ".join(f"cluster.nodePools.{name}" for name in short)
            ways += [f"write upgrade: {{podGrace: {format_duration(grace)}}} in {pools}"] if short else []
        yield _cut_off(path, consumer, cap, *ways)


@stack_rule(
    "V-06",
    Level.ERROR,
    remedy="Split the work into shorter messages.",
    source='GKE, extended duration pods: safe-to-evict "false" protects for up to 7 days.',
)
def check_grace_within_protection(stack: StackSettings) -> Iterator[Finding]:
    """The grace period is within the 7 days for which Autopilot protects a pod from an upgrade of its node."""
    for path, consumer, cap in _caps(stack, "V-06"):
        yield _cut_off(path, consumer, cap)


def _caps(stack: StackSettings, rule: str) -> Iterator[tuple[Path, ConsumerSettings, DisruptionCap]]:
    """The caps that this rule is about, where the grace period is longer."""
    for path, consumer in consumers_of(stack):
        for cap in disruption_caps(stack, consumer):
            if cap.rule == rule and consumer.shutdown_budget.grace_seconds > cap.seconds:
                yield path, consumer, cap


def _cut_off(path: Path, consumer: ConsumerSettings, cap: DisruptionCap, *ways: str) -> Finding:
    return Finding(
        (*path, "shutdown", "longestMessage"),
        f"makes a grace period of {format_duration(consumer.shutdown_budget.grace_seconds)}, and a {cap.cause} waits "
        f"{format_duration(cap.seconds)} and kills",
        ", or ".join((*ways, *_shorter(cap.seconds, consumer))),
    )


@stack_rule(
    "V-08",
    Level.ERROR,
    remedy="Remove placement.spot, or shorten the messages.",
    source="GKE, Spot VMs: 30 s of notice, 15 of them for user pods; up to 120 s by the kubelet's configuration.",
)
def check_spot_notice(stack: StackSettings) -> Iterator[Finding]:
    """A worker on Spot can finish within the machine's notice. Every reclaim kills messages in flight otherwise."""
    for path, consumer in consumers_of(stack):
        budget = consumer.shutdown_budget
        for cap in disruption_caps(stack, consumer):
            if cap.kind == "spotReclaim" and budget.stop_wait_seconds > cap.seconds:
                allowance = budget.stop_wait_seconds - consumer.shutdown.longest_message
                yield Finding(
                    (*path, "placement", "spot"),
                    f"leaves a pod {format_duration(cap.seconds)} when its Spot machine is taken, and a worker may "
                    f"need {format_duration(budget.stop_wait_seconds)} to finish: every reclaim would kill messages in "
                    "flight",
                    "remove spot" + _shorter_for_spot(stack, cap.seconds, allowance),
                )


def _shorter_for_spot(stack: StackSettings, cap_seconds: int, allowance: int) -> str:
    text = ""
    if cap_seconds > allowance:
        text = f", or shorten longestMessage to {format_duration(cap_seconds - allowance)}"
    # Autopilot has no node pools whose kubelet could be told of a longer notice.
    if stack.cluster.platform != "gkeAutopilot" and max(cap_seconds, allowance) < SPOT_USER_PODS_MAX_SECONDS:
        longest = format_duration(SPOT_USER_PODS_MAX_SECONDS - allowance)
        text += f", or to {longest} with spotNotice: 2m (from Kubernetes 1.{SPOT_NOTICE_MINOR})"
    return text


def _shorter(cap_seconds: int, consumer: ConsumerSettings) -> Iterator[str]:
    """What a consumer can do itself; nothing where no message is short enough."""
    longest = cap_seconds - (consumer.shutdown_budget.grace_seconds - consumer.shutdown.longest_message)
    if consumer.worker.drain == "stopFile":
        yield "write drain: signal, or lower worker.timeLimit: nobody tells these workers to stop before it"
    elif longest > 0:
        yield f"split the work into messages of at most {format_duration(longest)}"


@stack_rule(
    "V-08a",
    Level.ERROR,
    remedy="Add a node pool with spot: true, or remove placement.spot.",
    source="GKE, Spot VMs: pods select the label cloud.google.com/gke-spot.",
)
def check_spot_nodes(stack: StackSettings) -> Iterator[Finding]:
    """Pods that ask for Spot have Spot nodes to run on. They stay pending otherwise."""
    pools = stack.cluster.pools.values()
    if not pools or any(pool.spot for pool in pools):
        return
    for path, consumer in consumers_of(stack):
        if consumer.placement.spot:
            yield Finding(
                (*path, "placement", "spot"),
                "asks for Spot machines, and no node pool has them: its pods would stay pending",
                "add a node pool with spot: true, or remove spot",
            )


@stack_rule(
    "V-08b",
    Level.ERROR,
    remedy="Write the kubernetesVersion that runs, or remove spotNotice.",
    source="GKE, Spot VMs: a longer notice needs control plane 1.35.0-gke.1171000.",
)
def check_spot_notice_has_the_version(stack: StackSettings) -> Iterator[Finding]:
    """A Spot notice longer than 30 s has the version for it."""
    for path, notice in stack.cluster.spot_notices.items():
        if notice > SPOT_DEFAULT_NOTICE_SECONDS and stack.kubernetes_minor < SPOT_NOTICE_MINOR:
            yield Finding(
                path,
                f"is longer than 30s, which needs Kubernetes 1.{SPOT_NOTICE_MINOR} "
                f"(got {format_duration(notice)} on {stack.cluster.kubernetes_version})",
                f'write kubernetesVersion: "1.{SPOT_NOTICE_MINOR}" if that is what runs, or remove it',
            )


@stack_rule(
    "V-06a",
    Level.ERROR,
    remedy="Remove placement.spot or nodeScaleDown.",
    source="GKE, extended duration pods.",
)
def check_autopilot_protection(stack: StackSettings) -> Iterator[Finding]:
    """On Autopilot protection against eviction exists, but not on Spot."""
    for path, consumer in consumers_of(stack):
        spot_and_protected = consumer.placement.spot and consumer.shutdown.node_scale_down == "protect"
        if stack.cluster.platform == "gkeAutopilot" and spot_and_protected:
            yield Finding(
                (*path, "shutdown", "nodeScaleDown"),
                "protects pods from eviction, and Autopilot does not do that on Spot",
                "remove placement.spot or nodeScaleDown",
            )


@stack_rule(
    "V-08c",
    Level.WARNING,
    remedy="Write placement.spot, so that the notice is counted; elsewhere keep messages shorter than it.",
    source="GKE, Spot and preemptible VMs: 15 s for user pods; AWS takes an instance back after two minutes.",
)
def check_spot_is_said(stack: StackSettings) -> Iterator[Finding]:
    """Nodes that are taken back at any time are asked for by `placement.spot`, which counts what the notice leaves. A
    selector asks for them, and a toleration lets pods onto them."""
    for path, consumer in consumers_of(stack):
        label = names_spot(consumer.placement.node_selector)
        if label is not None and not consumer.placement.spot:
            longest = format_duration(consumer.shutdown.longest_message)
            text = (
                f"asks by {label} for nodes that are taken back at any time, and nothing compares {longest} with that"
            )
            where = (*path, "placement", "nodeSelector", label)
            own = "write placement.spot: true instead" if label.startswith(_OF_GOOGLE) else "name other nodes"
            yield Finding(where, text, f"{own}, or accept this with the notice that they have")
        elif not consumer.placement.spot and _has_spot_for(stack, consumer):
            for at, toleration in enumerate(consumer.placement.tolerations):
                if tolerates_spot(toleration):
                    longest = format_duration(consumer.shutdown.longest_message)
                    of_google = toleration.key.startswith(_OF_GOOGLE)
                    meant = "write placement.spot: true where such nodes are meant, " if of_google else ""
                    yield Finding(
                        (*path, "placement", "tolerations", at),
                        f"lets pods onto nodes that are taken back at any time ({toleration.key}), and nothing "
                        f"compares {longest} with that",
                        f"take it out, {meant}or accept this with the notice that they have",
                    )


def _has_spot_for(stack: StackSettings, consumer: ConsumerSettings) -> bool:
    """Whether there may be nodes that are taken back, and that its pods' selector does not leave out."""
    placement, pools = consumer.placement, stack.cluster.pools
    if any(key in SPOT_LABELS for key in placement.node_selector):
        return False
    return not pools or any(pool.spot for pool in takers(placement, pools).values())


# How a pod asks for nodes of which no rule knows how they end: of a fixed time, or of a class described elsewhere.
_FOR_A_TIME = ("cloud.google.com/gke-flex-start", "cloud.google.com/gke-max-run-duration-seconds")


@stack_rule(
    "V-08d",
    Level.INFO,
    remedy="Look at how these nodes end, and accept this with what you found.",
    source="GKE, flex-start: nodes run for at most seven days; custom compute classes may fall back to Spot.",
)
def check_how_nodes_end(stack: StackSettings) -> Iterator[Finding]:
    """How long a node lets its pods finish is known. Of nodes that run for a fixed time, and of a compute class of
    one's own, which may have Spot nodes, it is not judged."""
    for path, consumer in consumers_of(stack):
        for label, value in consumer.placement.node_selector.items():
            if label in _FOR_A_TIME or (label == COMPUTE_CLASS and value not in OWN_COMPUTE_CLASSES):
                yield Finding(
                    (*path, "placement", "nodeSelector", label),
                    "is not judged: how long these nodes wait for a pod that drains, no rule knows",
                    "look at how they end, and accept this with what you found",
                )
