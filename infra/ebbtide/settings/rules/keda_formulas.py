"""Rules about a formula that makes one number of many triggers'."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.keda import OF_PODS, KedaSettings
from ebbtide.settings.rules.declare import scaling_rule
from ebbtide.settings.values.formula import BY_ZERO, harm_of, is_arithmetic, misuse_of, names_in

_FORMULA: Path = ("autoscaling", "scalingModifiers", "formula")


@scaling_rule(
    KedaSettings,
    "KE-15",
    Level.ERROR,
    remedy="Name the triggers, and call them by these names in the formula.",
    source="KEDA's admission webhook, validateScalingModifiersFormula.",
)
def check_formula(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A formula is made of triggers that are there, and takes of their numbers what there is of fractions. Their own
    targets do not count any more: a trigger that is not in it is not looked at."""
    modifiers, path = scaling.scaling_modifiers, ("autoscaling", "scalingModifiers")
    if modifiers is None:
        return
    names = {str(trigger.name) for trigger in scaling.triggers if trigger.name and trigger.type not in OF_PODS}
    if not scaling.triggers:
        yield Finding(path, "is a formula of triggers, and none are given", "write triggers, or remove it")
        return
    used = names_in(modifiers.formula)
    for name in sorted(used - names):
        have = f"use {', '.join(sorted(names))}" if names else "give the triggers names"
        yield Finding((*path, "formula"), f"names no trigger (got {name!r})", have)
    if misuse := misuse_of(modifiers.formula):
        yield Finding((*path, "formula"), *misuse)
    for index, trigger in enumerate(scaling.triggers):
        if trigger.type not in OF_PODS and trigger.name not in used:
            place: Path = ("autoscaling", "triggers", index)
            yield Finding(place, "is not in the formula, and so never looked at", "name it there, or remove it")


@scaling_rule(
    KedaSettings,
    "KE-15a",
    Level.WARNING,
    remedy="Write max(..., 0), and let no trigger's own number be what is divided by.",
    source="KEDA 2.20.2 and later: a formula's NaN, infinite or negative result is the metric 0.",
)
def check_formula_is_a_number(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A formula gives a number of 0 or more, whatever its triggers say. KEDA takes anything else for an empty queue and
    ends busy pods; what versions before 2.20.2 make of it is not judged."""
    formula = _formula_of(scaling)
    harm = harm_of(formula)
    if harm:
        remedy = "divide by a number, or not at all" if harm == BY_ZERO else f"write max({formula}, 0)"
        yield Finding(_FORMULA, f"{harm}, which KEDA takes for an empty queue (before 2.20.2: not judged)", remedy)


def _formula_of(scaling: KedaSettings) -> str:
    return scaling.scaling_modifiers.formula if scaling.scaling_modifiers else ""


@scaling_rule(
    KedaSettings,
    "KE-15b",
    Level.INFO,
    remedy="Try it with every trigger at 0, and with many messages in one of them.",
    source="https://expr-lang.org: comparisons, lists and functions of many kinds.",
)
def check_formula_is_judged(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A formula is made of sums, products, maxima and minima. Whether any other is right at 0 is not judged."""
    formula = _formula_of(scaling)
    if formula and not is_arithmetic(formula):
        yield Finding(
            _FORMULA,
            "is more than sums and products: whether it gives a number of 0 or more is not judged",
            "try it with every trigger at 0, and with many messages",
        )
