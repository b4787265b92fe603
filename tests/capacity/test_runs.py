"""Runs side by side give what they give one by one, and an end of one is a message."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import pickle
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import active_children
from pathlib import Path

import pytest
from tests.capacity.conftest import CONSUMER, stack_of

from ebbtide.capacity import accelerator
from ebbtide.capacity import load as load_module
from ebbtide.capacity import runs as runs_module
from ebbtide.capacity.accelerator import AcceleratedKernel
from ebbtide.capacity.kernel import PureKernel
from ebbtide.capacity.load import read_load
from ebbtide.capacity.model import Result, Row
from ebbtide.capacity.runs import LoadSource, Run, choose_kernel, explain_minute, run_all
from ebbtide.capacity.trace import write_trace
from ebbtide.judgement.findings import SettingsError

STACK = stack_of()
_PROFILE = """\
messagesPerDay: 2000
durations: {p50: 2s, max: 20s}
signals: {mail_backlog: backlog}
"""


@pytest.fixture
def profile(tmp_path):
    """A drawn load of a day."""
    file = tmp_path / "mail.yaml"
    file.write_text(_PROFILE)
    return LoadSource(file)


@pytest.mark.slow
def test_runs_side_by_side_give_what_they_give_one_by_one(profile):
    several = {seed: Run(STACK, "mail", profile, seed) for seed in (1, 2, 3)}
    together = dict(run_all(several, processes=2))
    assert together == {seed: run.summarize(run.result()) for seed, run in several.items()}
    assert len({summary.messages for summary in together.values()}) > 1, "every seed drew the same load"
    assert active_children() == []


@pytest.mark.slow
def test_the_same_seed_gives_the_same_rows_and_another_seed_others(profile):
    first, again, other = (Run(STACK, "mail", profile, seed).result() for seed in (1, 1, 2))
    assert first.rows == again.rows
    assert first.rows != other.rows
    assert Run(STACK, "mail", profile, 7).scenario.seed == 7, "crashes and victims are drawn by the same seed"


def test_a_trace_is_the_same_load_for_every_seed(profile, tmp_path):
    write_trace(tmp_path / "a.trace", read_load(profile.file).open(1))
    source = LoadSource(tmp_path / "a.trace", signals=(("mail_backlog", "backlog"),))
    results = [Run(STACK, "mail", source, seed).result() for seed in (1, 2)]
    assert results[0].messages == results[1].messages
    assert results[0].rows[0] == results[1].rows[0]


def test_a_signal_that_is_given_stands_over_the_one_in_the_profile(profile):
    given = replace(profile, signals=(("mail_backlog", "backlogAndInFlight"), ("other", "backlog")))
    assert profile.all_signals == {"mail_backlog": "backlog"}
    assert given.all_signals == {"mail_backlog": "backlogAndInFlight", "other": "backlog"}


@pytest.fixture
def counted(monkeypatch):
    """How often a profile is read and a scenario is built."""
    found = Counter()
    for module, name in ((load_module, "read_profile"), (runs_module, "build_scenario")):
        whole = getattr(module, name)

        def count(*arguments, name=name, whole=whole, **named):
            found[name] += 1
            return whole(*arguments, **named)

        monkeypatch.setattr(module, name, count)
    return found


def test_a_run_reads_its_profile_and_builds_its_scenario_once(profile, counted):
    run = Run(STACK, "mail", profile)
    run.assumptions()
    run.summarize(run.result())
    assert counted == {"read_profile": 1, "build_scenario": 1}


def test_another_process_is_told_what_the_profile_said(profile, counted):
    assert profile.profile is not None
    other = pickle.loads(pickle.dumps(Run(STACK, "mail", profile, 2)))
    other.summarize(other.result())
    assert counted == {"read_profile": 1, "build_scenario": 1}


def test_broker_connections_are_counted_as_the_settings_say(profile):
    stack = stack_of(worker={**CONSUMER["worker"], "connections": {"broker": 3}})
    run = Run(stack, "mail", profile)
    result = run.result()
    assert run.summarize(result).peak_broker_connections == result.peak_pods * 4 * 3


# What ends early.


@pytest.mark.parametrize("text", ["arrival,duration\n5,1\n4,1\n", "arrival,duration\n"], ids=["unsorted", "empty"])
def test_a_load_that_is_refused_in_a_process_is_refused_here_as_it_is_alone(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    run = Run(STACK, "mail", LoadSource(tmp_path / "a.csv", signals=(("mail_backlog", "backlog"),)))
    with pytest.raises(SettingsError) as alone:
        run.result()
    with pytest.raises(SettingsError) as together:
        list(run_all({1: run, 2: run}))
    assert together.value.findings == alone.value.findings, "an exception loses its findings between processes"
    assert active_children() == []


def test_findings_come_from_a_process_all_of_them(tmp_path):
    (tmp_path / "a.yaml").write_text("messagesPerDay: -1\ndurations: {p50: 9s, max: 2s}\n")
    with pytest.raises(SettingsError) as error:
        list(run_all({1: Run(STACK, "mail", LoadSource(tmp_path / "a.yaml"))}))
    assert len(error.value.findings) == 2
    assert "a.yaml" in str(error.value)


def test_a_consumer_without_a_worker_is_refused_by_its_name(profile):
    stack = stack_of(autoscaling={"kind": "fixed", "replicas": 0})
    with pytest.raises(SettingsError, match=r"^consumers\.mail: has no worker: a backlog would only grow"):
        Run(stack, "mail", profile).result()


@dataclass(frozen=True, slots=True)
class _Killed(Run):
    """A run that the system ends, as for want of memory."""

    def result(self, progress=None):
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True, slots=True)
class _Endless(Run):
    """A run that takes a minute."""

    def result(self, progress=None):
        signal.sigtimedwait([signal.SIGUSR1], 60)
        raise AssertionError


def test_a_run_that_the_system_kills_is_a_message_and_not_a_wait_for_ever(profile):
    with pytest.raises(SettingsError, match="a run was killed by the system, most often for want of memory"):
        list(run_all({1: _Killed(STACK, "mail", profile), 2: _Endless(STACK, "mail", profile)}, processes=2))
    assert active_children() == []


def test_who_stops_listening_ends_the_runs_under_way(profile):
    several = {1: Run(STACK, "mail", profile), 2: _Endless(STACK, "mail", profile)}
    listening = run_all(several, processes=2)
    assert next(listening)[0] == 1
    listening.close()
    assert active_children() == [], "a run goes on for nobody"


class _InterruptedSet(set):
    """The processes that Python knows of, with Ctrl-C between the start of one and its entry."""

    def add(self, process):
        signal.raise_signal(signal.SIGINT)
        super().add(process)


def _processes():
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended since
            found.update(map(int, (task / "children").read_text().split()))
    return found


def test_an_interrupt_while_processes_begin_leaves_none_behind(profile, monkeypatch):
    before = _processes()
    monkeypatch.setattr(multiprocessing.process, "_children", _InterruptedSet())
    with pytest.raises(KeyboardInterrupt):
        list(run_all({1: _Endless(STACK, "mail", profile)}, processes=1))
    left = _processes() - before
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == set(), "a process that nobody knows of goes on"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "the next Ctrl-C would be lost"


# Kernels and reasons.


@pytest.mark.parametrize(
    ("wish", "size", "kernel"),
    [
        ("", 15_999_999, PureKernel),
        ("", 16_000_000, AcceleratedKernel),
        ("pure", 16_000_000, PureKernel),
        ("accelerated", 0, AcceleratedKernel),
    ],
)
def test_the_compiled_kernel_is_taken_where_it_pays_or_is_asked_for(tmp_path, monkeypatch, wish, size, kernel):
    monkeypatch.setenv("EBBTIDE_KERNEL", wish)
    file = tmp_path / "a.trace"
    with file.open("wb") as opened:
        opened.truncate(size)
    assert type(choose_kernel(file)) is kernel


@pytest.fixture
def nothing_compiled(tmp_path, monkeypatch):
    """A machine on which the kernel was never compiled."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    accelerator._load.cache_clear()
    yield
    accelerator._load.cache_clear()


def _large(directory):
    with (directory / "a.trace").open("wb") as opened:
        opened.truncate(16_000_000)
    return directory / "a.trace"


def test_the_kernel_is_compiled_once_a_machine(tmp_path, monkeypatch, nothing_compiled):
    assert type(choose_kernel(_large(tmp_path))) is AcceleratedKernel
    accelerator._load.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert type(choose_kernel(tmp_path / "a.trace")) is AcceleratedKernel, "needs the compiler again"
    assert len(list((tmp_path / "cache" / "ebbtide").iterdir())) == 1, "leaves something behind"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "there is no C compiler"),
        ("#!/bin/sh\necho 'cc: no such thing' >&2\nexit 1\n", "fails: cc: no such thing"),
    ],
)
def test_without_a_compiler_that_works_python_runs_and_who_asked_for_it_is_told(
    tmp_path, monkeypatch, nothing_compiled, script, said
):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    if script:
        (tmp_path / "cc").write_text(script)
        (tmp_path / "cc").chmod(0o755)
    assert type(choose_kernel(_large(tmp_path))) is PureKernel
    monkeypatch.setenv("EBBTIDE_KERNEL", "accelerated")
    with pytest.raises(SettingsError, match=f"EBBTIDE_KERNEL: is not possible: .*{said}"):
        choose_kernel(tmp_path / "a.trace")


def test_where_nothing_can_be_kept_python_runs(tmp_path, monkeypatch, nothing_compiled):
    (tmp_path / "cache").write_text("a file")
    assert type(choose_kernel(_large(tmp_path))) is PureKernel
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 12_345_678)
    assert type(choose_kernel(tmp_path / "a.trace")) is PureKernel, "a user without a home"


def test_a_kernel_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EBBTIDE_KERNEL", "fast")
    with pytest.raises(SettingsError, match=r"is no kernel .got 'fast'.; write pure or accelerated"):
        choose_kernel(tmp_path / "a.trace")


def test_a_minute_is_told_sync_by_sync_with_its_own_end_left_out():
    rows = [
        Row(seconds, 1 + (seconds > 60), 1, 0, seconds, 4, 0.0, f"reason {seconds}") for seconds in range(15, 151, 15)
    ]
    result = Result(rows=rows)
    assert explain_minute(result, 60) == [
        "00:01:00  1 pod, 0 draining, 60 messages waiting, 4 in flight: reason 60",
        "00:01:15  2 pods, 0 draining, 75 messages waiting, 4 in flight: reason 75",
        "00:01:30  2 pods, 0 draining, 90 messages waiting, 4 in flight: reason 90",
        "00:01:45  2 pods, 0 draining, 105 messages waiting, 4 in flight: reason 105",
    ]
    assert [line[:8] for line in explain_minute(result, 0)] == ["00:00:15", "00:00:30", "00:00:45"]
    assert explain_minute(result, 151) == []
    assert explain_minute(Result(rows=[Row(90_000, 0, 0, 0, 0, 0, 0.0, "")]), 90_000)[0].startswith("25:00:00  0 pods")
