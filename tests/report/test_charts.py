"""The charts of a page show the points of the run: the script runs in V8, with as much of a browser as it asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from py_mini_racer import MiniRacer

from ebbtide.report.model import Chart, Report, Series
from ebbtide.report.page import render_page

_BROWSER = (Path(__file__).parent / "page.js").read_text()
WIDTH, LEFT, TOP, FLOOR = 800, 56, 20, 222 - 24
"""Of a chart, in its own units: how wide it is, where its plot begins, and where its highest and lowest values are."""


class _Page:
    """A page that is open: what it has drawn, and what pointing at it does."""

    def __init__(self, *charts):
        page = render_page(Report("title", "lead", [], list(charts)))
        data, script = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
        self._engine = MiniRacer()
        self._engine.eval(_BROWSER)
        self._engine.eval(f'document.getElementById("charts").textContent = {json.dumps(data)};')
        self._engine.eval(script)

    def point(self, event, place, chart=0):
        self._engine.eval(f"point({chart}, {json.dumps(event)}, {place})")

    def resize(self, event):
        self._engine.eval(f"listeners[{json.dumps(event)}]()")

    def elements(self, tag, chart=0, within=None):
        """Everything of this tag that one chart has drawn."""
        children = json.loads(self._engine.eval(f"drawn({chart})")) if within is None else within["children"]
        found = [child for child in children if child["tag"] == tag]
        return found + [deeper for child in children for deeper in self.elements(tag, chart, child)]

    def lines(self, chart=0):
        """The points of each line: times as shares of the plot's width, values as shares of its height."""
        return [_points(path["attributes"]["d"]) for path in self.elements("path", chart)]

    def words(self, chart=0):
        return [text.get("textContent", "") for text in self.elements("text", chart)]

    def reading(self, chart=0):
        return json.loads(self._engine.eval(f"drawn({chart})"))[2]["textContent"]


def _points(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path)]


def _series(*points, name="pods", kind="line", notes=None):
    return Series(name, list(points), kind, notes or ["" for _ in points])


def _chart(*series, title="chart", marks=()):
    return Chart(title, "look", "pods", list(series), list(marks))


def _right(name):
    return WIDTH - max(20, 6.2 * len(name) + 14)


def test_a_line_goes_through_the_points_of_the_run():
    page = _Page(_chart(_series((0.0, 0.0), (50.0, 4.0), (100.0, 2.0))))
    right = _right("pods")
    assert page.lines() == [
        [
            pytest.approx((LEFT, FLOOR), abs=0.06),
            pytest.approx(((LEFT + right) / 2, TOP), abs=0.06),
            pytest.approx((right, (TOP + FLOOR) / 2), abs=0.06),
        ]
    ]


def test_whole_things_are_counted_in_whole_steps_and_the_highest_value_fits():
    page = _Page(_chart(_series((0.0, 1.0), (60.0, 7.0))))
    assert [word for word in page.words() if word.isdigit()] == ["0", "2", "4", "6", "8"]


def test_a_drag_zooms_every_chart_and_a_double_click_goes_back():
    page = _Page(_chart(_series((0.0, 0.0), (50.0, 4.0), (100.0, 2.0))), _chart(_series((0.0, 9.0), (100.0, 9.0))))
    before = [page.lines(0), page.lines(1)]
    middle = (LEFT + _right("pods")) / 2
    page.point("pointerdown", middle)
    page.point("pointerup", _right("pods"))
    assert page.lines(0)[0][-2][0] == pytest.approx(LEFT, abs=0.06), "the zoom begins at 50 s"
    assert page.lines(1) != before[1], "the charts have one axis of time"
    page.point("dblclick", 100, chart=1)
    assert [page.lines(0), page.lines(1)] == before


def test_a_click_zooms_nothing():
    page = _Page(_chart(_series((0.0, 0.0), (100.0, 2.0))))
    before = page.lines()
    page.point("pointerdown", 300)
    page.point("pointerup", 301)
    assert page.lines() == before


@pytest.mark.parametrize(("share", "reading"), [(0.0, "00:00:00  pods 3 pods"), (0.6, "00:01:00  pods 5 pods")])
def test_pointing_reads_the_value_that_held_then(share, reading):
    page = _Page(_chart(_series((0.0, 3.0), (50.0, 5.0), (100.0, 1.0), kind="step")))
    page.point("pointermove", LEFT + share * (_right("pods") - LEFT))
    assert page.reading() == reading


def test_pointing_says_the_reason_of_a_decision():
    page = _Page(_chart(_series((0.0, 3.0), (50.0, 5.0), notes=["", "the queue grew"], kind="step")))
    page.point("pointermove", _right("pods"))
    assert page.reading() == "00:00:50  pods 5 pods\n00:00:50  the queue grew"


def test_what_was_done_stands_at_its_time_and_words_do_not_cover_each_other():
    page = _Page(_chart(_series((0.0, 1.0), (100.0, 1.0)), marks=((50.0, "eviction"), (51.0, "update"))))
    places = [
        float(line["attributes"]["x1"]) for line in page.elements("line") if line["attributes"]["class"] == "mark"
    ]
    width = _right("pods") - LEFT
    assert places == pytest.approx([LEFT + 0.5 * width, LEFT + 0.51 * width])
    rows = {text["textContent"]: text["attributes"]["y"] for text in page.elements("text") if "textContent" in text}
    assert rows["eviction"] != rows["update"]


def test_a_run_without_a_point_draws_an_empty_chart():
    page = _Page(_chart(_series()))
    assert page.lines() == []
    assert page.reading().startswith("Point at the chart")


def test_a_printed_page_is_as_wide_as_paper():
    page = _Page(_chart(_series((0.0, 1.0), (100.0, 1.0))))
    page.resize("beforeprint")
    assert page.elements("svg")[0]["attributes"]["viewBox"] == "0 0 680 222"
    page.resize("afterprint")
    assert page.elements("svg")[0]["attributes"]["viewBox"] == "0 0 800 222"
