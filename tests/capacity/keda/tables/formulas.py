"""Formulas of scalingModifiers. Source: KEDA 2.21.0, pkg/scaling/modifiers/formula_test.go and
apis/keda/v1alpha1/scaledobject_webhook_test.go; rows that name expr are of expr-lang/expr 1.17.8. All of them were run
through that library as well, with KEDA's cast to float around them, on 2026-11-28: the same results, and the same rows
refused."""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

_INF, _NAN = float("inf"), float("nan")
_A, _B = "trig_one", "trig_two"

# Columns: source, formula, values, result (None: nil, the fallback's turn).
RESULTS: list[tuple[Any, ...]] = [
    ("TestCalculateScalingModifiersFormula", "trig_one + trig_two", {_A: 2.0, _B: 5.0}, 7.0),
    ("TestScalingModifiersFormula", "trig_one + trig_two", {_A: 2.0, _B: 5.0}, 7.0),
    ("TestCalculateScalingModifiersFormulaFallbackReplicas", "trig_one ?? trig_two", {_A: None, _B: None}, None),
    ("webhook: formula triggers do have names but not all triggers", "trig_one + 1", {_A: 4.0}, 5.0),
    ("webhook: formula casts to float already", "float(trig_one + 1)", {_A: 4.0}, 5.0),
    ("webhook: casting float from ternary operator", "float(trig_one < 5 ? trig_two + trig_one : 5)", {_A: 4.0, _B: 3.0}, 7.0),
    ("webhook: ternary operator without casting float", "trig_one < 5 ? trig_two + trig_one : 5", {_A: 5.0, _B: 3.0}, 5.0),
    ("webhook: count operator", "count([trig_one,trig_two],{#>1}) > 1 ? 5 : 0", {_A: 2.0, _B: 2.0}, 5.0),
    ("webhook: count operator, one of them", "count([trig_one,trig_two],{#>1}) > 1 ? 5 : 0", {_A: 2.0, _B: 1.0}, 0.0),
    ("webhook: complex ternary", "float(trig_one < 2 ? trig_one+trig_two >= 2 ? 5 : 10 : 0)", {_A: 1.0, _B: 1.0}, 5.0),
    ("webhook: complex ternary, the other one", "float(trig_one < 2 ? trig_one+trig_two >= 2 ? 5 : 10 : 0)", {_A: 1.0, _B: 0.5}, 10.0),
    ("webhook: complex ternary, the last one", "float(trig_one < 2 ? trig_one+trig_two >= 2 ? 5 : 10 : 0)", {_A: 2.0, _B: 0.5}, 0.0),
    ("webhook: double float cast", "float(float(trig_two < 5 ? trig_one + trig_two : 5))", {_A: 1.0, _B: 2.0}, 3.0),
    ("webhook: scalingModifiers fallback behavior, the first", "trig_one ?? trig_two ?? 5", {_A: 1.0, _B: 2.0}, 1.0),
    ("webhook: scalingModifiers fallback behavior, the second", "trig_one ?? trig_two ?? 5", {_A: None, _B: 2.0}, 2.0),
    ("webhook: scalingModifiers fallback behavior, the constant", "trig_one ?? trig_two ?? 5", {_A: None, _B: None}, 5.0),
    ("expr: ?? takes a 0 for a value", "trig_one ?? 5", {_A: 0.0}, 0.0),
    ("expr: ?? binds tighter than all else", "1 + (trig_one ?? 5) * 2", {_A: None}, 11.0),
    ("expr: ?? binds tighter than all else, without brackets before it", "2 * trig_one ?? 5", {_A: None}, 10.0),
    ("expr: precedence of arithmetic", "1 + 2 * 3 - 4 / 2", {}, 5.0),
    ("expr: left to right", "10 - 4 - 3", {}, 3.0),
    ("expr: division left to right", "100 / 5 / 2", {}, 10.0),
    ("expr: brackets", "(1 + 2) * 3", {}, 9.0),
    ("expr: division of whole numbers is one of floats", "7 / 2", {}, 3.5),
    ("expr: division by zero", "trig_one / 0", {_A: 1.0}, _INF),
    ("expr: division by zero of a negative", "trig_one / 0", {_A: -1.0}, -_INF),
    ("expr: division of zero by zero", "trig_one / 0", {_A: 0.0}, _NAN),
    ("expr: remainder", "7 % 4", {}, 3.0),
    ("expr: remainder keeps the sign of the first", "-7 % 4", {}, -3.0),
    ("expr: remainder of a trigger as integer", "int(trig_one) % 2", {_A: 5.5}, 1.0),
    ("expr: power is right to left", "2 ** 3 ** 2", {}, 512.0),
    ("expr: power by a caret", "2 ^ 10", {}, 1024.0),
    ("expr: a sign binds less than a power", "-2 ** 2", {}, -4.0),
    ("expr: a sign binds more than a product", "-2 * 3", {}, -6.0),
    ("expr: a plus sign", "+trig_one - -1", {_A: 2.0}, 3.0),
    ("expr: a power beyond all numbers", "trig_one ** 400", {_A: 10.0}, _INF),
    ("expr: zero to a negative power", "trig_one ** -1", {_A: 0.0}, _INF),
    ("expr: a root of a negative", "trig_one ** 0.5", {_A: -4.0}, _NAN),
    ("expr: numbers", "1.5e1 + .5 + 2. + 1e2", {}, 117.5),
    ("expr: and, or, not", "trig_one > 1 and not (trig_two > 1) or false ? 1 : 2", {_A: 2.0, _B: 0.0}, 1.0),
    ("expr: &&, ||, !", "trig_one > 1 && !(trig_two > 1) || false ? 1 : 2", {_A: 2.0, _B: 2.0}, 2.0),
    ("expr: and binds tighter than or", "true || false && false ? 1 : 2", {}, 1.0),
    ("expr: <=, >=, ==, !=", "trig_one <= 2 and trig_one >= 2 and trig_one == 2 and trig_one != 3 ? 1 : 0", {_A: 2.0}, 1.0),
    ("expr: < and > at the edge", "trig_one < 2 or trig_one > 2 ? 1 : 0", {_A: 2.0}, 0.0),
    ("expr: == nil", "trig_one == nil ? 3 : trig_one", {_A: 4.0}, 4.0),
    ("expr: max", "max(trig_one, trig_two)", {_A: 2.0, _B: 3.0}, 3.0),
    ("expr: min of a list and more", "min([trig_one, 9], trig_two)", {_A: 2.0, _B: 3.0}, 2.0),
    ("expr: sum", "sum([trig_one, trig_two, 1])", {_A: 2.0, _B: 3.0}, 6.0),
    ("expr: mean", "mean(trig_one, trig_two)", {_A: 2.0, _B: 3.0}, 2.5),
    ("expr: median", "median(trig_one, trig_two, 100)", {_A: 2.0, _B: 3.0}, 3.0),
    ("expr: abs", "abs(trig_one - 5)", {_A: 2.0}, 3.0),
    ("expr: ceil", "ceil(trig_one)", {_A: 2.1}, 3.0),
    ("expr: floor", "floor(trig_one)", {_A: -2.1}, -3.0),
    ("expr: round, half away from zero", "round(trig_one)", {_A: 2.5}, 3.0),
    ("expr: round, half away from zero, below", "round(trig_one)", {_A: -2.5}, -3.0),
    ("expr: ceil of what has no end", "ceil(trig_one / 0)", {_A: 1.0}, _INF),
    ("expr: floor of what has no end", "floor(trig_one / 0)", {_A: 1.0}, _INF),
    ("expr: round of what is no number", "round(trig_one / 0)", {_A: 0.0}, _NAN),
    ("expr: int truncates", "int(trig_one)", {_A: -2.9}, -2.0),
    ("expr: int of what is no number (amd64)", "int(trig_one / 0)", {_A: 0.0}, -(2.0**63)),
    ("expr: int of what is too large (amd64)", "int(trig_one)", {_A: 1e30}, -(2.0**63)),
    ("expr: all", "all([trig_one, trig_two], {# > 1}) ? 1 : 0", {_A: 2.0, _B: 3.0}, 1.0),
    ("expr: any", "any([trig_one, trig_two], {# > 2}) ? 1 : 0", {_A: 2.0, _B: 3.0}, 1.0),
    ("expr: none", "none([trig_one, trig_two], {# > 2}) ? 1 : 0", {_A: 2.0, _B: 3.0}, 0.0),
    ("expr: one", "one([trig_one, trig_two], {# > 2}) ? 1 : 0", {_A: 2.0, _B: 3.0}, 1.0),
    ("expr: a predicate without brackets", "count([trig_one, trig_two], # > 1)", {_A: 2.0, _B: 3.0}, 2.0),
    ("expr: one of two", "one([trig_one, trig_two], {# > 1}) ? 1 : 0", {_A: 2.0, _B: 3.0}, 0.0),
]
# Columns: source, formula, values, the message's end; the formula names both triggers.
FAILURES: list[tuple[Any, ...]] = [
    ("expr.Run: a trigger that failed and no ??", "trig_one + trig_two", {_A: 2.0}, "cannot be calculated: a trigger has no value"),
    ("expr.Compile: unknown name", "trig_three + 1", {}, "names 'trig_three', which no trigger is called"),
    ("expr.Compile: nothing", " ", {}, "names 'nothing', which no trigger is called"),
    ("expr.Compile: a truth is no number", "trig_one > 1", {_A: 2.0}, "cannot be calculated: True is no number"),
    ("expr.Compile: a number is no truth", "trig_one ? 1 : 2", {_A: 2.0}, "cannot be calculated: 2.0 is neither true nor false"),
    ("expr.Compile: the remainder of floats", "trig_one % 2", {_A: 2.0}, "% is for whole numbers, and triggers are none; write int(name)"),
    ("expr.Run: integer divide by zero", "1 % 0", {}, "integer divide by zero"),
    ("expr.Compile: a bracket too few", "(trig_one + 1", {_A: 2.0}, "lacks ')' before 'its end'"),
    ("expr.Compile: a bracket too many", "trig_one + 1)", {_A: 2.0}, "cannot be read at ')'"),
    ("expr.Compile: half a choice", "trig_one > 1 ? 2", {_A: 2.0}, "lacks ':' before 'its end'"),
    ("expr.Compile: two values side by side", "trig_one trig_two", {_A: 2.0}, "cannot be read at 'trig_two'"),
    ("expr.Compile: a character nobody knows", "trig_one $ 2", {_A: 2.0}, "cannot be read at '$ 2'"),
    ("expr parser: Operator (+) and coalesce expressions (??) cannot be mixed", "trig_one ?? 1 + 2", {_A: 2.0}, "mixes ?? with +; put it into brackets"),
    ("expr: a function that is not here", "concat(trig_one)", {_A: 2.0}, "calls concat, which the simulator does not know"),
    ("expr.Compile: a function of nothing", "max()", {}, "calls max with nothing"),
    ("expr.Compile: a list without a comma", "[trig_one trig_two]", {}, "lacks ',' before 'trig_two'"),
    ("expr.Compile: half a predicate", "count([trig_one], {# > 1)", {_A: 2.0}, "lacks '}' before ')'"),
]
