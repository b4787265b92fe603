"""Mutants that no case can notice, because they change nothing anyone can see. Keys: module, line, change."""

# ruff: noqa: E501  the code's own lines
# fmt: off
from __future__ import annotations

_WHOLE = "return digits.isascii() and digits.isdigit() and 1 <= int(text) <= INT64_MAX"
_TARGET = "value = self.number(name, 0.0 if self.has_formula and default is None else default, whole=whole)"
_FORMULA_FAILS = 'if fallback is not None and fallback.behavior == "scalingModifiers":'
_CONTAINER = 'container = {"container": metric.container} if metric.container else {}'

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("triggers", "if not isfinite(value) or value < 0:", "Lt -> LtE [0]"): "0 is 0 either way",
    ("spec", _WHOLE, "1 -> 1 - 1"): "a target of 0 is refused before",
    ("scalers", _TARGET, "0.0 -> 0.0 - 1"): "a negative number is a metric of 0",
    ("operator", "failed: bool = False", "False -> True"): "of a state: it is set when it is made",
    ("operator", "fallback: bool = False", "False -> True"): "of a state: it is set before anybody looks",
    ("operator", "return ()", "returns nothing"): "its caller asks whether there is any value",
    ("operator", _FORMULA_FAILS, "if always"): "with another behavior a failure is in no formula: the fallback's metric is",
    ("operator", "elif spec.idle_replicas is None and current < spec.min_replicas:", "Lt -> LtE [0]"): "to the minimum from the minimum is no change",
    ("manifest", "if behavior is not None:", "if always"): "None is what no behavior is read as",
    ("manifest", _CONTAINER, "if always"): "None is what no container is read as",
}
