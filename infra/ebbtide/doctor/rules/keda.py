"""Rules about KEDA: what its triggers count, and when it goes to zero."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import object_rule, setup_rule, unit_rule
from ebbtide.doctor.rules.queue_names import counted_triggers, counts_in_hand
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.targets import strays
from ebbtide.doctor.times import longest_of
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import ManifestObject, autoscalers_of
from ebbtide.kubernetes.keda import DEFAULT_MAX_REPLICAS
from ebbtide.settings.rules.keda_scalers import is_redis_stream, says, takes_nothing_for_zero

_LIST_WORKERS: Final = frozenset(
    {"celery worker", "rq worker", "artisan queue:work", "artisan horizon", "sidekiq", "dramatiq"}
)
_KAFKA: Final = frozenset({"kafka", "apache-kafka"})
_BULL_LIST: Final = re.compile(r":wait$")
_SQL: Final = frozenset({"postgresql", "mysql", "mssql"})
_TAKEN: Final = re.compile(r"\b(?:delivered_at|reserved_at|locked_at|locked_by)\b")
"""What is set of a row that a worker has taken: by Symfony, Laravel, and Delayed Job."""
_IS_FREE: Final = re.compile(rf"(?:\b\w+\.)?[`\"\[]?{_TAKEN.pattern}[`\"\]]?\s+is\s+null\b")
_IS_STALE: Final = re.compile(rf"(?:\b\w+\.)?[`\"\[]?{_TAKEN.pattern}[`\"\]]?\s*<")
_OTHER_COUNT: Final = re.compile(r"\bcase\b|\bnot\s*\(|\bunion\b|\bsum\s*\(|\bfilter\s*\(|\bif\s*\(")
_COUNTED: Final = re.compile(r"\bselect\b")


@object_rule(
    "D-56",
    Harm.DELAYS,
    remedy="Count what is in flight too: RabbitMQ over http, Redis by stream length without a group, a table without "
    "asking whether a row is taken.",
    source="KEDA's scalers read at 2.21.0: protocol amqp counts ready messages only; lagCount is without value when "
    "the newest entry was acknowledged first (measured). Symfony sets delivered_at, and Laravel reserved_at, of a row "
    "that a worker takes, and deletes it when it is done.",
)
def check_in_flight(one: ManifestObject) -> Iterator[Diagnosis]:
    """The trigger counts what is in flight. One that counts only what waits sees an empty queue while every worker is
    busy, and takes those pods away."""
    if one.kind != "ScaledObject":
        return
    for trigger in one.data.items_of("spec", "triggers"):
        metadata = trigger.map("metadata")
        text = _counts_only_waiting(trigger.text("type"), metadata)
        if text:
            yield Diagnosis(one.at(trigger), one.title, text[0], text[1])


def _texts(metadata: Map) -> dict[str, str]:
    return {name: metadata.text(name) for name in metadata}


def _counts_only_waiting(kind: str, metadata: Map) -> tuple[str, str] | None:
    if kind == "rabbitmq" and metadata.text("mode") in ("QueueLength", ""):
        protocol = metadata.text("protocol") or "auto"
        if protocol == "amqp" or (protocol == "auto" and metadata.text("host").startswith("amqp")):
            return (
                "counts ready messages only (protocol amqp): with every message in flight the queue looks empty",
                f"write protocol: http, which counts the unacknowledged too, and {_management(metadata)}",
            )
        if says(_texts(metadata), "excludeUnacknowledged", default=False):
            return ("leaves out what is in flight (excludeUnacknowledged)", "remove excludeUnacknowledged")
    if is_redis_stream(kind) and "lagCount" in metadata:
        return (
            "counts the lag of the group, which has no value while an older entry is in flight and then reads as 0",
            "write streamLength without consumerGroup, where messages are deleted when they are acknowledged",
        )
    if is_redis_stream(kind) and "pendingEntriesCount" in metadata:
        return (
            "counts what is in flight only: a backlog that nobody has read is 0",
            "write streamLength without consumerGroup, where messages are deleted when they are acknowledged",
        )
    if kind == "aws-sqs-queue" and not says(_texts(metadata), "scaleOnInFlight", default=True):
        return ("leaves out what is in flight (scaleOnInFlight: false)", "remove scaleOnInFlight")
    return _of_others(kind, metadata)


def _leaves_out_taken(query: str) -> str:
    """The column by which a query leaves out the rows that a worker has taken; empty where it counts them too, or asks
    in a way that is not plain. One that also counts what was taken too long ago (`OR delivered_at < ...`) leaves out
    those in flight."""
    text = query.lower()
    free, named = _IS_FREE.search(text), _TAKEN.findall(text)
    is_plain = len(_COUNTED.findall(text)) == 1 and not _OTHER_COUNT.search(text)
    only_free = len(named) == len(_IS_FREE.findall(text)) + len(_IS_STALE.findall(text))
    return named[0] if free and is_plain and only_free else ""


def _management(metadata: Map) -> str:
    """Whose address is another one then: that of RabbitMQ's management API."""
    api = "the management API's http address (port 15672)"
    name = metadata.text("hostFromEnv")
    return f"a hostFromEnv that holds {api}: {name} is an amqp one" if name else f"as host {api}"


def _of_others(kind: str, metadata: Map) -> tuple[str, str] | None:
    if kind in _SQL and (column := _leaves_out_taken(metadata.text("query"))):
        return (
            f"leaves out what is in flight ({column} IS NULL): with every message in flight the queue looks empty",
            f"count the rows without the condition on {column}: one that is done is deleted",
        )
    if kind == "azure-queue" and metadata.text("queueLengthStrategy").lower() == "visibleonly":
        return (
            "leaves out what is in flight, which is invisible meanwhile (queueLengthStrategy: visibleonly)",
            "write queueLengthStrategy: all",
        )
    return None


@object_rule(
    "D-57",
    Harm.DELAYS,
    remedy="Write fallback.replicas of at least 1.",
    source="KEDA 2.21.0: a trigger's error with fallback.replicas 0 falls through to zero.",
)
def check_fallback(one: ManifestObject) -> Iterator[Diagnosis]:
    """Workers stay while the broker cannot be asked."""
    fallback = one.data.map("spec", "fallback")
    if one.kind == "ScaledObject" and fallback.get("replicas") == 0:
        yield Diagnosis(
            one.at(fallback, "replicas"),
            one.title,
            "goes to zero pods when the broker cannot be asked",
            "write replicas: 1 or more",
        )


@object_rule(
    "D-5m",
    Harm.BREAKS,
    Harm.DELAYS,
    remedy="Remove the annotation, and pause by kubectl, which no manifest keeps.",
    source="KEDA's documentation of pausing: autoscaling.keda.sh/paused-replicas holds a number of pods, "
    "autoscaling.keda.sh/paused the present one.",
)
def check_paused(one: ManifestObject) -> Iterator[Diagnosis]:
    """An autoscaler in a manifest scales. One that was paused for an incident stays so with each apply: at the number
    that it was left with, and nothing consumes where that is 0."""
    annotations = one.data.map("metadata", "annotations")
    if one.group != "keda.sh" or one.is_live:
        return
    held = annotations.text("autoscaling.keda.sh/paused-replicas")
    for key in ("autoscaling.keda.sh/paused-replicas", "autoscaling.keda.sh/paused"):
        if key in annotations and str(annotations[key]).lower() not in ("false", ""):
            number = f"at {held} pods" if held else "at the number of pods that it was left with"
            end = ": nothing consumes" if held == "0" else ", whatever waits"
            yield Diagnosis(
                one.at(annotations, key),
                one.title,
                f"is paused {number}{end}",
                f"remove {key}",
                level=Harm.BREAKS if held == "0" else Harm.DELAYS,
            )
            return


@object_rule(
    "D-58",
    Harm.DELAYS,
    remedy='Write ignoreNullValues: "false" in the trigger\'s metadata.',
    source="KEDA 2.21.0: prometheus, loki and aws-cloudwatch read 0 by default where there is no value.",
)
def check_absent_series(one: ManifestObject) -> Iterator[Diagnosis]:
    """A metric that is missing is no empty queue. To KEDA it is, and the workers go when the exporter does."""
    if one.kind != "ScaledObject":
        return
    for trigger in one.data.items_of("spec", "triggers"):
        metadata = trigger.map("metadata")
        if takes_nothing_for_zero(trigger.text("type"), _texts(metadata)):
            yield Diagnosis(
                one.at(trigger),
                one.title,
                "takes a series that is not there for 0: if the exporter dies, so do the workers",
                'write ignoreNullValues: "false"',
            )


@object_rule(
    "D-5e",
    Harm.BREAKS,
    remedy="Write scaleTargetRef.name.",
    source="KEDA 2's ScaledObject: scaleTargetRef.name is required; deploymentName was KEDA 1's.",
)
def check_target(one: ManifestObject) -> Iterator[Diagnosis]:
    """A ScaledObject says what it scales. What KEDA 1 called `deploymentName` is not read any more."""
    target = one.scaled()
    if one.kind == "ScaledObject" and one.group == "keda.sh" and not target.text("name"):
        old = "deploymentName" in target
        yield Diagnosis(
            one.at(target, "deploymentName") if old else one.at(target),
            one.title,
            "says deploymentName, as KEDA 1 did, and no name: it is refused"
            if old
            else "scales nothing: it is refused",
            f"write name: {target.text('deploymentName') or '<the Deployment>'}",
        )


@setup_rule(
    "D-5g",
    Harm.BREAKS,
    remedy="Write apiVersion and kind of what is scaled into scaleTargetRef.",
    source="KEDA 2 and autoscaling/v2: without a kind KEDA looks for a Deployment; kedacore/keda#4344.",
)
def check_kind_of_target(setup: SetUp) -> Iterator[Diagnosis]:
    """An autoscaler scales what is there. Where it says no kind, a ScaledObject looks for a Deployment: a Rollout or a
    StatefulSet of that name is never scaled."""
    there = {(one.kind, one.name) for one in setup.workloads}
    for (kind, name), scalers in autoscalers_of(setup.objects).items():
        others = sorted(other for other, its in there if its == name and other != "service")
        if (kind, name) in there or not others:
            continue
        for one in scalers:
            yield Diagnosis(
                one.at(one.scaled()),
                one.title,
                f"scales {kind} {name}, and what is there is {others[0]} {name}: it is never scaled",
                f"write kind: {others[0]} into scaleTargetRef, and its apiVersion",
            )


@setup_rule(
    "D-5i",
    Harm.BREAKS,
    remedy="Write the workload's name into scaleTargetRef.",
    source="Charts whose autoscaler names a workload otherwise than the workload itself: kestra-io/kestra#18101, "
    "mastodon/mastodon#20691, PostHog/charts-clickhouse#783.",
)
def check_name_of_target(setup: SetUp) -> Iterator[Diagnosis]:
    """An autoscaler and its workload call it the same. Kubernetes takes an autoscaler of something that is not there,
    and nothing is ever scaled. Judged where one file has both and the names resemble: elsewhere the other workload may
    not have been handed over."""
    for stray in strays(setup):
        if stray.meant is not None and stray.is_misnamed:
            one = stray.autoscaler
            yield Diagnosis(
                one.at(one.scaled(), "name"),
                one.title,
                f"scales {stray.kind} {stray.name}, which is not there; {stray.meant.title} ({stray.meant.place}) is "
                "never scaled",
                f"write name: {stray.meant.name} into scaleTargetRef",
            )


@setup_rule(
    "D-5j",
    Harm.COSTS,
    remedy="Remove allowIdleConsumers, or write maxReplicaCount: the topic's partitions.",
    source="Kafka gives a partition to one consumer of a group; KEDA stops at the number of partitions unless "
    "allowIdleConsumers is set (kedacore/keda#1684).",
)
def check_partitions(setup: SetUp) -> Iterator[Diagnosis]:
    """Every consumer of a topic has a partition. Those above their number wait for one, and each that comes or goes
    lets all pause while the group shares them out anew. Judged where the topic is among the files; of several topics
    the one with the most partitions counts."""
    for one in setup.objects:
        spec = one.data.map("spec")
        most = spec.get("maxReplicaCount", DEFAULT_MAX_REPLICAS)
        triggers = spec.items_of("triggers") if one.kind == "ScaledObject" else []
        topics = [trigger.map("metadata") for trigger in triggers if trigger.text("type") in _KAFKA]
        partitions = [_partitions(setup, metadata.text("topic")) for metadata in topics]
        known = [number for number in partitions if number is not None]
        if not known or len(known) < len(topics) or not isinstance(most, int) or most <= max(known):
            continue
        for metadata, number in zip(topics, known, strict=True):
            if number == max(known) and says(_texts(metadata), "allowIdleConsumers", default=False):
                yield Diagnosis(
                    one.at(metadata, "allowIdleConsumers"),
                    one.title,
                    f"may start {most} pods for the {number} partitions of {metadata.text('topic')}: the others "
                    "have nothing to do",
                    "remove allowIdleConsumers",
                )


def _partitions(setup: SetUp, topic: str) -> int | None:
    """Of a topic of Strimzi's, which is called as its object is unless that says topicName."""
    for one in setup.of_kind("KafkaTopic"):
        spec = one.data.map("spec")
        if (spec.text("topicName") or one.name) == topic:
            number = spec.get("partitions")
            return number if isinstance(number, int) else None
    return None


@unit_rule(
    "D-5c",
    Harm.DELAYS,
    remedy="Write minReplicaCount: 1, or add a trigger on the sorted set of delayed messages.",
    source="Symfony keeps delayed messages and retries on Redis in a sorted set that only a running consumer moves; "
    "one due retry: stream length 0 (measured).",
)
def check_stranded(unit: Unit) -> Iterator[Diagnosis]:
    """Delayed messages wake the workers. On Redis they are in no stream until a consumer moves them, and at zero pods
    there is none."""
    if not any(unit.named("messenger:consume")):
        return
    for one in unit.autoscalers:
        spec = one.data.map("spec")
        triggers = spec.items_of("triggers")
        streams = [trigger for trigger in triggers if is_redis_stream(trigger.text("type"))]
        if streams and spec.get("minReplicaCount", 0) == 0 and all(trigger in streams for trigger in triggers):
            yield Diagnosis(
                one.at(spec, "minReplicaCount") if "minReplicaCount" in spec else one.at(spec),
                one.title,
                "may go to zero pods; delayed messages and retries are in no stream, and wait until another message "
                "comes",
                "write minReplicaCount: 1, or add a redis trigger on <stream>__queue",
            )


@unit_rule(
    "D-5d",
    Harm.DELAYS,
    remedy="Write minReplicaCount: 1, or a trigger that counts unacknowledged tasks too.",
    source="Celery moves a task out of the list when it takes it (kombu's `unacked` hash); kedacore/keda#7368: zero "
    "pods while tasks are in flight.",
)
def check_list_length(unit: Unit) -> Iterator[Diagnosis]:
    """A list on Redis counts all that is not done. Celery, RQ, Laravel, Sidekiq and BullMQ take a message out of it
    when it is begun: an empty list is no idle worker, and its pod goes."""
    is_known = any(worker.program and worker.program.name in _LIST_WORKERS for worker in unit.workers)
    for one in unit.autoscalers:
        spec = one.data.map("spec")
        triggers = counted_triggers(one)
        is_list = [
            trigger.text("type").startswith("redis")
            and "listName" in trigger.map("metadata")
            and not counts_in_hand(unit, one, trigger)
            and (is_known or _BULL_LIST.search(trigger.map("metadata").text("listName")) is not None)
            for trigger in triggers
        ]
        if triggers and all(is_list) and spec.get("minReplicaCount", 0) == 0:
            yield Diagnosis(
                one.at(triggers[0]),
                one.title,
                "counts the list, which a message has left when it is begun: at an empty list every pod goes, "
                "the busy ones too",
                "write minReplicaCount: 1, or count the tasks that are not acknowledged as well",
            )


@unit_rule(
    "D-28",
    Harm.LOSES,
    remedy="Write rollout: {strategy: gradual} in the ScaledJob's spec.",
    source="KEDA's documentation of ScaledJob: rollout.strategy default ends the running jobs at each change of it "
    "(kedacore/keda#2098, #6440).",
)
def check_rollout(unit: Unit) -> Iterator[Diagnosis]:
    """A change of a ScaledJob leaves its running jobs alone. KEDA deletes them all, and makes new ones: a message is
    cut off unless its worker is known to end it within the grace period."""
    workload = unit.workload
    if workload is None or workload.kind != "ScaledJob":
        return
    spec = workload.data.map("spec")
    limits = [longest_of(unit, worker) for worker in unit.workers if worker.program is not None]
    is_drained = len(limits) == len(unit.workers) and all(one and one.value <= workload.grace_seconds for one in limits)
    if spec.map("rollout").text("strategy") != "gradual" and not is_drained:
        yield Diagnosis(
            workload.at(spec, "rollout"),
            unit.title,
            f"each change of it ends all its running jobs, {workload.grace_seconds} s after their stop signal",
            "write rollout: {strategy: gradual}",
        )
