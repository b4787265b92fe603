"""The pod of a consumer: where it runs, as whom, with which volumes, and how long it may take to end."""

from __future__ import annotations

from ebbtide.kubernetes.spot import SPOT_KEY
from ebbtide.manifests.kubernetes.container import build_container
from ebbtide.manifests.kubernetes.labels import Manifest, consumer_labels, selector_labels
from ebbtide.manifests.kubernetes.pod_parts import build_part_volumes, build_parts
from ebbtide.manifests.kubernetes.volumes import build_volumes
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.pod import Toleration
from ebbtide.settings.models.shutdown import SAFE_TO_EVICT
from ebbtide.settings.models.stack import StackSettings

_UNSATISFIABLE = {"prefer": "ScheduleAnyway", "require": "DoNotSchedule"}


def build_pod_template(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """`spec.template` of the Deployment. All of the consumer's configuration stands in it, and a Secret is named with
    its version: whatever changes, the pods are replaced, and no checksum is needed."""
    placement = consumer.placement
    spec: Manifest = {
        "serviceAccountName": consumer.service_account_name,
        "automountServiceAccountToken": False,
        # The variables of every Service of the namespace, in the environment of every worker, for nobody.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": consumer.shutdown_budget.grace_seconds,
        "securityContext": _security_context(consumer.user_id),
    }
    node_selector = dict(placement.node_selector)
    tolerations = [_toleration(toleration) for toleration in placement.tolerations]
    if placement.spot:
        node_selector[SPOT_KEY] = "true"
        tolerations.append({"key": SPOT_KEY, "operator": "Equal", "value": "true", "effect": "NoSchedule"})
    if node_selector:
        spec["nodeSelector"] = node_selector
    if tolerations:
        spec["tolerations"] = tolerations
    spread = _spread(stack, consumer)
    if spread:
        spec["topologySpreadConstraints"] = spread
    if not consumer.autoscaling.overlaps:
        spec["affinity"] = _apart_from_its_own_kind(stack, consumer)
    parts = build_parts(consumer)
    if parts:
        spec["initContainers"] = parts
    spec["containers"] = [build_container(stack, consumer)]
    spec["volumes"] = [*build_volumes(stack, consumer), *build_part_volumes(consumer)]
    if consumer.pod.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in consumer.pod.image_pull_secrets]
    if consumer.pod.priority_class is not None:
        spec["priorityClassName"] = consumer.pod.priority_class
    return {
        "metadata": {"labels": consumer_labels(stack, consumer), "annotations": _annotations(consumer)},
        "spec": spec,
    }


def _annotations(consumer: ConsumerSettings) -> dict[str, str]:
    # "true" is written out as well: by itself the cluster autoscaler keeps a node whose pods have volumes on disk.
    evictable = consumer.shutdown.node_scale_down == "evict"
    return {**consumer.annotations, SAFE_TO_EVICT: "true" if evictable else "false"}


def _security_context(user_id: int) -> Manifest:
    return {
        "runAsNonRoot": True,
        "runAsUser": user_id,
        "runAsGroup": user_id,
        "fsGroup": user_id,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _toleration(toleration: Toleration) -> Manifest:
    manifest: Manifest = {"key": toleration.key, "operator": toleration.operator}
    # The API server drops an empty value, and so does the provider: written, it would read as a change.
    if toleration.value:
        manifest["value"] = toleration.value
    if toleration.effect is not None:
        manifest["effect"] = toleration.effect
    return manifest


def _apart_from_its_own_kind(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """No place in the cluster while another pod of this consumer has not ended. A Deployment starts the next pod as
    soon as one is deleted or evicted, and Recreate is for updates only; but for this the scheduler counts pods that are
    still terminating (interpodaffinity of 1.34 does not ask for a deletion time; kubernetes#126389)."""
    every_node = {
        "labelSelector": {"matchLabels": selector_labels(stack, consumer)},
        "topologyKey": "kubernetes.io/os",
    }
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [every_node]}}


def _spread(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    spread = consumer.placement.spread
    wanted = {"topology.kubernetes.io/zone": spread.zones, "kubernetes.io/hostname": spread.nodes}
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": _UNSATISFIABLE[how],
            "labelSelector": {"matchLabels": selector_labels(stack, consumer)},
            # In an update only the new pods are counted: the old ones' places would skew the new fleet.
            "matchLabelKeys": ["pod-template-hash"],
            # A node that these pods may not use is not an empty place for them.
            "nodeTaintsPolicy": "Honor",
        }
        for key, how in wanted.items()
        if how != "off"
    ]
