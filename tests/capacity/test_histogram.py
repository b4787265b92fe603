"""A wait that is reported is the wait that was, to 10 ms or one per cent."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebbtide.capacity.histogram import LINEAR_END_US, LINEAR_STEP_US, LINEAR_STEPS, Histogram


def _of(waits):
    histogram = Histogram()
    for wait in waits:
        histogram.count += 1
        histogram.total_us += wait
        histogram.longest_us = max(histogram.longest_us, wait)
        histogram.linear[min(wait // LINEAR_STEP_US, LINEAR_STEPS)] += 1
        if wait >= LINEAR_END_US:
            histogram.add_beyond(wait)
    return histogram


@pytest.mark.slow
@settings(deadline=None)
@given(
    waits=st.lists(st.integers(0, 8 * 10**12), min_size=1, max_size=60),
    share=st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]),
)
def test_a_quantile_is_right_to_ten_milliseconds_or_one_per_cent(waits, share):
    exact = sorted(waits)[max(1, -int(-share * len(waits) // 1)) - 1]
    reported = _of(waits).quantile(share) * 1e6
    assert exact - LINEAR_STEP_US <= reported <= max(exact + LINEAR_STEP_US, exact * 1.01)


def test_nothing_counted_is_no_wait():
    assert (Histogram().quantile(0.95), Histogram().mean_seconds) == (0.0, 0.0)
