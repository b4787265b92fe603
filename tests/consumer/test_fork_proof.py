"""The proof that workers may be forked: what a boot leaves behind, what nobody could look into, and what to change."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ebbtide_supervisor import fork_proof
from ebbtide_supervisor.extensions import BAD, KNOWN, unknown
from ebbtide_supervisor.fork_proof import LEAST_OPCACHE_MEBIBYTES, Proof, judge, judge_doubts, opcache_mebibytes
from hypothesis import given
from hypothesis import strategies as st

BOOT: dict[str, Any] = {
    "descriptors": [],
    "threads": 1,
    "alarmSeconds": 0,
    "libraries": [],
    "extensions": ["core", "pcntl", "redis"],
    "arguments": True,
    "missing": [],
    "generators": [],
    "draws": ["0.1", "0.2"],
    "different": 0,
    "differences": [],
    "unseen": [],
    "opcacheBytes": 21 * 1048576,
}


def reasons(php: dict[str, Any] | None = None, first: dict[str, Any] | None = None, **second: Any) -> list[str]:
    return list(judge(BOOT | (first or {}), BOOT | second, php or {"prepended": ""}))


def doubts(**boot: Any) -> list[str]:
    return list(judge_doubts(BOOT | boot))


def test_a_boot_that_leaves_nothing_behind_is_proved() -> None:
    assert reasons() == doubts() == []


FOUND = [
    ({"missing": ["posix_kill"]}, "PHP lacks posix_kill", "install pcntl and posix"),
    ({"arguments": False}, "reads its arguments", "time limits of their own"),
    ({"extensions": ["core", "grpc"]}, "the extension grpc", "leave it out"),
    ({"extensions": ["core", "apcu"]}, "the extension apcu", "write apc.enable_cli=0"),
    ({"descriptors": ["socket:[4711]"]}, "has opened socket:[4711]", "when it is first needed"),
    ({"threads": 3}, "threads (got 3)", "start them when needed"),
    ({"alarmSeconds": 60}, "has set an alarm (in 60 s)", "set it when it is needed"),
    ({"generators": ["service dice Dice::$engine"]}, "service dice Dice::$engine", "seed it later"),
    ({"draws": ["0.1", "0.1"]}, "lcg_value()", "random_int()"),
    ({"different": 1, "differences": ["App\\Kernel::$name"]}, "App\\Kernel::$name", "when it is first asked for"),
    ({"failed": "it cannot be booted to be looked at (got a time-out)"}, "cannot be booted", "time-out"),
]
NOT_SEEN = [
    ({"extensions": ["core", "imagick"]}, "the extensions imagick live", "leave them out"),
    ({"extensions": ["core", "ffi"], "libraries": ["/opt/libown.so"]}, "/opt/libown.so", "load it when needed"),
    ({"unseen": ["a Redis (service cache App\\Cache::$redis)"]}, "a Redis (service cache", "when it is needed"),
]


@pytest.mark.parametrize(("second", "culprit", "remedy"), FOUND)
def test_what_children_would_share_speaks_against_it_and_says_what_to_change(
    second: dict[str, Any], culprit: str, remedy: str
) -> None:
    (reason,) = reasons(**second)
    assert culprit in reason
    assert remedy in reason


def test_a_php_that_cannot_make_the_copy_that_looks_is_told_so_and_not_by_a_traceback() -> None:
    """The copy finds generators and differences; without pcntl_fork the build's record has neither."""
    unseen = {name: value for name, value in BOOT.items() if name not in {"generators", "different", "differences"}}
    (reason,) = judge(unseen, unseen | {"missing": ["pcntl_fork"]}, {"prepended": ""})
    assert "PHP lacks pcntl_fork" in reason


@pytest.mark.parametrize(("boot", "culprit", "remedy"), NOT_SEEN)
def test_what_nobody_could_look_into_is_a_doubt_and_no_reason(boot: dict[str, Any], culprit: str, remedy: str) -> None:
    (doubt,) = doubts(**boot)
    assert culprit in doubt
    assert remedy in doubt
    assert not reasons(**boot), "who asks for forked workers knows it better"


@pytest.mark.parametrize("part", ["different", "extensions"])
def test_a_boot_that_was_held_against_none_proves_nothing(part: str) -> None:
    boot = {name: value for name, value in BOOT.items() if name != part}
    if part == "extensions":
        with pytest.raises(KeyError):
            list(judge({}, boot, {}))
    else:
        assert list(judge_doubts(boot)) == ["this boot was held against no other"]


@given(st.lists(st.sampled_from(FOUND + NOT_SEEN), max_size=4), st.sampled_from(["auto", "fork"]))
def test_auto_forks_only_where_there_is_neither_a_reason_nor_a_doubt(found: list[Any], start: str) -> None:
    boot = dict(BOOT)
    for facts, *_ in found:
        for name, value in facts.items():
            boot[name] = [*boot.get(name, []), *value] if isinstance(value, list) and name != "draws" else value
    proof = Proof(tuple(judge({}, boot, {})), tuple(judge_doubts(boot)))
    is_against = any(one in FOUND or start == "auto" for one in found)
    assert bool(proof.against(start)) == is_against


def test_no_extension_is_known_twice_and_none_is_both_good_and_bad() -> None:
    names = [name for kind in KNOWN.values() for name in kind]
    assert len(names) == len(set(names))
    assert not set(names) & BAD.keys()
    assert all(name == name.lower() for name in (*names, *BAD)), "as the hook says them"


def test_those_that_are_not_known_are_named() -> None:
    assert unknown(["redis", "uuid", "core", "imagick", "grpc"]) == ["imagick", "uuid"]


def test_another_s_prepended_file_speaks_against_it() -> None:
    (reason,) = reasons({"prepended": "/opt/tracer/prepend.php"})
    assert "/opt/tracer/prepend.php" in reason


def test_many_values_that_differ_are_counted_and_not_listed() -> None:
    (reason,) = reasons(different=11, differences=[f"service s{number} S::$id" for number in range(10)])
    assert "service s2 S::$id and 8 more" in reason
    assert "service s3" not in reason


@pytest.mark.parametrize(("used", "mebibytes"), [(None, 64), (5, 64), (21, 64), (100, 300)])
def test_shared_memory_for_code_is_a_multiple_of_what_a_worker_has_used(used: int | None, mebibytes: int) -> None:
    boot = BOOT | {"opcacheBytes": used and used * 1048576}
    assert opcache_mebibytes(boot) == mebibytes >= LEAST_OPCACHE_MEBIBYTES


PHP = """#!/bin/sh
facts='"descriptors": [], "threads": 1, "alarmSeconds": 0, "libraries": [], "extensions": [], "arguments": true, \
"missing": [], "generators": [], "differences": ["container"]'
[ -e "$CACHE" ] && did=load || did=compile
touch "$CACHE"
[ -z "${EBBTIDE_FORK_RECORD_BOOT_ONLY:-}" ] || echo $did > "$EBBTIDE_FORK_RECORD.state"
[ "$(cat "$EBBTIDE_FORK_RECORD.state")" = $did ] && different=0 || different=1
echo "{$facts, \\"different\\": $different}" > "$EBBTIDE_FORK_RECORD"
"""


def test_a_container_that_the_first_boot_compiles_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    php = tmp_path / "php"
    php.write_text(PHP)
    php.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("PROOF", "CLASSES"):
        monkeypatch.setattr(fork_proof, name, tmp_path / name)
    monkeypatch.setattr(fork_proof, "BETWEEN_BOOTS_SECONDS", 0)
    variables = {"PATH": os.environ["PATH"], "PHP_INI_SCAN_DIR": "", "CACHE": str(tmp_path / "cache")}
    assert fork_proof.prove(Path("bin/console"), ["mail"], {}, variables).against("auto") == ()
