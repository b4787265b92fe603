"""Nobody's plan makes a review fail, whatever somebody writes where a rule looks: every value of every recorded change
is tried as a list, as a mapping and as a broken address, on either side: a fifth of them in CI."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.preview.changes import CHANGES
from tests.preview.test_recorded_changes import compared

from ebbtide.preview.change import ResourceChange, StackChange, diff
from ebbtide.preview.review import review_change

Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    if at:
        yield at
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*at, key))


def put(value: Any, place: Place, odd: Any) -> Any:
    if not place:
        return odd
    changed = copy.copy(value)
    changed[place[0]] = put(value[place[0]], place[1:], odd)
    return changed


def odd_ones(change: ResourceChange, places_seen: set[tuple[Any, ...]], each: int) -> Iterator[ResourceChange]:
    """The change with one value in it that is none; each place of a kind of resource once, one of `each` of these."""
    for side in ("old", "new"):
        inputs = getattr(change, side)
        for place in places(inputs):
            where = (change.token, change.operation, side, place)
            if where in places_seen:
                continue
            places_seen.add(where)
            for odd in () if len(places_seen) % each else ([], {}, "redis://["):
                both = {"old": change.old, "new": change.new, side: put(inputs, place, odd)}
                properties = tuple(diff(both["old"], both["new"])) if change.old and change.new else ()
                yield replace(change, **both, properties=properties)


@pytest.mark.slow
@pytest.mark.parametrize("each", [pytest.param(5, id="a fifth"), pytest.param(1, id="all", marks=pytest.mark.long)])
def test_a_value_that_is_none_is_judged_or_not_and_no_traceback(tmp_path: Path, each: int) -> None:
    places_seen: set[tuple[Any, ...]] = set()
    reviewed = 0
    for number, change in enumerate(CHANGES):
        found, _ = compared(change, tmp_path / str(number))
        for one in found.changes:
            others = tuple(other for other in found.changes if other is not one)
            for odd in odd_ones(one, places_seen, each):
                changes = (odd, *others)
                review_change(StackChange("production", "ebbtide", changes, 0, "test", standing=found.standing))
                reviewed += 1
    assert len(places_seen) > 4_000
    assert reviewed > 12_000 // each
