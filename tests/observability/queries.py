"""What a query in PromQL asks for, as far as tests must know it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.observability.alerts import alerts_of_stack
from ebbtide.observability.metrics import EVENT_COUNTS, KEDA_METRICS, log_series, series_names
from ebbtide.observability.panels import rows_of
from ebbtide.observability.prometheus import rule_groups
from ebbtide.settings.models.stack import StackSettings

_TEXT = re.compile(r'"[^"]*"')
_NAME = re.compile(r"\b([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?=[{\[])")
_OF_OURS = re.compile(r"\b((?:ebbtide|keda|logging_googleapis_com)[a-zA-Z0-9_:]*)")


def metrics_in(query: str) -> set[str]:
    """Every name of a series in a query: whatever has a selector or a range, and whatever has our prefix."""
    bare = _TEXT.sub('""', query)
    return set(_NAME.findall(bare)) | set(_OF_OURS.findall(bare))


def known_names(stack: StackSettings) -> set[str]:
    """Every name that the one description has."""
    counts = {log_series(count.name, stack) for count in EVENT_COUNTS}
    histograms = {log_series(count.name, stack) for count in EVENT_COUNTS if count.value}
    parts = {name + part for name in histograms for part in ("_bucket", "_sum", "_count")}
    return {*series_names(), *counts, *parts, *(metric.name for metric in KEDA_METRICS)}


def every_query(stack: StackSettings) -> Iterator[tuple[str, str]]:
    """Every query that is made of a stack, with what asks it."""
    for consumer in stack.consumers.values():
        for group in rule_groups(stack, consumer):
            yield from ((f"rule {rule['alert']} of {consumer.name}", rule["expr"]) for rule in group["rules"])
    yield from ((f"policy {found.alert.name}", found.query) for found in alerts_of_stack(stack))
    for row in rows_of(stack):
        for panel in row.panels:
            yield from ((f"panel {panel.title}", query.expression) for query in panel.queries)
