"""An autoscaler that follows the broker is driven, watched and judged by what it follows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from tests.documents.schemas import schema
from tests.manifests.kubernetes.examples import make_stack

from ebbtide.brokers import BROKERS
from ebbtide.capacity.hpa import Behavior, HpaSpec, Metric, ScalingPolicy, ScalingRules
from ebbtide.documents.document import to_json
from ebbtide.judgement.findings import SettingsError
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.backlog import BacklogSignal
from ebbtide.rehearsal.backlog_replay import replay_backlog
from ebbtide.rehearsal.document import RehearsalDocument
from ebbtide.rehearsal.ledger import Handling, Ledger, PodEvent
from ebbtide.rehearsal.load import Batch, Kind, Load
from ebbtide.rehearsal.record import Mark, Outage, Record
from ebbtide.rehearsal.replay import Explanation
from ebbtide.rehearsal.report import build_report, tables
from ebbtide.rehearsal.result import judge
from ebbtide.rehearsal.scenario import Options, Round
from ebbtide.rehearsal.signals import read_signal
from ebbtide.rehearsal.watch import Moment, PodRecord, Watch
from ebbtide.report.page import render_page

BEGIN = 1_795_458_600.0
REDIS = {"kind": "redis", "redeliverTimeout": "5m", "address": "redis.brokers:6379", "stream": "events"}


def stack_of(**scaling: Any):
    autoscaling = {"kind": "keda", "maxReplicas": 4, "pollingInterval": "5s", "cooldown": "20s", **scaling}
    return make_stack({"transport": REDIS, "autoscaling": autoscaling, "shutdown": {"longestMessage": "20s"}})


def signal_of(**scaling: Any) -> BacklogSignal:
    consumer = stack_of(**scaling).consumers["events"]
    signal = read_signal(consumer.autoscaling, consumer)
    assert isinstance(signal, BacklogSignal)
    return signal


def test_the_load_is_more_than_the_most_pods_are_for():
    signal = signal_of()
    assert signal.load(Round("scaling")).waiting > 1.1 * signal.messages_per_pod * 4, "the maximum would not be reached"
    assert signal.load(Round("scaling")).cpu_share == 0


def test_the_way_down_keeps_fewer_messages_than_one_pod_is_for_and_ends_with_none():
    (few, one), (nothing, none) = signal_of().descent(Round("scaling"))
    assert (one, nothing, none) == (1, None, 0)
    assert few is not None
    assert few.with_those_in_hand, "what is in hand is part of what KEDA counts"
    # What is sent while there are one fewer than that.
    assert few.waiting - 1 + few.batch <= signal_of().messages_per_pod, "pods would stay"


def test_where_a_pod_always_stays_the_way_down_ends_there():
    assert [pods for _, pods in signal_of(minReplicas=2).descent(Round("scaling"))] == [2]


def test_triggers_of_ones_own_are_not_driven_by_a_broker_s_load():
    cron = {"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *"}}
    cron["metadata"]["desiredReplicas"] = "3"
    with pytest.raises(SettingsError, match="triggers of its own"):
        signal_of(minReplicas=1, triggers=[cron])


class Objects:
    """A namespace as its API server lists it."""

    def __init__(self, replicas: int, average: str | None, **scaled: Any) -> None:
        current = {"external": {"current": {"averageValue": average}}}
        hpa = {
            "spec": {"scaleTargetRef": {"name": "events"}},
            "status": {"currentReplicas": replicas, "desiredReplicas": replicas, "currentMetrics": [current]},
        }
        conditions = [
            {"type": "Ready", "status": "False", "reason": "TriggerError"},
            {"type": "Active", "status": "True", "reason": "ScalerActive"},
            {"type": "Fallback", "status": "False", "reason": "NoFallbackFound"},
        ]
        health = {"s1-redis-b": {"numberOfFailures": 2, "status": "Failing"}, "s0-redis-a": {"status": "Happy"}}
        status = {"conditions": conditions, "lastActiveTime": "2026-11-23T18:30:00Z", "health": health}
        made = {"creationTimestamp": "2026-11-23T18:29:00Z"}
        self._answers = {
            "deployments": [{"metadata": {"name": "other"}, "spec": {}}, self._deployment(replicas)],
            "scaledobjects": [{"metadata": made, "spec": {"scaleTargetRef": {"name": "events"}}, "status": status}],
            "horizontalpodautoscalers": [hpa] if average else [],
            **scaled,
        }

    @staticmethod
    def _deployment(replicas: int) -> dict[str, Any]:
        return {"metadata": {"name": "events"}, "spec": {"replicas": replicas}, "status": {"replicas": replicas + 1}}

    def objects(self, group_version: str, namespace: str, plural: str) -> list[dict[str, Any]]:
        return self._answers[plural]


def test_what_keda_says_is_kept_each_time_that_it_is_something_else():
    signal = signal_of()
    for cluster in (Objects(2, "1500m"), Objects(2, "1500m"), Objects(0, None)):
        seen = signal.look(cluster, "n", [])
    assert (seen.desired, seen.backlog) == (0, None), "zero is a number that was asked for"
    first, last = signal.looks
    assert (first.replicas, first.metrics, first.desired_replicas) == (2, (1.5,), 2)
    assert (first.is_ready, first.ready, first.is_active, first.in_fallback) == (False, "TriggerError", True, False)
    assert (first.last_active_at, first.failures) == (BEGIN, (0, 2))
    assert (first.pods, first.created_at) == (3, BEGIN - 60)
    assert first.since <= first.at <= last.since, "what is new was written since the look before, whatever that said"
    assert (last.replicas, last.current_replicas) == (0, None)


def test_what_an_hpa_divided_by_no_pods_is_no_backlog():
    signal = signal_of()
    assert signal.look(Objects(1, "-9223372036854775808m"), "n", []).backlog is None
    assert signal.looks[0].metrics == ()


def test_messages_at_rest_meet_every_phase_of_the_poll():
    assert sorted(signal_of().phase_seconds(number) for number in range(1, 11)) == [
        0.5 * number for number in range(10)
    ]


def test_before_there_is_a_scaled_object_nothing_is_asked_for():
    seen = signal_of().look(Objects(1, None, scaledobjects=[]), "n", [])
    assert seen.desired is None


def test_the_autoscaler_s_backlog_is_that_of_all_pods():
    assert signal_of().look(Objects(4, "2500m"), "n", []).backlog == 10


def moment(at: int, desired: int, held: int = 0) -> Moment:
    return Moment(BEGIN + at, desired, desired, 0, desired, None, None, 100, 100, 100 + held, float(held))


@pytest.fixture
def record() -> Record:
    """From zero to four pods, an outage there, and back."""
    stack = stack_of()
    began = PodEvent("p", BEGIN + 15.25, "containerStarted", {})
    ledger = Ledger([Handling("single-0", "p", "w", BEGIN + 16, BEGIN + 17)], [began])
    watch = Watch(None, "n", "", "consumer", ledger, lambda pods: None)
    watch.pods = {"p": PodRecord("p", "t", "node", BEGIN + 14, scheduled_at=BEGIN + 14)}
    climb = [moment(0, 0), moment(14, 1, 40), moment(30, 4, 40)]
    watch.moments = [*climb, *(moment(at, 4, 40) for at in range(31, 95)), moment(100, 1), moment(140, 0)]
    options = Options(
        Path(), "local", None, None, "n", BROKERS["redis"], None, "b", "full", 0, False, {}, "setup", "send"
    )
    access = SimpleNamespace(context="kind-test", version="v1.34.4")
    made = Record(options, access, stack, stack.consumers["events"], "v3.250.0", ledger, watch)
    made.sent["single-0"] = 1.0
    made.batches.append(Batch(Kind("single", 1.0, 0.0, 0, 1), ("single-0",), BEGIN + 8, BEGIN + 10))
    made.marks.append(Mark(BEGIN + 8, "round 1"))
    made.outages.append(Outage(BEGIN + 31, BEGIN + 91))
    made.held_at_the_end = 0
    return made


def test_a_rehearsal_that_goes_to_zero_and_back_passes(record):
    result = judge(record, signal_of())
    assert result.passed, result.problems
    rows = {row[0]: row[1] for table in tables(result) for row in table.rows}
    assert rows["pods it asked for"] == "0 → 1 → 4 → 1 → 0"
    assert rows["a message at zero, until its handler began"] == "6.0 s"
    assert rows["it was scheduled until its first message began"] == "1"
    assert rows["its container began until its first message began"] == "1"
    assert rows["while the broker answered nobody"] == "60 s at 4 pods: unchanged"
    assert rows["from the last message to zero"] == "123.0 s (cooldown 20 s)"


SPOILED = {
    "it scaled in an outage": lambda moments: moments.insert(40, moment(68, 3)),
    "it went beyond its maximum": lambda moments: moments.insert(3, moment(30, 5)),
    "it woke too late": lambda moments: moments.__setitem__(1, moment(29, 1, 40)),
    "it grew too late": lambda moments: moments.__setitem__(slice(1, 40), [moment(14, 1, 40), moment(60, 4, 40)]),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_it_does_not_pass_when(record, spoil):
    spoil(record.watch.moments)
    assert judge(record, signal_of()).problems, "a team would trust what does not hold"


def test_it_does_not_pass_when_keda_does_not_see_what_is_in_hand(record):
    signal = signal_of()
    record.ledger.handlings.append(Handling("long", "p", "w", BEGIN + 32, BEGIN + 80))
    at_work = look(BEGIN + 40, 4, 4, 3)
    signal.looks += [at_work, replace(at_work, at=BEGIN + 45, since=BEGIN + 44.5, is_active=False)]
    assert "saw nothing at 45.0 s, while a worker had had a message in hand for 13 s" in judge(record, signal).problems


def test_the_json_form_fits_its_schema(record):
    signal = signal_of()
    signal.look(Objects(2, "1500m"), "n", [])
    document = json.loads(to_json(RehearsalDocument.of(judge(record, signal))))
    jsonschema.validate(document, schema("rehearse"))
    backlog = document["autoscaler"]["backlog"]
    assert (backlog["messagesPerPod"], backlog["wakes"][0]["handledSeconds"]) == (3, 6)
    assert (backlog["looks"][0]["lastActiveAt"], backlog["outages"][0]["pods"]) == (0, [4])
    assert document["autoscaler"]["explain"]["firstSteps"] == [1, 4]
    (start,) = document["starts"]
    assert start == {
        "pod": "p",
        "at": 14,
        "containerSeconds": 1.25,
        "messageSeconds": 2,
        "workersSeconds": None,
    }


def test_the_page_shows_the_queue_as_the_autoscaler_saw_it(record):
    page = render_page(build_report(judge(record, signal_of())))
    assert "what the pods are for" in page
    assert "% CPU" not in page


class Shell:
    """Remembers what it was told to run."""

    command = ""

    def execute(self, namespace: str, pod: str, command: str, seconds: float) -> None:
        self.command = command


def test_a_message_says_when_it_is_due_and_how_often_it_fails():
    shell = Shell()
    Load(shell, "n", "cat", lambda: 0, lambda: 0).send(Kind("m", 1.0, 0.0, 0, 1, delay_seconds=30, failures=1))
    line = json.loads(shell.command.partition("s|.*|")[2].partition("|' |")[0])
    assert (line["delaySeconds"], line["payload"]["work"]["failures"]) == (30, 1)


def look(at: float, current: int, desired: int, average: float, pods: int | None = None) -> KedaLook:
    seen = () if average < 0 else (average,)
    return KedaLook(
        at, at - 0.5, desired, current if pods is None else pods, 0.0, current, desired, seen, "ValidMetricFound", "",
        True, True, False, False, None, (),
    )  # fmt: skip


DOWN = ScalingPolicy("Percent", 100, 15)
SPEC = HpaSpec(1, 4, (Metric("External", "AverageValue", 3000, "messages"),))


def held(at: float) -> float:
    return 40.0


@pytest.mark.parametrize(
    ("looks", "agreed"),
    [
        ([look(0, 1, 1, 2), look(15, 1, 4, 40), look(30, 4, 4, 10)], [True]),
        ([look(0, 1, 1, 2), look(15, 1, 2, 40)], [False]),
        ([look(0, 1, 1, 2), look(15, 1, 1, 40)], [False]),
        # Its status stays as it is; the window of 300 s is over all the same.
        ([look(0, 4, 4, 3), look(400, 4, 4, 0.5), look(700, 4, 1, 0.5)], [True]),
        ([look(0, 4, 4, 3), look(15, 4, 1, 0.5)], [False]),
        ([look(0, 0, 0, 0)], []),
    ],
    ids=["grows", "less", "not at all", "shrinks", "too soon", "at zero"],
)
def test_the_simulator_decides_on_what_the_hpa_wrote_down(looks, agreed):
    assert [one.agrees for one in replay_backlog(SPEC, looks, held)] == agreed


def test_a_sync_that_divided_by_no_pods_is_decided_on_what_the_rehearsal_counted():
    (compared,) = replay_backlog(SPEC, [look(0, 1, 4, -1, pods=0)], held)
    assert (compared.real, compared.ours) == (4, 4)
    (compared,) = replay_backlog(SPEC, [look(0, 1, 4, -1, pods=0)], lambda at: 3.0)
    assert compared.is_unexplained, "three messages are for one pod"


def test_a_status_that_stands_still_after_a_change_is_no_second_change():
    """A broker that hangs holds the next sync up: one decision would be counted once for each of them."""
    assert len(replay_backlog(SPEC, [look(0, 1, 4, 40), look(70, 4, 4, 10)], held)) == 1


def test_the_edge_of_the_window_explains_a_difference_and_a_second_sync_beyond_it_does_not():
    spec = replace(SPEC, behavior=Behavior(scale_down=ScalingRules((DOWN,), "Max", 30)))
    at_the_edge = [look(0, 4, 4, 3), look(15, 4, 4, 0.5), look(30.1, 4, 4, 0.6), look(45, 4, 1, 0.6)]
    compared = replay_backlog(spec, at_the_edge, held)
    assert [(one.agrees, one.is_unexplained) for one in compared] == [(False, False), (True, False)]
    assert compared[0].explanation == Explanation("time", "it had last proposed 4 pods or more 29.60 to 30.60 s before")
    beyond = [*at_the_edge[:3], look(45, 4, 4, 0.5), look(60, 4, 1, 0.5)]
    assert [one.is_unexplained for one in replay_backlog(spec, beyond, held)] == [False, True, False]


def test_pods_that_come_or_go_just_then_explain_a_difference():
    (compared,) = replay_backlog(SPEC, [look(0, 2, 2, 3, pods=2), look(15, 2, 2, 3.2, pods=3)], held)
    assert compared.explanation == Explanation(
        "pods", "the average was of 3 pods or of 2, which came or went just then"
    )


def test_what_the_real_one_remembers_are_its_own_changes(record):
    """One difference does not make the next: with ours remembered, the second would be held back by the policy."""
    policies = (ScalingPolicy("Pods", 1, 60),)
    spec = replace(SPEC, behavior=Behavior(scale_up=ScalingRules(policies)))
    compared = replay_backlog(spec, [look(0, 1, 1, 40), look(15, 1, 2, 40)], held)
    assert [one.agrees for one in compared] == [False, True]


def test_what_nobody_can_explain_does_not_pass_and_what_is_explained_is_said(record):
    signal = signal_of(behavior={"scaleDown": {"stabilizationWindow": "30s"}})
    signal.looks = [
        replace(one, at=BEGIN + one.at, since=BEGIN + one.since)
        for one in [look(0, 4, 4, 3), look(15, 4, 4, 0.5), look(30.1, 4, 4, 0.6), look(45, 4, 1, 0.6)]
    ]
    record = replace(record, consumer=signal.consumer)
    result = judge(record, signal)
    rows = {row[0]: row[1] for table in tables(result) for row in table.rows}
    assert rows["it did not at 30.1 s"].startswith("4 to 4 pods, and here to 1: it had last proposed 4 pods or more")
    assert not [one for one in result.problems if "simulator" in one]
    signal.looks[2:] = [replace(signal.looks[3], at=BEGIN + 20, since=BEGIN + 19.5)]
    (problem,) = [one for one in judge(record, signal).problems if "simulator" in one]
    assert problem.endswith("20.0 s after the beginning: 4 to 1 pods, and here to 4: the record does not say why")
