"""A red run with new values can be repeated by what it prints."""

from __future__ import annotations

import re
from collections.abc import Iterator

import hypothesis.core
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from tests.conftest import NEW_VALUES, SAME_VALUES
from tests.properties.profiles import THOROUGH_EXAMPLES, hold


@pytest.fixture
def new_values() -> Iterator[None]:
    before = settings.get_current_profile_name()
    settings.load_profile(NEW_VALUES)
    yield
    settings.load_profile(before)


def test_a_failure_with_new_values_says_how_to_draw_the_same_ones_again(new_values, monkeypatch) -> None:
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


@pytest.mark.parametrize("profile", [NEW_VALUES, SAME_VALUES])
def test_no_property_fails_because_a_value_took_long(profile: str) -> None:
    chosen = settings.get_profile(profile)
    assert chosen.deadline is None
    assert HealthCheck.too_slow in chosen.suppress_health_check
