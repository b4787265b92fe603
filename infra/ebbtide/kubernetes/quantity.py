"""Kubernetes quantities ("500m", "30", "1Gi", "1e3"), exactly.

Source: k8s.io/apimachinery/pkg/api/resource/quantity.go. What is finer than a milli-unit is rounded up, away from
zero, as `Quantity.MilliValue` does: "0.490m" is 1.
"""

from __future__ import annotations

import re
from fractions import Fraction

BINARY = {suffix: Fraction(1024**power) for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
DECIMAL = {
    suffix: Fraction(10) ** power
    for suffix, power in {
        "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
    }.items()
}  # fmt: skip
_SCALE = BINARY | DECIMAL
_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?[0-9]{1,3})|([numkMGTPE]|[KMGTPE]i)?)\Z")


def parse_quantity(text: str | float) -> Fraction:
    """The exact value of a quantity as a manifest writes it (a string or a number).

    Raises ValueError when it is no quantity.
    """
    match = _FORM.match(str(text))
    if not match:
        raise ValueError("a quantity is a number with an optional suffix, for example 500m, 30 or 1Gi")
    number, exponent, suffix = match.groups()
    if exponent is not None:
        return Fraction(number.rstrip(".")) * Fraction(10) ** int(exponent)
    return Fraction(number.rstrip(".")) * _SCALE[suffix or ""]


def milli_value(text: str | float) -> int:
    """The quantity in thousandths, rounded away from zero. Raises ValueError."""
    milli = parse_quantity(text) * 1000
    rounded = -(-abs(milli).numerator // abs(milli).denominator)
    return rounded if milli >= 0 else -rounded
