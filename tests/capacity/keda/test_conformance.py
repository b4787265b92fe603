"""KEDA's operator against tables of numbers, each with its source."""

from __future__ import annotations

import pytest
from tests.capacity.keda.checks import cases

CASES = list(cases())


@pytest.mark.parametrize("check", [check for _, check in CASES], ids=[name for name, _ in CASES])
def test_the_operator_decides_as_keda_does(check):
    check()


def test_no_case_is_there_twice_and_there_are_enough():
    names = [name for name, _ in CASES]
    assert len(names) == len(set(names)), sorted(name for name in set(names) if names.count(name) > 1)
    assert len(names) >= 120
