"""What each type of trigger makes of its metadata: the HPA's target, the activation, what it counts, how old that is,
and whether it must connect before it exists.

Source: pkg/scalers/<type>_scaler.go of each type (its metadata, New...Scaler, GetMetricSpecForScaling).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus, urlsplit

from ebbtide.capacity.hpa import Metric
from ebbtide.capacity.keda.spec import Counts, Trigger
from ebbtide.capacity.keda.triggers import milli_of
from ebbtide.kubernetes.booleans import GO_BOOLEANS

RABBITMQ_STATISTICS_SECONDS = 5.0
"""The management plugin's figures are collected so often (`collect_statistics_interval`): 7.1 s from zero to one pod
where Redis and PostgreSQL took 2.4 and 2.2 (measured, polling every 5 s)."""
SQS_AGE_SECONDS = 60.0
"""AWS calls its counts approximate, and right within a minute."""
PROMETHEUS_AGE_SECONDS = 30.0
"""A scrape a minute, half of it on average; how often yours is scraped is for --measured metricLagSeconds."""
_DELAYED = ("__queue", ":delayed")
"""What Symfony and Laravel call the sorted sets of messages whose time has not come."""
# Laravel's sorted set, kombu's hash and BullMQ's list.
_IN_HAND = (":reserved", "unacked", ":active")


class TriggerError(ValueError):
    """Metadata that its scaler refuses; `field` is below `metadata` unless it is empty."""

    def __init__(self, field: str, what: str, got: object) -> None:
        super().__init__(what)
        self.field, self.what, self.got = field, what, got


@dataclass(frozen=True, slots=True)
class Metadata:
    """`metadata` of one trigger: strings, whatever they mean."""

    given: Mapping[str, object]
    has_formula: bool
    """Then the scaler's own target counts for nothing, and may be missing."""

    def text(self, name: str, default: str | None = None) -> str:
        """A field. Raises TriggerError where it is needed and missing, or not a string."""
        value = self.given.get(name, default)
        if value is None or value == "":
            if default is None:
                raise TriggerError(name, "is needed", value)
            return default
        if not isinstance(value, str):
            raise TriggerError(name, "must be a string, also for a number", value)
        return value

    def number(self, name: str, default: float | None = None, *, whole: bool = False) -> float:
        """A number, whole where KEDA keeps it in an int64. Raises TriggerError."""
        text = self.text(name, None if default is None else f"{default:g}")
        try:
            return float(int(text)) if whole else float(text)
        except ValueError:
            raise TriggerError(name, f"must be a {'whole ' if whole else ''}number", text) from None

    def boolean(self, name: str, *, default: bool) -> bool:
        """What Go reads as one. Raises TriggerError."""
        text = self.text(name, str(default))
        if text not in GO_BOOLEANS:
            raise TriggerError(name, "must be true or false", text)
        return GO_BOOLEANS[text]

    def target(self, name: str, default: float | None = None, *, whole: bool = False) -> int:
        """The HPA's target in milli-units. Raises TriggerError for one that nothing could be divided by."""
        value = self.number(name, 0.0 if self.has_formula and default is None else default, whole=whole)
        milli = milli_of(value)
        if not milli and not self.has_formula:
            raise TriggerError(name, "must be greater than 0", self.given.get(name))
        return milli


@dataclass(frozen=True, slots=True)
class Scaler:
    """What a scaler makes of its metadata."""

    metric: str
    """Its name without the trigger's index."""
    target_milli: int
    activation: float
    counts: Counts = "unknown"
    age_seconds: float = 0.0
    connects: bool = False


def _redis_streams(metadata: Metadata) -> Scaler:
    """The stream's length without a group: Symfony deletes what is acknowledged, so that is waiting and in flight. With
    one its lag, which leaves out what is in flight, or what is pending."""
    name = f"redis-streams-{metadata.text('stream')}"
    activation = metadata.number("activationLagCount", 0, whole=True)
    counts: Counts
    default: float | None
    if not metadata.text("consumerGroup", ""):
        counts, field, default = "backlogAndInFlight", "streamLength", 5.0
    elif metadata.number("lagCount", 0, whole=True):
        counts, field, default = "backlog", "lagCount", None
    else:
        counts, field, default = "inFlight", "pendingEntriesCount", 5.0
    return Scaler(name, metadata.target(field, default, whole=True), activation, counts, connects=True)


def _redis_list(metadata: Metadata) -> Scaler:
    """A list, or a set of delayed messages."""
    key = metadata.text("listName")
    counts: Counts = "delayed" if key.endswith(_DELAYED) else "inFlight" if key.endswith(_IN_HAND) else "backlog"
    target = metadata.target("listLength", 5, whole=True)
    return Scaler(f"redis-{key}", target, metadata.number("activationListLength", 0, whole=True), counts, connects=True)


def _rabbitmq(metadata: Metadata) -> Scaler:
    """Over http the queue's `messages`, which count what is not acknowledged; over amqp those that are ready."""
    mode, given = metadata.text("mode", ""), metadata.given
    if mode not in {"", "QueueLength"}:
        raise TriggerError("mode", "cannot be simulated: a rate is no number of messages; use QueueLength", mode)
    if "queueLength" in given and (mode or "value" in given):
        raise TriggerError("queueLength", "is deprecated, and refused beside mode and value", given["queueLength"])
    if not mode and "value" in given:
        raise TriggerError("mode", "must be specified beside value", None)
    target = metadata.target("value") if mode else metadata.target("queueLength", 20.0)
    protocol = metadata.text("protocol", "auto")
    if protocol == "auto":
        scheme = urlsplit(metadata.text("host", "")).scheme
        protocol = "amqp" if scheme.startswith("amqp") else "http"
    over_http = protocol == "http"
    with_unacknowledged = over_http and not metadata.boolean("excludeUnacknowledged", default=False)
    return Scaler(
        f"rabbitmq-{quote_plus(metadata.text('queueName'))}",
        target,
        metadata.number("activationValue", 0),
        "backlogAndInFlight" if with_unacknowledged else "backlog",
        RABBITMQ_STATISTICS_SECONDS if over_http else 0.0,
        connects=not over_http,
    )


def _table(metric: str, target: str, activation: str) -> Callable[[Metadata], Scaler]:
    """A query over Doctrine's table: rows stay until they are acknowledged, so all but those that were delivered are
    waiting."""

    def read(metadata: Metadata) -> Scaler:
        waiting = re.search(r"\bdelivered_at\s+is\s+null\b", metadata.text("query"), re.IGNORECASE)
        database = f"-{metadata.text('dbName', '')}" if metric == "mysql" else ""
        return Scaler(
            metric + database,
            metadata.target(target),
            metadata.number(activation, 0),
            "backlog" if waiting else "backlogAndInFlight",
            connects=True,
        )

    return read


def _sqs(metadata: Metadata) -> Scaler:
    """Visible messages, and by default those in flight."""
    url = metadata.text("queueURL", "")
    in_flight = metadata.boolean("scaleOnInFlight", default=True)
    return Scaler(
        f"aws-sqs-{urlsplit(url).path.rpartition('/')[2] or url}",
        metadata.target("queueLength", 5, whole=True),
        metadata.number("activationQueueLength", 0, whole=True),
        "backlogAndInFlight" if in_flight else "backlog",
        SQS_AGE_SECONDS,
    )


def _prometheus(metadata: Metadata) -> Scaler:
    """Whatever its query counts: the load says what that is."""
    metadata.text("query")
    target = metadata.target("threshold")
    return Scaler("prometheus", target, metadata.number("activationThreshold", 0), age_seconds=PROMETHEUS_AGE_SECONDS)


SCALERS: Mapping[str, Callable[[Metadata], Scaler]] = {
    "redis-streams": _redis_streams,
    "redis-cluster-streams": _redis_streams,
    "redis-sentinel-streams": _redis_streams,
    "redis": _redis_list,
    "redis-cluster": _redis_list,
    "redis-sentinel": _redis_list,
    "rabbitmq": _rabbitmq,
    "postgresql": _table("postgresql", "targetQueryValue", "activationTargetQueryValue"),
    "mysql": _table("mysql", "queryValue", "activationQueryValue"),
    "aws-sqs-queue": _sqs,
    "prometheus": _prometheus,
}
OF_PODS = ("cpu", "memory")


def read_trigger(given: Mapping[str, object], place: int, *, has_formula: bool) -> Trigger:
    """The trigger at a place of `spec.triggers`. Raises TriggerError."""
    kind = given.get("type")
    metadata = Metadata(_mapping(given.get("metadata", {})), has_formula)
    if kind in OF_PODS:
        if given.get("useCachedMetrics") is True:
            raise TriggerError("", f"useCachedMetrics is not supported for {kind}", given["useCachedMetrics"])
        return Trigger(str(kind), _of_pods(str(kind), given, metadata), str(given.get("name") or ""))
    if kind not in SCALERS:
        known = ", ".join([*SCALERS, *OF_PODS])
        raise TriggerError("", f"cannot be simulated: it knows triggers of type {known}", kind)
    scaler = SCALERS[str(kind)](metadata)
    target_type = given.get("metricType") or "AverageValue"
    if target_type not in {"AverageValue", "Value"}:
        raise TriggerError("", "metricType must be AverageValue or Value", target_type)
    return Trigger(
        str(kind),
        Metric(
            "External",
            "Value" if target_type == "Value" else "AverageValue",
            scaler.target_milli,
            f"s{place}-{_normalized(scaler.metric)}",
        ),
        str(given.get("name") or ""),
        scaler.activation,
        scaler.counts,
        scaler.age_seconds,
        scaler.connects,
        cached=given.get("useCachedMetrics") is True,
    )


def _of_pods(kind: str, given: Mapping[str, object], metadata: Metadata) -> Metric:
    """CPU or memory, which the HPA reads itself (cpu_memory_scaler.go)."""
    target_type = given.get("metricType")
    container = metadata.text("containerName", "") or None
    source = "ContainerResource" if container else "Resource"
    if target_type == "Utilization":
        return Metric(source, "Utilization", int(metadata.number("value", whole=True)), kind, container)  # type: ignore[arg-type]
    if target_type == "AverageValue":
        from ebbtide.kubernetes.quantity import milli_value  # noqa: PLC0415 - few triggers are of this kind

        return Metric(source, "AverageValue", milli_value(metadata.text("value")), kind, container)  # type: ignore[arg-type]
    raise TriggerError("", "metricType must be Utilization or AverageValue", target_type)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TriggerError("", "metadata must be a mapping", value)
    return value


def _normalized(name: str) -> str:
    """NormalizeString in pkg/util/normalize_string.go."""
    return re.sub(r"[/.:%()]", "-", name)
