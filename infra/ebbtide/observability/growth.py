"""What each kind of autoscaling can say of a backlog that grows, and of its own faults."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from ebbtide.observability.metrics import CONSUMER
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.consumer import ConsumerSettings


@dataclass(frozen=True, slots=True)
class Growth:
    """A query that is true while the backlog grows, as far as somebody can know it."""

    query: str
    in_words: str
    on: str = CONSUMER
    """The labels by which it is joined with the number of pods."""
    keda: bool = False


@singledispatch
def backlog_grows(scaling: AutoscalingSettings, consumer: ConsumerSettings) -> Growth:  # noqa: ARG001
    """By the pods alone: every worker that could take a message has one. It needs WorkerProgress: without it nothing
    is known, and the alert never fires."""
    busy, able = (
        f"sum by ({CONSUMER}) ({series})"
        for series in ("ebbtide_messages_in_flight{%s}", 'ebbtide_workers{%s,state="ready"}')
    )
    return Growth(f"{busy} >= {able}", "every worker has a message")


@singledispatch
def keda_errors(scaling: AutoscalingSettings, consumer: ConsumerSettings) -> str:  # noqa: ARG001
    """A query that is true while the autoscaler cannot read its metric; empty where nobody but Kubernetes asks."""
    return ""
