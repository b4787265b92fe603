"""An estimate in words: two digits, because no more is known."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10

from ebbtide.cost.estimate import ALWAYS_LEFT_OUT, Estimate, Pods, at_maximum, at_minimum, estimate, under
from ebbtide.cost.prices import PriceTable
from ebbtide.settings.models.stack import StackSettings


def two_digits(amount: float) -> str:
    """1234 -> `1,200`, 0.123 -> `0.12`."""
    if amount == 0:
        return "0"
    digits = 1 - floor(log10(abs(amount)))
    rounded = round(amount, digits)
    return f"{rounded:,.{max(0, digits)}f}"


def span(least: float, most: float) -> str:
    """`310`, or `310 to 420`."""
    low, high = two_digits(least), two_digits(most)
    return low if low == high else f"{low} to {high}"


def cost_lines(
    after: StackSettings,
    table: PriceTable,
    before: StackSettings | None = None,
    loads: Pods | None = None,
    whose: str = "committed",
) -> Iterator[str]:
    """The bill at the minimum, at the maximum and, with a load, at the mean number of pods that was simulated; the
    difference first where there is a state before. Nothing for a stack that makes nothing with a price."""
    points = {"at the minimum": at_minimum, "at the maximum": at_maximum}
    words = []
    for name, pods in points.items():
        new = estimate(after, table, pods(after))
        words.append(f"{name} {_point(new, estimate(before, table, pods(before)) if before else None)}")
    if loads:
        others = "" if set(loads) == set(after.consumers) else ", the others at the minimum"
        words.append(f"under the {whose} loads{others} {_point(estimate(after, table, under(after, loads)), None)}")
    most = estimate(after, table, at_maximum(after))
    if most.items:
        left_out = ", ".join((*most.left_out, *ALWAYS_LEFT_OUT))
        yield f"{table.currency} a month: {'; '.join(words)}; without {left_out} ({table.words})"


def _point(new: Estimate, old: Estimate | None) -> str:
    total = span(new.least, new.most)
    if old is None:
        return total
    least, most = sorted((new.least - old.least, new.most - old.most))
    if abs(least) < 1 and abs(most) < 1:
        return f"as before ({total})"
    signed = " to ".join(dict.fromkeys(f"{'+' if one > 0 else ''}{two_digits(one)}" for one in (least, most)))
    return f"{signed} (to {total})"
