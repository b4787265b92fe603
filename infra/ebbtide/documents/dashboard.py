"""What `ebbtide dashboard --format json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDocument:
    """One alert of one consumer."""

    consumer: str
    name: str
    title: str
    severity: Literal["page", "ticket"]
    for_seconds: int
    """How long it must be true."""
    metrics: str
    """What it asks of the metrics, in PromQL; empty where they do not know."""
    cloud_logging: str
    """What it asks of the log-based metrics, in PromQL; empty where the log does not know more."""
    loki: str
    """The same of Loki, in LogQL."""
    runbook: str
    """Where it is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryDocument:
    """One line of a picture."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelDocument:
    """One picture."""

    row: str
    title: str
    help: str
    unit: str
    from_logs: bool
    """Whether it needs log-based metrics."""
    queries: tuple[QueryDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountDocument:
    """One count of log lines."""

    name: str
    help: str
    event: str
    cloud_logging: str
    """The lines that are counted, as a filter of Cloud Logging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardDocument:
    """All that is asked of a stack's metrics and logs."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    stack: str
    alerts: tuple[AlertDocument, ...]
    panels: tuple[PanelDocument, ...]
    counts: tuple[CountDocument, ...]
