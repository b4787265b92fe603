"""Rules that need to know the cluster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ebbtide.settings.autoscaling import HpaSettings
from ebbtide.settings.cluster import ExistingCluster, GkeStandard
from ebbtide.settings.disruption import disruption_caps
from ebbtide.settings.findings import Finding, Level, Path
from ebbtide.settings.node_capacity import allocatable
from ebbtide.settings.node_pool import SPOT_CRITICAL_PODS_SECONDS, SPOT_MAX_NOTICE_SECONDS
from ebbtide.settings.units import format_cpu, format_duration, format_memory

if TYPE_CHECKING:
    from ebbtide.settings.consumer import ConsumerSettings
    from ebbtide.settings.stack import StackSettings

TOLERANCE_MINOR = 35  # V-13: on by default from Kubernetes 1.35
SCALE_TO_ZERO_MINOR = 37  # V-14: on by default from Kubernetes 1.37
# The versions whose autoscaler and fields these rules were held against; the simulator's controller knows the same.
OLDEST_KNOWN_MINOR, NEWEST_KNOWN_MINOR = 25, 37
SPOT_NOTICE_MINOR = 35  # V-08: control plane 1.35.0-gke.1171000
SPOT_USER_PODS_MAX_SECONDS = SPOT_MAX_NOTICE_SECONDS - SPOT_CRITICAL_PODS_SECONDS
# V-07: Google's page for general-purpose Autopilot pods when it was read; it differs by compute class and version.
AUTOPILOT_MAX_GIB_PER_CPU = 6.5
AUTOPILOT_MIN_GIB_PER_CPU = 1
_ROLE = re.compile(r"(projects/[a-z][-a-z0-9.:]+/|organizations/\d+/)?roles/[a-zA-Z0-9_.]+")
_BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
_PRODUCTION = re.compile(r"prod(uction)?($|-)|(^|-)(prod|live)($|-)")


def _consumers(stack: StackSettings) -> Iterator[tuple[Path, ConsumerSettings]]:
    for name, consumer in stack.consumers.items():
        yield ("consumers", name), consumer


def check_grace_within_caps(stack: StackSettings) -> Iterator[Finding]:
    """V-05 (error). The grace period is within what every way of ending a pod allows: a node that is scaled down
    waits 10 minutes, an upgrade an hour (V-06: protected pods on Autopilot 7 days), a Spot machine 15 s (V-08)."""
    for path, consumer in _consumers(stack):
        budget = consumer.shutdown_budget
        for cap in disruption_caps(stack, consumer):
            allowed = format_duration(cap.seconds)
            if cap.source == "V-08" and budget.stop_wait_seconds > cap.seconds:
                needed = format_duration(budget.stop_wait_seconds)
                allowance = budget.stop_wait_seconds - consumer.shutdown.longest_message
                yield Finding(
                    (*path, "placement", "spot"),
                    f"leaves a pod {allowed} when its Spot machine is taken, and a worker may need {needed} to finish: "
                    "every reclaim would kill messages in hand",
                    "remove spot" + _shorter_for_spot(stack, cap.seconds, allowance),
                    rule="V-08",
                )
            elif cap.source != "V-08" and budget.grace_seconds > cap.seconds:
                protect = cap.cause == "node scale-down"
                yield Finding(
                    (*path, "shutdown", "longestMessage"),
                    f"makes a grace period of {format_duration(budget.grace_seconds)}, and a {cap.cause} waits "
                    f"{allowed} and kills",
                    ("write nodeScaleDown: protect, or " if protect else "") + _shorter(cap.seconds, consumer),
                    rule=cap.source,
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


def _shorter(cap_seconds: int, consumer: ConsumerSettings) -> str:
    allowances = consumer.shutdown_budget.grace_seconds - consumer.shutdown.longest_message
    if consumer.worker.drain == "stopFile":
        return "write drain: signal, or lower worker.timeLimit: nobody tells these workers to stop before it"
    return f"split the work into messages of at most {format_duration(max(1, cap_seconds - allowances))}"


def check_spot_capacity(stack: StackSettings) -> Iterator[Finding]:
    """V-08 (error). Pods that ask for Spot have Spot nodes to run on, and a longer notice has the version for it."""
    cluster = stack.cluster
    notices: dict[Path, int] = {}
    if isinstance(cluster, GkeStandard):
        pools = cluster.node_pools
        notices = {("cluster", "nodePools", name, "spotNotice"): pool.spot_notice for name, pool in pools.items()}
        for path, consumer in _consumers(stack):
            if consumer.placement.spot and not any(pool.spot for pool in pools.values()):
                yield Finding(
                    (*path, "placement", "spot"),
                    "asks for Spot machines, and no node pool has them: its pods would stay pending",
                    "add a node pool with spot: true, or remove spot",
                    rule="V-08",
                )
    elif isinstance(cluster, ExistingCluster):
        notices = {("cluster", "spotNotice"): cluster.spot_notice}
    for path, notice in notices.items():
        if notice > 30 and stack.kubernetes_minor < SPOT_NOTICE_MINOR:
            yield Finding(
                path,
                f"is longer than 30s, which needs Kubernetes 1.{SPOT_NOTICE_MINOR} "
                f"(got {format_duration(notice)} on {cluster.kubernetes_version})",
                f'write kubernetesVersion: "1.{SPOT_NOTICE_MINOR}" if that is what runs, or remove it',
                rule="V-08",
            )


def check_version_is_known(stack: StackSettings) -> Iterator[Finding]:
    """K-02 (warning). The cluster's version is one that these rules know: another is judged as the nearest of those,
    and a mistyped one is judged wrongly."""
    if not OLDEST_KNOWN_MINOR <= stack.kubernetes_minor <= NEWEST_KNOWN_MINOR:
        yield Finding(
            ("cluster", "kubernetesVersion"),
            f"is no version that this ebbtide knows (got {stack.cluster.kubernetes_version}, known are "
            f"1.{OLDEST_KNOWN_MINOR} to 1.{NEWEST_KNOWN_MINOR}), and is judged as the nearest",
            "write the version that the control plane runs; if it is right, look for a newer ebbtide",
            Level.WARNING,
            "K-02",
        )


def check_version_has_the_field(stack: StackSettings) -> Iterator[Finding]:
    """V-13 (error). Fields of the HPA exist in the cluster's version: 1.34 drops `tolerance` without a word, even in
    a strict dry run (measured), and refuses minReplicas 0 before 1.37 (V-14)."""
    for path, consumer in _consumers(stack):
        scaling = consumer.autoscaling
        if not isinstance(scaling, HpaSettings):
            continue
        version = stack.cluster.kubernetes_version
        directions = (
            {"scaleUp": scaling.behavior.scale_up, "scaleDown": scaling.behavior.scale_down} if scaling.behavior else {}
        )
        for direction, rules in directions.items():
            if rules is not None and rules.tolerance is not None and stack.kubernetes_minor < TOLERANCE_MINOR:
                yield Finding(
                    (*path, "autoscaling", "behavior", direction, "tolerance"),
                    f"is dropped without a word before Kubernetes 1.{TOLERANCE_MINOR} (the cluster has {version})",
                    "remove it, or upgrade and write the new kubernetesVersion",
                    rule="V-13",
                )
        if scaling.min_replicas == 0 and stack.kubernetes_minor < SCALE_TO_ZERO_MINOR:
            yield Finding(
                (*path, "autoscaling", "minReplicas"),
                f"is 0, which Kubernetes allows from 1.{SCALE_TO_ZERO_MINOR} (the cluster has {version})",
                "write 1",
                rule="V-14",
            )


def check_google_is_named(stack: StackSettings) -> Iterator[Finding]:
    """G-01 (error). What is made in Google Cloud has a project and a region."""
    if stack.google is not None:
        return
    needs: dict[Path, str] = {}
    if stack.cluster.kind != "existing":
        needs["cluster", "kind"] = "makes a cluster in Google Cloud"
    if stack.image_repository is not None:
        needs["imageRepository",] = "makes a repository in Google Cloud"
    for path, consumer in _consumers(stack):
        if consumer.service_account.google_roles or consumer.service_account.google_service_account:
            needs[*path, "serviceAccount"] = "is granted access to Google Cloud"
    for path, what in needs.items():
        yield Finding(
            path,
            f"{what}, and no project and region are named",
            "write gcp:project and gcp:region beside the ebbtide: keys",
            rule="G-01",
        )


def check_google_roles(stack: StackSettings) -> Iterator[Finding]:
    """G-02 (error). Roles of a consumer are roles, and none that reaches the whole project."""
    for path, consumer in _consumers(stack):
        for index, role in enumerate(consumer.service_account.google_roles):
            at = (*path, "serviceAccount", "googleRoles", index)
            if not _ROLE.fullmatch(role):
                yield Finding(
                    at, f"is not a role (got {role!r})", "write for example roles/pubsub.subscriber", rule="G-02"
                )
            elif role in _BASIC_ROLES:
                yield Finding(
                    at,
                    f"lets a consumer reach everything in the project (got {role!r})",
                    "write the roles it needs, for example roles/pubsub.subscriber",
                    rule="G-02",
                )


def check_autopilot_protection(stack: StackSettings) -> Iterator[Finding]:
    """V-06 (error). On Autopilot protection against eviction exists, but not on Spot."""
    for path, consumer in _consumers(stack):
        spot_and_protected = consumer.placement.spot and consumer.shutdown.node_scale_down == "protect"
        if stack.cluster.platform == "gkeAutopilot" and spot_and_protected:
            yield Finding(
                (*path, "shutdown", "nodeScaleDown"),
                "protects pods from eviction, and Autopilot does not do that on Spot",
                "remove placement.spot or nodeScaleDown",
                rule="V-06",
            )


def check_autopilot_requests(stack: StackSettings) -> Iterator[Finding]:
    """V-07 (warning). Autopilot raises requests that it finds out of proportion; a CPU target is then a percentage
    of another number than the one in the file."""
    if stack.cluster.platform != "gkeAutopilot":
        return
    for path, consumer in _consumers(stack):
        cpu, memory = consumer.cpu_request_millicores, consumer.memory_request_bytes
        ratio = memory / 1024**3 / (cpu / 1000)
        if ratio > AUTOPILOT_MAX_GIB_PER_CPU:
            needed = -(-memory * 1000 // int(AUTOPILOT_MAX_GIB_PER_CPU * 1024**3))
            needed = -(-needed // 10) * 10
            yield Finding(
                (*path, "resources", "cpu", "request"),
                f"has {ratio:.1f} GiB a core with {format_memory(memory)}, and Autopilot raises CPU until it is "
                f"{AUTOPILOT_MAX_GIB_PER_CPU} at most: a CPU target would be of about {format_cpu(needed)} and not of "
                f"{format_cpu(cpu)}",
                f"write {format_cpu(needed)} (which is then paid for), or a smaller memory request",
                Level.WARNING,
                rule="V-07",
            )
        elif ratio < AUTOPILOT_MIN_GIB_PER_CPU:
            yield Finding(
                (*path, "resources", "memory", "request"),
                f"has {ratio:.1f} GiB a core, and Autopilot raises memory until it is {AUTOPILOT_MIN_GIB_PER_CPU} "
                "at least",
                f"write at least {-(-cpu * AUTOPILOT_MIN_GIB_PER_CPU * 1024 // 1000)}Mi, which is then paid for",
                Level.WARNING,
                rule="V-07",
            )


def check_pod_fits_a_node(stack: StackSettings) -> Iterator[Finding]:
    """G-03 (error). A pod's requests fit on a node of some pool it may run on; else it stays pending for ever."""
    if not isinstance(stack.cluster, GkeStandard):
        return
    for path, consumer in _consumers(stack):
        pools = {n: pool for n, pool in stack.cluster.node_pools.items() if pool.spot == consumer.placement.spot}
        offers = {pool.machine_type: allocatable(pool.machine_type) for pool in pools.values()}
        sizes = [offer for offer in offers.values() if offer is not None]
        if len(sizes) < len(offers) or not sizes:
            continue  # a machine whose size its name does not say
        cpu, memory = consumer.cpu_request_millicores, consumer.memory_request_bytes
        if not any(cpu <= node_cpu and memory <= node_memory for node_cpu, node_memory in sizes):
            largest_cpu, largest_memory = max(sizes, key=lambda size: size[1])
            yield Finding(
                (*path, "resources"),
                f"asks for {format_cpu(cpu)} and {memory // 1024**2}Mi a pod, and the largest node "
                f"({', '.join(offers)}) offers {format_cpu(largest_cpu)} and {largest_memory // 1024**2}Mi: "
                "it would stay pending",
                "write a larger machineType under cluster.nodePools, or fewer processes or less memory a pod",
                rule="G-03",
            )


def check_zones_are_of_the_region(stack: StackSettings) -> Iterator[Finding]:
    """G-06 (error). Nodes are in zones of the stack's region."""
    if stack.google is None or not isinstance(stack.cluster, GkeStandard):
        return
    region = stack.google.region
    for index, zone in enumerate(stack.cluster.zones):
        if zone.rpartition("-")[0] != region:
            yield Finding(
                ("cluster", "zones", index),
                f"is not in the region of the stack (got {zone!r} and {region})",
                f"write for example {region}-b",
                rule="G-06",
            )


def check_production_is_protected(stack: StackSettings) -> Iterator[Finding]:
    """G-04 (warning). A production cluster cannot be deleted by a slip, and better is not in the consumers' stack."""
    if stack.cluster.kind == "existing" or not _PRODUCTION.search(stack.name):
        return
    if not stack.protect:
        yield Finding(
            ("protect",),
            f"is off, and stack {stack.name} makes its cluster: one wrong change could delete it with every consumer",
            "write ebbtide:protect: true",
            Level.WARNING,
            rule="G-04",
        )
    elif stack.consumers:
        yield Finding(
            ("cluster", "kind"),
            f"makes the cluster in the stack of its consumers: an everyday change to a consumer of {stack.name} runs "
            "with the rights to change the cluster",
            "make the cluster in a stack of its own, and write kind: existing here",
            Level.INFO,
            rule="G-04",
        )


def check_images_are_readable(stack: StackSettings) -> Iterator[Finding]:
    """G-05 (info). Nodes may read the images: they are granted the project's repositories and no other."""
    if stack.cluster.kind == "existing" or stack.google is None:
        return
    for path, consumer in _consumers(stack):
        host, _, rest = consumer.image.partition("/")
        project = rest.partition("/")[0]
        if host.endswith("-docker.pkg.dev") and project != stack.google.project:
            yield Finding(
                (*path, "image"),
                f"is in project {project}, and the nodes of {stack.google.project} are granted only their own",
                "grant roles/artifactregistry.reader there to the nodes' service account, or copy the image",
                Level.INFO,
                rule="G-05",
            )


CLUSTER_RULES: tuple[Callable[[StackSettings], Iterator[Finding]], ...] = (
    check_google_is_named,
    check_google_roles,
    check_grace_within_caps,
    check_spot_capacity,
    check_autopilot_protection,
    check_autopilot_requests,
    check_pod_fits_a_node,
    check_zones_are_of_the_region,
    check_version_is_known,
    check_version_has_the_field,
    check_production_is_protected,
    check_images_are_readable,
)
