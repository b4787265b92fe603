"""The worker's command: what cannot consume is refused before it is started 70 times."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ebbtide_supervisor.command import command_problems
from ebbtide_supervisor.environment import read_environment

if TYPE_CHECKING:
    from pathlib import Path

PHP = sys.executable  # any program there is
CONSUME = [PHP, "bin/console", "messenger:consume"]

BAD_COMMANDS = [
    ([], "no worker command"),
    (["no-such-program", "bin/console", "messenger:consume", "a"], "not a program of this image"),
    ([PHP, "bin/console", "app:work"], "runs messenger:consume"),
    ([PHP, "bin/consol", "messenger:consume", "a"], "does not exist"),
    (CONSUME, "names no receiver"),
    ([*CONSUME, "--limit", "100", "-vv", "-b", "bus", "--no-interaction"], "names no receiver"),
    ([*CONSUME, "a", "--time-limit=60"], "--time-limit is given here and by"),
    ([*CONSUME, "a", "-t", "60"], "--time-limit is given here and by"),
    ([*CONSUME, "a", "-m", "100", "--memory-limit=150M"], "given 2 times (got 100, 150M); -m is --memory-limit"),
    ([*CONSUME, "a", "-m100", "-m=150M"], "given 2 times (got 100, 150M)"),
    ([*CONSUME, "a", "--memory-limit=256M"], "below PHP's own memory_limit"),
    ([*CONSUME, "a", "--memory-limit", "1G"], "below PHP's own memory_limit"),
    ([*CONSUME, "a", "-m", "plenty"], "below PHP's own memory_limit"),
    ([*CONSUME, "a", "--memory-limit=150"], "write 150M"),
    ([*CONSUME, "--keepalive", "5"], "names no receiver"),
]


@pytest.fixture(autouse=True)
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/console").touch()
    monkeypatch.chdir(tmp_path)


def problems(command: list[str], **changes: object) -> list[str]:
    environment, _ = read_environment({})
    assert environment is not None
    return command_problems(replace(environment, **changes), command)


@pytest.mark.parametrize(("command", "words"), BAD_COMMANDS)
def test_a_command_that_cannot_consume_is_refused_in_one_line(command: list[str], words: str) -> None:
    found = problems(command)
    assert len(found) == 1, found
    assert words in found[0]
    assert found[0].startswith("args: ")
    assert ";" in found[0], "the line does not say what to write instead"


@pytest.mark.parametrize(
    "command",
    [
        [*CONSUME, "githubevents", "--limit=100", "--memory-limit=150M", "--no-interaction"],
        [*CONSUME, "--limit", "100", "high", "low"],
        [*CONSUME, "--all"],
        ["bin/console", "messenger:consume", "a"],
        [*CONSUME, "a", "-m", "150M"],
    ],
)
def test_a_command_that_consumes_is_accepted(command: list[str]) -> None:
    found = problems(command)
    assert [problem for problem in found if "not a program" not in problem] == []


def test_a_time_limit_of_ones_own_is_accepted_when_ours_is_off() -> None:
    assert problems([*CONSUME, "a", "--time-limit=60"], time_limit_seconds=0) == []


def test_a_signal_that_only_some_versions_of_symfony_know_is_refused() -> None:
    (problem,) = problems([*CONSUME, "a"], stop_signal="INT")
    assert "write TERM" in problem
    assert problems([*CONSUME, "a"], stop_signal="INT", drain="stopFile", time_limit_seconds=5) == []


def test_another_program_needs_neither_console_nor_receivers() -> None:
    assert problems([PHP, "-m", "celery"], worker_kind="command") == []


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "php artisan queue:work"],
        ["/bin/bash", "-ec", "cd app; php artisan queue:work"],
        ["sh", "-c", "php execute.php"],
        ["sh", "-c", "trap 'kill $!; wait; exit 0' TERM; php worker & wait"],
    ],
)
def test_a_shell_that_stays_before_the_worker_is_refused(command: list[str]) -> None:
    """It dies of the stop signal at once; PID 1 sees the worker ended, ends, and the message in flight is lost."""
    (problem,) = problems(command, worker_kind="command")
    assert problem.startswith("args: ")
    assert "write exec before" in problem


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "exec php artisan queue:work"],
        ["sh", "-c", "cd app && exec php artisan queue:work"],
        ["sh", "run.sh"],
    ],
)
def test_a_shell_that_becomes_the_worker_is_accepted(command: list[str]) -> None:
    assert [problem for problem in problems(command, worker_kind="command") if "not a program" not in problem] == []


WRAPPERS = [
    ('#!/bin/sh\nset -e\n"$@"\n', True),
    ('#!/usr/bin/env bash\n# exec is for others\nsource env.sh\n"$@" --quiet\n\n', True),
    ('#!/bin/sh\nset -e\nexec "$@"\n', False),
    ("#!/bin/bash\ntrap 'kill $!; wait' TERM\n\"$@\" & wait\n", True),
]


@pytest.mark.parametrize(("text", "is_refused"), WRAPPERS)
@pytest.mark.parametrize("kind", ["symfonyMessenger", "command"])
@pytest.mark.parametrize("by", [[], ["sh"]], ids=["executed", "read by sh"])
def test_a_script_before_the_worker_must_become_it(
    tmp_path: Path, text: str, kind: str, by: list[str], *, is_refused: bool
) -> None:
    wrapper = tmp_path / "with-secrets"
    wrapper.write_text(text)
    wrapper.chmod(0o755)
    found = problems([*by, str(wrapper), *CONSUME, "a"], worker_kind=kind)
    assert [True] * is_refused == ["below the shell" in problem for problem in found], found


def test_a_wrapper_in_another_language_is_not_read(tmp_path: Path) -> None:
    wrapper = tmp_path / "with-secrets"
    wrapper.write_text("#!/usr/bin/env python3\nimport subprocess, sys\nsubprocess.run(sys.argv[1:])\n")
    wrapper.chmod(0o755)
    assert problems([str(wrapper), *CONSUME, "a"]) == []


def test_a_shell_that_stays_is_accepted_where_no_signal_is_sent() -> None:
    assert problems(["sh", "-c", "php worker"], worker_kind="command", drain="stopFile") == []


def test_a_symfony_worker_that_no_signal_stops_must_end_at_a_limit_within_the_stop_wait() -> None:
    (problem,) = problems([*CONSUME, "a"], drain="stopFile")
    assert "EBBTIDE_STOP_WAIT_SECONDS" in problem
    assert "killed" in problem
    assert problems([*CONSUME, "a"], drain="stopFile", time_limit_seconds=5, stop_wait_seconds=70) == []
    (problem,) = problems([*CONSUME, "a"], drain="stopFile", time_limit_seconds=0)
    assert "no time limit" in problem


@pytest.mark.parametrize("limit", [["--limit=1000"], ["--limit=1"], ["-l", "1"], ["--failure-limit=1"], ["-m", "150M"]])
def test_a_limit_of_messages_is_none_that_a_worker_ends_at_in_time(limit: list[str]) -> None:
    """An idle worker has it still before it, and takes its last message when the stop wait is nearly over."""
    (problem,) = problems([*CONSUME, "a", *limit], drain="stopFile", time_limit_seconds=0)
    assert "no time limit" in problem
    (problem,) = problems([*CONSUME, "a", *limit], drain="stopFile", time_limit_seconds=3600)
    assert "EBBTIDE_STOP_WAIT_SECONDS" in problem
    assert problems([*CONSUME, "a", *limit, "-t", "10"], drain="stopFile", time_limit_seconds=0) == []
