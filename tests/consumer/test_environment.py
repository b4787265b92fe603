"""The environment: every bad value is one line that says what to write instead."""

from __future__ import annotations

import pytest
from ebbtide_supervisor.environment import DEFAULT_DRAIN_DEADLINE_SECONDS, NUMBERS, read_environment

BAD_VALUES = [
    ("EBBTIDE_PROCESSES", "0", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "10000", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "-1", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "seventy", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "7 ", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "1_0", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "७", "whole number from 1 to 1000"),
    ("EBBTIDE_PROCESSES", "1.5", "whole number from 1 to 1000"),
    ("EBBTIDE_LONGEST_MESSAGE_SECONDS", "200s", "whole number from 0 to 604800"),
    ("EBBTIDE_STOP_WAIT_SECONDS", "0", "whole number from 1 to 608400"),
    ("EBBTIDE_STOP_WAIT_SECONDS", "60", "above EBBTIDE_LONGEST_MESSAGE_SECONDS"),
    ("EBBTIDE_DRAIN_DEADLINE_SECONDS", "70", "above EBBTIDE_STOP_WAIT_SECONDS"),
    ("EBBTIDE_GRACE_SECONDS", "30", "above EBBTIDE_DRAIN_DEADLINE_SECONDS"),
    ("EBBTIDE_START_DEADLINE_SECONDS", "0", "whole number from 1 to 86400"),
    ("EBBTIDE_TIME_LIMIT_SECONDS", "1h", "whole number from 0 to 604800"),
    ("EBBTIDE_MEMORY_LIMIT_MEBIBYTES", "150M", "whole number from 16 to 1048576"),
    ("EBBTIDE_RECOVER_AFTER_SECONDS", "on", "whole number from 0 to 86400"),
    ("EBBTIDE_RECOVER_AFTER_SECONDS", "60", "above EBBTIDE_LONGEST_MESSAGE_SECONDS"),
    (
        "EBBTIDE_WORKER_KIND",
        "symfony",
        "write one of symfonyMessenger, celery, ",
    ),
    ("EBBTIDE_DRAIN", "SIGTERM", "one of signal, stopFile"),
    ("EBBTIDE_STOP_SIGNAL", "SIGTERM", "one of TERM, INT, QUIT"),
    ("EBBTIDE_STOP_SIGNAL", "KILL", "one of TERM, INT, QUIT"),
    ("EBBTIDE_STATE_DIRECTORY", "run", "an absolute path"),
    ("EBBTIDE_STATE_DIRECTORY", "/run/a b", "plain characters"),
    ("EBBTIDE_STATE_DIRECTORY", "/run/" + "long" * 30, "at most 80"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), BAD_VALUES)
def test_a_bad_value_is_one_line_with_the_name_the_value_and_the_remedy(name: str, value: str, remedy: str) -> None:
    environment, problems = read_environment({name: value})
    assert environment is None
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{name}: ")
    assert value in problems[0]
    assert remedy in problems[0]
    assert "\n" not in problems[0]


def test_all_problems_are_told_at_once() -> None:
    _, problems = read_environment(
        {"EBBTIDE_PROCESSES": "x", "EBBTIDE_DRAIN": "x", "EBBTIDE_GRACE_SECONDS": "x", "EBBTIDE_STATE_DIRECTORY": "x"},
    )
    assert len(problems) == 4


def test_a_container_without_any_variable_runs_with_a_budget_that_holds() -> None:
    environment, problems = read_environment({})
    assert problems == []
    assert environment is not None
    assert environment.processes == 1
    assert (
        environment.longest_message_seconds,
        environment.stop_wait_seconds,
        environment.drain_deadline_seconds,
        environment.grace_seconds,
    ) == (60, 70, 75, 90)
    assert environment.drain_deadline_seconds == DEFAULT_DRAIN_DEADLINE_SECONDS, "a hook waits for another time"


def test_the_budget_of_the_deployment_is_taken_as_it_is() -> None:
    environment, _ = read_environment({"EBBTIDE_LONGEST_MESSAGE_SECONDS": "200"})
    assert environment is not None
    assert (environment.stop_wait_seconds, environment.drain_deadline_seconds, environment.grace_seconds) == (
        *(210, 215, 230),
    )


def test_the_filled_in_variables_read_back_as_the_same_environment() -> None:
    environment, _ = read_environment({"EBBTIDE_PROCESSES": "70", "EBBTIDE_DRAIN": "stopFile"})
    assert environment is not None
    assert read_environment(environment.variables()) == (environment, [])
    assert set(environment.variables()) >= {f"EBBTIDE_{name}" for name in NUMBERS}


WEEK = "604800"


@pytest.mark.parametrize(
    ("variables", "remedy"),
    [
        (
            {"LONGEST_MESSAGE_SECONDS": WEEK, "DRAIN": "stopFile"},
            "lower EBBTIDE_LONGEST_MESSAGE_SECONDS or EBBTIDE_TIME_LIMIT_SECONDS",
        ),
        ({"TIME_LIMIT_SECONDS": WEEK, "DRAIN": "stopFile", "LONGEST_MESSAGE_SECONDS": WEEK}, "TIME_LIMIT_SECONDS"),
        ({"TIME_LIMIT_SECONDS": WEEK, "DRAIN": "stopFile", "LONGEST_MESSAGE_SECONDS": "3590"}, "TIME_LIMIT_SECONDS"),
        ({"STOP_WAIT_SECONDS": "608400"}, "lower EBBTIDE_STOP_WAIT_SECONDS"),
        ({"STOP_WAIT_SECONDS": "608390"}, "lower EBBTIDE_STOP_WAIT_SECONDS"),
        ({"DRAIN_DEADLINE_SECONDS": "608400"}, "lower EBBTIDE_DRAIN_DEADLINE_SECONDS"),
    ],
)
def test_a_derived_budget_that_no_pod_is_given_is_one_line(variables: dict[str, str], remedy: str) -> None:
    """PID 1 would read back what it refuses, and end with a traceback."""
    environment, problems = read_environment({f"EBBTIDE_{name}": value for name, value in variables.items()})
    assert environment is None
    assert len(problems) == 1, problems
    assert problems[0].endswith(remedy)
    assert "not 608400 at most" in problems[0]


@pytest.mark.parametrize(
    "variables",
    [
        {"EBBTIDE_LONGEST_MESSAGE_SECONDS": WEEK},
        {"EBBTIDE_LONGEST_MESSAGE_SECONDS": WEEK, "EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "3570"},
        {"EBBTIDE_STOP_WAIT_SECONDS": "608380"},
    ],
)
def test_the_longest_budget_reads_back_as_the_same_environment(variables: dict[str, str]) -> None:
    environment, problems = read_environment(variables)
    assert problems == []
    assert environment is not None
    assert read_environment(environment.variables()) == (environment, [])


def test_a_drain_by_stop_file_waits_for_the_time_limit_too() -> None:
    """The same sum as the stack file's: nobody tells these workers, so they take messages until their limit."""
    environment, problems = read_environment({"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "300"})
    assert problems == []
    assert environment is not None
    assert environment.stop_wait_seconds == 300 + 60 + 10


def test_a_pod_s_workers_rotate_spread_over_the_last_fifth_of_the_limit() -> None:
    environment, _ = read_environment({"EBBTIDE_PROCESSES": "10"})
    assert environment is not None
    assert [environment.time_limit_of(number) for number in range(10)] == [3600 - 72 * number for number in range(10)]


@pytest.mark.parametrize("variables", [{"EBBTIDE_TIME_LIMIT_SECONDS": "0"}, {"EBBTIDE_WORKER_KIND": "command"}])
def test_where_nobody_rotates_by_time_no_worker_gets_a_limit(variables: dict[str, str]) -> None:
    environment, _ = read_environment(variables | {"EBBTIDE_PROCESSES": "10"})
    assert environment is not None
    assert [environment.time_limit_of(number) for number in (0, 9)] == [0, 0]


@pytest.mark.parametrize("kind", ["symfonyMessenger", "celery", "laravelQueue", "command"])
@pytest.mark.parametrize("processes", [1, 7, 8, 400])
def test_only_symfony_s_workers_are_forked_unasked_and_only_where_they_are_many(kind: str, processes: int) -> None:
    environment, problems = read_environment({"EBBTIDE_WORKER_KIND": kind, "EBBTIDE_PROCESSES": str(processes)})
    assert not problems
    assert environment is not None
    assert environment.worker_start == ("auto" if kind == "symfonyMessenger" and processes >= 8 else "exec")


def test_only_a_symfony_worker_can_be_forked() -> None:
    environment, problems = read_environment({"EBBTIDE_WORKER_START": "fork", "EBBTIDE_WORKER_KIND": "command"})
    assert environment is None
    assert len(problems) == 1
    assert "EBBTIDE_WORKER_START" in problems[0]
    assert "write exec" in problems[0]
