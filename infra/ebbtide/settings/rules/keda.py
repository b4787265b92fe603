"""Rules about scaling by KEDA: what it counts, and what it does at zero, when it is new and in an outage.

Ids are those of the facts that they come from. What KEDA's own admission webhook refuses is refused here as well: it is
optional, and lets everything through while it is down.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic.alias_generators import to_camel

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.keda import OF_PODS, KedaSettings
from ebbtide.settings.models.redis import RedisTransport
from ebbtide.settings.models.symfony import SymfonyMessengerWorker
from ebbtide.settings.models.transport import DELAYED_SUFFIX, TransportSettings
from ebbtide.settings.rules.declare import scaling_rule
from ebbtide.settings.rules.transport import recovery_remedy
from ebbtide.settings.values.units import format_duration, plural

# 2.21 rebuilds these after an error, which dials the broker and fails, so that failures are never counted.
_NEVER_FALL_BACK = {"redis", "redis-streams", "postgresql", "mysql"}
# KEDA's own poll is every 30 s, and an HPA looks back 5 minutes before it takes a pod away.
_LONGEST_POLL_SECONDS, _LEAST_COOLDOWN_SECONDS = 60, 60
_ONLY_FROM_ZERO = ("polling_interval", "cooldown", "initial_cooldown")


@scaling_rule(
    KedaSettings,
    "KE-03",
    Level.WARNING,
    remedy="Remove the setting, or write minReplicas: 0.",
    source="KEDA 2.21, ScaledObject.IsPollingIntervalRelevant and its webhook's warnings.",
)
def check_settings_of_zero(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """What is only about zero stands only where there may be none. Above zero an HPA asks KEDA every 15 s, whatever
    `pollingInterval` says, unless a trigger has `useCachedMetrics`, and no cooldown is waited for."""
    if scaling.min_replicas == 0:
        return
    for name in _ONLY_FROM_ZERO:
        if name in scaling.model_fields_set and not (name == "polling_interval" and scaling.polls):
            least = scaling.min_replicas
            yield Finding(
                ("autoscaling", to_camel(name)),
                f"does nothing, because there {'is' if least == 1 else 'are'} always {plural(least, 'pod')}",
                "remove it, or write minReplicas: 0",
            )


@scaling_rule(
    KedaSettings,
    "KE-05",
    Level.WARNING,
    remedy="Let the transport give the trigger, or count what is in hand by the triggers' own parameters.",
    source="KEDA 2.21, RequestScale; kedacore/keda#7770.",
)
def check_drop_to_zero(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """What takes the last pods away has counted what they have in hand. The step to zero ends all pods that are left at
    once, past every policy of `behavior`; a trigger that counts only what waits sees nothing while all of them work."""
    transport, worker = consumer.transport, consumer.worker
    demand = scaling.demand(transport, worker)
    if not scaling.pods_in_drop(transport, worker) or not demand.triggers or demand.counts_in_hand:
        return
    counts = "whether these triggers count what is in hand is not judged"
    if not scaling.triggers:
        counts = "nothing in this transport counts what is in hand"
    most = scaling.max_replicas
    in_hand = most * worker.slots
    gives = scaling.triggers and transport is not None and not transport.unsaid and worker.reads(transport)
    yield Finding(
        ("autoscaling", "minReplicas"),
        f"is 0, and {counts}: {format_duration(scaling.cooldown)} "
        f"after nothing waits, up to {plural(most, 'pod')} with {plural(in_hand, 'message')} in hand drain at once",
        f"{'leave triggers out and let the transport give them, or ' if gives else ''}write minReplicas: 1",
    )


@scaling_rule(
    KedaSettings,
    "KE-06",
    Level.WARNING,
    remedy="Leave initialCooldown out, or write at least the cooldown.",
    source="KEDA 2.21, scaleToZeroOrIdle: without a last active time the age of the ScaledObject counts.",
)
def check_initial_cooldown(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A new ScaledObject, and one that was scaled by hand, is left alone as long as any other. It has never been
    active: once it is older than `initialCooldown`, the first poll that finds nothing ends all pods."""
    drops = scaling.pods_in_drop(consumer.transport, consumer.worker)
    if drops and scaling.initial_cooldown_seconds < scaling.cooldown:
        yield Finding(
            ("autoscaling", "initialCooldown"),
            f"{format_duration(scaling.initial_cooldown_seconds)} is shorter than the cooldown, so a new one, or one "
            "that was scaled by hand, ends all pods at the first poll that finds nothing",
            f"remove it, or write at least {format_duration(scaling.cooldown)}",
        )


@scaling_rule(
    KedaSettings,
    "KE-47",
    Level.WARNING,
    remedy="Leave pollingInterval and cooldown out, or accept what they cost here with the reason.",
    source="KEDA 2.21: from zero only the operator's own poll wakes a pod; to zero the first poll behind the cooldown.",
)
def check_times_of_zero(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """From zero a message waits for a poll and a pod's start, and not much longer; and a short pause ends no pod, of
    which the next message would need a new one."""
    if scaling.min_replicas > 0 or scaling.is_paused:
        return
    if scaling.polling_interval > _LONGEST_POLL_SECONDS:
        yield Finding(
            ("autoscaling", "pollingInterval"),
            f"lets the first message wait up to {format_duration(scaling.polling_interval)} for its pod, and the pod's "
            "start",
            f"write at most {format_duration(_LONGEST_POLL_SECONDS)}: a poll is one short query",
        )
    if scaling.cooldown < _LEAST_COOLDOWN_SECONDS and not scaling.paused_scale_in:
        yield Finding(
            ("autoscaling", "cooldown"),
            f"ends the last pods {format_duration(scaling.cooldown)} after the queue is empty: the next message waits "
            "for a new pod, and each pod boots all of its processes",
            f"write at least {format_duration(_LEAST_COOLDOWN_SECONDS)}",
        )


@scaling_rule(
    KedaSettings,
    "KE-12",
    Level.INFO,
    remedy="Remove the setting when the reason for the pause is over.",
    source="KEDA 2.21, the annotations autoscaling.keda.sh/paused, paused-replicas and paused-scale-in.",
)
def check_paused(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """Nobody has paused the autoscaler and forgotten it."""
    if scaling.paused_replicas is not None:
        yield Finding(("autoscaling", "pausedReplicas"), f"holds the number at {scaling.paused_replicas}", "remove it")
    elif scaling.paused:
        yield Finding(("autoscaling", "paused"), "leaves the number of pods where it is", "remove it")
    elif scaling.paused_scale_in:
        yield Finding(("autoscaling", "pausedScaleIn"), "lets the number of pods grow only", "remove it")


@scaling_rule(
    KedaSettings,
    "KE-13",
    Level.ERROR,
    remedy="Write at least 1, or leave fallback out: without it an outage changes nothing.",
    source="KEDA 2.21, checkScaleTargetStatus: fallback.replicas 0 goes on to the step to zero.",
)
def check_fallback_is_not_zero(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """An outage of the broker ends no pods. With `fallback.replicas: 0` KEDA takes the failing trigger for an inactive
    one and ends all of them."""
    if scaling.fallback is not None and scaling.fallback.replicas == 0:
        yield Finding(
            ("autoscaling", "fallback", "replicas"),
            "is 0, and an outage of the broker would end every pod",
            "write at least 1, or leave fallback out: without it an outage changes nothing",
        )


@scaling_rule(
    KedaSettings,
    "KE-14",
    Level.WARNING,
    remedy="Leave fallback out, or write behavior: currentReplicasIfHigher.",
    source="KEDA 2.21, brokers taken away for 100 s: RabbitMQ's five pods became three after 15 s, Redis' and "
    "PostgreSQL's never changed (measured).",
)
def check_fallback_helps(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A fallback does what it is for. `static` and `currentReplicasIfLower` drain busy pods in an outage; on Redis,
    PostgreSQL and MySQL no fallback ever acts, because the failing connection is never counted as a failure."""
    fallback = scaling.fallback
    if fallback is None:
        return
    types = {trigger.type for trigger in scaling.demand(consumer.transport, consumer.worker).triggers}
    if types <= _NEVER_FALL_BACK:
        yield Finding(
            ("autoscaling", "fallback"),
            f"never acts on {' and '.join(sorted(types))}: KEDA fails to connect and counts no failure; the number of "
            "pods stays as it is",
            "remove it",
        )
    elif fallback.behavior in {"static", "currentReplicasIfLower"}:
        yield Finding(
            ("autoscaling", "fallback", "behavior"),
            f"is {fallback.behavior}, and pods above {fallback.replicas} drain in an outage, when nothing can be known "
            "of the queue",
            "write currentReplicasIfHigher",
        )


@scaling_rule(
    KedaSettings,
    "KE-14a",
    Level.ERROR,
    remedy="Leave fallback out, or write metricType: AverageValue at a trigger that counts the queue.",
    source="KEDA's admission webhook, CheckFallbackValid; it is optional, so the same is refused here.",
)
def check_fallback_has_a_trigger(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A fallback stands in for a trigger that counts for each pod: KEDA has none for CPU, memory and totals."""
    if scaling.fallback is None or scaling.scaling_modifiers is not None:
        return
    triggers = scaling.demand(consumer.transport, consumer.worker).triggers
    counted = [one for one in triggers if one.type not in OF_PODS and one.metric_type in {None, "AverageValue"}]
    if triggers and not counted:
        yield Finding(
            ("autoscaling", "fallback"),
            "stands in for no trigger here: none counts for each pod (AverageValue), and CPU and memory have no "
            "fallback; KEDA's webhook refuses it",
            "leave it out, or write metricType: AverageValue at a trigger that counts the queue",
        )


@scaling_rule(
    KedaSettings,
    "KE-30",
    Level.ERROR,
    remedy="Say under transport where the messages are, or write triggers.",
    source="KEDA asks the broker itself; its operator does not read the workers' configuration.",
)
def check_something_is_counted(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """KEDA knows what to count, and where."""
    transport = consumer.transport
    own = "or write triggers: [{type: ..., metadata: {...}}]"
    if scaling.triggers or scaling.demand(transport, consumer.worker).triggers:
        return
    if transport is None:
        example = _transport_of(consumer)
        yield Finding(
            ("transport",),
            "is not given, and KEDA has nothing to count",
            f"write for example {example}, {own}" if example else own.removeprefix("or "),
        )
    elif not consumer.worker.reads(transport):
        yield Finding(
            ("autoscaling", "triggers"),
            f"are not given, and what {transport.kind} gives counts Symfony's messages, which a {consumer.worker.kind} "
            "worker does not read",
            "write for example [{type: redis, metadata: {address: redis.brokers:6379, listName: jobs}}]",
        )
    elif transport.unsaid:
        missing = [to_camel(name) for name in transport.unsaid]
        yield Finding(
            ("transport", missing[0]),
            f"is required for KEDA, and not given (missing: {', '.join(missing)})",
            f"say where KEDA finds the messages, {own}",
        )
    else:
        yield Finding(
            ("autoscaling", "triggers"), f"are not given, and of a {transport.kind} transport none is known", own[3:]
        )


def _transport_of(consumer: ConsumerSettings) -> str:
    """The first kind that its worker reads, with what KEDA has to know of it; empty for a program that nobody knows."""
    worker = consumer.worker
    if not worker.transports:
        return ""
    kind = worker.transports.partition(",")[0].partition(" or ")[0]
    queues = worker.queue_names or (consumer.name,)
    names = queues[0] if len(queues) == 1 else f"[{', '.join(queues)}]"
    said = dict.fromkeys(TransportSettings.kinds[kind].where, names)
    said["address"] = "redis.brokers:6379"
    return f"{{kind: {kind}, {', '.join(f'{name}: {value}' for name, value in said.items())}}}"


@scaling_rule(
    KedaSettings,
    "KE-30c",
    Level.WARNING,
    remedy="Name under transport every stream or queue that the workers read.",
    source="A trigger counts the stream or queue that it names.",
)
def check_every_receiver_is_counted(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """What waits for any receiver of a worker is counted. What lies in a stream or queue that no trigger names wakes
    nobody, and at zero pods waits until something else comes."""
    transport, worker = consumer.transport, consumer.worker
    if transport is None or scaling.triggers or not transport.queues or not isinstance(worker, SymfonyMessengerWorker):
        return
    receivers, counted = len(set(worker.receivers)), len(set(transport.queues))
    place = ("transport", "stream" if isinstance(transport, RedisTransport) else "queue")
    if "--all" in worker.arguments:
        yield Finding(
            place,
            f"{'names' if counted > 1 else 'is'} {counted} of what --all consumes, which is every transport of the "
            "application: what waits in another is not counted, and wakes nobody",
            "list those of all its transports, and accept it where these are all",
        )
    elif receivers > counted:
        yield Finding(
            place,
            f"{'names' if counted > 1 else 'is'} {counted} of what {plural(receivers, 'receiver')} read "
            f"({', '.join(dict.fromkeys(worker.receivers))}): what waits in the other is not counted, and wakes nobody",
            "list those of all receivers, or accept it where several of them read one",
        )


@scaling_rule(
    KedaSettings,
    "KE-30a",
    Level.ERROR,
    remedy="Write delete_after_ack: true in the transport's options, and deleteAfterAck: true here.",
    source="100 entries added, 20 delivered, 5 acknowledged and deleted: XLEN 95 (measured). Symfony 5.4's default is "
    "off, with a deprecation notice.",
)
def check_stream_gets_shorter(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A stream whose length is followed loses what was handled. Otherwise it only grows, and with it the pods."""
    transport = consumer.transport
    if isinstance(transport, RedisTransport) and not scaling.triggers and not transport.deletes_after_ack:
        yield Finding(
            ("transport", "deleteAfterAck"),
            "is off, so handled messages stay in the stream and its length never falls",
            "write delete_after_ack: true in the transport's options, and deleteAfterAck: true here",
        )


@scaling_rule(
    KedaSettings,
    "KE-24",
    Level.ERROR,
    remedy="Write tls: true, or remove ca.",
    source="KEDA 2.21, redisConnectionInfo: ca is read only where TLS is on.",
)
def check_authority_is_used(consumer: ConsumerSettings, _: KedaSettings) -> Iterator[Finding]:
    """An authority's certificate is given for a connection that is encrypted."""
    transport = consumer.transport
    if isinstance(transport, RedisTransport) and transport.ca is not None and not transport.tls:
        yield Finding(
            ("transport", "ca"),
            "is given and tls is not, so the password would go in clear",
            "write tls: true, or remove ca",
        )


@scaling_rule(
    KedaSettings,
    "KE-33",
    Level.ERROR,
    remedy="Write minReplicas: 1, leave triggers out, or add one of type redis for the sorted set.",
    source="One due retry: stream length 0, lag 0, and 1 in the sorted set (measured). symfony/redis-messenger 5.4 to "
    "7.4: only get() of a running consumer moves it.",
)
def check_delayed_are_counted(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """At zero pods something counts what Redis holds back. Retries and delayed messages are in a sorted set that only a
    running consumer empties: nobody would ever come for them."""
    transport = consumer.transport
    if not isinstance(transport, RedisTransport) or not consumer.worker.is_symfony:
        return
    demand = scaling.demand(transport, consumer.worker)
    if scaling.min_replicas == 0 and demand.triggers and not demand.counts_delayed:
        counted = {one.metadata.get("listName") for one in demand.triggers}
        every = transport.delayed_keys or (f"messages{DELAYED_SUFFIX}",)
        keys = [key for key in every if key not in counted]
        whose = "" if len(keys) == len(every) else f" of {', '.join(key.removesuffix(DELAYED_SUFFIX) for key in keys)}"
        triggers = " and ".join(f"{{type: redis, metadata: {{address: ..., listName: {key}}}}}" for key in keys)
        yield Finding(
            ("autoscaling", "minReplicas"),
            f"is 0, and no trigger counts retries and delayed messages{whose}, which on Redis wait for a running "
            "consumer",
            f"write 1, or add {triggers}",
        )


@scaling_rule(
    KedaSettings,
    "KE-44",
    Level.WARNING,
    remedy="Write recover: true in the transport, and delete_after_ack: true in the application's options of it.",
    source="Measured: a Redis that stood still for 60 s left 11 of 32 entries acknowledged and in the stream.",
)
def check_what_an_outage_leaves(consumer: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """What counts as work in a Redis stream is work. Symfony acknowledges and deletes by two commands; what an outage
    leaves between them stays in the stream, whose length KEDA counts: the pods for it never go."""
    transport = consumer.transport
    if not isinstance(transport, RedisTransport) or not consumer.worker.is_symfony or scaling.triggers:
        return
    if not transport.recover:
        yield Finding(
            ("transport", "recover"),
            "is off, and nobody deletes what an outage leaves acknowledged in the stream: KEDA counts it, and keeps "
            "pods for it for ever",
            recovery_remedy(consumer),
        )
