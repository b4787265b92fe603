"""The report of a run holds the numbers that the terminal shows, as a page or as a picture."""

from __future__ import annotations

import json
import re

import pytest
from tests.cli.simulated import BACKLOG

from ebbtide.capacity.from_settings import NOT_MODELLED

_LOAD = ("--load", "mail.csv", *BACKLOG)


@pytest.fixture
def busy(shop):
    """A hundred messages of a minute each, one a second, and one later: up to the maximum and down again."""
    shop.write_load([*((second, 60) for second in range(100)), (1500, 60)])
    return shop


def _cells(page):
    return [re.sub(r"<[^>]+>", "", row).strip() for row in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", page)]


def _charts(page):
    data = page.split('<script type="application/json" id="charts">')[1].split("</script>")[0]
    return {chart["title"]: chart["series"] for chart in json.loads(data)}


def test_a_page_holds_every_figure_of_the_terminal_and_what_it_stands_on(busy, simulate):
    done = simulate(*_LOAD, "--report", "day.html")
    assert (done.returncode, done.stderr) == (0, "wrote day.html\n")
    page = (busy.root / "day.html").read_text(encoding="utf-8")
    cells = _cells(page)
    shown = done.stdout.split("This stands on")[0].splitlines()[3:]
    figures = [re.split(r"\s{2,}", line.strip()) for line in shown if line.strip()]
    assert len(figures) == 16
    assert [cell for row in figures for cell in row if cell not in cells] == []
    document = json.loads(simulate(*_LOAD, "--format", "json").stdout)
    for row in document["assumptions"]:
        assert [text for text in row.values() if text.replace("'", "&#x27;") not in cells] == []
    assert [text for text in NOT_MODELLED if text not in cells] == []
    assert "101 messages of mail.csv" in page


@pytest.mark.parametrize("form", [[], ["--format", "json"]], ids=["text", "json"])
def test_a_page_that_finds_no_room_costs_no_result(busy, simulate, form):
    (busy.root / "day.html").symlink_to("/dev/full")
    done = simulate(*_LOAD, *form, "--report", "day.html")
    assert (done.returncode, done.stdout) == (1, simulate(*_LOAD, *form).stdout)
    assert "--report: day.html cannot be written: No space left on device" in done.stderr


def test_the_charts_of_a_page_show_the_run_itself(busy, simulate):
    simulate(*_LOAD, "--report", "day.html")
    figures = json.loads(simulate(*_LOAD, "--format", "json").stdout)["cases"][0]["figures"]
    charts = _charts((busy.root / "day.html").read_text(encoding="utf-8"))
    assert [series["name"] for series in charts["Backlog"]] == ["waiting"], "there is only one case"
    assert list(charts) == ["Pods", "Backlog", "Waiting time", "Drains"]
    wanted = charts["Pods"][0]
    assert max(value for _, value in wanted["points"]) == figures["peakReplicas"]["middle"] == 4
    assert "asks for 4; 2 → 4" in " ".join(wanted["notes"]), "a reader who points at a change is not told why"
    assert len(wanted["notes"]) == len(wanted["points"])
    assert max(value for _, value in charts["Backlog"][0]["points"]) == figures["peakWaiting"]["middle"]
    assert len(charts["Drains"][0]["points"]) == figures["drains"]["middle"] > 0


def test_a_page_tells_every_decision_to_readers_without_a_pointer(busy, simulate):
    simulate(*_LOAD, "--set", "maxReplicas=2", "--report", "day.html")
    page = (busy.root / "day.html").read_text(encoding="utf-8")
    cells = _cells(page.split("<h2>Decisions</h2>")[1].split("</table>")[0])
    rows = [cells[start : start + 5] for start in range(0, len(cells), 5)]
    assert rows[0] == ["at", "case", "pods", "waiting", "why"]
    document = json.loads(simulate(*_LOAD, "--set", "maxReplicas=2", "--format", "json").stdout)
    for case in document["cases"]:
        told = [row for row in rows if row[1] == case["case"]]
        assert len(told) == case["figures"]["scalings"]["middle"] > 0
    assert ["as it is", "2\N{NO-BREAK SPACE}→\N{NO-BREAK SPACE}4"] in [row[1:3] for row in rows]
    assert all("of its target of 8 and asks for" in row[4] for row in rows[1:])


def test_a_page_begins_with_the_result_and_says_whose_day_the_charts_show(busy, simulate):
    (busy.root / "drawn.yaml").write_text("messagesPerDay: 5000\ndurations: {p50: 2s, max: 20s}\n")
    simulate("--load", "drawn.yaml", *BACKLOG, "--seeds", "2", "--report", "day.html")
    lead = (busy.root / "day.html").read_text(encoding="utf-8").split('class="lead">')[1].split("</p>")[0]
    assert lead.startswith("95 % of the messages wait at most ")
    assert lead.endswith("the charts and decisions are those of seed 1")
    simulate(*_LOAD, "--report", "day.html")
    assert "those of seed" not in (busy.root / "day.html").read_text(encoding="utf-8")


def test_a_page_of_a_comparison_shows_both_cases(busy, simulate):
    simulate(*_LOAD, "--set", "maxReplicas=2", "--report", "day.html")
    page = (busy.root / "day.html").read_text(encoding="utf-8")
    assert {"as it is", "with maxReplicas=2"} <= set(_cells(page))
    names = [series["name"] for series in _charts(page)["Pods"]]
    assert names == ["wanted, as it is", "wanted, with maxReplicas=2"]
    names = [series["name"] for series in _charts(page)["Backlog"]]
    assert names == ["waiting, as it is", "waiting, with maxReplicas=2"]
    assert [max(value for _, value in series["points"]) for series in _charts(page)["Pods"]] == [4, 2]


def test_a_page_and_json_can_be_had_in_one_run(busy, simulate):
    done = simulate(*_LOAD, "--format", "json", "--report", "day.html")
    assert json.loads(done.stdout)["consumer"] == "mail", "what is written to a file must not mix with the document"
    assert (busy.root / "day.html").is_file()


def test_a_picture_is_a_png(busy, simulate):
    done = simulate(*_LOAD, "--report", "day.png")
    assert (done.returncode, done.stderr) == (0, "wrote day.png\n")
    assert (busy.root / "day.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_name_of_a_load_runs_nothing_in_the_page(busy, simulate):
    name = "<img src=x onerror=alert(1)>.csv"
    (busy.root / "mail.csv").rename(busy.root / name)
    simulate("--load", name, *BACKLOG, "--report", "day.html")
    page = (busy.root / "day.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;.csv" in page
