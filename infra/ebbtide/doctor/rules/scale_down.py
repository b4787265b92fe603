"""A rule about how fast an autoscaler takes pods away."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit


@unit_rule(
    "D-5p",
    Harm.DELAYS,
    remedy="Leave stabilizationWindowSeconds of scaleDown out (300 s), or let a policy end one pod a minute.",
    source="Kubernetes' documentation of the HPA: the highest recommendation of the window counts; with 0 each one "
    "does, and nothing else holds it back but a policy: 100 % in 15 s where none is written.",
)
def check_no_window(unit: Unit) -> Iterator[Diagnosis]:
    """A number of pods goes down when the load has. Without a window it follows every dip of the metric, and ends all
    pods that are not needed for that moment, each with what it has in hand, to begin new ones at the next."""
    for one in unit.autoscalers:
        behavior = one.data.map("spec", "behavior") or one.data.map(
            "spec", "advanced", "horizontalPodAutoscalerConfig", "behavior"
        )
        down = behavior.map("scaleDown")
        policies = down.items_of("policies")
        is_bounded = bool(policies) and not any(
            policy.text("type") == "Percent" and policy.get("value") in (100, "100") for policy in policies
        )
        if down.get("stabilizationWindowSeconds") == 0 and not is_bounded and down.text("selectPolicy") != "Disabled":
            yield Diagnosis(
                one.at(down, "stabilizationWindowSeconds"),
                one.title,
                "follows every dip of its metric down at once (stabilizationWindowSeconds: 0): all pods above it are "
                "ended with what they have in hand, and new ones begin at the next rise",
                "leave it out, or write 300",
            )
