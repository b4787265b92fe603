"""Rules about what others put into a pod because one of its labels or annotations asks them to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.rules.pod_parts import touched

_METADATA = ("spec", "template", "metadata")


@dataclass(frozen=True, slots=True)
class Mesh:
    """Whose proxy stands between the workers and their broker."""

    name: str
    asked_by: Mapping[str, frozenset[str]]
    """The keys that ask for a proxy, each with the values that do not."""
    native: tuple[str, ...] = ()
    """The annotations that make it a native sidecar, which Kubernetes ends after the workers."""


_NO = frozenset({"false", "disabled", "disable", "no", "off", "n", "0", ""})
MESHES = (
    Mesh(
        "Istio",
        {"sidecar.istio.io/inject": _NO, "istio.io/rev": frozenset()},
        ("sidecar.istio.io/nativeSidecar",),
    ),
    Mesh(
        "Linkerd",
        {"linkerd.io/inject": _NO},
        tuple(f"config.{stage}.linkerd.io/proxy-enable-native-sidecar" for stage in ("beta", "alpha")),
    ),
    Mesh("Kuma", {"kuma.io/sidecar-injection": _NO}),
    Mesh("Consul", {"consul.hashicorp.com/connect-inject": _NO}),
)
_OF_A_MESH = frozenset(key for mesh in MESHES for key in (*mesh.asked_by, *mesh.native))
# Whose owner only reads: for whom they are written is in their names.
_READ = (
    *("app.kubernetes.io/", "helm.sh/", "prometheus.io/", "tags.datadoghq.com/", "ad.datadoghq.com/"),
    *("co.elastic.logs/", "fluentbit.io/", "kubectl.kubernetes.io/"),
    # What keeps a pod where it is.
    *("cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"),
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
    asked = dict(_asked(consumer))
    values = {key: value for key, (_, value) in asked.items()}
    for mesh in MESHES:
        if any(values.get(key) == "true" for key in mesh.native):
            continue
        for key, no in mesh.asked_by.items():
            if key in asked and values[key].lower() not in no:
                native = f'write {mesh.native[0]}: "true" among the annotations' if mesh.native else "see how it ends"
                yield Finding(
                    asked[key][0],
                    f"asks {mesh.name} for a proxy: unless it is a native sidecar, it ends at SIGTERM, and workers "
                    "that still finish lose their broker",
                    f"{native}, or take the workers out of the mesh",
                )
                break


@consumer_rule(
    "M-08a",
    Level.INFO,
    remedy="See a busy pod drain with it, and accept this with what you saw.",
    source="Kubernetes, labels and annotations: a prefix says whose they are, and who acts on them.",
)
def check_others_act_on_pods(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Nobody else acts on the pods. A label or annotation with somebody's prefix asks its owner to: to add a container,
    to restart, to evict. What that does to a drain is not judged."""
    for key, (where, _) in _asked(consumer):
        if "/" in key and key not in _OF_A_MESH and not key.startswith(_READ):
            owner = key.partition("/")[0]
            yield Finding(where, f"is not judged: whoever reads {owner} may act on the pods", "see a busy pod drain")


def _asked(consumer: ConsumerSettings) -> Iterator[tuple[str, tuple[Path, str]]]:
    """The labels and annotations of the pods, from all three places, with where they are written."""
    for name, found in (("labels", consumer.labels), ("annotations", consumer.annotations)):
        yield from ((key, ((name, key), value)) for key, value in found.items())
    for where, target, value in touched(consumer.pod.patch):
        if target[:3] == _METADATA and len(target) == 5:
            yield str(target[4]), (("pod", "patch", *where), str(value))
