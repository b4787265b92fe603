"""What `ebbtide simulate` cannot use is refused in a line that says where, what and what instead; never a traceback."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.simulated import BACKLOG, STACK

_GOOD = "arrival,duration\n0,1\n"


def _refused(done):
    assert done.returncode == 1, done.stdout
    assert done.stdout == "", "half an answer beside an error is taken for the answer"
    assert "Traceback" not in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()), done.stderr
    return done.stderr


_BAD_LOADS = [
    ("a.csv", "", "a.csv: has no message; give at least one arrival"),
    ("a.csv", "arrival,duration\n5,1\n4,1\n", "a.csv: line 3: arrives before the line above it; sort the file"),
    ("a.csv", "arrival,duration\n0,1\n-4,1\n", "a.csv: line 3: the arrival is negative (got -4)"),
    ("a.csv", "arrival,duration\n0,-1\n", "a.csv: line 2: the duration is negative (got -1)"),
    ("a.csv", "arrival,duration\n0,1\nNaN,1\n", "line 3: the arrival is no number of seconds (got 'NaN')"),
    ("a.csv", "arrival,duration\n0,nan\n", "line 2: the duration is no number of seconds (got 'nan')"),
    ("a.csv", "arrival\n0\n", "line 2: has no duration; add one; simulate and advise draw it with --durations 'p50="),
    ("a.csv", "arrival,duration\n0,1e13\n", "line 2 takes"),
    ("a.jsonl", '{"arrival": 0, "duration": 1}\n{"arrival": NaN}\n', "line 2: the arrival is no number of seconds"),
    ("a.yaml", "messagesPerDay: -1\ndurations: {p50: 1s, max: 2s}\n", "error: a.yaml: messagesPerDay: "),
    ("a.txt", "0 1\n", "a.txt: is no load (got the ending '.txt'); name a .yaml profile, a trace, .csv or .jsonl"),
]


@pytest.mark.parametrize("sweep", [(), ("--sweep", "maxReplicas=1..2")], ids=["one", "sweep"])
def test_a_signal_for_a_metric_that_does_not_exist_is_refused(shop, simulate, sweep):
    shop.write("a.csv", _GOOD)
    said = "--signal: is no metric of this autoscaler (got 'zzz'); name mail_backlog"
    assert said in _refused(simulate("--load", "a.csv", *BACKLOG, "--signal", "zzz=backlog", *sweep))


def test_a_signal_where_nothing_scales_on_a_count_is_refused(shop, simulate):
    shop.write("a.csv", _GOOD)
    shop.write(
        "stacks/Pulumi.dev.yaml", STACK.split("metrics: [")[0] + "metrics: [{kind: cpu, targetAverageValue: 60m}]\n"
    )
    said = "--signal: is no metric of this autoscaler (got 'mail_backlog'); leave it out: nothing scales on a count"
    assert said in _refused(simulate("--load", "a.csv", *BACKLOG))


@pytest.mark.parametrize("sweep", [(), ("--sweep", "maxReplicas=1..2")], ids=["one", "sweep"])
def test_an_age_of_a_metric_that_does_not_exist_is_refused(shop, simulate, sweep):
    """It would change nothing, and whoever measured it would not notice."""
    shop.write("a.csv", _GOOD)
    said = "--measured: metricLagSeconds is of no metric of this autoscaler (got 'zzz'); name mail_backlog"
    assert said in _refused(simulate("--load", "a.csv", *BACKLOG, "--measured", "metricLagSeconds.zzz=60", *sweep))


def test_a_signal_of_one_of_two_settings_is_right(shop, simulate):
    shop.write("a.csv", _GOOD)
    fixed = ("--set", "autoscaling={kind: fixed, replicas: 1}")
    assert simulate("--load", "a.csv", *BACKLOG, *fixed).returncode == 0


@pytest.mark.parametrize(("name", "text", "said"), _BAD_LOADS)
def test_a_load_that_cannot_be_used_is_refused_with_its_line(shop, simulate, name, text, said):
    shop.write(name, text)
    assert said in _refused(simulate("--load", name, *BACKLOG))


@pytest.mark.parametrize(("name", "text", "said"), _BAD_LOADS)
def test_a_load_that_cannot_be_used_becomes_no_trace(shop, simulate, name, text, said):
    shop.write(name, text)
    assert said in _refused(simulate.command("convert", name, "a.trace"))
    assert not (shop.root / "a.trace").exists(), "a trace of half a load would be taken for the whole"


def test_a_bad_row_leaves_the_trace_that_is_there_as_it_is(shop, simulate):
    shop.write("a.csv", _GOOD)
    simulate.command("convert", "a.csv", "a.trace")
    before = (shop.root / "a.trace").read_bytes()
    shop.write("a.csv", "arrival,duration\n0,2\n1,nan\n")
    _refused(simulate.command("convert", "a.csv", "a.trace"))
    assert (shop.root / "a.trace").read_bytes() == before
    assert sorted(file.name for file in shop.root.glob("a.*")) == ["a.csv", "a.trace"], "half a trace is left"


@pytest.mark.parametrize(
    ("target", "said"),
    [(".", ".: is a directory; name a file"), ("/proc/a.trace", "/proc/a.trace: cannot be written")],
)
def test_a_trace_that_cannot_be_written_is_refused(shop, simulate, target, said):
    shop.write("a.csv", _GOOD)
    assert said in _refused(simulate.command("convert", "a.csv", target))


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (
            "{kind: external, metric: orders, targetAverageValue: 8}",
            "metrics[0]: scales on orders, and the load does not say what it measures; write `signals:",
        ),
        (
            "{kind: pods, metric: busy, targetAverageValue: 3}",
            "metrics[0]: scales on busy, which a load says nothing about; simulate it with an external metric",
        ),
        (
            "{kind: memory, targetAverageValue: 500Mi}",
            "metrics: scales on memory alone, which does not follow the load",
        ),
        (
            "{kind: cpu, targetAverageValue: 100m}, {kind: memory, targetAverageValue: 500Mi}",
            "metrics[1]: scales on memory, which does not follow from a load, and nothing says how much a pod uses",
        ),
    ],
)
@pytest.mark.parametrize("sweep", [(), ("--sweep", "maxReplicas=1..2")], ids=["one", "sweep"])
def test_an_autoscaler_that_the_load_cannot_drive_is_refused(shop, simulate, metric, said, sweep):
    shop.write("a.csv", _GOOD)
    shop.write("stacks/Pulumi.dev.yaml", STACK.split("metrics: [")[0] + f"metrics: [{metric}]\n")
    assert f"error: consumers.mail.autoscaling.{said}" in _refused(simulate("--load", "a.csv", *sweep))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--set", "autoscaling={kind: fixed, replicas: 0}"],
            "consumers.mail: has no worker: a backlog would only grow",
        ),
        (["--set", "processes=0"], "--set: consumers.mail.worker.processes: must be at least 1 (got 0)"),
        (["--set", "maxReplicas"], "--set: is no setting and value (got 'maxReplicas'); write maxReplicas=9"),
        (["--set", "maxReplicas={"], "error: --set: line 2, column 1: is not YAML"),
        (["--set", "=9"], "--set: is no setting and value (got '=9')"),
        (["--set", "maxReplica=9"], "maxReplica: is not a setting"),
        (["--set", "autoscaling.metrics[7].kind=cpu"], "autoscaling.metrics[7]: is no place in these settings"),
        (["--consumer", "post"], "--consumer: must name a consumer of stack dev (got 'post'); use one of mail"),
        (["--signal", "mail_backlog=depth"], "--signal: is no signal (got 'mail_backlog=depth'); write METRIC=backlog"),
        (["--durations", "p50=2s"], "error: --durations: max: is required"),
        (["--durations", "p50=9s,max=2s"], "error: --durations: must not fall from p50 to max"),
        (["--base", "main"], "--base: needs a git repository, and this is none; run git init, or leave --base out"),
        (["--why", "noon"], "--why: is no time (got 'noon'); write hours and minutes since the beginning, 14:05"),
        (["--why", "12:60"], "--why: is no time (got '12:60')"),
        (["--why", "²:05"], "--why: is no time (got '²:05')"),
        (["--why", "14:05"], "--why: is after the end (got 14:05); the run ends at 00:00"),
        (["--report", "a.pdf"], "--report: is no page or picture (got 'a.pdf'); name a .html or .png file"),
        (["--report", "no/a.html"], "--report: no/a.html cannot be written: there is no directory no; make it first"),
        (["--report", "folder.html"], "--report: folder.html is a directory; name a file in it"),
        (["--load", "b.csv"], "b.csv: cannot be read: No such file or directory; name a profile, a trace"),
        (["--load", "."], ".: cannot be read: Is a directory"),
        (["--goal", "p95 < 60s"], "--goal: needs a sweep to choose from; add --sweep maxReplicas=2..20"),
        (["--sweep", "maxReplicas=4..1"], "--sweep: has 0 values (got 'maxReplicas=4..1'); count upwards"),
        (["--sweep", "maxReplicas=1..999999999"], "--sweep: has 999,999,999 values"),
        (["--sweep", "maxReplicas"], "--sweep: is no sweep (got 'maxReplicas'); write maxReplicas=2..20"),
        (["--sweep", "worker=1..2"], "--sweep: consumers.mail.worker: "),
        (["--sweep", "minReplicas=1..9"], "--sweep: consumers.mail.autoscaling.minReplicas: is above maxReplicas"),
        (["--sweep", "maxReplicas=1..2", "--goal", "p95 < 60"], "--goal: has no bound (got '60'); write 'p95 < 60s'"),
        (["--sweep", "maxReplicas=1..2", "--goal", "backlog < nan"], "--goal: has no bound (got 'nan')"),
        (["--sweep", "maxReplicas=1..2", "--goal", "p96 < 60s"], "--goal: is no goal (got 'p96 < 60s')"),
        (["--sweep", "maxReplicas=1..2", "--report", "a.html"], "--report: does not go with --sweep"),
        (["--sweep", "maxReplicas=1..2", "--base", "main"], "--base: does not go with --sweep"),
        (["--sweep", "maxReplicas=1..2", "--why", "14:05"], "--why: does not go with --sweep"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_that_cannot_be_used_is_refused_by_its_name(shop, simulate, arguments, said):
    shop.write("a.csv", _GOOD)
    (shop.root / "folder.html").mkdir()
    load = [] if "--load" in arguments else ["--load", "a.csv"]
    assert said in _refused(simulate(*load, *BACKLOG, *arguments))


@pytest.mark.parametrize("option", [("--why", "noon"), ("--report", "a.pdf"), ("--report", "no/a.html")])
def test_an_answer_that_cannot_be_given_is_refused_before_the_run(shop, simulate, option):
    shop.write("a.csv", "arrival,duration\nnan,1\n")
    assert option[0] in _refused(simulate("--load", "a.csv", *BACKLOG, *option)), "minutes of simulation for nothing"


def test_a_picture_without_matplotlib_is_refused_with_the_way_to_get_it(shop, simulate, monkeypatch):
    shop.write("a.csv", "arrival,duration\nnan,1\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = _refused(simulate("--load", "a.csv", *BACKLOG, "--report", "a.png"))
    assert "--report: needs matplotlib to draw a.png; run `pip install matplotlib`, or write an .html report" in said


def test_a_consumer_without_a_committed_load_says_where_one_belongs(simulate):
    assert "--load: is needed: there is no loads/mail.yaml" in _refused(simulate())


def test_of_several_consumers_one_must_be_named(shop, simulate):
    shop.write("a.csv", _GOOD)
    post = STACK.split("    mail:\n")[1]
    shop.write("stacks/Pulumi.dev.yaml", f"{STACK}    post:\n{post}")
    assert "--consumer: must name a consumer of stack dev; use one of mail, post" in _refused(
        simulate("--load", "a.csv")
    )
    assert simulate("--load", "a.csv", *BACKLOG, "--consumer", "post").returncode == 0


def test_a_stack_without_consumers_has_nothing_to_simulate(shop, simulate):
    shop.write(
        "stacks/Pulumi.dev.yaml",
        "config: {gcp:project: acme-dev, gcp:region: europe-west1, ebbtide:cluster: {kind: gkeAutopilot}}",
    )
    assert "--stack: has no consumer to simulate (got 'dev'); name another stack" in _refused(simulate())


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        (
            STACK.replace("    mail:", "    post:"),
            "--base: has no consumer mail (got 'HEAD'); simulate it without --base",
        ),
        (
            STACK.replace("processes: 4", "processes: 0"),
            "stacks/Pulumi.dev.yaml at HEAD: consumers.mail.worker.processes: ",
        ),
        ("config: {", "stacks/Pulumi.dev.yaml at HEAD: line 2, column 1: is not YAML"),
        (None, "at HEAD: there is no stack 'dev'"),
    ],
    ids=["another consumer", "invalid", "no YAML", "no such stack"],
)
def test_a_base_that_cannot_be_compared_is_refused_as_the_base(shop, simulate, stack, said):
    file = shop.write("stacks/Pulumi.dev.yaml", stack or "")
    if stack is None:
        file.unlink()
    git = ["git", "-C", str(shop.root), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for arguments in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "work"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    shop.write("stacks/Pulumi.dev.yaml", STACK)
    shop.write("a.csv", _GOOD)
    assert f"error: {said}" in _refused(simulate("--load", "a.csv", *BACKLOG, "--base", "HEAD"))
    assert "--base: is no commit here (got 'v9')" in _refused(simulate("--load", "a.csv", *BACKLOG, "--base", "v9"))


def test_without_a_stack_the_option_is_named(simulate):
    done = simulate.command()
    assert done.returncode == 2
    assert "'--stack' / '-s'" in done.stderr
