"""A trace is checked as fast as it is read, and no less than message by message."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ebbtide.capacity import trace
from ebbtide.capacity.accelerator import AcceleratedKernel
from ebbtide.capacity.kernel import PureKernel
from ebbtide.capacity.trace import LONGEST_LOAD_US, LONGEST_MESSAGE_US, MAGIC, TraceError, read_trace

_NUMBERS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-2, 2),
    st.just(LONGEST_MESSAGE_US + 1),
    st.integers(36, 62).map(lambda bits: 1 << bits),
)


@pytest.mark.parametrize("kernel", [PureKernel, AcceleratedKernel])
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    gaps=st.lists(st.integers(0, 2**40), min_size=1, max_size=9),
    lengths=st.lists(st.integers(0, LONGEST_MESSAGE_US), min_size=9, max_size=9),
    spoilt=st.dictionaries(st.integers(0, 17), _NUMBERS, max_size=2),
)
@example(gaps=[1, 1], lengths=[0] * 9, spoilt={2: -(2**63)})
@example(gaps=[1, 1], lengths=[0] * 9, spoilt={0: -1})
@example(gaps=[1, 1], lengths=[0] * 9, spoilt={1: -(2**63)})
@example(gaps=[1, 1], lengths=[0] * 9, spoilt={1: 2**41})
@example(gaps=[1, 1], lengths=[0] * 9, spoilt={3: 2**49})
def test_a_trace_is_read_if_every_message_is_sound_and_refused_if_one_is_not(
    tmp_path, monkeypatch, *, kernel, gaps, lengths, spoilt
):
    arrivals = [sum(gaps[: place + 1]) for place in range(len(gaps))]
    numbers = [number for pair in zip(arrivals, lengths, strict=False) for number in pair]
    for place, number in spoilt.items():
        numbers[place % len(numbers)] = number
    arrivals, lengths = numbers[0::2], numbers[1::2]
    sound = (
        all(before <= after for before, after in pairwise([0, *arrivals]))
        and arrivals[-1] <= LONGEST_LOAD_US
        and all(0 <= length <= LONGEST_MESSAGE_US for length in lengths)
    )
    file = tmp_path / "a.trace"
    file.write_bytes(MAGIC + array("q", numbers).tobytes())
    with monkeypatch.context() as patch:
        # The borders of chunks are looked across as well.
        patch.setattr(trace, "CHUNK_MESSAGES", 4)
        if sound:
            read = list(read_trace(file, kernel().is_sound))
            assert [number for chunk, _ in read for number in chunk] == arrivals
            assert [number for _, chunk in read for number in chunk] == lengths
        else:
            with pytest.raises(TraceError, match=r"message \d (arrives|takes)"):
                list(read_trace(file, kernel().is_sound))
