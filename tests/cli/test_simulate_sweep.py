"""A sweep finds the cheapest setting that meets a goal, or the best there is; Ctrl-C keeps what it has found."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from itertools import islice

import pytest
from tests.cli.conftest import COMMAND
from tests.cli.simulated import STACK

from ebbtide.capacity.from_settings import NOT_MODELLED
from ebbtide.cli import simulate_sweep

# Fifty messages at once, ten seconds each, on pods of four workers that all begin at once: ceil(50 / 4n) rounds.
_AT_ONCE = [(0, 10)] * 50
_FIXED = STACK.split("      autoscaling:")[0] + "      autoscaling: {kind: fixed, replicas: 1}\n"
_SWEEP = ("--load", "mail.csv", "--sweep", "replicas=1..4")
_DAY = "messagesPerDay: {messages}\ndurations: {{p50: 1s, max: 20s}}\nsignals: {{mail_backlog: backlog}}\n"
_WAITS = {1: 120, 2: 60, 3: 40, 4: 30}


@pytest.fixture
def fixed(shop):
    """The shop with a fixed number of pods, so that the longest waits can be counted."""
    shop.write("stacks/Pulumi.dev.yaml", _FIXED)
    shop.write_load(_AT_ONCE)
    return shop


def test_a_sweep_names_the_cheapest_that_meets_the_goal_and_what_kept_the_others(fixed):
    done = fixed.run(*_SWEEP, "--goal", "max < 41s", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found) == [
        "version", "kind", "stack", "consumer", "load", "seeds",
        "sweep", "goal", "tried", "chosen", "verdict", "interrupted", "assumptions", "notModelled",
    ]  # fmt: skip
    assert {entry["value"]: entry["figures"]["waitMaxSeconds"] for entry in found["tried"]} == _WAITS
    assert [entry["figures"]["peakBrokerConnections"] for entry in found["tried"]] == [4, 8, 12, 16]
    assert found["chosen"] == 3, "four meets it too, for more pod-hours"
    assert found["verdict"].startswith("replicas 3 is the cheapest that meets max < 41.0 s: 0.1 pod-hours. With 2, ")
    assert "max is 60.0 s; the maximum binds, 100% of the time with a backlog" in found["verdict"]


def test_a_goal_that_nothing_reaches_ends_in_the_best_there_is_and_status_1(fixed):
    done = fixed.run(*_SWEEP, "--goal", "max < 30s")
    assert done.returncode == 1, "a script that asks for a goal must see that there is none"
    assert "No replicas meets max < 30.0 s; the best is 4: max is 30.0 s; the maximum binds" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"[1-4] ", line)]
    assert [(row[0], row[3], row[-1]) for row in rows] == [
        (str(value), f"{wait:.1f}", "missed") for value, wait in _WAITS.items()
    ]


def test_a_sweep_prints_what_all_its_values_stand_on(fixed):
    done = fixed.run("--load", "mail.csv", "--sweep", "processes=1..2")
    assert done.returncode == 0, done.stderr
    assert "This stands on" in done.stdout
    assert "grace period" in done.stdout
    assert "workers in a pod" not in done.stdout, "each value of this sweep has its own"
    assert " ".join(done.stdout.split()).endswith(f"and leaves out {'; '.join(NOT_MODELLED)}.")


def test_of_several_seeds_the_worst_decides(fixed):
    fixed.write("mail.csv", "arrival\n" + "".join(f"{second}\n" for second in range(200)))
    load = ("--load", "mail.csv", "--durations", "p50=3s,max=20s", "--seeds", "3", "--format", "json")
    swept = json.loads(fixed.run(*load, "--sweep", "replicas=1..1").stdout)["tried"][0]["figures"]
    every = json.loads(fixed.run(*load).stdout)["cases"][0]["figures"]["waitP95Seconds"]
    assert every["low"] < every["high"], "the seeds do not differ"
    assert swept["waitP95Seconds"] == every["high"]


def test_a_value_that_cannot_be_simulated_is_a_message_from_its_process(fixed):
    done = fixed.run("--load", "mail.csv", "--sweep", "replicas=0..1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: consumers.mail: has no worker: a backlog would only grow; give it at least one pod and one process"
        " [simulate]\n"
    )


def test_a_load_that_cannot_be_used_is_refused_with_its_line_from_a_sweep_too(fixed):
    fixed.write_load([(5, 1), (4, 1)])
    done = fixed.run(*_SWEEP)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: mail.csv: line 3: arrives before the line above it; sort the file by arrival [load]\n"
    )


# Ctrl-C.


class _Terminal:
    """A command with a terminal for its standard error."""

    def __init__(self, shop, *arguments):
        self._seen = b""
        self._deadline = time.monotonic() + 240
        self._controller, terminal = pty.openpty()
        self._process = subprocess.Popen(
            [*COMMAND, "simulate", "--stack", "dev", "--format", "json", *arguments],
            cwd=shop.root,
            stdout=subprocess.PIPE,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)

    def wait_for(self, pattern):
        while not re.search(pattern, self._seen):
            ready, _, _ = select.select([self._controller], [], [], self._deadline - time.monotonic())
            assert ready, self._seen
            self._seen += os.read(self._controller, 4096)

    def interrupt(self):
        """What a terminal does at Ctrl-C: the signal goes to every process of the group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def end(self):
        out, _ = self._process.communicate(timeout=240)
        # At the end of its last process a terminal is an error to read.
        with contextlib.suppress(OSError):
            while rest := os.read(self._controller, 4096):
                self._seen += rest
        with pytest.raises(ProcessLookupError):
            os.killpg(self._process.pid, 0)
        return self._process.returncode, out.decode(), self._seen.decode()

    def close(self):
        os.close(self._controller)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def sweep(shop):
    """Sixty runs that take a second each."""
    shop.write("loads/mail.yaml", _DAY.format(messages=100_000))
    with contextlib.closing(_Terminal(shop, "--sweep", "maxReplicas=1..60", "--goal", "max < 999h")) as terminal:
        yield terminal


@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_keeps_what_was_found_says_so_and_ends_every_process(sweep, times):
    sweep.wait_for(rb"runs .*[1-9] %")
    for _ in range(times):
        sweep.interrupt()
        time.sleep(0.02)
    status, out, err = sweep.end()
    assert status == 1, err
    assert "Traceback" not in err
    found = json.loads(out)
    assert found["interrupted"]
    assert 1 <= len(found["tried"]) < 60
    assert re.match(r"Of the values that were tried: maxReplicas \d+ is the cheapest", found["verdict"])
    assert f"interrupted: {len(found['tried'])} of 60 values were tried" in err
    assert all(entry["figures"]["messages"] > 90_000 for entry in found["tried"]), "half a run is no result"


def test_ctrl_c_leaves_out_a_value_that_not_every_seed_was_tried_with(fixed, simulate, monkeypatch):
    handler = signal.getsignal(signal.SIGINT)
    runs = []

    def interrupted(wanted):
        for key, run in islice(wanted.items(), 3):
            runs.append(key)
            yield key, run.summarize(run.result())
        raise KeyboardInterrupt

    monkeypatch.setattr(simulate_sweep, "run_all", interrupted)
    try:
        done = simulate(*_SWEEP, "--seeds", "2", "--format", "json")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert runs == [(1, 1), (1, 2), (2, 1)]
    assert [entry["value"] for entry in json.loads(done.stdout)["tried"]] == [1], "its worst seed is not known"
    assert (done.returncode, done.stderr) == (1, "interrupted: 1 of 4 values were tried\n")


def test_ctrl_c_before_anything_was_found_says_so(shop):
    # A run takes most of a minute, so that none ends before a busy machine delivers the signal.
    shop.write("loads/mail.yaml", _DAY.format(messages=9_000_000))
    with contextlib.closing(_Terminal(shop, "--sweep", "maxReplicas=1..60")) as sweep:
        sweep.wait_for(rb"runs .*0 %")
        sweep.interrupt()
        status, out, err = sweep.end()
    assert (status, json.loads(out)["tried"]) == (1, []), err
    assert "interrupted: 0 of 60 values were tried" in err
    assert "Traceback" not in err


def test_ctrl_c_in_a_single_run_ends_it_without_a_traceback(shop):
    shop.write("loads/mail.yaml", _DAY.format(messages=9_000_000))
    with contextlib.closing(_Terminal(shop)) as run:
        run.wait_for(rb"as it is, seed 1")
        run.interrupt()
        status, out, err = run.end()
    assert (status, out) == (130, "")
    assert "Traceback" not in err
