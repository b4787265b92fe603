"""Every row of every table as a check. The modules come from `load`, so that changed ones can be handed in."""

# ruff: noqa: C901, PLR0915, PLR0917, PT017  a row of a table is many columns
from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from math import isnan
from types import ModuleType
from typing import Any

from tests.capacity.keda.tables import formulas, loops, objects, polls, triggers

Case = tuple[str, Callable[[], None]]
Load = Callable[[str], ModuleType]
SECOND_US = 1_000_000
ANY = objects.ANY


def installed(name: str) -> ModuleType:
    """A module of the package as it is; "" is the package."""
    return importlib.import_module("ebbtide.capacity.keda" + (f".{name}" if name else ""))


def same(expected: object, got: object) -> None:
    assert expected == got, f"expected {expected!r}, got {got!r}"


def manifest(spec: dict[str, Any], annotations: dict[str, str] | None = None) -> dict[str, Any]:
    """A ScaledObject with a sound trigger, unless the spec has its own."""
    stated = {"scaleTargetRef": {"name": "mail"}, "triggers": [ANY], **spec}
    metadata = {"name": "mail", "annotations": annotations or {}}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": stated}


def _problems(load: Load, document: dict[str, Any]) -> tuple[str, ...]:
    reader = load("manifest")
    try:
        reader.read_scaled_object(document, 34)
    except reader.ManifestError as error:
        return tuple(error.problems)
    return ()


def _refuses(load: Load, document: dict[str, Any], beginnings: list[str]) -> None:
    found = _problems(load, document)
    same(len(beginnings), len(found))
    for said, expected in zip(found, beginnings, strict=True):
        assert said.startswith(expected), f"{said!r} does not start with {expected!r}"
        assert "(got " in said, said


def _objects(load: Load) -> Iterator[Case]:
    def read(spec: dict[str, Any], annotations: dict[str, str] | None = None) -> Any:
        return load("manifest").read_scaled_object(manifest(spec, annotations), 34)

    def pauses(annotations: dict[str, str], expected: Any) -> None:
        got = read({}, annotations).pauses
        same(expected, (got.whole, got.replicas, got.scale_in, got.scale_out, got.force_activation))

    def polling(spec: dict[str, Any], expected: Any) -> None:
        got = read(spec)
        same(expected, (got.polls, got.uses_hpa_observations))

    def bounds(spec: dict[str, Any], expected: Any) -> None:
        got = read(spec)
        same(
            expected,
            (got.hpa.min_replicas, got.hpa.max_replicas, got.deactivated_replicas, got.activated_replicas),
        )

    def times(spec: dict[str, Any], expected: Any) -> None:
        got = read(spec)
        same(expected, (got.polling_seconds, got.cooldown_seconds, got.initial_cooldown_seconds))

    def hpa(spec: dict[str, Any], annotations: dict[str, str], metrics: Any, selected: Any) -> None:
        got = read(spec, annotations).hpa
        if metrics is None:
            same(None, got)
            return
        same(metrics, [(each.source, each.target_type, each.target, each.name) for each in got.metrics])
        same({"foo"} if got.metrics[0].source == "ContainerResource" else {None}, {got.metrics[0].container})
        behavior = got.behavior
        same(selected, behavior and (behavior.scale_up.select_policy, behavior.scale_down.select_policy))
        same(34, got.release.minor)

    def window_kept() -> None:
        for annotations in ({}, {"autoscaling.keda.sh/paused-scale-in": "true"}):
            document = manifest({"advanced": objects._BEHAVIOR}, annotations)
            got = load("manifest").read_scaled_object(document, 34)
            same(60, got.hpa.behavior.scale_down.stabilization_window_seconds)
            same(objects._BEHAVIOR, document["spec"]["advanced"])

    def kind() -> None:
        found = _problems(load, {**manifest({}), "apiVersion": "keda.sh/v1"})
        same(("kind: must be ScaledObject of keda.sh/v1alpha1 (got 'ScaledObject of keda.sh/v1')",), found)
        found = _problems(load, {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob"})
        same(2, len(found))

    for source, *row in objects.PAUSES:
        yield source, lambda row=row: pauses(*row)
    for source, *row in objects.POLLING:
        yield source, lambda row=row: polling(*row)
    for source, *row in objects.BOUNDS:
        yield source, lambda row=row: bounds(*row)
    for source, *row in objects.TIMES:
        yield source, lambda row=row: times(*row)
    for source, *row in objects.HPAS:
        yield source, lambda row=row: hpa(*row)
    for source, spec, beginnings in objects.REFUSED:
        yield source, lambda spec=spec, beginnings=beginnings: _refuses(load, manifest(spec), beginnings)
    source, annotations, beginnings = objects.REFUSED_ANNOTATIONS
    yield source, lambda: _refuses(load, manifest({}, annotations), beginnings)
    yield "newHPAForScaledObject: a pause keeps the behavior's other fields", window_kept
    yield "CRD: another kind or version", kind


def _polls(load: Load) -> Iterator[Case]:
    def check(
        spec: dict[str, Any],
        annotations: dict[str, str],
        pods: int,
        quiet_seconds: int | None,
        found: tuple[bool, bool],
        expected: int,
        touched: bool,
        conditions: Any,
    ) -> None:
        api = load("")
        active, failed = found
        readings = {
            (False, False): [0, 0],
            (True, False): [3, 0],
            (False, True): ["away", 0],
            (True, True): ["away", 3],
        }
        stated = [objects.CPU] if spec.get("cpu") else [ANY, ANY]
        document = manifest({"triggers": stated, **{name: spec[name] for name in spec if name != "cpu"}}, annotations)
        operator = api.Operator(load("manifest").read_scaled_object(document, 34))
        memory = api.Memory(0)
        now = 1000 * SECOND_US + SECOND_US // 2
        if quiet_seconds is not None:
            memory.last_active_us = (1000 - quiet_seconds) * SECOND_US
        before = memory.last_active_us
        poll = operator.poll(memory, now, api.Target(pods, pods), _readings(load, readings[active, failed]))
        same(expected, poll.desired)
        same(expected != pods, poll.rescale)
        same(pods, poll.current)
        same(1000 * SECOND_US if touched else before, memory.last_active_us)
        same(tuple(conditions), tuple(each.reason for each in poll.conditions))
        status = {"TriggerError": "False", "PartialTriggerError": "Unknown", "ScalerActive": "True"}
        unset = {"ScaledObjectReady": "True", "ScaledObjectPaused": "True"}
        for each in poll.conditions:
            same({**status, **unset}.get(each.reason, "False"), each.status)

    def unwritable() -> None:
        api = load("")
        for pods, reading in ((0, 3), (5, 0), (0, 0)):
            operator = api.Operator(load("manifest").read_scaled_object(manifest({}), 34))
            memory = api.Memory(0)
            poll = operator.poll(memory, SECOND_US, api.Target(pods, pods), [reading], scale_writable=False)
            same((pods, False, None), (poll.desired, poll.rescale, memory.last_active_us))
            same("ErrorScalingTarget" if pods or reading else "ScaledObjectReady", poll.conditions[0].reason)

    def at_the_edge() -> None:
        """A poll on a whole second, which a cluster hardly ever has: strictly after, both times."""
        api = load("")
        operator = api.Operator(load("manifest").read_scaled_object(manifest({"initialCooldownPeriod": 60}), 34))
        for last, seconds, pods in ((None, 60, 3), (None, 61, 0), (100, 400, 3), (100, 401, 0)):
            memory = api.Memory(0)
            memory.last_active_us = None if last is None else last * SECOND_US
            same(pods, operator.poll(memory, seconds * SECOND_US, api.Target(3, 3), [0.0]).desired)

    def defaults() -> None:
        api = load("")
        metric = load("manifest").Metric("External", "AverageValue", 1000, "m")
        trigger = api.Trigger("x", metric)
        same(("", 0.0, "unknown", 0.0, False, False), (
            trigger.name, trigger.activation, trigger.counts, trigger.age_seconds, trigger.connects, trigger.cached,
        ))  # fmt: skip
        same(api.Pauses(False, None, False, False, False), api.Pauses())
        plain = api.ScaledObject((trigger,), None)
        same((0, None, 30, 300, 0, None, None), (
            plain.min_replicas, plain.idle_replicas, plain.polling_seconds, plain.cooldown_seconds,
            plain.initial_cooldown_seconds, plain.fallback, plain.modifiers,
        ))  # fmt: skip
        modifiers = api.Modifiers(load("formula").Formula("a", frozenset("a")), 5.0, "5")
        same((0.0, False), (modifiers.activation, modifiers.is_value))
        same((False, False, ""), (api.Record(1).active, api.Record(1).fallback, api.Record(1).error))
        poll = api.Poll(1, 2, 2)
        same((False, False, False, ()), (poll.active, poll.failed, poll.fallback, poll.conditions))

    def copies() -> None:
        api = load("")
        memory = api.Memory(5, 7, {"a": 1}, has_scalers=False, records={"a": api.Record(3)})
        copied = memory.copy()
        same(memory, copied)
        copied.failures["a"], copied.has_scalers = 2, True
        copied.records.clear()
        same(({"a": 1}, False, {"a": api.Record(3)}), (memory.failures, memory.has_scalers, memory.records))

    for source, *row in [*polls.UPSTREAM, *polls.EDGES]:
        yield source, lambda row=row: check(*row)
    yield "RequestScale: ErrorScalingTarget", unwritable
    yield "scaleToZeroOrIdle: Before is strict", at_the_edge
    yield "scaledobject_types.go: what is left out", defaults
    yield "Memory.copy: independent of its original", copies


def _readings(load: Load, given: list[Any]) -> list[Any]:
    failure = load("triggers").MetricFailure
    return [failure("away") if each == "away" else float(each) for each in given]


def _triggers(load: Load) -> Iterator[Case]:
    def read(
        stated: dict[str, Any],
        place: int,
        name: str,
        target: int,
        activation: float,
        counts: str,
        age: float,
        connects: bool,
    ) -> None:
        got = load("scalers").read_trigger(stated, place, has_formula=False)
        same(
            (name, target, activation, counts, age, connects, "External", "AverageValue", False),
            (
                got.metric.name,
                got.metric.target,
                got.activation,
                got.counts,
                got.age_seconds,
                got.connects,
                got.metric.source,
                got.metric.target_type,
                got.cached,
            ),
        )

    def without_target() -> None:
        stated = {"type": "postgresql", "metadata": {"query": "q"}}
        same(0, load("scalers").read_trigger(stated, 0, has_formula=True).metric.target)
        named = {"type": "redis", "name": "one", "metricType": "Value", "metadata": {"listName": "l"}}
        got = load("scalers").read_trigger({**named, "useCachedMetrics": True}, 0, has_formula=True)
        same(
            ("one", "Value", True, "redis", 5_000),
            (got.name, got.metric.target_type, got.cached, got.type, got.metric.target),
        )
        cpu = load("scalers").read_trigger({**objects.CPU, "name": "two"}, 3, has_formula=True)
        same(("two", True, "cpu"), (cpu.name, cpu.of_pods, cpu.type))

    def falls_back(
        fallback: Any,
        other: dict[str, Any],
        before: int | None,
        reading: Any,
        pods: tuple[int, int],
        expected: Any,
        after: int | None,
    ) -> None:
        api = load("")
        spec: dict[str, Any] = {"triggers": [{**ANY, "name": "a"}]}
        spec["triggers"][0]["metadata"] = {**ANY["metadata"], "activationThreshold": str(other.get("activation", 0))}
        if other.get("value"):
            spec["triggers"][0]["metricType"] = "Value"
        if fallback:
            spec["fallback"] = dict(zip(("failureThreshold", "replicas", "behavior"), fallback, strict=True))
        if "modifiers" in other:
            spec["advanced"] = {"scalingModifiers": {"formula": "a", **other["modifiers"]}}
        scaled = load("manifest").read_scaled_object(manifest(spec), 34)
        memory = api.Memory(0, failures={} if before is None else {"s0-prometheus": before})
        read = load("triggers").MetricFailure("away") if reading == "failed" else reading
        got = load("triggers").observe(scaled, memory, scaled.triggers[0], read, api.Target(*pods))
        same(expected, (got.milli, got.active, got.fallback, got.error))
        same(after, memory.failures.get("s0-prometheus"))

    for source, value, milli in triggers.MILLI:
        yield source, lambda value=value, milli=milli: same(milli, load("triggers").milli_of(value))
    for source, value, milli in triggers.TRUNCATED:
        name = f"calculateScalingModifiersFormula: {source}"
        yield name, lambda value=value, milli=milli: same(milli, load("triggers").truncated_milli(value))
    for source, *row in triggers.READ:
        yield source, lambda row=row: read(*row)
    for source, stated, beginning in triggers.UNREADABLE:
        document = manifest({"triggers": [stated]})
        yield source, lambda document=document, beginning=beginning: _refuses(load, document, [beginning])
    yield "scalersconfig: AsMetricSource needs no target; name, metricType and useCachedMetrics", without_target
    for source, *row in triggers.FALLBACKS:
        yield source, lambda row=row: falls_back(*row)


_BOTH = frozenset({"trig_one", "trig_two"})


def _formulas(load: Load) -> Iterator[Case]:
    def results(text: str, values: dict[str, Any], expected: float | None) -> None:
        got = load("formula").Formula.compile(text, _BOTH)(values)
        if expected is not None and isnan(expected):
            assert isnan(got), got
        else:
            same(expected, got)
            assert expected is None or isinstance(got, float)

    def fails(text: str, values: dict[str, Any], ending: str) -> None:
        module = load("formula")
        try:
            module.Formula(text, _BOTH)(values)
        except module.FormulaError as error:
            assert str(error).endswith(ending), f"{error} does not end with {ending!r}"
        else:
            raise AssertionError(f"{text} has a value")

    def compiles() -> None:
        module = load("formula")
        try:
            module.Formula.compile("trig_one +", _BOTH)
        except module.FormulaError:
            pass
        else:
            raise AssertionError("half a formula is compiled")
        same(module.Formula("trig_one", _BOTH), module.Formula.compile("trig_one", _BOTH))

    for source, *row in formulas.RESULTS:
        yield source, lambda row=row: results(*row)
    for source, *row in formulas.FAILURES:
        yield source, lambda row=row: fails(*row)
    yield "validateScalingModifiersFormula: compiled and tried with -1", compiles


def _loops(load: Load) -> Iterator[Case]:
    def play(spec: dict[str, Any], steps: list[Any]) -> None:
        api = load("")
        operator = api.Operator(load("manifest").read_scaled_object(manifest(spec), 34))
        memory = api.Memory(0)
        for number, (loop, at, pods, readings, expected) in enumerate(steps):
            target, read = api.Target(*pods), _readings(load, readings)
            if loop == "hpa":
                got = operator.external_metric(memory, at, target, read)
                if isinstance(expected, str):
                    assert got.message.startswith(expected), f"step {number}: {got}"
                else:
                    assert got == expected, f"step {number}: expected {expected}, got {got}"
                continue
            said = dict(expected)
            queries = {"hpa_queries": False} if said.pop("hpa_queries", True) is False else {}
            poll = operator.poll(memory, at * SECOND_US + SECOND_US // 2, target, read, **queries)
            for name in said.keys() & {"failures", "records"}:
                assert getattr(memory, name) == said.pop(name), f"step {number}: {name} {getattr(memory, name)}"
            for name, value in said.items():
                assert getattr(poll, name) == value, f"step {number}: {name} of {poll}"

    for source, *row in loops.SCRIPTS:
        yield source, lambda row=row: play(*row)


def cases(load: Load = installed) -> Iterator[Case]:
    """Every case of every table."""
    for table in (_objects, _polls, _triggers, _formulas, _loops):
        yield from table(load)
