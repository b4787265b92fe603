"""The dashboard as Cloud Monitoring reads it: a mosaic of charts that ask in PromQL.

Written after the API's reference (`projects.dashboards`, v1) and held against its discovery document in a test; no
project of Google's has shown it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ebbtide.observability.panels import Panel, rows_of
from ebbtide.settings.models.stack import StackSettings

_COLUMNS, _WIDTH, _HEIGHT = 48, 16, 16
_UNITS = {"s": "s", "bytes": "By", "": "1"}


def cloud_dashboard(stack: StackSettings) -> dict[str, Any]:
    """The dashboard of a stack."""
    return {
        "displayName": f"ebbtide {stack.name}",
        "labels": {"ebbtide": ""},
        "mosaicLayout": {"columns": _COLUMNS, "tiles": list(_tiles(stack))},
    }


def _tiles(stack: StackSettings) -> Iterator[dict[str, Any]]:
    top = 0
    for row in rows_of(stack):
        yield {
            **_at(0, top, _COLUMNS, 4),
            "widget": {"title": row.title, "sectionHeader": {"subtitle": "", "dividerBelow": True}},
        }
        top += 4
        across = _COLUMNS // _WIDTH
        for at, panel in enumerate(row.panels):
            yield {**_at(at % across * _WIDTH, top + at // across * _HEIGHT, _WIDTH, _HEIGHT), "widget": _chart(panel)}
        top += -(-len(row.panels) // across) * _HEIGHT


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    # The API leaves out what is 0.
    return {"width": width, "height": height, **{key: value for key, value in (("xPos", x), ("yPos", y)) if value}}


def _chart(panel: Panel) -> dict[str, Any]:
    sets = [
        {
            "plotType": "LINE",
            "targetAxis": "Y1",
            "legendTemplate": query.legend.replace("{{", "${labels.").replace("}}", "}"),
            "timeSeriesQuery": {"prometheusQuery": query.expression, "unitOverride": _UNITS[panel.unit]},
        }
        for query in panel.queries
    ]
    return {"title": panel.title, "xyChart": {"dataSets": sets, "yAxis": {"scale": "LINEAR"}}}
