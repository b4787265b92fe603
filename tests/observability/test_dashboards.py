"""Both dashboards are made of one description, and each is what its reader takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.observability.queries import known_names, metrics_in
from tests.observability.stacks import STACKS

from ebbtide.observability.cloud_monitoring import cloud_dashboard
from ebbtide.observability.grafana import grafana_dashboard
from ebbtide.observability.panels import rows_of

STACK = STACKS["managedPrometheus"]
GRAFANA = grafana_dashboard(STACK, with_logs=True)
CLOUD = cloud_dashboard(STACK)
# What the API's own description says of a dashboard.
API = json.loads(Path(__file__).with_name("monitoring-v1.json").read_text())["schemas"]
PANELS = [panel for row in rows_of(STACK) for panel in row.panels]


def problems(value: Any, kind: str, path: str) -> Iterator[str]:
    """What the API would not know about an object."""
    for name, entry in value.items():
        described = API[kind].get(name)
        if described is None:
            yield f"{path}.{name}: {kind} has no such field"
        else:
            yield from _of_type(entry, described, f"{path}.{name}")


def _of_type(value: Any, described: dict[str, Any], path: str) -> Iterator[str]:
    types = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}
    if "$ref" in described:
        if described["$ref"] in API:
            yield from problems(value, described["$ref"], path)
        else:
            yield f"{path}: a {described['$ref']} is not described here"
    elif type(value) is not types[described["type"]]:
        yield f"{path}: no {described['type']}"
    elif described["type"] == "array":
        for at, entry in enumerate(value):
            yield from _of_type(entry, described["items"], f"{path}[{at}]")
    elif "enum" in described and value not in described["enum"]:
        yield f"{path}: {value} is none of {described['enum']}"


def test_cloud_monitoring_knows_every_field():
    assert list(problems(CLOUD, "Dashboard", "dashboard")) == []


def test_a_field_that_cloud_monitoring_does_not_know_is_seen():
    broken = {**CLOUD, "tiles": []}
    broken["mosaicLayout"] = {"columns": "48", "tiles": [{"widget": {"xyChart": {"dataSets": [{"plotType": "AREA"}]}}}]}
    assert [problem.partition(": ")[0] for problem in problems(broken, "Dashboard", "d")] == [
        "d.mosaicLayout.columns",
        "d.mosaicLayout.tiles[0].widget.xyChart.dataSets[0].plotType",
        "d.tiles",
    ]


def places_of_grafana() -> list[tuple[int, int, int, int]]:
    return [tuple(panel["gridPos"][key] for key in "xywh") for panel in GRAFANA["panels"]]


def places_of_cloud() -> list[tuple[int, int, int, int]]:
    tiles = CLOUD["mosaicLayout"]["tiles"]
    return [(tile.get("xPos", 0), tile.get("yPos", 0), tile["width"], tile["height"]) for tile in tiles]


@pytest.mark.parametrize(("places", "columns"), [(places_of_grafana(), 24), (places_of_cloud(), 48)])
def test_nothing_lies_over_another_or_beyond_the_edge(places, columns):
    assert all(x >= 0 and x + width <= columns for x, _, width, _ in places)
    for (x, y, width, height), (other_x, other_y, other_width, other_height) in combinations(places, 2):
        apart = (
            x + width <= other_x or other_x + other_width <= x or y + height <= other_y or other_y + other_height <= y
        )
        assert apart


def test_both_have_every_panel_and_ask_the_same():
    charts = [tile["widget"] for tile in CLOUD["mosaicLayout"]["tiles"] if "xyChart" in tile["widget"]]
    pictures = [panel for panel in GRAFANA["panels"] if panel["type"] != "row"]
    assert [chart["title"] for chart in charts] == [panel.title for panel in PANELS]
    assert [picture["title"] for picture in pictures] == [panel.title for panel in PANELS]
    for chart, picture in zip(charts, pictures, strict=True):
        asked = [one["timeSeriesQuery"]["prometheusQuery"] for one in chart["xyChart"]["dataSets"]]
        assert [metrics_in(query) for query in asked] == [metrics_in(one["expr"]) for one in picture["targets"]]
        assert all(metrics_in(one["expr"]) <= known_names(STACK) for one in picture["targets"])


def test_grafana_chooses_consumer_and_data_source_itself():
    assert {variable["name"] for variable in GRAFANA["templating"]["list"]} == {"datasource", "consumer"}
    for picture in GRAFANA["panels"]:
        for target in picture.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'consumer=~"$consumer"' in target["expr"] or "logging_googleapis_com" in target["expr"]


def test_identifiers_of_panels_and_their_queries_are_unique():
    assert len({panel["id"] for panel in GRAFANA["panels"]}) == len(GRAFANA["panels"])
    for panel in GRAFANA["panels"]:
        references = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(references)) == len(references)


def test_without_a_count_of_log_lines_no_picture_asks_for_one():
    plain = grafana_dashboard(STACKS["prometheusOperator"], with_logs=False)
    assert "logging_googleapis_com" not in json.dumps(plain)
    assert "How pods ended" not in {panel["title"] for panel in plain["panels"]}
