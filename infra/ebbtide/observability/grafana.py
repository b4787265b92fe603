"""The dashboard as Grafana reads it: a file to import, or to hand to its provisioning.

Written field by field and not with Grafana's SDK for Python: that one would have to be pinned to one Grafana for every
user of this package, and takes a wrong grid and unknown keys as they are. The fields here have been the same from
Grafana 9 on (schema version 36).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ebbtide.observability.metrics import CONSUMER, STACK
from ebbtide.observability.panels import Panel, rows_of
from ebbtide.settings.models.stack import StackSettings

_SCHEMA_VERSION = 36
_COLUMNS, _PANEL_WIDTH, _PANEL_HEIGHT = 24, 8, 8
_DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def grafana_dashboard(stack: StackSettings, *, with_logs: bool) -> dict[str, Any]:
    """The dashboard of a stack. `with_logs`: the data source is Google's, which has log-based metrics too."""
    select = f'{STACK}="{stack.name}",{CONSUMER}=~"$consumer"'
    return {
        "uid": f"ebbtide-{stack.name}"[:40],
        "title": f"ebbtide {stack.name}",
        "tags": ["ebbtide"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": list(_variables(stack))},
        "panels": list(_panels(stack, select, with_logs=with_logs)),
    }


def grafana_text(stack: StackSettings, *, with_logs: bool) -> str:
    """The same as the text of a file."""
    return json.dumps(grafana_dashboard(stack, with_logs=with_logs), indent=1) + "\n"


def _variables(stack: StackSettings) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    yield {
        "name": "consumer",
        "label": "Consumer",
        "type": "custom",
        "query": ",".join(stack.consumers),
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "options": [],
    }


def _panels(stack: StackSettings, select: str, *, with_logs: bool) -> Iterator[dict[str, Any]]:
    identifier, top = 0, 0
    for row in rows_of(stack, select):
        shown = [panel for panel in row.panels if with_logs or not panel.from_logs]
        if not shown:
            continue
        identifier += 1
        yield {
            "id": identifier,
            "type": "row",
            "title": row.title,
            "gridPos": {"h": 1, "w": _COLUMNS, "x": 0, "y": top},
            "collapsed": False,
            "panels": [],
        }
        top += 1
        for at, panel in enumerate(shown):
            identifier += 1
            across, down = at % (_COLUMNS // _PANEL_WIDTH), at // (_COLUMNS // _PANEL_WIDTH)
            place = {"x": across * _PANEL_WIDTH, "y": top + down * _PANEL_HEIGHT}
            yield _panel(panel, identifier, {"h": _PANEL_HEIGHT, "w": _PANEL_WIDTH, **place})
        top += -(-len(shown) // (_COLUMNS // _PANEL_WIDTH)) * _PANEL_HEIGHT


def _panel(panel: Panel, identifier: int, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": identifier,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "gridPos": place,
        "datasource": _DATA_SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit or "short", "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _DATA_SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
            }
            for at, query in enumerate(panel.queries)
        ],
    }
