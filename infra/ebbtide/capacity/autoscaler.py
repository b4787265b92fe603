"""What the simulator runs for each kind of autoscaling."""

from __future__ import annotations

from functools import singledispatch

from ebbtide.capacity.hpa import HpaSpec
from ebbtide.capacity.hpa.manifest import read_manifest
from ebbtide.judgement.findings import refused
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR, OLDEST_KNOWN_MINOR
from ebbtide.manifests.kubernetes.autoscaler import build_autoscaler
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.models.autoscaling import AutoscalingSettings, FixedReplicas, HpaSettings
from ebbtide.settings.models.consumer import ConsumerSettings
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
def _fixed(scaling: FixedReplicas, stack: StackSettings, consumer: ConsumerSettings) -> None:  # noqa: ARG001
    return None


@read_autoscaler.register
def _hpa(scaling: HpaSettings, stack: StackSettings, consumer: ConsumerSettings) -> HpaSpec:
    """The spec of the manifest that is applied."""
    (manifest,) = build_autoscaler(scaling, stack, consumer)
    return read_hpa(manifest, stack)


def read_hpa(manifest: Manifest, stack: StackSettings) -> HpaSpec:
    """The spec of an HPA, as the stack's cluster reads it. A version whose controller nobody has read is taken for the
    nearest one whose controller was; rule K-02 says so."""
    return read_manifest(manifest, min(max(stack.kubernetes_minor, OLDEST_KNOWN_MINOR), NEWEST_KNOWN_MINOR))
