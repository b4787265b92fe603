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
        for scaler in scaling.get((target.text("kind"), target.text("name")), ()):
            both = [name for name in _controlled(spec) if name in _by_percentage(scaler)]
            if both:
                yield Diagnosis(
                    one.at(policy, "updateMode") if policy else one.at(spec),
                    one.title,
                    f"changes the {both[0]} request, of which {scaler.title} counts in percent ({scaler.at()}): each "
                    "undoes what the other decides",
                    'write updateMode: "Off", or controlledResources without it',
                )


def _controlled(spec: Map) -> list[str]:
    """What a VPA sets, of containers that it is not told to leave alone."""
    policies = spec.items_of("resourcePolicy", "containerPolicies")
    ones = [one for one in policies if one.text("mode") not in ("Off", "False")]
    named = [one.get("controlledResources") for one in ones]
    if policies and not ones:
        return []
    lists = [value for value in named if isinstance(value, list)]
    return [name for name in _RESOURCES if len(lists) < len(named) or not named or any(name in one for one in lists)]


def _by_percentage(scaler: ManifestObject) -> set[str]:
    """Resources that an autoscaler counts in percent of their request."""
    spec, found = scaler.data.map("spec"), set[str]()
    if "targetCPUUtilizationPercentage" in spec:
        found.add("cpu")
    for metric in spec.items_of("metrics"):
        body = metric.map("containerResource") or metric.map("resource")
        if body.map("target").text("type") == "Utilization" or "targetAverageUtilization" in body:
            found.add(body.text("name"))
    for trigger in spec.items_of("triggers"):
        kind = trigger.text("metricType") or trigger.map("metadata").text("type") or "Utilization"
        if trigger.text("type") in _RESOURCES and kind == "Utilization":
            found.add(trigger.text("type"))
    return found
