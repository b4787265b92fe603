"""Whether the tables would notice a mistake: every small change of the package's code must fail at least one case."""

from __future__ import annotations

import collections
import sys

import pytest
from tests.capacity.keda.checks import cases
from tests.capacity.keda.survivors import EQUIVALENT
from tests.mutation.package import EACH, MutatedPackage

import ebbtide.capacity.keda as installed_package

pytestmark = pytest.mark.slow
PREFIX = "ebbtide.capacity.keda"
ORDER = ("memory", "triggers", "formula", "spec", "scalers", "operator", "manifest", "__init__")
PACKAGE = MutatedPackage(PREFIX, ORDER, cases)


def test_all_cases_pass_on_the_package_loaded_this_way():
    assert PACKAGE.killer(PACKAGE.codes, collections.Counter()) is None
    assert sys.modules[PREFIX] is installed_package


@EACH
def test_a_case_notices_every_small_mistake(step, least_share, record_testsuite_property):
    """The figure counts survivors that change nothing (survivors.py says why) as survivors."""
    survivors, total = PACKAGE.survivors(step)
    share = 1 - len(survivors) / total
    record_testsuite_property("KEDA mutants", f"{total}, {total - len(survivors)} killed, {share:.1%}")
    unexplained = [each for each in survivors if each not in EQUIVALENT]
    assert not unexplained, f"{share:.1%} killed; nothing notices: {unexplained}"
    assert share >= least_share, f"only {share:.1%} of {total} mutants are killed"


def test_every_explained_survivor_is_still_a_line_of_the_code():
    stale = PACKAGE.stale(EQUIVALENT)
    assert not stale, f"survivors.py explains lines that are gone: {stale}"
