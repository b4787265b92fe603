"""What happens in a rehearsal, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ebbtide.brokers import Broker

Disturbance = Literal["rolling update", "eviction", "deletion", "broker away"]
AtRest = Literal["a message", "a delayed message", "a message that fails once"]


@dataclass(frozen=True, slots=True)
class Round:
    """Up to the maximum under load, then what disturbs, then down to the minimum."""

    name: str
    disturbances: tuple[Disturbance, ...] = ()
    longest: bool = False
    """With messages at the longest length."""
    at_rest: AtRest | None = None
    """What is sent, instead of all this, while the pods are at their minimum."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a user asked for."""

    root: Path
    stack: str
    consumer: str | None
    context: str | None
    namespace: str
    broker: Broker
    image: str | None
    """None: the stack's own."""
    broker_image: str
    scenario: str
    messages: int
    """At least so many are sent."""
    baseline: bool
    """Deploy the image without hook and probes, and with Kubernetes' own grace period."""
    values: dict[str, object]
    """Other values for the consumer's settings, by path."""
    setup_command: str
    send_command: str

    @property
    def broker_namespace(self) -> str:
        """Where the broker and the sender are: another one than the consumers'."""
        return f"{self.namespace}-broker"
