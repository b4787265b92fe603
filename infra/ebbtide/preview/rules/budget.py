"""How long pods have to finish."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.fleet import Pods, falling_rungs
from ebbtide.preview.reads import time_limit_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import Successor, successors
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_duration

_CONTAINER = "spec.template.spec.containers.*"


@change_rule(
    "P-03",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
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
        advice = "make sure that no message takes longer any more (its measured maximum, not its average)"
        for whose, before, after in successor.containers():
            fallen = next(falling_rungs(before, after), None)
            if fallen is not None:
                words, old, new = fallen
                longest = before.longest_message_seconds or old
                said.add(
                    f"pods of {title} get {format_duration(new)} instead of {format_duration(old)} {words}: "
                    f"a message that still takes {format_duration(longest)} is killed"
                )
            if before.hook != after.hook and before.hook:
                sentence = f"{whose} loses its drain hook"
                if after.hook:
                    sentence = (
                        f"{whose} runs {' '.join(after.hook)} before it stops, instead of {' '.join(before.hook)}"
                    )
                yield Risk(title, sentence, "keep lifecycle.preStop", key, RiskLevel.DANGER)
            elif after.hook and not before.hook and not after.drains_in_time:
                sentence = f"{whose} runs {after.hook[0]} before it is asked to stop, and has that much less time"
                remedy = "add it to terminationGracePeriodSeconds"
                yield Risk(title, sentence, remedy, key, _level_of_hook(before, after))
            elif before.drains_in_time and not after.drains_in_time and fallen is None:
                sentence = f"the shutdown budget of {whose} no longer fits its longest message: {_ladder(after)}"
                yield Risk(title, sentence, "derive it from the settings again", key)
            if fallen is None:
                yield from _less_by_option(successor, whose, before, after)
        for sentence in sorted(said):
            yield Risk(title, sentence, advice, key)


def _level_of_hook(before: Pods, after: Pods) -> RiskLevel:
    """Not judged where the grace grows with it, or where nobody knows what it takes; `sleep 60` takes 60 seconds."""
    took = after.hook[1] if len(after.hook) == 2 and after.hook[0].endswith("sleep") else ""
    if not took.isdecimal():
        return RiskLevel.NOT_JUDGED
    left = (after.grace_seconds or 0) - int(took)
    return RiskLevel.NOT_JUDGED if left >= (before.grace_seconds or 0) else RiskLevel.DANGER


def _less_by_option(successor: Successor, whose: str, before: Pods, after: Pods) -> Iterator[Risk]:
    """The worker's own limit of time falls, by an option that these rules know."""
    old, new = time_limit_of(before.command), time_limit_of(after.command)
    if old is None or new is None or old.option != new.option or new.seconds is None:
        return
    if old.seconds is None or new.seconds < old.seconds:
        was = "as long as it takes" if old.seconds is None else format_duration(old.seconds)
        sentence = (
            f"{whose} {new.words} {format_duration(new.seconds)} instead of {was} ({new.option}): one that takes "
            "longer is cut off, and handled again or not at all"
        )
        yield Risk(successor.title, sentence, "keep it above the longest message", successor.change.key)


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
