"""What a stack costs a month, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ebbtide.cost.estimate import ALWAYS_LEFT_OUT, CostItem, Pods, at_maximum, at_minimum, estimate
from ebbtide.cost.prices import PriceTable
from ebbtide.cost.words import cost_lines
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class CostPoint:
    """The bill of a month at a number of pods, between its cheapest and its dearest."""

    at: Literal["min", "max"]
    least: float
    most: float
    items: tuple[CostItem, ...]


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


def explain_cost(stack: StackSettings, table: PriceTable) -> CostExplanation | None:
    """None for a stack that makes nothing that has a price."""
    words = tuple(cost_lines(stack, table))
    if not words:
        return None
    most = estimate(stack, table, at_maximum(stack))
    points = (_point("min", stack, table, at_minimum(stack)), _point("max", stack, table, at_maximum(stack)))
    left_out = (*most.left_out, *ALWAYS_LEFT_OUT)
    date = table.date.isoformat()
    return CostExplanation(table.currency, table.region, date, table.source, table.is_old(), points, left_out, words)


def _point(at: Literal["min", "max"], stack: StackSettings, table: PriceTable, pods: Pods) -> CostPoint:
    found = estimate(stack, table, pods)
    return CostPoint(at, round(found.least, 2), round(found.most, 2), found.items)
