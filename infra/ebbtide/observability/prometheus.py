"""Alerts as Prometheus reads them: groups of rules, in its own file, in PrometheusRule and in GMP's Rules alike."""

from __future__ import annotations

from typing import Any

from ebbtide.observability.alerts import Alert, alerts_of
from ebbtide.observability.logs import LokiLog
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

# No alert holds for less than a minute, but those about the end of a pod, which has happened when it is read.
EVALUATION_SECONDS = 30


def rule_groups(stack: StackSettings, consumer: ConsumerSettings) -> list[dict[str, Any]]:
    """The groups of one consumer; what only the log knows is not among them."""
    rules = [_rule(alert, stack, consumer) for alert in alerts_of(stack, consumer) if alert.metrics]
    return [{"name": f"ebbtide-{consumer.name}", "interval": f"{EVALUATION_SECONDS}s", "rules": rules}]


def loki_groups(stack: StackSettings, consumer: ConsumerSettings) -> list[dict[str, Any]]:
    """What only the log knows, for Loki's ruler: the same file in another language."""
    alerts = [alert for alert in alerts_of(stack, consumer, LokiLog(stack, consumer)) if alert.logs]
    rules = [{**_rule(alert, stack, consumer), "expr": alert.logs} for alert in alerts]
    return [{"name": f"ebbtide-{consumer.name}-log", "interval": "1m", "rules": rules}]


def _rule(alert: Alert, stack: StackSettings, consumer: ConsumerSettings) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.over(stack, consumer.name),
        "for": f"{alert.for_seconds}s",
        "labels": {"severity": alert.severity, "stack": stack.name, "consumer": consumer.name},
        "annotations": {
            "summary": f"{consumer.name}: {alert.title}",
            "runbook_url": runbook_url(stack, alert),
        },
    }


def runbook_url(stack: StackSettings, alert: Alert) -> str:
    """Where the alert is answered: `docs/runbook.md#a-pod-was-cut-off` where nobody has said where they read it."""
    place = stack.observability.runbook if stack.observability is not None else ""
    return f"{place or 'docs/runbook.md'}#{alert.runbook}"
