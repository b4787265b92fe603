"""Every name that a query may use: the image's metrics, the counts of its events, and KEDA's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ebbtide.image.ebbtide_supervisor.metric_texts import EVENT_COUNTS, METRICS, EventCount, Metric, duration_bounds
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

__all__ = [
    "CONSUMER",
    "EVENT_COUNTS",
    "KEDA_METRICS",
    "METRICS",
    "NAMESPACE",
    "POD",
    "STACK",
    "EventCount",
    "Metric",
    "bounds_of",
    "log_metric_id",
    "log_series",
    "series_names",
]

# What a scrape adds to every series; ours by relabelling, from the labels of the pod.
NAMESPACE, POD, CONSUMER, STACK = "namespace", "pod", "consumer", "stack"
_OF_LOG_METRICS = "logging_googleapis_com:user_"


class KedaMetric(NamedTuple):
    """A metric of KEDA's operator."""

    name: str
    type: str
    help: str


# pkg/metricscollector/prommetrics.go of KEDA 2.21, at :8080 of its operator.
KEDA_METRICS = (
    KedaMetric("keda_scaled_object_errors_total", "counter", "Errors of one ScaledObject."),
    KedaMetric("keda_scaler_metrics_value", "gauge", "What a trigger last read, messages of a queue for example."),
)


def series_names() -> Iterator[str]:
    """The names of every series of the image, as they stand in a scrape."""
    for metric in METRICS:
        parts = ("_bucket", "_sum", "_count") if metric.type == "histogram" else ("",)
        yield from (metric.name + part for part in parts)


def bounds_of(consumer: ConsumerSettings) -> tuple[float, ...]:
    """The upper bounds of the buckets of a consumer's message durations, in seconds."""
    return duration_bounds(consumer.shutdown.longest_message)


def log_metric_id(count: EventCount, stack: StackSettings) -> str:
    """The log-based metric that counts these events of a stack: a project may have several stacks."""
    return f"{count.name}_{re.sub('[^a-z0-9]', '_', stack.name)}"


def log_series(name: str, stack: StackSettings) -> str:
    """The same in PromQL (Cloud Monitoring writes `logging.googleapis.com/user/ID` so).

    Raises KeyError for a name that the image does not count.
    """
    count = {count.name: count for count in EVENT_COUNTS}[name]
    return _OF_LOG_METRICS + log_metric_id(count, stack)
