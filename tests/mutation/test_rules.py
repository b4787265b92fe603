"""A figure of mutants is worth what its runner is: a change that tests notice is killed, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mutation.mutator import mutants

ROOT = Path(__file__).parents[2]
RULES = '''
from functools import cache
from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import rule

MOST = 3

@rule("Z-1", Level.ERROR, subject=str, judges="settings", remedy="Write less.", source="-")
def check_length(text):
    """It is short."""
    if len(text) > MOST:
        yield Finding(("text",), "is long", "write less")

@cache
def is_empty(text):
    return text == ""

def nobody_asks(text):
    return text == "x"
'''
TESTS = """
from ebbtide.judgement.rule import known_rules, rules_on, run_rules
from small.rules.length import is_empty

def test_of_four_letters_the_rule_says_error():
    assert [(one.rule, str(one.level)) for one in run_rules(rules_on(str), "1234")] == [("Z-1", "error")]

def test_no_letter_is_empty():
    assert is_empty("")
"""
RUN = """
import sys
from tests.mutation import rules
rules.ROOMS = {"small": rules.Room(("small.rules",), (sys.argv.pop(),))}
sys.exit(rules.main())
"""


def run(directory: Path, tests: str) -> tuple[int, list[str]]:
    rules = directory / "small" / "rules"
    rules.mkdir(parents=True)
    (rules / "__init__.py").write_text("from small.rules import length\n")
    (rules / "length.py").write_text(RULES)
    (directory / "test_small.py").write_text(tests)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--each=99", "--jobs=1", str(directory / "test_small.py")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (directory, ROOT, ROOT / "infra")))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.slow
def test_what_a_test_notices_is_killed_and_everything_else_is_named_to_be_read(tmp_path: Path):
    status, lines = run(tmp_path, TESTS)
    assert status == 0
    survived = {line.removeprefix("survived: small.rules.length:") for line in lines if line.startswith("survived")}
    # Nobody tries three letters, five letters or a text that is not empty.
    assert survived == {
        "6: 3 -> 3 - 1: MOST = 3",
        "11: Gt -> GtE [0]: if len(text) > MOST:",
        "11: if always: if len(text) > MOST:",
        '12: text -> ~ext: yield Finding(("text",), "is long", "write less")',
        '19: Eq -> NotEq [0]: return text == "x"',
        '19: returns nothing: return text == "x"',
        '19: x -> ~: return text == "x"',
    }
    # The level, the limit raised, nothing found, the branch never taken; and what was remembered is forgotten.
    assert "small.rules.length: 7 of 14 killed" in lines


@pytest.mark.slow
def test_no_figure_is_printed_where_the_tests_fail_as_they_are(tmp_path: Path):
    status, lines = run(tmp_path, TESTS.replace("1234", "123"))
    assert status != 0
    assert not any("killed" in line for line in lines)


def test_the_mutator_changes_what_it_says():
    source = "@rule(Level.ERROR)\ndef f(a):\n    if a and a in {'x'}:\n        yield a\n"
    changed = [each.what for each in mutants(source, judges=True)]
    assert changed == [
        "if never",
        "if always",
        "And -> Or",
        "condition 0 dropped",
        "condition 1 dropped",
        "In -> NotIn [0]",
        "x -> ~",
        "yields nothing",
        "ERROR -> WARNING",
    ]
