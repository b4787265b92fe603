"""What the simulator runs for each kind of autoscaling."""

from __future__ import annotations

from functools import singledispatch

from ebbtide.capacity.hpa import HpaSpec
from ebbtide.capacity.hpa.manifest import ManifestError, read_manifest
from ebbtide.capacity.keda import ScaledObject
from ebbtide.capacity.keda.manifest import read_scaled_object
from ebbtide.judgement.findings import Finding, Path, SettingsError, refused
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR, OLDEST_KNOWN_MINOR
from ebbtide.manifests.kubernetes.autoscaler import build_autoscaler
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.fixed import FixedReplicas, Singleton
from ebbtide.settings.models.hpa import HpaSettings
from ebbtide.settings.models.keda import KedaSettings
from ebbtide.settings.models.stack import StackSettings


@singledispatch
def read_autoscaler(
    scaling: AutoscalingSettings,
    stack: StackSettings,  # noqa: ARG001
    consumer: ConsumerSettings,
) -> HpaSpec | None:
    """The spec that the cluster's controller reads; None where the number of pods is fixed.

    Raises SettingsError for a kind that has not registered what the simulator should run.
    """
    message = f"of kind {scaling.kind} cannot be simulated: nobody has told the simulator what it does"
    remedy = "simulate with --set autoscaling.kind=fixed and a number of pods, or with an HPA in its place"
    raise refused("load", message, remedy, ("consumers", consumer.name, "autoscaling"))


@read_autoscaler.register
def _fixed(
    scaling: FixedReplicas | Singleton,  # noqa: ARG001
    stack: StackSettings,  # noqa: ARG001
    consumer: ConsumerSettings,  # noqa: ARG001
) -> None:
    return None


@read_autoscaler.register
def _hpa(scaling: HpaSettings, stack: StackSettings, consumer: ConsumerSettings) -> HpaSpec:
    """The spec of the manifest that is applied."""
    (manifest,) = build_autoscaler(scaling, stack, consumer)
    return read_hpa(manifest, stack)


@read_autoscaler.register
def _kedas_hpa(scaling: KedaSettings, stack: StackSettings, consumer: ConsumerSettings) -> HpaSpec | None:
    """The HPA that KEDA makes; None while it is paused."""
    operated = read_operator(scaling, stack, consumer)
    return operated.hpa if operated else None


@singledispatch
def read_operator(
    scaling: AutoscalingSettings,  # noqa: ARG001
    stack: StackSettings,  # noqa: ARG001
    consumer: ConsumerSettings,  # noqa: ARG001
) -> ScaledObject | None:
    """What KEDA's operator reads, beside the HPA of `read_autoscaler`; None where KEDA takes no part.

    Raises SettingsError with every trigger that cannot be simulated.
    """
    return None


@read_operator.register
def _keda(scaling: KedaSettings, stack: StackSettings, consumer: ConsumerSettings) -> ScaledObject:
    """The ScaledObject that is applied."""
    path: Path = ("consumers", consumer.name, "autoscaling")
    manifests = build_autoscaler(scaling, stack, consumer)
    manifest = next(one for one in manifests if one["kind"] == "ScaledObject")
    try:
        return read_scaled_object(manifest, _minor(stack))
    except ManifestError as error:
        remedy = "simulate it with an external metric in an HPA's place (--set)"
        raise SettingsError(
            [Finding(path, f"cannot be simulated: {problem}", remedy, rule="load") for problem in error.problems]
        ) from None


def read_hpa(manifest: Manifest, stack: StackSettings) -> HpaSpec:
    """The spec of an HPA, as the stack's cluster reads it."""
    return read_manifest(manifest, _minor(stack))


def _minor(stack: StackSettings) -> int:
    """A version whose controller nobody has read is taken for the nearest one whose controller was; rule K-02 says
    so."""
    return min(max(stack.kubernetes_minor, OLDEST_KNOWN_MINOR), NEWEST_KNOWN_MINOR)
