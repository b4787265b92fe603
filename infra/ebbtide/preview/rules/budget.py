"""How long pods have to finish."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.fleet import Pods, falling_rungs
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_duration

_CONTAINER = "spec.template.spec.containers.*"


@change_rule(
    "P-03",
    RiskLevel.DANGER,
    remedy="Make sure that no message takes longer any more: its measured maximum, not its average.",
    source="Pods that run keep their old grace; those of the update have the new one.",
    reads={
        "Deployment": (
            "spec.template.spec.terminationGracePeriodSeconds",
            f"{_CONTAINER}.env.{image_contract.LONGEST_MESSAGE_SECONDS}.value",
            f"{_CONTAINER}.env.{image_contract.STOP_WAIT_SECONDS}.value",
            f"{_CONTAINER}.env.{image_contract.DRAIN_DEADLINE_SECONDS}.value",
            f"{_CONTAINER}.lifecycle.preStop.exec.command.*",
        )
    },
)
def check_budget_weakened(context: Context) -> Iterator[Risk]:
    """Pods get less time to finish than before, or lose the hook or the process that drains them; or the budget no
    longer fits the longest message."""
    for successor in successors(context):
        title, key = successor.title, successor.change.key
        said = set()
        for whose, before, after in successor.containers():
            for words, old, new in list(falling_rungs(before, after))[:1]:
                longest = before.longest_message_seconds or old
                said.add(
                    f"pods of {title} get {format_duration(new)} instead of {format_duration(old)} {words}: "
                    f"a message that still takes {format_duration(longest)} is killed"
                )
                advice = "make sure that no message takes longer any more (its measured maximum, not its average)"
            if before.hook != after.hook and before.hook:
                sentence = f"{whose} loses its drain hook"
                if after.hook:
                    sentence = (
                        f"{whose} runs {' '.join(after.hook)} before it stops, instead of {' '.join(before.hook)}"
                    )
                yield Risk(title, sentence, "keep lifecycle.preStop", key)
            elif before.drains_in_time and not after.drains_in_time and not said:
                sentence = f"the shutdown budget of {whose} no longer fits its longest message: {_ladder(after)}"
                yield Risk(title, sentence, "derive it from the settings again", key)
        for sentence in sorted(said):
            yield Risk(title, sentence, advice, key)


def _ladder(pods: Pods) -> str:
    rungs = {
        "the longest message": pods.longest_message_seconds,
        "a worker is killed after": pods.stop_wait_seconds,
        "the hook gives up after": pods.drain_deadline_seconds,
        "the pod after": pods.grace_seconds,
    }
    return ", ".join(
        f"{words} {'not stated' if seconds is None else format_duration(seconds)}" for words, seconds in rungs.items()
    )
