"""The verdict, and the three ways to read it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
from tests.documents.schemas import schema

from ebbtide.brokers import BROKERS
from ebbtide.cli import rehearse as command
from ebbtide.documents.document import to_json
from ebbtide.judgement.findings import SettingsError
from ebbtide.rehearsal import result
from ebbtide.rehearsal.cpu import CpuSignal
from ebbtide.rehearsal.document import RehearsalDocument
from ebbtide.rehearsal.ledger import Handling, Ledger
from ebbtide.rehearsal.record import Mark, Record
from ebbtide.rehearsal.replay import Compared
from ebbtide.rehearsal.report import build_report, tables
from ebbtide.rehearsal.scenario import Options
from ebbtide.rehearsal.watch import Moment, PodRecord, Watch
from ebbtide.report.page import render_page
from ebbtide.settings.loading.loader import load_stack

ROOT = Path(__file__).parents[2]
BEGIN = 1_795_458_600.0


def moment(at, desired, utilization, measured):
    return Moment(BEGIN + at, desired, desired, 0, desired, utilization, measured, begun=at, finished=at, sent=2 * at)


def judge(record):
    return result.judge(record, CpuSignal(record.consumer))


@pytest.fixture
def record():
    """One pod of two is scaled away with a message in flight; nothing is lost."""
    stack = load_stack("local", ROOT)
    ledger = Ledger(
        [
            Handling("a", "old", "old-1", BEGIN + 95, BEGIN + 110),
            Handling("b", "new", "new-1", BEGIN + 96, BEGIN + 99),
        ]
    )
    watch = Watch(None, "n", "", "consumer", ledger, lambda pods: None)
    watch.pods = {
        "old": PodRecord("old", "t", "node", BEGIN, BEGIN + 100, BEGIN + 111, 0),
        "new": PodRecord("new", "t", "node", BEGIN + 20),
    }
    watch.moments = [moment(0, 1, 10, 10.0), moment(20, 1, 10, 150.0), moment(30, 4, 150, 150.0), moment(99, 1, 9, 9.0)]
    options = Options(
        ROOT, "local", None, None, "n", BROKERS["redis"], None, "b", "full", 0, False, {}, "setup", "send"
    )
    access = SimpleNamespace(context="kind-test", version="v1.34.4")
    consumer = stack.consumers["githubevents"]
    record = Record(options, access, stack, consumer, "v3.250.0", ledger, watch)
    record.sent = {"a": 15.0, "b": 3.0}
    record.marks = [Mark(BEGIN + 1, "load & <more>"), Mark(BEGIN + 40, "eviction", "eviction")]
    record.held_at_the_end = 0
    return record


def test_a_lossless_rehearsal_passes(record):
    judged = judge(record)
    assert judged.passed, judged.problems
    assert judged.verdict.startswith(
        "2 messages: 2 handled exactly once, 0 lost, 0 repeated, 0 cut off. 1 scale-downs;"
    )


AGAIN = Handling("a", "new", "w", BEGIN, BEGIN + 1)
SPOILED = {
    "a message is lost": lambda record: record.sent.update(c=1.0),
    "a message is repeated": lambda record: record.ledger.handlings.append(AGAIN),
    "a handler is cut off": lambda record: setattr(record.ledger.handlings[0], "ended_at", None),
    "a handler fails": lambda record: setattr(record.ledger.handlings[0], "failed", "no"),
    "the ledger has holes": lambda record: record.ledger.malformed.append("half a line"),
    "the broker keeps messages": lambda record: setattr(record, "held_at_the_end", 1),
    "the maximum is not reached": lambda record: record.problems.append("4 pods were not reached"),
    "nothing was sent": lambda record: (record.sent.clear(), record.ledger.handlings.clear()),
    "it grew too late": lambda record: (
        record.watch.moments.insert(2, moment(51, 1, 10, 150.0))
        or record.watch.moments.__setitem__(3, moment(52, 4, 150, 150.0))
    ),
    "it grew beyond its maximum": lambda record: record.watch.moments.append(moment(120, 5, 9, 9.0)),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_it_does_not_pass_when(record, spoil):
    spoil(record)
    assert not judge(record).passed, "a team would trust a set-up that loses messages"


def test_the_page_stands_alone_and_shows_every_quantity(record):
    page = render_page(build_report(judge(record)))
    assert not re.search(r"(src|href)=|@import|url\((?!#)|https?://(?!www\.w3\.org)", page), "it needs the network"
    assert "load &amp; &lt;more&gt;" in page, "what was done is text, not markup"
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page, re.DOTALL)[1])
    names = {chart["title"]: [series["name"] for series in chart["series"]] for chart in charts}
    assert names == {
        "Pods": ["asked for", "ready", "draining"],
        "Messages": ["backlog", "in flight"],
        "What the autoscaler saw": ["autoscaler", "metrics API", "target 60 %", "grows above 66 %"],
    }
    assert charts[0]["marks"] == [[40, "eviction"]], "a reader asks why a pod went away"
    assert "above 66 %" in page, "a metric between target and tolerance moves nothing"
    assert "ebbtide rehearse --stack local --namespace n --broker redis" in page
    assert "2026-11-23 18:30 UTC" in page, "evidence without a date"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_page_that_finds_no_room_costs_no_result(record, tmp_path, monkeypatch, form):
    """It took half an hour of a cluster."""
    said = []
    monkeypatch.setattr(command, "open_access", lambda *_, **__: record.access)
    monkeypatch.setattr(command, "take_as_interrupts", lambda: None)
    monkeypatch.setattr(command, "Rehearsal", lambda *_: SimpleNamespace(run=lambda: judge(record), left_behind=""))
    monkeypatch.setattr(command, "_show", lambda result, _: said.append(result.verdict))
    page = tmp_path / "page.html"
    page.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        command.run(typed(record, report=page, form=form))
    assert said == [judge(record).verdict]


def test_a_page_that_is_a_directory_is_refused_before_anything_is_made(record, tmp_path):
    with pytest.raises(SettingsError, match="is a directory; nothing was made"):
        command.run(typed(record, report=tmp_path))


def typed(record, report, form="text"):
    """A command line with the options of the record."""
    options = record.options
    return command.Command(
        stack=options.stack,
        project=options.root,
        consumer=None,
        context=None,
        namespace=options.namespace,
        broker="redis",
        image=None,
        broker_image="b",
        scenario=options.scenario,
        messages=0,
        values=[],
        setup_command="setup",
        send_command="send",
        format=form,
        report=report,
        baseline=False,
        verbose=False,
    )


def test_every_pod_that_ended_has_a_row_of_its_own_against_the_grace_period(record):
    record.watch.pods |= {
        f"old-{number}": PodRecord(f"old-{number}", "t", "node", BEGIN, BEGIN + 100, BEGIN + 111, 0)
        for number in range(29)
    }
    (bars,) = build_report(judge(record)).bars
    assert len(bars.rows) == 30, "bars of pods that ended together hide each other"
    assert (bars.rows[0].name, bars.rows[0].outer, bars.rows[0].inner) == ("1:40 scale-down", 11, 10)
    assert bars.limit == ("grace", record.consumer.shutdown_budget.grace_seconds)
    assert render_page(build_report(judge(record))).count('<rect class="outer"') == 30


def test_a_message_that_was_cut_off_is_named_in_its_pod_s_row(record):
    record.ledger.handlings[0].ended_at = None
    (bars,) = build_report(judge(record)).bars
    assert bars.rows[0].name == "1:40 scale-down, 1 cut off"


def test_what_a_kill_has_cut_off_is_in_nobodys_hand_when_its_pod_is_gone(record):
    record.ledger.handlings[0].ended_at = None
    (in_flight,) = [
        series for chart in build_report(judge(record)).charts for series in chart.series if series.name == "in flight"
    ]
    assert in_flight.points[-1] == (111, 0)


@pytest.mark.parametrize(("window", "judged"), [(60, True), (31, True), (30, False), (15, False)])
def test_a_window_within_two_syncs_is_said_not_to_be_judged(record, window, judged):
    whole = judge(record)
    limits = replace(whole.autoscaler.limits, seconds_before_shrinking=window)
    shorter = replace(whole, autoscaler=replace(whole.autoscaler, limits=limits))
    rows = {row[0]: row[1] for table in tables(shorter) for row in table.rows}
    said = rows["what it did against that"]
    assert ("not judged" not in said, said == "nothing") == (judged, judged), "nothing was seen where nobody looked"
    assert RehearsalDocument.of(shorter).autoscaler.down_window_judged == judged


def test_the_command_repeats_the_rehearsal_and_tells_no_secret(record):
    values = {
        "worker.processes": 8,
        "image": "registry/wörker:1",
        "environment.TOKEN": "hunter2",
        "secretEnvironment.KEY": "hunter2",
        "worker.command": ["sh", "-c", "TOKEN=hunter2 work"],
        "worker": {"kind": "command", "command": ["hunter2"]},
        "autoscaling.metrics": [{"kind": "cpu"}],
    }
    record.options = replace(record.options, root=Path("/home/somebody/project"), values=values, baseline=True)
    page = render_page(build_report(judge(record)))
    assert "--set worker.processes=8" in page
    assert "registry/wörker:1" in page
    assert "--send-command" in page
    assert "autoscaling.metrics=[{&quot;kind&quot;: &quot;cpu&quot;}]" in page
    assert "--set environment.TOKEN=..." in page
    assert "--baseline" in page
    assert not re.search("hunter2|/home/somebody", page), "a page is handed around"


@pytest.mark.parametrize(("agreeing", "said"), [(4, False), (3, True)])
def test_a_cluster_that_the_simulation_does_not_describe_is_named(record, agreeing, said):
    changes = [Compared(BEGIN, 1, 90, 2, 2 if number < agreeing else 1) for number in range(5)]
    whole = judge(record)
    shown = replace(whole, autoscaler=replace(whole.autoscaler, compared=changes))
    rows = {row[0]: row[1] for table in tables(shown) for row in table.rows}
    assert ("does not describe this cluster well" in rows["the simulator's controller decided the same"]) == said


def test_the_json_form_fits_its_schema_and_needs_nothing_else(record):
    document = json.loads(to_json(RehearsalDocument.of(judge(record))))
    jsonschema.validate(document, schema("rehearse"))
    assert (document["version"], document["passed"], document["messages"]["once"]) == (2, True, 2)
    assert (document["setUp"]["stack"], document["setUp"]["longestMessageSeconds"]) == ("local", 20)
    (drain,) = document["drains"]
    assert (drain["cause"], drain["seconds"], drain["overheadSeconds"]) == ("scale-down", 11, 1)
    assert document["autoscaler"]["firstScaleUpSeconds"] == 10


def test_the_tables_name_what_they_count(record):
    rows = {row[0]: row[1] for table in tables(judge(record)) for row in table.rows}
    assert (rows["sent"], rows["lost"], rows["scale-down"]) == ("2", "0", "1")
    assert rows["pods it asked for"] == "1 → 4 → 1"
