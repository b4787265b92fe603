"""Rules that need to know the cluster."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.kubernetes.versions import (
    CONTAINER_METRICS_MINOR,
    NEWEST_KNOWN_MINOR,
    OLDEST_KNOWN_MINOR,
    SCALE_TO_ZERO_MINOR,
    TOLERANCE_MINOR,
)
from ebbtide.settings.models.cluster import GkeStandard
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.units import format_cpu, format_memory

# V-07: Google's page for general-purpose Autopilot pods when it was read; it differs by compute class and version.
AUTOPILOT_MAX_GIB_PER_CPU = 6.5
AUTOPILOT_MIN_GIB_PER_CPU = 1
_ROLE = re.compile(r"(projects/[a-z][-a-z0-9.:]+/|organizations/\d+/)?roles/[a-zA-Z0-9_.]+")
_BASIC_ROLES = {"roles/owner", "roles/editor", "roles/viewer"}
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_KEYS = {
    "secret_encryption_key": "secretEncryptionKey",
    "disk_encryption_key": "diskEncryptionKey",
    "encryption_key": "encryptionKey",
}
_PRODUCTION = re.compile(r"prod(uction)?($|-)|(^|-)(prod|live)($|-)")


@stack_rule(
    "K-02",
    Level.WARNING,
    remedy="Write the version that the control plane runs; if it is right, look for a newer ebbtide.",
    source="The autoscaler of 1.25 to 1.37 was compared with the upstream controller.",
)
def check_version_is_known(stack: StackSettings) -> Iterator[Finding]:
    """The cluster's version is one that these rules know: another is judged as the nearest of those,
    and a mistyped one is judged wrongly."""
    if not OLDEST_KNOWN_MINOR <= stack.kubernetes_minor <= NEWEST_KNOWN_MINOR:
        yield Finding(
            ("cluster", "kubernetesVersion"),
            f"is no version that this ebbtide knows (got {stack.cluster.kubernetes_version}, known are "
            f"1.{OLDEST_KNOWN_MINOR} to 1.{NEWEST_KNOWN_MINOR}), and is judged as the nearest",
            "write the version that the control plane runs; if it is right, look for a newer ebbtide",
        )


@stack_rule(
    "V-13",
    Level.ERROR,
    remedy="Remove tolerance, or upgrade the cluster and write the new kubernetesVersion.",
    source="1.34 drops `tolerance` without a word, even in a strict dry run (measured); on by default from 1.35.",
)
def check_tolerance_exists(stack: StackSettings) -> Iterator[Finding]:
    """`tolerance` of an HPA exists in the cluster's version."""
    if stack.kubernetes_minor >= TOLERANCE_MINOR:
        return
    for path, consumer in consumers_of(stack):
        for direction, rules in consumer.autoscaling.directions.items():
            if rules.tolerance is not None:
                yield Finding(
                    (*path, "autoscaling", "behavior", direction, "tolerance"),
                    f"is dropped without a word before Kubernetes 1.{TOLERANCE_MINOR} (the cluster has "
                    f"{stack.cluster.kubernetes_version})",
                    "remove it, or upgrade and write the new kubernetesVersion",
                )


@stack_rule(
    "V-14a",
    Level.ERROR,
    remedy="Write minReplicas: 1.",
    source="Kubernetes, HPA scale to zero: alpha and off from 1.16 to 1.36, on by default from 1.37.",
)
def check_zero_is_allowed(stack: StackSettings) -> Iterator[Finding]:
    """The cluster's version lets an HPA go to zero."""
    for path, consumer in consumers_of(stack):
        scaling = consumer.autoscaling
        if scaling.measured and scaling.min_replicas == 0 and stack.kubernetes_minor < SCALE_TO_ZERO_MINOR:
            yield Finding(
                (*path, "autoscaling", "minReplicas"),
                f"is 0, which Kubernetes allows from 1.{SCALE_TO_ZERO_MINOR} (the cluster has "
                f"{stack.cluster.kubernetes_version})",
                "write 1",
            )


@stack_rule(
    "V-14b",
    Level.ERROR,
    remedy="Measure the pod, or upgrade the cluster and write the new kubernetesVersion.",
    source="Kubernetes, gate HPAContainerMetrics: alpha and off until 1.26, on from 1.27; where it is off, the API "
    "server drops the metric.",
)
def check_containers_are_measured(stack: StackSettings) -> Iterator[Finding]:
    """The cluster's version measures one container of a pod."""
    if stack.kubernetes_minor >= CONTAINER_METRICS_MINOR:
        return
    for path, consumer in consumers_of(stack):
        for one in consumer.autoscaling.pod_targets:
            if one.container is not None:
                yield Finding(
                    (*path, *one.path, *one.alone_at),
                    f"measures one container, which Kubernetes does from 1.{CONTAINER_METRICS_MINOR} (the cluster has "
                    f"{stack.cluster.kubernetes_version})",
                    "measure the pod, or upgrade and write the new kubernetesVersion",
                )


@stack_rule(
    "G-01",
    Level.ERROR,
    remedy="Write gcp:project and gcp:region beside the ebbtide: keys.",
    source="Pulumi's Google provider.",
)
def check_google_is_named(stack: StackSettings) -> Iterator[Finding]:
    """What is made in Google Cloud has a project and a region."""
    if stack.google is not None:
        return
    needs: dict[Path, str] = {}
    if stack.cluster.kind != "existing":
        needs["cluster", "kind"] = "makes a cluster in Google Cloud"
    if stack.broker is not None and stack.broker.is_made:
        needs["broker", "kind"] = "makes a broker in Google Cloud"
    if stack.image_repository is not None:
        needs["imageRepository",] = "makes a repository in Google Cloud"
    for path, consumer in consumers_of(stack):
        if consumer.service_account.google_roles or consumer.service_account.google_service_account:
            needs[*path, "serviceAccount"] = "is granted access to Google Cloud"
    for path, what in needs.items():
        yield Finding(
            path,
            f"{what}, and no project and region are named",
            "write gcp:project and gcp:region beside the ebbtide: keys",
        )


@stack_rule(
    "G-02",
    Level.ERROR,
    remedy="Write the roles it needs, for example roles/pubsub.subscriber.",
    source="Google Cloud, basic and predefined roles.",
)
def check_google_roles(stack: StackSettings) -> Iterator[Finding]:
    """Roles of a consumer are roles, and none that reaches the whole project."""
    for path, consumer in consumers_of(stack):
        for index, role in enumerate(consumer.service_account.google_roles):
            at = (*path, "serviceAccount", "googleRoles", index)
            if not _ROLE.fullmatch(role):
                yield Finding(at, f"is not a role (got {role!r})", "write for example roles/pubsub.subscriber")
            elif role in _BASIC_ROLES:
                yield Finding(
                    at,
                    f"lets a consumer reach everything in the project (got {role!r})",
                    "write the roles it needs, for example roles/pubsub.subscriber",
                )


@stack_rule(
    "V-07",
    Level.WARNING,
    remedy="Write requests in Autopilot's proportion: 1 to 6.5 GiB for each core.",
    source="GKE, Autopilot resource requests; differs by compute class and version.",
)
def check_autopilot_requests(stack: StackSettings) -> Iterator[Finding]:
    """Autopilot raises requests that it finds out of proportion; a CPU target is then a percentage
    of another number than the one in the file. Of CPU that nobody wrote, and no target is a percentage of, V-07a
    speaks."""
    if stack.cluster.platform != "gkeAutopilot":
        return
    for path, consumer in consumers_of(stack):
        cpu, memory = consumer.pod_cpu_request_millicores, consumer.pod_memory_request_bytes
        ratio = memory / 1024**3 / (cpu / 1000)
        if ratio > AUTOPILOT_MAX_GIB_PER_CPU and _is_chosen(consumer):
            needed = _raised_millicores(memory)
            own, limit = needed - consumer.pod.sidecar_cpu_millicores, consumer.resources.cpu.limit
            as_limit = ", with at least as much for its limit" if limit is not None and limit < own else ""
            yield Finding(
                (*path, "resources", "cpu", "request"),
                f"has {ratio:.1f} GiB a core with {format_memory(memory)}, and Autopilot raises CPU until it is "
                f"{AUTOPILOT_MAX_GIB_PER_CPU} at most: {_what_moves(consumer)} about {format_cpu(needed)} and not of "
                f"{format_cpu(cpu)}",
                f"write {format_cpu(own)}{as_limit} (which is then paid for), or a smaller memory request",
            )
        elif ratio < AUTOPILOT_MIN_GIB_PER_CPU:
            least = -(-cpu * AUTOPILOT_MIN_GIB_PER_CPU * 1024 // 1000) * 1024**2 - consumer.pod.sidecar_memory_bytes
            limit = consumer.resources.memory.limit
            as_limit = ", with at least as much for its limit" if limit is not None and limit < least else ""
            yield Finding(
                (*path, "resources", "memory", "request"),
                f"has {ratio:.1f} GiB a core, and Autopilot raises memory until it is {AUTOPILOT_MIN_GIB_PER_CPU} "
                "at least",
                f"write at least {-(-least // 1024**2)}Mi{as_limit}, which is then paid for",
            )


def _raised_millicores(memory: int) -> int:
    """What Autopilot makes of a CPU request beside so much memory: in steps of 10m."""
    needed = -(-memory * 1000 // int(AUTOPILOT_MAX_GIB_PER_CPU * 1024**3))
    return -(-needed // 10) * 10


def _has_cpu_target(consumer: ConsumerSettings) -> bool:
    return any(resource == "cpu" for resource, _, _ in consumer.autoscaling.percentages)


def _is_chosen(consumer: ConsumerSettings) -> bool:
    """Whether somebody wrote the CPU that a pod asks for, or scales by it."""
    return _has_cpu_target(consumer) or consumer.resources.cpu.request is not None


def _what_moves(consumer: ConsumerSettings) -> str:
    return "a CPU target would be of" if _has_cpu_target(consumer) else "a pod gets, and is billed,"


@stack_rule(
    "V-07a",
    Level.INFO,
    remedy="Write resources with what a busy pod was seen to use.",
    source="GKE, Autopilot resource requests; differs by compute class and version.",
)
def check_autopilot_raises_what_is_derived(stack: StackSettings) -> Iterator[Finding]:
    """A request that ebbtide derives is what Autopilot bills. It raises CPU until memory is in proportion."""
    if stack.cluster.platform != "gkeAutopilot":
        return
    for path, consumer in consumers_of(stack):
        cpu, memory = consumer.pod_cpu_request_millicores, consumer.pod_memory_request_bytes
        if not _is_chosen(consumer) and memory / 1024**3 / (cpu / 1000) > AUTOPILOT_MAX_GIB_PER_CPU:
            yield Finding(
                (*path, "resources"),
                f"leave CPU to be derived: {format_cpu(cpu)} and {format_memory(memory)} a pod, of which Autopilot "
                f"makes, and bills, about {format_cpu(_raised_millicores(memory))}",
                "write what a busy pod was seen to use; less memory is less CPU too",
            )


@stack_rule(
    "G-06",
    Level.ERROR,
    remedy="Write zones of the region of the stack.",
    source="Google Cloud: a zone is named after its region.",
)
def check_zones_are_of_the_region(stack: StackSettings) -> Iterator[Finding]:
    """Nodes are in zones of the stack's region."""
    if stack.google is None or not isinstance(stack.cluster, GkeStandard):
        return
    region = stack.google.region
    for index, zone in enumerate(stack.cluster.zones):
        if zone.rpartition("-")[0] != region:
            yield Finding(
                ("cluster", "zones", index),
                f"is not in the region of the stack (got {zone!r} and {region})",
                f"write for example {region}-b",
            )


@stack_rule(
    "G-07",
    Level.ERROR,
    remedy="Name a key of the region of the stack.",
    source="Google Cloud, customer-managed keys: GKE, Cloud SQL and Memorystore take one of their own location.",
)
def check_keys_are_of_the_region(stack: StackSettings) -> Iterator[Finding]:
    """A Cloud KMS key is in the stack's region. Keys of several regions (`europe`, `global`) are not judged here."""
    if stack.google is None:
        return
    for path, key in _keys(stack):
        location = key.split("/")[3]
        if _REGION.fullmatch(location) and location != stack.google.region:
            yield Finding(
                path,
                f"is a key of another region (got {location}, and the stack is in {stack.google.region})",
                f"name a key in locations/{stack.google.region}",
            )


def _keys(stack: StackSettings) -> Iterator[tuple[Path, str]]:
    places: list[tuple[Path, object]] = [(("cluster",), stack.cluster), (("broker",), stack.broker)]
    places += [(("cluster", "nodePools", name), pool) for name, pool in stack.cluster.pools.items()]
    for path, settings in places:
        for field, name in _KEYS.items():
            key = getattr(settings, field, None)
            if key is not None:
                yield (*path, name), key


@stack_rule(
    "G-04",
    Level.WARNING,
    remedy="Write ebbtide:protect: true.",
    source="Pulumi, the protect option: a protected resource is neither deleted nor replaced.",
)
def check_production_is_protected(stack: StackSettings) -> Iterator[Finding]:
    """A production cluster cannot be deleted by a slip."""
    if _makes_production_cluster(stack) and not stack.protect:
        yield Finding(
            ("protect",),
            f"is off, and stack {stack.name} makes its cluster: one wrong change could delete it with every consumer",
            "write ebbtide:protect: true",
        )


@stack_rule(
    "G-04a",
    Level.INFO,
    remedy="Make the cluster in a stack of its own, and write kind: existing in that of the consumers.",
    source="Pulumi, organizing projects and stacks: by how often they change, and by who may change them.",
)
def check_production_cluster_is_apart(stack: StackSettings) -> Iterator[Finding]:
    """A production cluster is not in the stack of its consumers. Every everyday change to a consumer runs with the
    rights to change the cluster otherwise."""
    if _makes_production_cluster(stack) and stack.protect and stack.consumers:
        yield Finding(
            ("cluster", "kind"),
            f"makes the cluster in the stack of its consumers: an everyday change to a consumer of {stack.name} runs "
            "with the rights to change the cluster",
            "make the cluster in a stack of its own, and write kind: existing here",
        )


def _makes_production_cluster(stack: StackSettings) -> bool:
    return is_gke(stack.cluster) and bool(_PRODUCTION.search(stack.name))


@stack_rule(
    "G-05",
    Level.INFO,
    remedy="Grant roles/artifactregistry.reader there to the nodes' service account, or copy the image.",
    source="Artifact Registry: access is granted by project or repository.",
)
def check_images_are_readable(stack: StackSettings) -> Iterator[Finding]:
    """Nodes may read the images: they are granted the project's repositories and no other."""
    if not is_gke(stack.cluster) or stack.google is None:
        return
    for path, consumer in consumers_of(stack):
        host, _, rest = consumer.image.partition("/")
        project = rest.partition("/")[0]
        if host.endswith("-docker.pkg.dev") and project != stack.google.project:
            yield Finding(
                (*path, "image"),
                f"is in project {project}, and the nodes of {stack.google.project} are granted only their own",
                "grant roles/artifactregistry.reader there to the nodes' service account, or copy the image",
            )
