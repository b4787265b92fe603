"""Whether the tables would notice a mistake: every small change of the package's code must fail at least one case."""

from __future__ import annotations

import ast
import collections
import sys

import pytest
from tests.capacity.hpa.conformance import cases
from tests.capacity.hpa.survivors import EQUIVALENT
from tests.mutation.mutator import mutants
from tests.mutation.package import EACH, MutatedPackage

import ebbtide.capacity.hpa as installed_package

pytestmark = pytest.mark.slow
PREFIX = "ebbtide.capacity.hpa"
ORDER = (
    "integers", "quantity", "release", "spec", "history", "pods", "ratio", "metrics", "stabilization", "limits",
    "controller", "manifest", "__init__",
)  # fmt: skip
# `quantity` is shared with the settings, and so in a room of its own.
PACKAGE = MutatedPackage(PREFIX, ORDER, cases, {"quantity": "ebbtide.kubernetes.quantity"})


def test_all_cases_pass_on_the_package_loaded_this_way():
    assert PACKAGE.killer(PACKAGE.codes, collections.Counter()) is None
    assert sys.modules[PREFIX] is installed_package


@EACH
def test_a_case_notices_every_small_mistake(step, least_share, record_testsuite_property):
    """The figure counts survivors that change nothing (survivors.py says why) as survivors."""
    survivors, total = PACKAGE.survivors(step)
    share = 1 - len(survivors) / total
    record_testsuite_property("HPA mutants", f"{total}, {total - len(survivors)} killed, {share:.1%}")
    unexplained = [each for each in survivors if each not in EQUIVALENT]
    assert not unexplained, f"{share:.1%} killed; nothing notices: {unexplained}"
    assert share >= least_share, f"only {share:.1%} of {total} mutants are killed"


def test_every_explained_survivor_is_still_a_line_of_the_code():
    stale = PACKAGE.stale(EQUIVALENT)
    assert not stale, f"survivors.py explains lines that are gone: {stale}"


def test_the_mutator_changes_what_it_says():
    source = "def f(a):\n    return a > 1 and not a\n"
    changed = [ast.unparse(each.tree) for each in mutants(source)]
    assert len(changed) == len(set(changed)) == 7
    assert "a >= 1" in changed[1] + changed[2]
