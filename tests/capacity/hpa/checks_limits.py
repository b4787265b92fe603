"""Cases of what a proposal goes through: windows, rate limits, bounds, events."""

# ruff: noqa: PLR0917  a row of a table is many columns
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.capacity.hpa.scenarios import SECOND_US
from tests.capacity.hpa.support import NOW_US, same, upstream_flags
from tests.capacity.hpa.tables import limits, stabilization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    Case = tuple[str, Callable[[], None]]
    Load = Callable[[str], ModuleType]


def _events_of(load: Load, events: Any) -> list[Any]:
    scale_event = load("history").ScaleEvent
    return [scale_event(change, NOW_US - round(age * SECOND_US)) for change, age in events]


def _behavior(api: ModuleType, up: Any, down: Any) -> Any:
    given = {}
    if up is not None:
        given["scale_up"] = api.ScalingRules(tuple(api.ScalingPolicy(*each) for each in up), "Max", 0)
    if down is not None:
        given["scale_down"] = api.ScalingRules(tuple(api.ScalingPolicy(*each) for each in down), "Max", 300)
    return api.Behavior(**given)


def _limits(load: Load) -> Iterator[Case]:
    api, module = load(""), load("limits")

    def without(factor: float, current: int, desired: int, low: int, high: int, expected: int, reason: str) -> None:
        flags = upstream_flags(api, factor)
        same((expected, reason), tuple(module.limit(api.HpaSpec(low, high), flags, current, desired)))

    def within(
        up: Any,
        down: Any,
        ups: Any,
        downs: Any,
        current: int,
        desired: int,
        low: int,
        high: int,
        expected: int,
        reason: str,
    ) -> None:
        history = api.History(scale_ups=_events_of(load, ups), scale_downs=_events_of(load, downs))
        spec = api.HpaSpec(low, high, behavior=_behavior(api, up, down))
        got = module.limit_with_behavior(spec, history, current, desired, NOW_US)
        same((expected, reason), tuple(got))

    for source, *row in limits.WITHOUT_BEHAVIOR:
        yield source, lambda row=row: without(*row)
    for source, *row in limits.WITH_BEHAVIOR:
        yield source, lambda row=row: within(*row)


def _rates(load: Load) -> Iterator[Case]:
    api, module = load(""), load("limits")

    def check(direction: str, select: str, policies: Any, current: int, ups: Any, downs: Any, expected: int) -> None:
        rules = api.ScalingRules(tuple(api.ScalingPolicy(*each) for each in policies), select, 300)
        history = api.History(scale_ups=_events_of(load, ups), scale_downs=_events_of(load, downs))
        limit = module.scale_up_limit if direction == "up" else module.scale_down_limit
        same(expected, limit(rules, history, current, NOW_US))

    for source, *row in limits.RATE:
        yield source, lambda row=row: check(*row)


def _events(load: Load) -> Iterator[Case]:
    api, module = load(""), load("limits")

    def check(policies: Any, before: Any, change: int, after: Any, counted: int) -> None:
        for direction in (1, -1):
            events = _events_of(load, before)
            same(counted, module._changed_since(events, NOW_US - 60 * SECOND_US))
            history = api.History()
            setattr(history, "scale_ups" if direction > 0 else "scale_downs", events)
            if policies is not None:
                behavior = _behavior(api, *(policies, None)[::direction])
                module.store_scale_event(behavior, history, 10, 10 + direction * change, NOW_US)
            same(list(after), [(each.replica_change, each.outdated) for each in events])
            same([], history.scale_downs if direction > 0 else history.scale_ups)
            if policies is not None:
                same(1, sum(each.at_us == NOW_US for each in events))

    for source, *row in limits.EVENTS:
        yield source, lambda row=row: check(*row)


def _stabilization(load: Load) -> Iterator[Case]:
    module = load("stabilization")
    recommendation = load("history").Recommendation

    def remembered(rows: Any) -> list[Any]:
        return [recommendation(replicas, NOW_US - round(age * SECOND_US)) for replicas, age in rows]

    def without(before: Any, proposal: int, expected: int, after: Any) -> None:
        log = remembered(before)
        same(expected, module.stabilize(log, proposal, NOW_US, 300 * SECOND_US))
        same((after, 1), (tuple(each.replicas for each in log), sum(each.at_us == NOW_US for each in log)))

    def within(up: int, down: int, before: Any, current: int, proposal: int, expected: int, after: Any) -> None:
        log = remembered(before)
        windows = module.Windows(up * SECOND_US, down * SECOND_US)
        same(expected, module.stabilize_with_behavior(log, proposal, current, NOW_US, windows))
        same(after, tuple(each.replicas for each in log))

    for source, *row in stabilization.WITHOUT_BEHAVIOR:
        yield source, lambda row=row: without(*row)
    for source, *row in stabilization.WITH_BEHAVIOR:
        yield source, lambda row=row: within(*row)


TABLES = (_limits, _rates, _events, _stabilization)
