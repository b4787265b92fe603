"""How long a property is tried: a few seconds in every run, longer in the tier `slow`, for minutes in `long`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

QUICK_EXAMPLES = 15
MORE_EXAMPLES = 80
THOROUGH_EXAMPLES = 250

each_profile = pytest.mark.parametrize(
    "examples",
    [
        pytest.param(QUICK_EXAMPLES, id="quick"),
        pytest.param(MORE_EXAMPLES, id="more", marks=pytest.mark.slow),
        pytest.param(THOROUGH_EXAMPLES, id="thorough", marks=[pytest.mark.slow, pytest.mark.long]),
    ],
)


def hold(check: Callable[[Any], None], of: SearchStrategy[Any], examples: int) -> None:
    """Run `check` on this many drawn values; a failure is shown with the smallest value that fails.

    Which values, tests/conftest.py says: the same in every run, or new ones, and then a failure says by which seed.
    """
    # Settings of a stack are large and slow to draw (20 ms): that is no sign of a bad strategy.
    calm = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    profile = settings(max_examples=examples, database=None, deadline=None, suppress_health_check=calm)
    trial = profile(given(of)(check))
    try:
        trial()
    except BaseException as error:
        # Hypothesis says it only of tests that it has wrapped itself, and reads the same attribute.
        drawn_by = getattr(trial, "_hypothesis_internal_use_generated_seed", None)
        if drawn_by is not None:
            error.add_note(f"the same values again: pytest --hypothesis-seed={drawn_by}, and the name of this test")
        raise
