"""Rules about what others put into a pod because one of its labels or annotations asks them to."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.kubernetes.meshes import MESHES
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.shutdown import SAFE_TO_EVICT
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.rules.pod_parts import touched

_METADATA = ("spec", "template", "metadata")


_OF_A_MESH = frozenset(key for mesh in MESHES for key in (*mesh.asked_by, *mesh.native))
# Whose owner only reads: for whom they are written is in their names.
_READ = (
    *("app.kubernetes.io/", "helm.sh/", "prometheus.io/", "tags.datadoghq.com/", "ad.datadoghq.com/"),
    *("co.elastic.logs/", "fluentbit.io/", "kubectl.kubernetes.io/"),
    # What keeps a pod where it is.
    *(SAFE_TO_EVICT, "karpenter.sh/do-not-disrupt"),
    "controller.kubernetes.io/pod-deletion-cost",
)


@consumer_rule(
    "M-08",
    Level.WARNING,
    remedy="Make the proxy a native sidecar, by the mesh's own annotation; or leave the workers out of the mesh. One "
    "whose control plane does so by itself is accepted with that reason.",
    source="Linkerd, graceful pod shutdown: new connections fail from SIGTERM on; istio/istio#34855: Istio's proxy is "
    "gone 5 s after SIGTERM. Native sidecars are Istio's default from 1.27 on, where the cluster has them.",
)
def check_mesh_outlives_workers(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The proxy of a service mesh is there as long as the workers. One that is a plain container is ended together with
    them: it cuts off the broker while messages are still in hand, so that none of them can be acknowledged."""
    asked = _asked(consumer)
    for mesh in MESHES:
        if any(key in mesh.native and value == "true" for (_, key), (_, value) in asked.items()):
            continue
        # A label and an annotation of one name may disagree, and meshes differ in which of them counts.
        places = [
            where
            for (_, key), (where, value) in asked.items()
            if key in mesh.asked_by and value.lower() not in mesh.asked_by[key]
        ]
        if places:
            native = f'write {mesh.native[0]}: "true" among the annotations' if mesh.native else "see how it ends"
            yield Finding(
                places[0],
                f"asks {mesh.name} for a proxy: unless it is a native sidecar, it ends at SIGTERM, and workers "
                "that still finish lose their broker",
                f"{native}, or take the workers out of the mesh",
            )


@consumer_rule(
    "V-05a",
    Level.ERROR,
    remedy="Write shutdown.nodeScaleDown, and leave the annotation out.",
    source="ebbtide writes cluster-autoscaler.kubernetes.io/safe-to-evict itself, after the annotations of settings.",
)
def check_eviction_is_said_once(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Whether a node's scale-down may evict a pod is said once: by it the time that the pod has is judged."""
    stated = consumer.annotations.get(SAFE_TO_EVICT)
    if stated is not None and (stated == "false") != (consumer.shutdown.node_scale_down == "protect"):
        said = consumer.shutdown.node_scale_down
        yield Finding(
            ("annotations", SAFE_TO_EVICT),
            f"is {stated!r}, and shutdown.nodeScaleDown says {said}: the pods get what the latter says",
            "leave it out, and write nodeScaleDown",
        )


@consumer_rule(
    "M-08a",
    Level.INFO,
    remedy="See a busy pod drain with it, and accept this with what you saw.",
    source="Kubernetes, labels and annotations: a prefix says whose they are, and who acts on them.",
)
def check_others_act_on_pods(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Nobody else acts on the pods. A label or annotation with somebody's prefix asks its owner to: to add a container,
    to restart, to evict. What that does to a drain is not judged."""
    for (_, key), (where, _) in _asked(consumer).items():
        if "/" in key and key not in _OF_A_MESH and not key.startswith(_READ):
            owner = key.partition("/")[0]
            yield Finding(where, f"is not judged: whoever reads {owner} may act on the pods", "see a busy pod drain")


def _asked(consumer: ConsumerSettings) -> dict[tuple[str, str], tuple[Path, str]]:
    """The labels and annotations of the pods, each with where it is written; a patch has the last word."""
    found: dict[tuple[str, str], tuple[Path, str]] = {
        (name, key): ((name, key), value)
        for name, given in (("labels", consumer.labels), ("annotations", consumer.annotations))
        for key, value in given.items()
    }
    for where, target, value in touched(consumer.pod.patch):
        if target[:3] == _METADATA and len(target) == 5:
            at = (str(target[3]), str(target[4]))
            found.pop(at, None)
            if value is not None:
                found[at] = (("pod", "patch", *where), str(value))
    return found
