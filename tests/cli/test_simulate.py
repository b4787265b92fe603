"""`ebbtide simulate` answers with figures that can be worked out by hand, and says what they stand on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields

import pytest
from pydantic.alias_generators import to_camel
from tests.cli.simulated import BACKLOG, ONE_WORKER, PROFILE, STACK

from ebbtide.capacity import accelerator, runs
from ebbtide.capacity.from_settings import NOT_MODELLED
from ebbtide.capacity.load import read_load
from ebbtide.capacity.simulation_report import FIGURES
from ebbtide.capacity.summary import Summary

# Three messages of ten seconds, a second apart: one worker begins them at 0, 10 and 20.
_THREE = [(0, 10), (1, 10), (2, 10)]


def _figures(done, case=0):
    assert done.returncode == 0, done.stderr
    return {name: figure["middle"] for name, figure in json.loads(done.stdout)["cases"][case]["figures"].items()}


def test_the_figures_are_those_of_a_queue_worked_out_on_paper(shop, simulate):
    shop.write_load(_THREE)
    figures = _figures(simulate("--load", "mail.csv", *BACKLOG, *ONE_WORKER, "--format", "json"), case=1)
    expected = {
        "messages": 3,
        "waitP50Seconds": pytest.approx(9, abs=0.01),
        "waitP95Seconds": 18,
        "waitMaxSeconds": 18,
        "waitMeanSeconds": 9,
        "peakWaiting": 1,
        "cutOff": 0,
        "left": 0,
        "peakReplicas": 1,
        "peakBrokerConnections": 1,
        "scalings": 0,
    }
    assert {name: figures[name] for name in expected} == expected


def test_set_compares_two_settings_on_the_same_load(shop, simulate):
    shop.write_load(_THREE)
    fixed = STACK.replace("processes: 4", "processes: 1").split("      autoscaling:")[0]
    shop.write("stacks/Pulumi.dev.yaml", f"{fixed}      autoscaling: {{kind: fixed, replicas: 1}}\n")
    done = simulate("--load", "mail.csv", "--set", "processes=2", "--format", "json")
    assert [case["case"] for case in json.loads(done.stdout)["cases"]] == ["as it is", "with processes=2"]
    waits = [_figures(done, case)["waitMaxSeconds"] for case in (0, 1)]
    assert waits == [18, 8], "the third message waits for the second worker's first message, not for both before it"
    table = simulate("--load", "mail.csv", "--set", "processes=2").stdout.splitlines()
    assert next(line for line in table if "longest" in line).split()[-4:] == ["18.0", "s", "8.0", "s"]


def test_base_compares_with_the_settings_at_a_commit(shop, simulate):
    shop.write_load(_THREE)
    git = ["git", "-C", str(shop.root), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "work"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    shop.write("stacks/Pulumi.dev.yaml", STACK.replace("processes: 4", "processes: 2"))
    asked = ("--load", "mail.csv", *BACKLOG, "--base", "HEAD", "--format", "json")
    done = simulate(*asked)
    assert [case["case"] for case in json.loads(done.stdout)["cases"]] == ["HEAD", "as it is"]
    assert [_figures(done, case)["waitMaxSeconds"] for case in (0, 1)] == [0, 8]
    done = simulate(*asked, "--set", "processes=1")
    assert [case["case"] for case in json.loads(done.stdout)["cases"]] == ["HEAD", "with processes=1"], (
        "a review compares what is deployed with what is proposed"
    )


def test_why_tells_what_the_autoscaler_saw_at_every_sync_of_a_minute(shop, simulate):
    shop.write_load([(second, 60) for second in range(100)])
    done = simulate("--load", "mail.csv", *BACKLOG, "--why", "0:01")
    told = done.stdout.split("Why at 00:01\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in told] == ["00:01:00", "00:01:15", "00:01:30", "00:01:45"]
    # One message a second on four workers a pod. What the autoscaler sees is 15 s old: at 0:30 that 11 of 15 waited, so
    # it made a second pod, which took four more; at 0:45 that 26 of 30 did, so it made four pods of them. At 1:00 it
    # sees that 37 of 45 waited; eight a pod are aimed at, so ceil(37 / 8) = 5 and 37 / (4 * 8) = 1.16.
    assert told[0] == (
        "00:01:00  4 pods, 0 draining, 44 messages waiting, 15 in flight: mail_backlog is at 1.16 of its target"
        " of 8 and asks for 5; maxReplicas (TooManyReplicas) makes it 4; stays at 4"
    )


def test_work_that_is_left_is_no_success(shop, simulate):
    """A worker that dies two or three times in each message."""
    shop.write_load([(0, 200)] * 20)
    asked = ("--load", "mail.csv", *BACKLOG, *ONE_WORKER, "--measured", "crashesPerWorkerHour=9000")
    done = simulate(*asked)
    assert done.returncode == 1, "a pipeline would take it for a setting that works"
    assert "Not done: with another autoscaling, processes: 20 of 20 messages; their waits count" in done.stdout
    assert json.loads(simulate(*asked, "--format", "json").stdout)["cases"][1]["figures"]["left"]["middle"] == 20


def test_why_answers_for_each_of_two_settings(shop, simulate):
    shop.write_load([(second, 60) for second in range(100)])
    done = simulate("--load", "mail.csv", *BACKLOG, "--set", "maxReplicas=2", "--why", "00:02")
    assert "Why at 00:02, as it is" in done.stdout
    assert "Why at 00:02, with maxReplicas=2" in done.stdout


def test_json_is_the_same_document_every_time_with_units_in_its_names(shop, simulate):
    shop.write("loads/mail.yaml", PROFILE)
    first, second = (simulate("--format", "json", "--why", "14:05") for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stderr == ""
    document = json.loads(first.stdout)
    assert list(document)[:6] == ["version", "kind", "stack", "consumer", "load", "seeds"]
    assert list(document)[6:] == ["cases", "why", "assumptions", "notModelled"]
    assert list(document["cases"][0]["figures"]) == [to_camel(field.name) for field in fields(Summary)]
    assert set(document["cases"][0]["figures"]["podHours"]) == {"low", "middle", "high"}
    assert [line[:8] for line in document["why"]] == ["Why at 1", "14:05:00", "14:05:15", "14:05:30", "14:05:45"]
    assert {tuple(row) for row in document["assumptions"]} == {("what", "value", "source")}


def test_seeds_give_a_range_and_not_one_number(shop):
    shop.write("loads/mail.yaml", PROFILE)
    done = shop.run("--seeds", "3", "--format", "json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["cases"][0]["figures"]
    assert all(figure["low"] <= figure["middle"] <= figure["high"] for figure in figures.values())
    drawn = [sum(len(chunk[0]) for chunk in read_load(shop.root / "loads/mail.yaml").open(seed)) for seed in (1, 2, 3)]
    low, middle, high = sorted(drawn)
    assert figures["messages"] == {"low": low, "middle": middle, "high": high}


def test_a_range_is_shown_as_one(shop):
    shop.write("mail.csv", "arrival\n" + "".join(f"{second}\n" for second in range(200)))
    shown = shop.run("--load", "mail.csv", *BACKLOG, "--durations", "p50=3s,max=20s", "--seeds", "3").stdout
    assert "200 messages of mail.csv in 0.1 h; 3 seeds, middle (lowest to highest)" in shown
    assert re.search(r"^waiting time, longest +[\d.]+ s \([\d.]+ to [\d.]+\)$", shown, re.MULTILINE), shown


def test_what_a_result_stands_on_is_printed_with_it(shop, simulate):
    shop.write_load(_THREE)
    shown = " ".join(simulate("--load", "mail.csv", *BACKLOG).stdout.split())
    document = json.loads(simulate("--load", "mail.csv", *BACKLOG, "--format", "json").stdout)
    for row in document["assumptions"]:
        assert f"{row['what']} {row['value']} {row['source']}" in shown
    for missing in (*NOT_MODELLED, "not measured for this consumer"):
        assert missing in shown
    assert document["notModelled"] == list(NOT_MODELLED)
    for words, _ in FIGURES.values():
        assert words in shown


def test_brackets_in_names_are_shown_and_not_taken_for_markup(shop, simulate):
    shop.write_load(_THREE, "[bold]a.csv")
    shown = simulate("--load", "[bold]a.csv", *BACKLOG, "--set", "worker.receivers=[post]").stdout
    assert "messages of [bold]a.csv" in shown
    assert "with worker.receivers=[post]" in shown


def test_a_converted_load_gives_the_figures_of_the_table_it_was_made_of(shop, simulate):
    shop.write_load([(second * 0.37, 1 + second % 7) for second in range(300)])
    made = simulate.command("convert", "mail.csv", "mail.trace")
    assert (made.returncode, made.stderr) == (0, "300 messages in mail.trace\n")
    table, trace = (simulate("--load", name, *BACKLOG, "--format", "json") for name in ("mail.csv", "mail.trace"))
    assert _figures(table) == _figures(trace)
    assert sorted(file.name for file in shop.root.glob("mail.*")) == ["mail.csv", "mail.trace"]


def test_a_drawn_load_is_converted_as_its_seed_draws_it(shop, simulate):
    file = shop.write("mail.yaml", PROFILE)
    assert simulate.command("convert", "mail.yaml", "mail.trace", "--seed", "3").returncode == 0
    drawn, kept = (
        [pair for arrivals, lengths in chunks for pair in zip(arrivals, lengths, strict=True)]
        for chunks in (read_load(file).open(3), read_load(shop.root / "mail.trace").open(1))
    )
    assert kept == drawn


def test_a_large_trace_that_no_compiler_helps_with_says_so_in_a_line(shop, simulate, monkeypatch, tmp_path):
    shop.write_load(_THREE)
    asked = ("--load", "mail.csv", *BACKLOG)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert simulate(*asked).stderr == "", "Python is fast enough for a small one"
    monkeypatch.setattr(runs, "_ACCELERATED_FROM_BYTES", 1)
    accelerator._load.cache_clear()
    done = simulate(*asked)
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert "runs without the compiled kernel" in line
    assert line.endswith("there is no C compiler (cc, gcc or clang)")


def test_help_says_that_a_compiler_is_used():
    command = [sys.executable, "-m", "ebbtide", "simulate", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "C compiler" in shown
