"""A report is one file that needs no network, holds the numbers as text, and takes no name for markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from ebbtide.report.model import Bar, Bars, Chart, Report, Series, Table, thin_out
from ebbtide.report.page import render_page

_HOSTILE = "</script><img src=x onerror=alert(1)>&\"'"
_LOADING = {"src", "href", "srcset", "data", "action", "formaction", "poster", "background", "manifest", "xlink:href"}


class _Page(HTMLParser):
    """Tags, attributes and text of a document."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.cells = [], [], {}, []
        self._within = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._within.append(tag)
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self._within.pop() == tag, f"</{tag}> ends nothing"

    def handle_data(self, data):
        place = self._within[-1] if self._within else ""
        self.texts[place] = self.texts.get(place, "") + data
        if place in {"td", "th"}:
            self.cells[-1] += data

    def charts(self):
        return json.loads(self.texts["script"].split("\n", 1)[0])


def _report(name="a", points=((0.0, 1.0), (15.0, 2.0))):
    series = Series(name, list(points), "step", [f"note {name}" for _ in points])
    return Report(
        f"title {name}",
        f"lead {name}",
        [Table(f"table {name}", ["", f"case {name}"], [[f"row {name}", f"12.5 s {name}"]])],
        [Chart(f"chart {name}", f"look {name}", "pods", [series], [(5.0, f"mark {name}")])],
        [],
        [Table(f"note {name}", ["", ""], [["a", "b"]])],
    )


def test_a_page_loads_nothing_from_anywhere():
    text = render_page(_report())
    page = _Page(text)
    assert [(key, value) for key, value in page.attributes if key in _LOADING] == []
    assert {"link", "iframe", "object", "embed", "img", "base", "form"} & set(page.tags) == set()
    assert re.findall(r"@import|url\(|image-set", page.texts["style"]) == []
    script = page.texts["script"]
    assert re.findall(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|import)\b *\(?", script) == []
    # The name of SVG's vocabulary is an address that nobody visits.
    assert set(re.findall(r"https?:[^\"'` )]*|(?<=[\"'`(])//[^\"'` )]*", text)) == {"http://www.w3.org/2000/svg"}


def test_a_page_holds_its_words_and_numbers_without_a_script():
    page = _Page(render_page(_report()))
    assert page.texts["title"] == page.texts["h1"] == "title a"
    assert page.cells == ["", "case a", "row a", "12.5 s a", "", "", "a", "b"]
    assert "lead a" in page.texts["p"]
    assert "look a" in page.texts["p"]
    assert "The charts need JavaScript; the tables do not." in page.texts["noscript"]


def test_the_charts_of_a_page_are_drawn_from_the_points_of_the_run():
    assert _Page(render_page(_report())).charts() == [
        {
            "title": "chart a",
            "explanation": "look a",
            "unit": "pods",
            "series": [{"name": "a", "points": [[0.0, 1.0], [15.0, 2.0]], "kind": "step", "notes": ["note a"] * 2}],
            "marks": [[5.0, "mark a"]],
        }
    ]


def test_a_name_that_looks_like_markup_is_text():
    page = _Page(render_page(_report(_HOSTILE)))
    assert "img" not in page.tags, "a file name runs a script in the reader's browser"
    assert page.tags.count("script") == 2
    assert page.texts["h1"] == f"title {_HOSTILE}"
    assert page.cells[1:4] == [f"case {_HOSTILE}", f"row {_HOSTILE}", f"12.5 s {_HOSTILE}"]
    chart = page.charts()[0]
    assert (chart["title"], chart["series"][0]["name"]) == (f"chart {_HOSTILE}", _HOSTILE)


@pytest.mark.parametrize("text", ["<!--", "<script>", "<!--<script>", "</SCRIPT >"])
def test_a_name_cannot_leave_the_data_by_any_door(text):
    raw = render_page(_report(text))
    data = raw.split('<script type="application/json" id="charts">')[1].split("</script>")[0]
    assert "<" not in data, "`<!--<script>` in a script hides its end from a browser"
    assert json.loads(data)[0]["series"][0]["name"] == text


def test_every_chart_has_the_place_it_is_drawn_in():
    report = _report()
    several = Report(report.title, report.lead, [], report.charts * 3)
    text = render_page(several)
    assert [number for number in range(4) if f'<div id="chart-{number}"></div>' in text] == [0, 1, 2]


def test_bars_are_one_below_the_other_on_the_scale_of_their_limit():
    bars = Bars("drains", "look", "s", "drain", "message", ("grace", 40.0), [Bar(_HOSTILE, 20.0, 10.0), Bar("b", 0, 0)])
    text = render_page(Report("", "", [], [], [bars]))
    widths = re.findall(r'<rect class="(outer|inner)" width="([\d.]+%)"', text)
    assert widths == [("outer", "50.00%"), ("inner", "25.00%"), ("outer", "0.00%"), ("inner", "0.00%")]
    page = _Page(text)
    assert page.cells[-8:] == [_HOSTILE, "", "20.0", "10.0", "b", "", "0.0", "0.0"], "only a picture has the numbers"
    assert page.texts["text"] == "grace 40 s"
    assert "img" not in page.tags


def test_a_bar_beyond_the_limit_stays_on_the_page():
    bars = Bars("drains", "look", "s", "drain", "message", ("grace", 10.0), [Bar("a", 20.0, 40.0)])
    widths = re.findall(r'<rect [^>]*width="([\d.]+)%"', render_page(Report("", "", [], [], [bars])))
    assert [float(one) for one in widths] == [50, 100]


# Thinning out.


@pytest.mark.parametrize("count", [0, 1, 1499, 1500])
def test_what_fits_is_shown_point_by_point(count):
    points = [(float(place), float(place % 7)) for place in range(count)]
    assert thin_out(points) == points


@pytest.mark.parametrize("count", [1501, 5760, 40_320])
def test_thinning_out_loses_no_peak_and_no_order(count):
    points = [(15.0 * place, float(place * 7919 % 1013)) for place in range(count)]
    points[count // 3] = (points[count // 3][0], 9999.0)
    points[count // 2] = (points[count // 2][0], -9999.0)
    kept = thin_out(points)
    assert len(kept) <= 1500
    assert points[count // 3] in kept, "the one peak that somebody looks for is gone"
    assert points[count // 2] in kept
    assert kept == sorted(kept)
    assert set(kept) <= set(points)
