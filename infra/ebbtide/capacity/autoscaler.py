"""A consumer's autoscaler as the controller of its cluster reads it."""

from __future__ import annotations

from ebbtide.capacity.hpa import HpaSpec
from ebbtide.capacity.hpa.manifest import read_manifest
from ebbtide.capacity.hpa.release import NEWEST_MINOR, OLDEST_MINOR
from ebbtide.manifests.kubernetes.autoscaler import build_autoscaler
from ebbtide.settings.autoscaling import HpaSettings
from ebbtide.settings.consumer import ConsumerSettings
from ebbtide.settings.stack import StackSettings


def read_autoscaler(stack: StackSettings, consumer: ConsumerSettings, scaling: HpaSettings) -> HpaSpec:
    """The spec of the manifest that is applied. A version whose controller nobody has read is taken for the nearest
    one whose controller was; rule K-02 says so."""
    minor = min(max(stack.kubernetes_minor, OLDEST_MINOR), NEWEST_MINOR)
    return read_manifest(build_autoscaler(stack, consumer, scaling), minor)
