"""The alerts: what is asked of the metrics and of the log, how long it must hold, and where the runbook answers it.

A question is asked of the metrics, of the log, or of both. The log alone knows how a pod ended: a pod that has gone is
scraped no more, and the last scrape lies up to one interval before its end. Where there is no log-based metric (outside
of Google Cloud), those alerts are asked of whoever keeps the logs (`logs.LokiLog`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ebbtide.observability.growth import backlog_grows, keda_errors
from ebbtide.observability.logs import CloudLog, Log
from ebbtide.observability.metrics import CONSUMER, STACK, bounds_of
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

Severity = Literal["page", "ticket"]

# The workbook of Google's SREs, "Alerting on SLOs": how much faster than the goal allows, over which two windows.
_BURNS_FAST = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
_BURNS_SLOWLY = ((1.0, "3d", "6h"),)
# The workbook calls burn rates unfit for low traffic, and names no number. Our own: at 100 messages an hour one late
# message in an hour is a whole percent.
_LEAST_MESSAGES_AN_HOUR = 100
# What a line of the log may take until it is counted.
LOG_DELAY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of one consumer. Its queries hold `%s` where the consumers are selected."""

    name: str
    title: str
    severity: Severity
    runbook: str
    """The heading of the section that answers it, as an anchor."""
    for_seconds: int = 0
    """How long it must be true."""
    metrics: str = ""
    """What is asked of the metrics, in PromQL; empty where they do not know."""
    logs: str = ""
    """What is asked of the log-based metrics, in PromQL; empty where the log does not know, or not more."""
    one_by_one: bool = False
    """Whether it must be asked of each consumer by itself: of several, one that is there would hide the others."""
    keda: bool = False
    """Whether it asks for KEDA's own metrics, which need a scrape of their own."""

    def over(self, stack: StackSettings, *consumers: str) -> str:
        """What is asked of the metrics, of these consumers."""
        return self.metrics.replace("%s", selector(stack, *consumers))

    def over_logs(self, *consumers: str) -> str:
        """What is asked of the log-based metrics, of these consumers."""
        return self.logs.replace("%s", f'monitored_resource="k8s_container",{_one_of(CONSUMER, consumers)}')


@dataclass(frozen=True, slots=True)
class StackAlert:
    """One alert of a whole stack, where the log is counted: it is asked first, because it knows how pods ended."""

    alert: Alert
    query: str

    @property
    def asks_log(self) -> bool:
        """Whether log-based metrics must be there first."""
        return bool(self.alert.logs)


def selector(stack: StackSettings, *consumers: str) -> str:
    """The labels that select some consumers of a stack."""
    return f'{STACK}="{stack.name}",{_one_of(CONSUMER, consumers)}'


def _one_of(label: str, values: tuple[str, ...]) -> str:
    return f'{label}="{values[0]}"' if len(values) == 1 else f'{label}=~"{"|".join(values)}"'


def alerts_of(stack: StackSettings, consumer: ConsumerSettings, log: Log | None = None) -> tuple[Alert, ...]:
    """Every alert of one consumer. `log` is who counts its lines, Google Cloud by default."""
    return (
        *_ends(consumer, log or CloudLog(stack)),
        *_messages(consumer),
        *_starts(consumer),
        *_scaling(stack, consumer),
        *_goal(consumer),
    )


def alerts_of_stack(stack: StackSettings) -> Iterator[StackAlert]:
    """Every alert of a stack once. Consumers of which it asks the same are asked for together, others by `or`."""
    asked: dict[str, dict[Alert, list[str]]] = {}
    for consumer in stack.consumers.values():
        for alert in alerts_of(stack, consumer):
            asked.setdefault(alert.name, {}).setdefault(alert, []).append(consumer.name)
    for questions in asked.values():
        queries = [
            query
            for alert, consumers in questions.items()
            for together in ([(name,) for name in consumers] if alert.one_by_one else [tuple(consumers)])
            for query in [alert.over_logs(*together) if alert.logs else alert.over(stack, *together)]
        ]
        query = queries[0] if len(queries) == 1 else " or ".join(f"({query})" for query in queries)
        yield StackAlert(next(iter(questions)), query)


def _ends(consumer: ConsumerSettings, log: Log) -> Iterator[Alert]:
    def happened(name: str, outcome: str = "") -> str:
        return f"sum by ({log.consumer}) ({log.increase(name, '10m', outcome=outcome)}) > 0"

    # A pod that has begun to drain, and whose drain has not ended when its grace period is long over. Not the moment at
    # which its time is up (`drainCutShort`): two seconds are left then, in which a drain was seen to end well.
    over = consumer.shutdown_budget.grace_seconds + LOG_DELAY_SECONDS
    pods = f"sum by ({log.consumer}, {log.pod})"
    began = f"{pods} ({log.increase('ebbtide_drains_started', '10m', over)}) > 0"
    ended = f"{pods} ({log.increase('ebbtide_drains_ended', f'{over + 600}s')}) > 0"
    yield Alert(
        "EbbtidePodCutOff",
        "A pod was cut off while it drained: its messages in flight are handled again",
        "page",
        "a-pod-was-cut-off",
        logs=f"({happened('ebbtide_containers_lost', outcome='cut_off')}) "
        f"or (count by ({log.consumer}) (({began}) unless ({ended})))",
    )
    yield Alert(
        "EbbtideDrainOverBudget",
        "A drain takes longer than its budget: a worker is killed with its message",
        "page",
        "a-drain-takes-longer-than-its-budget",
        metrics=f"max by (namespace, {CONSUMER}) (ebbtide_drain_elapsed_seconds{{%s}} "
        "- on (namespace, consumer, pod) ebbtide_drain_budget_seconds{%s}) > 0",
        logs=happened("ebbtide_drains_ended", outcome="killed"),
    )
    yield Alert(
        "EbbtideContainerLost",
        "A container ended without being asked to: its messages in flight are handled again",
        "ticket",
        "a-container-ended-without-being-asked",
        logs=happened("ebbtide_containers_lost", outcome="never_asked"),
    )
    yield Alert(
        "EbbtideInternalError",
        "A program of the image itself has failed; the workers go on",
        "ticket",
        "internalerror",
        logs=happened("ebbtide_internal_errors"),
    )


def _messages(consumer: ConsumerSettings) -> Iterator[Alert]:
    yield Alert(
        "EbbtideMessageOverdue",
        "A message takes longer than longestMessage: a drain will have to kill its worker",
        "ticket",
        "a-message-is-overdue",
        for_seconds=60,
        metrics=f"max by (namespace, {CONSUMER}) (ebbtide_oldest_message_seconds{{%s}} "
        "- on (namespace, consumer, pod) ebbtide_longest_message_seconds{%s}) > 0",
    )
    yield Alert(
        "EbbtideMessageCutOff",
        "A worker ended with a message in flight: it is handled again",
        "ticket",
        "a-worker-ended-with-a-message-in-flight",
        metrics=f'sum by (namespace, {CONSUMER}) (increase(ebbtide_messages_total{{%s,outcome="cut_off"}}[10m])) > 0',
    )
    if consumer.recovers:
        yield Alert(
            "EbbtideMessagesParked",
            "Messages that took five workers with them were put aside: nobody handles them",
            "ticket",
            "messages-are-parked",
            # Every pod finds the same ones.
            metrics=f"max by (namespace, {CONSUMER}) (ebbtide_messages_parked{{%s}}) > 0",
        )


def _starts(consumer: ConsumerSettings) -> Iterator[Alert]:
    yield Alert(
        "EbbtideStartsHeld",
        "Workers have not been started for 5 minutes: one fails, most often because its broker is away",
        "page",
        "starts-are-held",
        for_seconds=300,
        metrics=f"sum by (namespace, {CONSUMER}) (ebbtide_starts_held{{%s}}) > 0",
    )
    if consumer.autoscaling.min_replicas:
        yield Alert(
            "EbbtideNoMetrics",
            "No pod of a consumer that always has one was scraped for 10 minutes: nothing below would be seen",
            "ticket",
            "no-metrics",
            for_seconds=600,
            metrics="absent(ebbtide_build_info{%s})",
            one_by_one=True,
        )


def _scaling(stack: StackSettings, consumer: ConsumerSettings) -> Iterator[Alert]:
    scaling = consumer.autoscaling
    if scaling.max_replicas > scaling.min_replicas:
        at_maximum = f"sum by ({CONSUMER}) (1 - ebbtide_drain_in_progress{{%s}}) >= {scaling.max_replicas}"
        growth = backlog_grows(scaling, stack, consumer)
        yield Alert(
            "EbbtideAtMaximum",
            f"At its maximum for 15 minutes, and {growth.in_words}",
            "ticket",
            "at-the-maximum-and-the-backlog-grows",
            for_seconds=900,
            metrics=f"({at_maximum}) and on ({growth.on}) ({growth.query})",
            keda=growth.keda,
        )
    errors = keda_errors(scaling, stack, consumer)
    if errors:
        yield Alert(
            "EbbtideKedaInError",
            "KEDA cannot read its trigger: the number of pods stands still",
            "page",
            "keda-is-in-error",
            for_seconds=300,
            metrics=errors,
            keda=True,
        )


def _goal(consumer: ConsumerSettings) -> Iterator[Alert]:
    within, percent = goal_of(consumer)
    allowed = round(1 - percent / 100, 6)
    # Prometheus 3 writes 60 as 60.0, others do not.
    bucket = f'ebbtide_message_duration_seconds_bucket{{%s,le=~"{within:g}([.]0)?"}}'
    total = "ebbtide_message_duration_seconds_count{%s}"

    def missed(window: str) -> str:
        good, every = (f"sum by ({CONSUMER}) (rate({series}[{window}]))" for series in (bucket, total))
        return f"(1 - {good} / {every})"

    busy = f"sum by ({CONSUMER}) (rate({total}[1h])) * 3600 > {_LEAST_MESSAGES_AN_HOUR}"
    for name, title, severity, burns in (
        ("EbbtideGoalBurnsFast", "fast: at this rate what a month allows is used up in days", "page", _BURNS_FAST),
        ("EbbtideGoalBurnsSlowly", "slowly, for days", "ticket", _BURNS_SLOWLY),
    ):
        rates = " or ".join(
            f"({missed(long)} > {factor * allowed:g} and {missed(short)} > {factor * allowed:g})"
            for factor, long, short in burns
        )
        yield Alert(
            name,
            f"The goal is missed {title}",
            severity,  # type: ignore[arg-type]
            "the-goal-is-missed",
            for_seconds=120,
            metrics=f"({rates}) and ({busy})",
        )
    if within < consumer.shutdown.longest_message:
        yield Alert(
            "EbbtideOldestMessage",
            "A message is in flight for longer than the goal, and there are too few to speak of a share",
            "ticket",
            "the-goal-is-missed",
            for_seconds=600,
            metrics=f"(max by ({CONSUMER}) (ebbtide_oldest_message_seconds{{%s}}) > {within}) unless ({busy})",
        )


def goal_of(consumer: ConsumerSettings) -> tuple[int, float]:
    """Within how many seconds how many per cent of the messages are to be handled. Where none is set, all of them in
    less than the first bucket that no message should pass."""
    goal = consumer.goal
    last = bounds_of(consumer)[-1]
    return goal.within if goal.within is not None else int(last), goal.percent
