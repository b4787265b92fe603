"""How a rule about settings is declared: `@consumer_rule("V-21", Level.ERROR, remedy=..., source=...)`.

The models run every error of theirs when they are built, so that nobody can build settings that lose messages;
`check`, `explain` and `preview` show the rest. A module of rules is found when this room is imported (`__init__`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import TypeVar

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.judgement.rule import Rule, rule
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

ConsumerRule = Rule[ConsumerSettings, Finding]
StackRule = Rule[StackSettings, Finding]
K = TypeVar("K", bound=AutoscalingSettings)


def consumer_rule(
    id: str,  # noqa: A002
    level: Level,
    *,
    remedy: str,
    source: str,
) -> Callable[[Callable[[ConsumerSettings], Iterator[Finding]]], ConsumerRule]:
    """A rule about one consumer. Paths of its findings begin at the consumer."""
    return rule(id, level, subject=ConsumerSettings, judges="settings", remedy=remedy, source=source)


def scaling_rule(
    kind: type[K],
    id: str,  # noqa: A002
    level: Level,
    *,
    remedy: str,
    source: str,
) -> Callable[[Callable[[ConsumerSettings, K], Iterator[Finding]]], ConsumerRule]:
    """A rule about consumers that scale in this way; no other is asked."""

    def declare(find: Callable[[ConsumerSettings, K], Iterator[Finding]]) -> ConsumerRule:
        @wraps(find)
        def of_kind(consumer: ConsumerSettings) -> Iterator[Finding]:
            if isinstance(consumer.autoscaling, kind):
                yield from find(consumer, consumer.autoscaling)

        return consumer_rule(id, level, remedy=remedy, source=source)(of_kind)

    return declare


def stack_rule(
    id: str,  # noqa: A002
    level: Level,
    *,
    remedy: str,
    source: str,
) -> Callable[[Callable[[StackSettings], Iterator[Finding]]], StackRule]:
    """A rule about a stack: the cluster, and each consumer in it."""
    return rule(id, level, subject=StackSettings, judges="settings", remedy=remedy, source=source)


def consumers_of(stack: StackSettings) -> Iterator[tuple[Path, ConsumerSettings]]:
    """Each consumer with the path at which findings about it begin."""
    for name, consumer in stack.consumers.items():
        yield ("consumers", name), consumer
