"""A red run of the thorough profile, which draws new values each time, can be repeated by what it prints."""

from __future__ import annotations

import re

import hypothesis.core
import pytest
from hypothesis import strategies as st
from tests.properties.profiles import THOROUGH_EXAMPLES, hold


def test_a_failure_of_the_thorough_profile_says_how_to_draw_the_same_values_again(monkeypatch) -> None:
    def drawn() -> tuple[list[int], str]:
        values: list[int] = []

        def check(value: int) -> None:
            values.append(value)
            assert value < 10**6

        with pytest.raises(AssertionError) as caught:
            hold(check, st.integers(0, 10**7), THOROUGH_EXAMPLES)
        return values, "\n".join(caught.value.__notes__)

    values, said = drawn()
    (option,) = re.findall(r"--hypothesis-seed=(\d+)", said)
    monkeypatch.setattr(hypothesis.core, "global_force_seed", int(option))  # what the option sets
    assert drawn()[0] == values
