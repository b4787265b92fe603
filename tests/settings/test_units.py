"""A value with a unit means one thing, and survives being written and read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ebbtide.settings.values import units
from ebbtide.settings.values.units import Count, MemoryBytes, Millicores, PhpMemoryBytes, QuantityMilli, Seconds

MEANINGS = [
    (Seconds, "200s", 200),
    (Seconds, "4m", 240),
    (Seconds, "1h30m", 5400),
    (Seconds, "0s", 0),
    (Millicores, "490m", 490),
    (Millicores, "0.5", 500),
    (Millicores, 2, 2000),
    (Millicores, 0.001, 1),
    (MemoryBytes, "6500Mi", 6500 * 1024**2),
    (MemoryBytes, "1.5Gi", 1536 * 1024**2),
    (MemoryBytes, "150M", 150 * 1000**2),
    (PhpMemoryBytes, "150M", 150 * 1024**2),
    (PhpMemoryBytes, "1g", 1024**3),
    (QuantityMilli, "30", 30_000),
    (QuantityMilli, "500m", 500),
    (QuantityMilli, "1k", 1_000_000),
    (QuantityMilli, "1e3", 1_000_000),
    (QuantityMilli, "5e-1", 500),
    (QuantityMilli, "+1.", 1000),
    (QuantityMilli, 0.05, 50),
]


@pytest.mark.parametrize(("unit", "text", "number"), MEANINGS)
def test_a_value_means(unit, text, number):
    assert TypeAdapter(unit).validate_python(text) == number


REFUSED = [
    *((Seconds, value) for value in ("", "s", "5", 5, "1.5h", "-1s", "1m1h", True, None)),
    *((Millicores, value) for value in ("0.490m", 0.0001, "0", "-1", "1Gi", "one", True, "1e3")),
    *((MemoryBytes, value) for value in ("128m", "6500", 0, "1.5", "Mi", True, "-1Gi")),
    *((PhpMemoryBytes, value) for value in ("150Mi", "150", -1, "512K", "1.5M", "15M", "17000K")),
    *((QuantityMilli, value) for value in ("", "0", "-1", "x", "1m1", "1e", "0.0001", "1e-4", True, None)),
    *((Count, value) for value in (True, "70", 70.0, None)),
]


@pytest.mark.parametrize(("unit", "value"), REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(unit, value):
    with pytest.raises(ValidationError):
        TypeAdapter(unit).validate_python(value)


ROUND_TRIPS = [
    (units.format_duration, units.parse_duration, st.integers(0, 10**7)),
    (units.format_cpu, units.parse_cpu, st.integers(1, 10**6)),
    (units.format_memory, units.parse_memory, st.integers(1024**2, 2**50)),
    (units.format_quantity, units.parse_quantity_milli, st.integers(1, 10**12)),
    (units.format_php_memory, units.parse_php_memory, st.integers(16, 2**20).map(lambda size: size * 1024**2)),
]


@pytest.mark.parametrize(("show", "read", "numbers"), ROUND_TRIPS)
def test_what_is_written_reads_back_to_the_same_number(show, read, numbers):
    @given(numbers)
    def holds(number: int) -> None:
        assert read(show(number)) == number

    holds()
