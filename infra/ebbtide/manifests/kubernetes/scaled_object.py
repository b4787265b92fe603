"""KEDA's objects: the ScaledObject, and a TriggerAuthentication for each set of credentials."""

from __future__ import annotations

from ebbtide.kubernetes.keda import HPA_PREFIX, TAKES_OVER_HPA
from ebbtide.manifests.kubernetes.autoscaler import build_autoscaler, build_behavior
from ebbtide.manifests.kubernetes.labels import Manifest, consumer_metadata
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.demand import Demand, ScalingModifiers, Trigger
from ebbtide.settings.models.keda import KedaSettings
from ebbtide.settings.models.stack import StackSettings

API_VERSION = "keda.sh/v1alpha1"

_Credentials = tuple[tuple[str, str, str], ...]


@build_autoscaler.register
def _keda(scaling: KedaSettings, stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    """The credentials first: a ScaledObject whose authentication is missing is not ready."""
    demand = scaling.demand(consumer.transport, consumer.worker)
    names = _authentication_names(consumer.name, demand)
    authentications = (
        _authentication(stack, consumer, name, credentials, demand.identity) for credentials, name in names.items()
    )
    return (*authentications, _scaled_object(scaling, demand, names, stack, consumer))


def hpa_name(scaled_object: Manifest) -> str:
    """The name of the HPA that KEDA makes for a ScaledObject."""
    config = scaled_object["spec"].get("advanced", {}).get("horizontalPodAutoscalerConfig", {})
    return str(config.get("name") or f"{HPA_PREFIX}{scaled_object['metadata']['name']}")


def _scaled_object(
    scaling: KedaSettings,
    demand: Demand,
    names: dict[_Credentials, str],
    stack: StackSettings,
    consumer: ConsumerSettings,
) -> Manifest:
    metadata = consumer_metadata(stack, consumer)
    annotations = _annotations(scaling)
    if annotations:
        metadata["annotations"] = annotations
    spec: Manifest = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": consumer.name},
        "minReplicaCount": scaling.min_replicas,
        "maxReplicaCount": scaling.max_replicas,
    }
    # What does nothing is left out: KEDA warns of it.
    if scaling.polls:
        spec["pollingInterval"] = scaling.polling_interval
    if scaling.min_replicas == 0:
        spec["cooldownPeriod"] = scaling.cooldown
        spec["initialCooldownPeriod"] = scaling.initial_cooldown_seconds
    if scaling.fallback is not None:
        spec["fallback"] = {
            "failureThreshold": scaling.fallback.failure_threshold,
            "replicas": scaling.fallback.replicas,
            "behavior": scaling.fallback.behavior,
        }
    advanced = _advanced(scaling, demand.modifiers)
    if advanced:
        spec["advanced"] = advanced
    spec["triggers"] = [_trigger(trigger, names, demand.identity) for trigger in demand.triggers]
    return {"apiVersion": API_VERSION, "kind": "ScaledObject", "metadata": metadata, "spec": spec}


def _annotations(scaling: KedaSettings) -> dict[str, str]:
    found = {}
    if scaling.paused:
        found["autoscaling.keda.sh/paused"] = "true"
    if scaling.paused_replicas is not None:
        found["autoscaling.keda.sh/paused-replicas"] = str(scaling.paused_replicas)
    if scaling.paused_scale_in:
        found["autoscaling.keda.sh/paused-scale-in"] = "true"
    if scaling.takes_over is not None:
        found[TAKES_OVER_HPA] = "true"
    return found


def _advanced(scaling: KedaSettings, modifiers: ScalingModifiers | None) -> Manifest:
    hpa: Manifest = {}
    if scaling.takes_over is not None:
        hpa["name"] = scaling.takes_over
    # Not by truth: an empty behavior selects the HPA controller's newer algorithm.
    if scaling.behavior is not None:
        hpa["behavior"] = build_behavior(scaling.directions)
    advanced: Manifest = {"horizontalPodAutoscalerConfig": hpa} if hpa else {}
    if modifiers is not None:
        advanced["scalingModifiers"] = {
            "formula": modifiers.formula,
            "target": str(modifiers.target),
            "activationTarget": str(modifiers.activation_target),
            "metricType": "AverageValue",
        }
    return advanced


def _trigger(trigger: Trigger, names: dict[_Credentials, str], identity: str | None) -> Manifest:
    manifest: Manifest = {"type": trigger.type, "metadata": dict(trigger.metadata)}
    if trigger.name is not None:
        manifest["name"] = trigger.name
    if trigger.metric_type is not None:
        manifest["metricType"] = trigger.metric_type
    if trigger.use_cached_metrics:
        manifest["useCachedMetrics"] = True
    if trigger.authentication is not None:
        manifest["authenticationRef"] = {"name": trigger.authentication.name, "kind": trigger.authentication.kind}
    elif trigger.secrets or identity:
        manifest["authenticationRef"] = {"name": names[_credentials(trigger)]}
    return manifest


def _credentials(trigger: Trigger) -> _Credentials:
    return tuple((parameter, found.secret, found.key) for parameter, found in sorted(trigger.secrets.items()))


def _authentication_names(consumer: str, demand: Demand) -> dict[_Credentials, str]:
    """One object for each set of credentials; the first has the consumer's name. The others' have a dot, which no
    consumer's has."""
    needed = [trigger for trigger in demand.triggers if trigger.secrets or demand.identity]
    sets = dict.fromkeys(_credentials(trigger) for trigger in needed if trigger.authentication is None)
    return {found: consumer if index == 0 else f"{consumer}.{index + 1}" for index, found in enumerate(sets)}


def _authentication(
    stack: StackSettings, consumer: ConsumerSettings, name: str, credentials: _Credentials, identity: str | None
) -> Manifest:
    spec: Manifest = {}
    if credentials:
        spec["secretTargetRef"] = [
            {"parameter": parameter, "name": secret, "key": key} for parameter, secret, key in credentials
        ]
    if identity is not None:
        spec["podIdentity"] = {"provider": identity}
    metadata = {**consumer_metadata(stack, consumer), "name": name}
    return {"apiVersion": API_VERSION, "kind": "TriggerAuthentication", "metadata": metadata, "spec": spec}
