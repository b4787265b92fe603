"""The set-up that a rehearsal must be able to see losing messages: supervisord, no hook, every default kept."""

from __future__ import annotations

import copy

from ebbtide.manifests.kubernetes import Manifest, stack_manifests
from ebbtide.settings.models.stack import StackSettings

KUBERNETES_GRACE_SECONDS = 30
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "args")


def baseline_manifests(stack: StackSettings) -> list[Manifest]:
    """The stack's objects, with what the image `unprepared` does not have taken out of the Deployment.

    What stays is right: the pod's security, the autoscaler, the disruption budget. The grace period is Kubernetes'
    default (30 s), supervisord waits its own default (10 s).
    """
    kept = [copy.deepcopy(one) for one in stack_manifests(stack) if one["kind"] != "Namespace"]
    for manifest in kept:
        if manifest["kind"] == "Deployment":
            pod = manifest["spec"]["template"]["spec"]
            del pod["terminationGracePeriodSeconds"]
            for container in pod["containers"]:
                for name in _PROBES:
                    container.pop(name, None)
    return kept
