"""What a stack costs a month, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebbtide.cost.estimate import ALWAYS_LEFT_OUT, CostItem, Pods, at_maximum, at_minimum, estimate, under
from ebbtide.cost.prices import PriceTable
from ebbtide.cost.words import cost_lines
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class CostPoint:
    """The bill of a month at a number of pods, between its cheapest and its dearest."""

    at: Literal["min", "max", "load"]
    """With `load`: each consumer as its load was simulated, and at its least where it has none."""
    least: float
    most: float
    items: tuple[CostItem, ...]
    pods: dict[str, float]
    """How many pods of each consumer that is; under a load on the mean."""


@dataclass(frozen=True, slots=True)
class Loads:
    """What was simulated."""

    pods: Pods
    """How many pods each consumer with a load has on the mean."""
    whose: str = "committed"
    """The loads, in a word."""


@dataclass(frozen=True, slots=True)
class CostExplanation:
    """What a stack costs a month."""

    currency: str
    region: str
    """Where the prices are from; the stack's own region has others."""
    date: str
    """When the oldest of the prices were read."""
    source: str
    is_old: bool
    """Whether that was more than 180 days ago."""
    points: tuple[CostPoint, ...]
    left_out: tuple[str, ...]
    words: tuple[str, ...]


def explain_cost(stack: StackSettings, table: PriceTable, loads: Loads | None = None) -> CostExplanation | None:
    """None for a stack that makes nothing that has a price."""
    loads = loads or Loads({})
    words = tuple(cost_lines(stack, table, loads=loads.pods, whose=loads.whose))
    if not words:
        return None
    most = estimate(stack, table, at_maximum(stack))
    points = [_point("min", stack, table, at_minimum(stack)), _point("max", stack, table, at_maximum(stack))]
    if loads.pods:
        points.append(_point("load", stack, table, under(stack, loads.pods)))
    left_out = (*most.left_out, *ALWAYS_LEFT_OUT)
    date = table.oldest.isoformat()
    return CostExplanation(
        table.currency, table.region, date, table.source, table.is_old(), tuple(points), left_out, words
    )


def _point(at: Literal["min", "max", "load"], stack: StackSettings, table: PriceTable, pods: Pods) -> CostPoint:
    found = estimate(stack, table, pods)
    rounded = {name: round(count, 2) for name, count in pods.items()}
    return CostPoint(at, round(found.least, 2), round(found.most, 2), found.items, rounded)
