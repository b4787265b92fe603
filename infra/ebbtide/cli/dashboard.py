"""`ebbtide dashboard`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

from ebbtide.cli.console import make_console
from ebbtide.cli.output import fail, project_root
from ebbtide.documents.dashboard import AlertDocument, CountDocument, DashboardDocument, PanelDocument, QueryDocument
from ebbtide.documents.whole import write_whole
from ebbtide.manifests.google.observability import log_filter, log_metric_config
from ebbtide.observability.alerts import alerts_of
from ebbtide.observability.cloud_monitoring import cloud_dashboard
from ebbtide.observability.grafana import grafana_text
from ebbtide.observability.logs import LokiLog
from ebbtide.observability.metrics import EVENT_COUNTS, log_metric_id
from ebbtide.observability.panels import rows_of
from ebbtide.observability.prometheus import loki_groups, rule_groups, runbook_url
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.models.stack import StackSettings


def run(stack: str, project: Path | None, out: Path | None, format: str) -> None:  # noqa: A002
    """Write the files, or print what is in them."""
    settings = load_stack(stack, project_root(project))
    if not settings.consumers:
        fail(f"stack {stack} has no consumer to watch; name one that has")
    if out is not None:
        _write(out, settings)
    if format == "json":
        from ebbtide.documents.document import to_json

        typer.echo(to_json(_document(settings)))
    elif out is None:
        _print(settings)


def _files(stack: StackSettings) -> Iterator[tuple[str, str]]:
    """Every file, by its name."""
    yield (
        "grafana.json",
        grafana_text(stack, with_logs=stack.observability is not None and stack.observability.counts_logs),
    )
    yield "cloud-monitoring.json", json.dumps(cloud_dashboard(stack), indent=1) + "\n"
    yield "prometheus-rules.yaml", _groups(stack, rule_groups)
    yield "loki-rules.yaml", _groups(stack, loki_groups)
    for count in EVENT_COUNTS:
        text = yaml.safe_dump(log_metric_config(count, stack), sort_keys=False, width=120)
        yield f"log-metrics/{log_metric_id(count, stack)}.yaml", text


def _groups(stack: StackSettings, make: Callable[..., list[dict[str, Any]]]) -> str:
    groups = [group for consumer in stack.consumers.values() for group in make(stack, consumer)]
    text: str = yaml.safe_dump({"groups": groups}, sort_keys=False, width=120)
    return text


def _write(out: Path, stack: StackSettings) -> None:
    files = dict(_files(stack))
    try:
        for name, text in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            write_whole(out / name, text)
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror}; name another directory with --out")
    typer.echo(f"{len(files)} files in {out}", err=True)


def _document(stack: StackSettings) -> DashboardDocument:
    return DashboardDocument(
        version=1,
        stack=stack.name,
        alerts=tuple(_alerts(stack)),
        panels=tuple(
            PanelDocument(
                row=row.title,
                title=panel.title,
                help=panel.help,
                unit=panel.unit,
                from_logs=panel.from_logs,
                queries=tuple(QueryDocument(expression=one.expression, legend=one.legend) for one in panel.queries),
            )
            for row in rows_of(stack)
            for panel in row.panels
        ),
        counts=tuple(
            CountDocument(
                name=log_metric_id(count, stack),
                help=count.help,
                event=count.event,
                cloud_logging=log_filter(count, stack),
            )
            for count in EVENT_COUNTS
        ),
    )


def _alerts(stack: StackSettings) -> Iterator[AlertDocument]:
    for consumer in stack.consumers.values():
        of_loki = {alert.name: alert.logs for alert in alerts_of(stack, consumer, LokiLog(stack, consumer))}
        for alert in alerts_of(stack, consumer):
            yield AlertDocument(
                consumer=consumer.name,
                name=alert.name,
                title=alert.title,
                severity=alert.severity,
                for_seconds=alert.for_seconds,
                metrics=alert.over(stack, consumer.name) if alert.metrics else "",
                cloud_logging=alert.over_logs(consumer.name) if alert.logs else "",
                loki=of_loki[alert.name],
                runbook=runbook_url(stack, alert),
            )


def _print(stack: StackSettings) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for alert in {alert.name: alert for alert in _alerts(stack)}.values():
        asks = "metrics and log" if alert.metrics and alert.loki else "metrics" if alert.metrics else "log"
        table.add_row(alert.name, alert.severity, asks, alert.title)
    console = make_console()
    console.print(table)
    panels = sum(len(row.panels) for row in rows_of(stack))
    console.print(f"\nand {panels} panels; write them with --out DIR", highlight=False)
