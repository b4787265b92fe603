"""Go's fixed-width arithmetic where the controller's numbers can leave it.

The controller computes in int32, int64 and float64. Python's integers do not overflow, so the few places where
upstream wraps or saturates say so by calling these.
"""

from __future__ import annotations

from math import ceil, isfinite

INT32_MAX = 2**31 - 1
INT32_MIN = -(2**31)
INT64_MAX = 2**63 - 1


def wrap_int32(value: int) -> int:
    """`int32(value)` of a Go integer: the low 32 bits, signed."""
    return (value + 2**31) % 2**32 - 2**31


def wrap_int64(value: int) -> int:
    """`int64` arithmetic that overflowed: the low 64 bits, signed."""
    return (value + 2**63) % 2**64 - 2**63


def truncated_quotient(dividend: int, divisor: int) -> int:
    """Go's integer division: toward zero, not toward minus infinity as Python's `//`."""
    if dividend >= 0:
        return dividend // divisor
    return -(-dividend // divisor)


def ceil_int32(value: float) -> int:
    """`int32(math.Ceil(value))`.

    Out of range, NaN and infinities give the smallest int32: what Go does on amd64, where every managed control
    plane known to us runs. (The language leaves it open; arm64 saturates.)
    """
    if INT32_MIN < value <= INT32_MAX:
        return ceil(value)
    return INT32_MIN


def trunc_int32(value: float) -> int:
    """`int32(value)` of a Go float64, with the same out-of-range rule as `ceil_int32`."""
    if INT32_MIN < value < INT32_MAX + 1:
        return int(value)
    return INT32_MIN


def truncated(value: float) -> int:
    """Go's `int64(value)`: toward zero. Out of range, infinite or no number: the smallest one (amd64)."""
    return int(value) if isfinite(value) and -INT64_MAX <= value <= INT64_MAX - 1 else -INT64_MAX - 1
