"""The ledger sorts every message, and says so when it cannot."""

import json

import pytest

from ebbtide.rehearsal.ledger import Ledger, parse_time


def line(event, message, second, worker="pod-1", pid=7, **more):
    record = {"monotonic_ns": second * 10**9, "event": event, "worker": worker, "pid": pid, "message": message, **more}
    return f"2026-11-23T18:00:{second:02d}.123456789Z {json.dumps(record)}"


def ledger_of(*lines, pod="pod"):
    ledger = Ledger()
    for one in lines:
        ledger.read(pod, one)
    return ledger


BEGUN_TWICE = [line("started", "a", 1), line("finished", "a", 2), line("started", "a", 3), line("finished", "a", 4)]
CASES = {
    "once": ([line("started", "a", 1), line("finished", "a", 2)], "once"),
    "never begun": ([], "lost"),
    "killed in the middle and never given back": ([line("started", "a", 1)], "lost"),
    "begun twice and finished twice": (BEGUN_TWICE, "repeated"),
    "killed, given back and finished": (
        [line("started", "a", 1), line("started", "a", 3, pid=8), line("finished", "a", 4, pid=8)],
        "repeated",
    ),
    "failed in the handler": ([line("started", "a", 1), line("failed", "a", 2, reason="no")], "lost"),
}


@pytest.mark.parametrize(("lines", "kind"), CASES.values(), ids=CASES)
def test_every_message_is_in_exactly_one_class(lines, kind):
    count = ledger_of(*lines).count(["a"])
    assert {name: getattr(count, name) for name in ("once", "repeated", "lost")} == {
        "once": 0,
        "repeated": 0,
        "lost": 0,
        kind: 1,
    }, "a message that is miscounted hides a loss"


def test_a_handling_without_an_end_was_cut_off():
    assert ledger_of(*CASES["killed, given back and finished"][0]).count(["a"]).cut_off == 1


def test_a_failed_message_is_counted_as_failed():
    assert ledger_of(*CASES["failed in the handler"][0]).count(["a"]).failed == 1


def test_a_log_that_is_read_again_counts_nothing_twice():
    lines = [line("started", "a", 1), line("finished", "a", 2)]
    ledger = ledger_of(*lines, *lines)
    assert (ledger.count(["a"]).once, ledger.malformed) == (1, []), "a broken log stream would look like a repetition"


def test_the_same_worker_name_in_two_pods_is_two_workers():
    ledger = Ledger()
    ledger.read("one", line("started", "a", 1))
    ledger.read("two", line("started", "b", 1))
    ledger.read("two", line("finished", "b", 2))
    ledger.read("one", line("finished", "a", 3))
    assert ledger.count(["a", "b"]).once == 2


def test_messages_that_nobody_sent_are_counted():
    assert ledger_of(line("started", "x", 1), line("finished", "x", 2)).count([]).unknown == 1


@pytest.mark.parametrize(
    "text",
    [
        line("finished", "a", 1),
        line("started", "a", 1)[:-9],
        '2026-11-23T18:00:01Z {"monotonic_ns": 1, "event": "started"}',
        'notime {"monotonic_ns": 1, "event": "started", "worker": "w", "pid": 1, "message": "a"}',
    ],
    ids=["an end without a beginning", "half a line", "a field is missing", "no time"],
)
def test_a_line_that_cannot_be_understood_is_kept(text):
    assert len(ledger_of(text).malformed) == 1, "a count with holes must not pass for exact"


def test_what_the_image_says_of_itself_is_an_event_and_the_rest_is_ignored():
    ledger = ledger_of(
        '2026-11-23T18:00:01.5Z {"time":"x","event":"drainStarted","by":"hook"}',
        "2026-11-23T18:00:02Z [OK] Consuming messages from transport.",
        line("consuming", "-", 3),
    )
    assert [(event.name, event.at % 60) for event in ledger.events] == [("drainStarted", 1.5)]
    assert (ledger.handlings, ledger.malformed) == ([], [])


def test_times_keep_their_fraction():
    assert parse_time("2026-11-23T18:00:01.250000000Z") - parse_time("2026-11-23T18:00:00Z") == pytest.approx(1.25)


FAILED = line("failed", "a", 2, reason="as asked")


@pytest.mark.parametrize(
    ("lines", "asked", "kind"),
    [
        ([line("started", "a", 1), FAILED, line("started", "a", 3), line("finished", "a", 4)], 1, "once"),
        ([line("started", "a", 1), FAILED, line("started", "a", 3), line("finished", "a", 4)], 0, "repeated"),
        ([line("started", "a", 1), FAILED], 1, "lost"),
        # An application that knows nothing of it handles it at once.
        ([line("started", "a", 1), line("finished", "a", 2)], 1, "once"),
        (
            [line("started", "a", 1), FAILED]
            + [line(event, "a", second) for event, second in (("started", 3), ("finished", 4))]
            + [line("started", "a", 5), line("finished", "a", 6)],
            1,
            "repeated",
        ),
    ],
    ids=["retried", "not asked for", "never retried", "did not fail", "retried and repeated"],
)
def test_a_failure_that_was_asked_for_is_no_loss_and_its_retry_no_repetition(lines, asked, kind):
    count = ledger_of(*lines).count(["a"], {"a": asked} if asked else {})
    assert getattr(count, kind) == 1
    assert count.failed == (1 if kind == "repeated" and not asked else 0)
