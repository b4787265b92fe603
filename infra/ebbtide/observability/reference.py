"""The tables of docs/observability.md, written from what they describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from textwrap import wrap
from typing import Any

from ebbtide.observability.alerts import alerts_of
from ebbtide.observability.metrics import EVENT_COUNTS, METRICS
from ebbtide.settings.models.stack import StackSettings

_WIDTH = 118
# A link's address stays whole.
_UNBROKEN: dict[str, Any] = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}

# A stack that has every alert.
_EXAMPLE: dict[str, Any] = {
    "name": "production",
    "cluster": {"kind": "existing"},
    "consumers": {
        "mail": {
            "image": "registry.example/consumers/mail:1",
            "worker": {"kind": "symfonyMessenger", "receivers": ["mail"]},
            "shutdown": {"longestMessage": "60s"},
            "goal": {"within": "10s"},
            "transport": {
                "kind": "redis",
                "address": "redis:6379",
                "stream": "mail",
                "redeliverTimeout": "90s",
                "recover": True,
            },
            "autoscaling": {"kind": "keda", "minReplicas": 1, "maxReplicas": 5},
        }
    },
}


def with_lists(text: str) -> str:
    """docs/observability.md with its lists made anew. Raises KeyError for a list that nobody makes."""
    make: dict[str, Callable[[], Iterator[str]]] = {
        "metrics": _metrics,
        "counts": _counts,
        "alerts": _alerts,
    }

    def made(found: re.Match[str]) -> str:
        entries = "\n".join("\n".join(wrap(entry, _WIDTH, **_UNBROKEN)) for entry in make[found[1]]())
        return f"<!-- {found[1]}: written by scripts/generate-docs -->\n{entries}\n<!-- /{found[1]} -->"

    return re.sub(r"<!-- (\w+): written by scripts/generate-docs -->[\s\S]*?<!-- /\1 -->", made, text)


def _metrics() -> Iterator[str]:
    for metric in METRICS:
        labels = f" `{{{metric.label}}}`" if metric.label else ""
        values = f" {metric.label}: {', '.join(metric.values)}." if metric.values else ""
        needs = f" Only with `{metric.needs}`." if metric.needs else ""
        yield f"- `{metric.name}`{labels} ({metric.type}): {metric.help}{values}{needs}"


def _counts() -> Iterator[str]:
    for count in EVENT_COUNTS:
        label = f" by `{count.label}`" if count.label else ""
        value = f", the distribution of its `{count.value}`" if count.value else ""
        yield f"- `{count.name}`: {count.help} Lines of `{count.event}`{label}{value}."


def _alerts() -> Iterator[str]:
    stack = StackSettings.model_validate(_EXAMPLE)
    seen = {alert.name: alert for consumer in stack.consumers.values() for alert in alerts_of(stack, consumer)}
    for alert in seen.values():
        asks = "metrics and log" if alert.metrics and alert.logs else "metrics" if alert.metrics else "log"
        yield f"- `{alert.name}` ({alert.severity}, {asks}): {alert.title}. [What to do](runbook.md#{alert.runbook})"
