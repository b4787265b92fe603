"""Who counts the image's events, and how they are asked: Cloud Logging by log-based metrics, Loki by queries.

A pod's last words are in its log and in no scrape. What each event counts is the image's own list (`EVENT_COUNTS`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ebbtide.observability.metrics import CONSUMER, EVENT_COUNTS, EventCount, log_series
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.names import CONTAINER_NAME


def pods_of(consumers: str) -> str:
    """The names of the pods of a Deployment, as an expression: a ReplicaSet's hash, and five signs of their own."""
    return f"{consumers}-[a-z0-9]{{1,10}}-[a-z0-9]{{5}}"


class Log(Protocol):
    """How a count of events is asked for. A query holds `%s` where consumers are still to be selected."""

    @property
    def consumer(self) -> str:
        """The label that tells consumers apart."""

    @property
    def pod(self) -> str:
        """The label that tells pods apart."""

    def increase(self, name: str, window: str, ago_seconds: int = 0, outcome: str = "") -> str:
        """How many events there were in a window, of the count of this name, or those of one outcome.

        Raises KeyError for a name that the image does not count.
        """


@dataclass(frozen=True, slots=True)
class CloudLog:
    """Cloud Monitoring's metrics made of the log, in PromQL."""

    stack: StackSettings
    consumer: str = CONSUMER
    pod: str = "pod_name"

    def increase(self, name: str, window: str, ago_seconds: int = 0, outcome: str = "") -> str:
        """`increase(logging_googleapis_com:user_...[10m])`."""
        told = f',outcome="{outcome}"' if outcome else ""
        return f"increase({log_series(name, self.stack)}{{%s{told}}}[{window}]{_offset(ago_seconds)})"


@dataclass(frozen=True, slots=True)
class LokiLog:
    """Loki, in LogQL. Labels as its agents set them in Kubernetes: namespace, pod, container. No Loki has run this."""

    stack: StackSettings
    of: ConsumerSettings
    consumer: str = "namespace"
    pod: str = "pod"

    @property
    def _namespace(self) -> str:
        return self.stack.seen_by(self.of).namespace.name

    def increase(self, name: str, window: str, ago_seconds: int = 0, outcome: str = "") -> str:
        """`count_over_time({...} | json | event="..." [10m])`."""
        selected = f'namespace="{self._namespace}",container="{CONTAINER_NAME}",pod=~"{pods_of(self.of.name)}"'
        told = f' | event="{_event(name)}"' + (f' | outcome="{outcome}"' if outcome else "")
        return f"count_over_time({{{selected}}} | json{told} [{window}]{_offset(ago_seconds)})"


def _event(name: str) -> str:
    return _COUNTS[name].event


def _offset(ago_seconds: int) -> str:
    return f" offset {ago_seconds}s" if ago_seconds else ""


_COUNTS: dict[str, EventCount] = {count.name: count for count in EVENT_COUNTS}
