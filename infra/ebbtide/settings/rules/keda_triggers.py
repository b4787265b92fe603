"""Rules about triggers of the user's own, as far as KEDA's own list and what was measured say anything about them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.base import repeated
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.demand import Trigger
from ebbtide.settings.models.keda import OF_PODS, KedaSettings
from ebbtide.settings.models.redis import RedisTransport
from ebbtide.settings.rules.declare import scaling_rule
from ebbtide.settings.rules.keda_scalers import (
    is_number,
    is_redis_stream,
    misplaced_parameters,
    missing_parameters,
    names_under,
    says,
    scalers,
    takes_nothing_for_zero,
    unknown_parameters,
    wrong_values,
)

_DEPRECATED = {"gcp-pubsub", "gcp-stackdriver", "gcp-cloudtasks"}
_RABBITMQ_MODES = (
    "QueueLength",
    "MessageRate",
    "DeliverGetRate",
    "PublishedToDeliveredRatio",
    "ExpectedQueueConsumptionTime",
)


def triggers_of(scaling: KedaSettings) -> Iterator[tuple[Path, Trigger]]:
    for index, trigger in enumerate(scaling.triggers):
        yield ("autoscaling", "triggers", index), trigger


@scaling_rule(
    KedaSettings,
    "KE-02",
    Level.ERROR,
    remedy="Write what the parameter takes, as text in quotes.",
    source="KEDA 2.21's own list of parameters.",
)
def check_values(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """Parameters of a trigger are what KEDA can read. It takes any text for an answer, and is then never ready."""
    for path, trigger in triggers_of(scaling):
        for wrong in wrong_values(trigger):
            got = trigger.metadata[wrong.parameter]
            place = (*path, "metadata", wrong.parameter)
            yield Finding(place, f"takes {wrong.takes} (got {got!r})", f"write for example {wrong.example}")


@scaling_rule(
    KedaSettings,
    "KE-04",
    Level.WARNING,
    remedy="Write 0, or accept that so many messages wait for one more.",
    source="KEDA 2.21: a trigger is active strictly above its activation, whatever its target.",
)
def check_activation(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """The first message wakes a pod. Activation is strictly above: with 50, forty messages are zero pods, also where
    the target is 10."""
    if scaling.min_replicas > 0:
        return
    found: list[tuple[Path, str]] = [
        ((*path, "metadata", name), value)
        for path, trigger in triggers_of(scaling)
        for name, value in trigger.metadata.items()
        if name.startswith("activation")
    ]
    if scaling.scaling_modifiers is not None:
        activation = str(scaling.scaling_modifiers.activation_target)
        found.append((("autoscaling", "scalingModifiers", "activationTarget"), activation))
    for place, value in found:
        if is_number(value) and float(value) > 0:
            yield Finding(
                place, f"is {value}: up to {value} messages wait at zero pods until one more comes", "write 0"
            )


@scaling_rule(
    KedaSettings,
    "KE-10",
    Level.ERROR,
    remedy="Write minReplicas: 1, or add a trigger that counts the queue.",
    source="KEDA's admission webhook, verifyCPUMemoryScalers; it is optional, so the same is refused here.",
)
def check_zero_has_a_source(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """Zero pods need a trigger that exists without pods."""
    if scaling.min_replicas == 0 and scaling.triggers and {one.type for one in scaling.triggers} <= OF_PODS:
        yield Finding(
            ("autoscaling", "minReplicas"),
            "is 0, and without pods there is no CPU or memory to measure: nothing would ever wake one",
            "write 1, or add a trigger that counts the queue",
        )


@scaling_rule(
    KedaSettings,
    "KE-10a",
    Level.ERROR,
    remedy="Give each trigger a name of its own.",
    source="KEDA's admission webhook, ValidateTriggers.",
)
def check_names_differ(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """No two triggers have one name."""
    for name in repeated(trigger.name for trigger in scaling.triggers if trigger.name):
        index = [trigger.name for trigger in scaling.triggers].index(name)
        yield Finding(
            ("autoscaling", "triggers", index, "name"), f"is that of two triggers (got {name!r})", "rename one of them"
        )


@scaling_rule(
    KedaSettings,
    "KE-16",
    Level.WARNING,
    remedy="Write AverageValue, or let the query divide by the pods.",
    source="KEDA 2.21 and the HPA controller: Value compares with the total and multiplies by the ready pods.",
)
def check_metric_type(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A target is one for each pod. `Value` holds the total of all pods against it, and asks for more pods the more
    there are."""
    for path, trigger in triggers_of(scaling):
        if trigger.metric_type == "Value" and trigger.type not in OF_PODS:
            yield Finding(
                (*path, "metricType"),
                "is Value, which holds the number of the whole queue against a target and multiplies by the pods",
                "write AverageValue, unless the number is divided by the pods already",
            )


@scaling_rule(
    KedaSettings,
    "KE-48",
    Level.ERROR,
    remedy="Write AverageValue, and of cpu and memory Utilization or AverageValue.",
    source="KEDA 2.21, GetMetricTargetType and parseResourceMetadata: any other, and none for cpu and memory, is an "
    "error of the trigger.",
)
def check_metric_type_is_known(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger's `metricType` is one that its type takes. `Utilization` is a percentage of a request, of which only
    CPU and memory have one; these two have no default."""
    for path, trigger in triggers_of(scaling):
        place = (*path, "metricType")
        if trigger.type in OF_PODS and trigger.metric_type not in {"Utilization", "AverageValue"}:
            got = "is not given" if trigger.metric_type is None else f"is {trigger.metric_type}"
            yield Finding(
                place,
                f"{got}: a {trigger.type} trigger takes Utilization or AverageValue, and has no default",
                "write Utilization for a percentage of the request, or AverageValue for a quantity",
            )
        elif trigger.type not in OF_PODS and trigger.metric_type == "Utilization":
            yield Finding(
                place, f"is Utilization, and a {trigger.type} trigger has no request to be a percentage of", "remove it"
            )


@scaling_rule(
    KedaSettings,
    "KE-49",
    Level.ERROR,
    remedy="Keep one: secrets, or the name of a TriggerAuthentication that has all of them.",
    source="A trigger has one authenticationRef.",
)
def check_one_authentication(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger logs in by its `secrets`, or by an authentication that is there already. Of both KEDA would read the
    second alone."""
    for path, trigger in triggers_of(scaling):
        if trigger.secrets and trigger.authentication is not None:
            yield Finding(
                (*path, "secrets"),
                f"are given beside authentication {trigger.authentication.name}, which alone would be read",
                "remove one of them",
            )


@scaling_rule(
    KedaSettings,
    "KE-32",
    Level.ERROR,
    remedy="Leave triggers out, or write streamLength without a consumerGroup.",
    source="Redis 7.0.15, 8.0.2 and Valkey 8.1.1: lag NULL with 15 messages waiting (measured); KEDA takes it for 0.",
)
def check_lag(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """No one follows the lag of a stream whose entries are deleted. It is NULL while a message before the last
    delivered one is in hand, so exactly in a drain, and KEDA takes that for an empty queue. Whether programs other
    than Symfony's workers delete entries is not judged."""
    transport = consumer.transport
    # Symfony's default deletes.
    deletes = transport is None or (isinstance(transport, RedisTransport) and transport.deletes_after_ack)
    for path, trigger in triggers_of(scaling):
        if is_redis_stream(trigger.type) and "lagCount" in trigger.metadata and deletes and consumer.worker.is_symfony:
            yield Finding(
                (*path, "metadata", "lagCount"),
                "is NULL at times where handled entries are deleted, and then counts as an empty queue",
                "write streamLength, without consumerGroup: it counts what waits and what is in hand",
            )


@scaling_rule(
    KedaSettings,
    "KE-30b",
    Level.WARNING,
    remedy="Count what waits and what is in hand.",
    source="What each of KEDA's triggers counts, read in 2.21 and measured for Redis.",
)
def check_in_hand_is_counted(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger counts what waits and what is in hand. Without the one, a backlog wakes nobody; without the other, a
    long message makes its own pod superfluous."""
    for path, trigger in triggers_of(scaling):
        name, why, remedy = _counted(trigger)
        if name:
            yield Finding((*path, "metadata", name), why, remedy)


def _counted(trigger: Trigger) -> tuple[str, str, str]:
    given = trigger.metadata
    waiting_only = "counts what waits, and not what is in hand: a busy pod looks idle"
    if trigger.type == "rabbitmq" and says(given, "excludeUnacknowledged", default=False):
        return "excludeUnacknowledged", waiting_only, "remove it"
    by_amqp = given.get("protocol") == "amqp" or given.get("host", "").startswith("amqp")
    if trigger.type == "rabbitmq" and by_amqp:
        name = "protocol" if given.get("protocol") == "amqp" else "host"
        return name, f"is AMQP, which {waiting_only}", "write protocol: http, with the address of the management plugin"
    if is_redis_stream(trigger.type) and "consumerGroup" in given and "lagCount" not in given:
        return (
            "consumerGroup",
            "makes it count what is in hand only: a backlog that nobody reads is 0",
            "remove it, and write streamLength",
        )
    if trigger.type == "aws-sqs-queue" and not says(given, "scaleOnInFlight", default=True):
        return "scaleOnInFlight", waiting_only, "remove it"
    return "", "", ""


@scaling_rule(
    KedaSettings,
    "KE-35",
    Level.ERROR,
    remedy='Write ignoreNullValues: "false".',
    source="KEDA 2.21: ignoreNullValues is true by default for prometheus, loki and aws-cloudwatch; no value reads 0.",
)
def check_absent_series(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A series that is gone is no empty queue. When the exporter dies, KEDA would end all pods."""
    for path, trigger in triggers_of(scaling):
        if takes_nothing_for_zero(trigger.type, trigger.metadata):
            yield Finding(
                (*path, "metadata", "ignoreNullValues"),
                "is not false, so that a series which is gone counts as an empty queue",
                'write "false"',
            )


@scaling_rule(
    KedaSettings,
    "KE-37",
    Level.ERROR,
    remedy="Write mode and value together; modes other than QueueLength over http.",
    source="KEDA 2.21, rabbitMQMetadata.validateTrigger.",
)
def check_rabbitmq(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger of RabbitMQ is one that KEDA takes."""
    for path, trigger in triggers_of(scaling):
        if trigger.type != "rabbitmq":
            continue
        given, place = trigger.metadata, (*path, "metadata")
        mode = given.get("mode")
        if "queueLength" in given and ("mode" in given or "value" in given):
            yield Finding((*place, "queueLength"), "is refused beside mode and value", "remove it")
        elif ("mode" in given) != ("value" in given):
            missing = "value" if "mode" in given else "mode"
            yield Finding((*place, missing), "is required beside the other", "write mode: QueueLength and value")
        if mode is not None and mode not in _RABBITMQ_MODES:
            yield Finding(
                (*place, "mode"), f"is none of KEDA's (got {mode!r})", f"write one of {', '.join(_RABBITMQ_MODES)}"
            )
        elif mode not in {None, "QueueLength"} and _counted(trigger)[0] in {"protocol", "host"}:
            yield Finding((*place, "mode"), f"{mode} is known over http only", "write protocol: http")


@scaling_rule(
    KedaSettings,
    "KE-39",
    Level.WARNING,
    remedy="Use a prometheus trigger on Cloud Monitoring.",
    source="KEDA 2.21 announces the end of these triggers: they use a query language that Google has given up.",
)
def check_deprecated(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger will still be there in the next version."""
    for path, trigger in triggers_of(scaling):
        if trigger.type in _DEPRECATED:
            yield Finding(
                (*path, "type"),
                f"is to be removed from KEDA (got {trigger.type!r})",
                "write type: prometheus with serverAddress "
                "https://monitoring.googleapis.com/v1/projects/PROJECT/location/global/prometheus",
            )


@scaling_rule(
    KedaSettings,
    "KE-40",
    Level.ERROR,
    remedy="Write one of KEDA's types.",
    source="KEDA 2.21's own list. Its webhook takes any type, and the ScaledObject is then never ready (measured).",
)
def check_types(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger is of a type that KEDA has."""
    for path, trigger in triggers_of(scaling):
        if trigger.type not in scalers():
            close = difflib.get_close_matches(trigger.type, scalers(), n=1)
            remedy = f"did you mean {close[0]}?" if close else "write for example redis, rabbitmq, postgresql or kafka"
            yield Finding((*path, "type"), f"is no trigger of KEDA's (got {trigger.type!r})", remedy)


@scaling_rule(
    KedaSettings,
    "KE-41",
    Level.WARNING,
    remedy="Write the parameter as KEDA does.",
    source="KEDA 2.21's own list of parameters.",
)
def check_parameters(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """KEDA knows each parameter, and reads it from there. What it does not know it passes over without a word."""
    for path, trigger in triggers_of(scaling):
        for place, name in unknown_parameters(trigger):
            known = names_under(place, trigger.type)
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}"
            yield Finding((*path, place, name), f"is not known to a {trigger.type} trigger, and passed over", remedy)
        for place, name, where in misplaced_parameters(trigger):
            why = f"is not read from there by a {trigger.type} trigger, and passed over"
            yield Finding((*path, place, name), why, f"write {where}")


@scaling_rule(
    KedaSettings,
    "KE-42",
    Level.ERROR,
    remedy="Write the parameter under metadata, or under secrets where it is a credential.",
    source="KEDA 2.21's own list of parameters.",
)
def check_required_parameters(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A trigger has what KEDA asks for, where KEDA reads it. Without it the ScaledObject is never ready."""
    for path, trigger in triggers_of(scaling):
        for place, name in missing_parameters(trigger, in_formula=scaling.scaling_modifiers is not None):
            yield Finding((*path, place, name), f"is required by a {trigger.type} trigger", "write it")
