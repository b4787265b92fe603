"""What each kind of autoscaling can say of a backlog that grows, and of its own faults."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

from ebbtide.observability.metrics import CONSUMER
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.keda import KedaSettings
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class Growth:
    """A query that is true while the backlog grows, as far as somebody can know it."""

    query: str
    in_words: str
    on: str = CONSUMER
    """The labels by which it is joined with the number of pods."""
    keda: bool = False


@singledispatch
def backlog_grows(scaling: AutoscalingSettings, stack: StackSettings, consumer: ConsumerSettings) -> Growth:  # noqa: ARG001
    """By the pods alone: every worker that could take a message has one. It needs WorkerProgress: without it nothing
    is known, and the alert never fires."""
    busy, able = (
        f"sum by ({CONSUMER}) ({series})"
        for series in ("ebbtide_messages_in_flight{%s}", 'ebbtide_workers{%s,state="ready"}')
    )
    return Growth(f"{busy} >= {able}", "every worker has a message")


@singledispatch
def keda_errors(scaling: AutoscalingSettings, stack: StackSettings, consumer: ConsumerSettings) -> str:  # noqa: ARG001
    """A query that is true while the autoscaler cannot read its metric; empty where nobody but Kubernetes asks."""
    return ""


@backlog_grows.register
def _keda_grows(scaling: KedaSettings, stack: StackSettings, consumer: ConsumerSettings) -> Growth:  # noqa: ARG001
    """By what KEDA reads of the broker itself."""
    grows = " or ".join(
        f"sum(deriv({series}[15m]))" for series in _of_keda("keda_scaler_metrics_value", stack, consumer)
    )
    return Growth(f"({grows}) > 0", "the backlog that KEDA reads grows", on="", keda=True)


@keda_errors.register
def _keda_errs(scaling: KedaSettings, stack: StackSettings, consumer: ConsumerSettings) -> str:  # noqa: ARG001
    errors = (f"sum(increase({series}[5m]))" for series in _of_keda("keda_scaled_object_errors_total", stack, consumer))
    return f"({' or '.join(errors)}) > 0"


def _of_keda(name: str, stack: StackSettings, consumer: ConsumerSettings) -> tuple[str, ...]:
    """A metric of KEDA's operator about this consumer. Its label `namespace` is the ScaledObject's own; a collector
    whose label has the same name writes it as `exported_namespace`, unless it is told to honour it."""
    namespace = stack.seen_by(consumer).namespace.name
    return tuple(
        f'{name}{{scaledObject="{consumer.name}",{label}="{namespace}"}}'
        for label in ("exported_namespace", "namespace")
    )
