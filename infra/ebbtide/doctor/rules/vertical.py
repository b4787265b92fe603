"""Rules about the VerticalPodAutoscaler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import setup_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import ManifestObject, autoscalers_of

_RESOURCES: Final = ("cpu", "memory")
_CHANGES_NOTHING: Final = ("Off", "False", "Initial")
"""Initial changes new pods only; YAML reads an Off without quotes as false."""


@setup_rule(
    "D-5k",
    Harm.COSTS,
    remedy='Write updateMode: "Off", or give the VPA what the HPA does not look at (controlledResources: [memory]).',
    source="Kubernetes' documentation of the VPA, known limitations: not with an HPA on the same CPU or memory.",
)
def check_vertical(setup: SetUp) -> Iterator[Diagnosis]:
    """One autoscaler decides by one thing. An HPA counts in percent of the request, which a VPA changes: more pods
    lower the use, the VPA lowers the request, the use rises; and each change evicts workers."""
    scaling = autoscalers_of(setup.objects)
    for one in setup.objects:
        spec = one.data.map("spec")
        policy = spec.map("updatePolicy")
        mode = policy.text("updateMode") or "Auto"
        if one.kind != "VerticalPodAutoscaler" or mode in _CHANGES_NOTHING:
            continue
        target = spec.map("targetRef")
        key = (target.text("kind"), target.text("name"))
        # One that no policy can name stands for those of a workload that is not here.
        of_pod = [one.name for load in setup.workloads if (load.kind, load.name) == key for one in load.containers]
        for scaler in scaling.get(key, ()):
            both = [
                resource
                for resource, container in _by_percentage(scaler)
                if any(_controls(spec, name, resource) for name in ([container] if container else of_pod or ["?"]))
            ]
            if both:
                yield Diagnosis(
                    one.at(policy, "updateMode") if policy else one.at(spec),
                    one.title,
                    f"changes the {both[0]} request, of which {scaler.title} counts in percent ({scaler.at()}): each "
                    "undoes what the other decides",
                    'write updateMode: "Off", or controlledResources without it',
                )


def _controls(spec: Map, container: str, resource: str) -> bool:
    """Whether a VPA sets a resource of a container: by the policy of its name, or else that of `*`."""
    policies = spec.items_of("resourcePolicy", "containerPolicies")
    own = [one for one in policies if one.text("containerName") == container]
    found = (own or [one for one in policies if one.text("containerName") in ("*", "")])[:1]
    if not found:
        return True
    named = found[0].get("controlledResources")
    is_off = found[0].text("mode") in ("Off", "False")
    return not is_off and (resource in named if isinstance(named, list) else True)


def _by_percentage(scaler: ManifestObject) -> list[tuple[str, str]]:
    """Resources that an autoscaler counts in percent of their request, and of which container: empty for all."""
    spec = scaler.data.map("spec")
    found = [("cpu", "")] if "targetCPUUtilizationPercentage" in spec else []
    for metric in spec.items_of("metrics"):
        body = metric.map("containerResource") or metric.map("resource")
        if body.map("target").text("type") == "Utilization" or "targetAverageUtilization" in body:
            found.append((body.text("name"), body.text("container")))
    for trigger in spec.items_of("triggers"):
        metadata = trigger.map("metadata")
        kind = trigger.text("metricType") or metadata.text("type") or "Utilization"
        if trigger.text("type") in _RESOURCES and kind == "Utilization":
            found.append((trigger.text("type"), metadata.text("containerName")))
    return sorted(one for one in found if one[0] in _RESOURCES)
