"""The proof that workers may be forked: what a boot leaves behind, and what to change about it."""

from __future__ import annotations

from typing import Any

import pytest
from ebbtide_supervisor.fork_proof import LEAST_OPCACHE_MEBIBYTES, judge, opcache_mebibytes

BOOT: dict[str, Any] = {
    "descriptors": [],
    "threads": 1,
    "extensions": ["core", "pcntl", "redis"],
    "arguments": True,
    "missing": [],
    "state": {"service kernel App\\Kernel::$name": "a"},
    "generators": [],
    "draws": ["0.1", "0.2"],
    "opcacheBytes": 21 * 1048576,
}


def reasons(php: dict[str, Any] | None = None, first: dict[str, Any] | None = None, **second: Any) -> list[str]:
    return list(judge(BOOT | (first or {}), BOOT | second, php or {"prepended": ""}))


def test_a_boot_that_leaves_nothing_behind_speaks_for_forking() -> None:
    assert reasons() == []


@pytest.mark.parametrize(
    ("second", "culprit", "remedy"),
    [
        ({"missing": ["posix_kill"]}, "PHP lacks posix_kill", "install pcntl and posix"),
        ({"arguments": False}, "reads its arguments", "time limits of their own"),
        ({"extensions": ["core", "grpc"]}, "the extension grpc", "leave it out"),
        ({"descriptors": ["socket:[4711]"]}, "has opened socket:[4711]", "when it is first needed"),
        ({"threads": 3}, "threads (got 3)", "start them when needed"),
        ({"generators": ["service dice Dice::$engine"]}, "service dice Dice::$engine", "seed it later"),
        ({"draws": ["0.1", "0.1"]}, "lcg_value()", "random_int()"),
        ({"state": {"service kernel App\\Kernel::$name": "b"}}, "App\\Kernel::$name", "when it is first asked for"),
        ({"state": {}}, "App\\Kernel::$name", "when it is first asked for"),
        ({"failed": "it cannot be booted to be looked at (got a time-out)"}, "cannot be booted", "time-out"),
    ],
)
def test_what_children_would_share_speaks_against_it_and_says_what_to_change(
    second: dict[str, Any], culprit: str, remedy: str
) -> None:
    (reason,) = reasons(**second)
    assert culprit in reason
    assert remedy in reason


def test_another_s_prepended_file_speaks_against_it() -> None:
    (reason,) = reasons({"prepended": "/opt/tracer/prepend.php"})
    assert "/opt/tracer/prepend.php" in reason


def test_many_values_that_differ_are_counted_and_not_listed() -> None:
    state = {f"service s{number} S::$id": "b" for number in range(10)}
    listed = reasons(state=BOOT["state"] | state)
    assert len(listed) == 4
    assert listed[-1] == "and 7 more such values"


@pytest.mark.parametrize(("used", "mebibytes"), [(None, 64), (5, 64), (21, 64), (100, 300)])
def test_shared_memory_for_code_is_a_multiple_of_what_a_worker_has_used(used: int | None, mebibytes: int) -> None:
    boot = BOOT | {"opcacheBytes": used and used * 1048576}
    assert opcache_mebibytes(boot) == mebibytes >= LEAST_OPCACHE_MEBIBYTES
