"""What happens to a pod from its deletion to its end, on one clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.disruption import disruption_caps
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class Moment:
    """A point on the clock that starts when the pod is deleted."""

    seconds: int
    what: str
    kind: Literal["budget", "cap"] = "budget"
    """`cap`: how long one of the ways to end a pod lets it finish; it must not be below the grace period."""


def build_timeline(stack: StackSettings, consumer: ConsumerSettings) -> tuple[Moment, ...]:
    """The moments of a shutdown in order, and then the caps of every way in which this pod can be ended."""
    budget = consumer.shutdown_budget
    told = "stop file written; workers finish their message"
    if consumer.worker.drain == "stopFile":
        told = "stop file written; workers end at their next limit"
    moments = (
        Moment(0, f"deleted: {told}"),
        Moment(consumer.finish_seconds, "the longest message has ended; the pod is gone within a second"),
        Moment(budget.stop_wait_seconds, "a worker that is still there is killed (stopwaitsecs)"),
        Moment(budget.drain_deadline_seconds, "the drain hook gives up waiting; SIGTERM to the supervisor"),
        Moment(budget.grace_seconds, "the kubelet kills what is left (terminationGracePeriodSeconds)"),
    )
    caps = tuple(
        Moment(cap.seconds, f"{cap.cause} waits no longer ({cap.rule})", "cap")
        for cap in disruption_caps(stack, consumer)
    )
    return moments + tuple(sorted(caps, key=lambda moment: moment.seconds))
