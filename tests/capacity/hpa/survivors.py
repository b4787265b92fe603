"""Mutants that no case can notice, because they change nothing anyone can see. Keys: module, line, change."""

# ruff: noqa: E501  the code's own lines
# fmt: off
from __future__ import annotations

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ('integers', 'return (value + 2**31) % 2**32 - 2**31', 'Add -> Sub'): 'adding and subtracting half the modulus are the same modulo the modulus',
    ('integers', 'return (value + 2**63) % 2**64 - 2**63', 'Add -> Sub'): 'adding and subtracting half the modulus are the same modulo the modulus',
    ('integers', 'if dividend >= 0:', 'GtE -> Gt [0]'): '0 divided is 0 on either branch',
    ('integers', 'if dividend >= 0:', '0 -> 0 + 1'): '0 divided is 0 on either branch',
    ('integers', 'if INT32_MIN < value <= INT32_MAX:', 'Lt -> LtE [0]'): 'at the smallest int32 both branches give the smallest int32',
    ('integers', 'if INT32_MIN < value < INT32_MAX + 1:', 'Lt -> LtE [0]'): 'at the smallest int32 both branches give the smallest int32',
    ('integers', 'return int(value) if isfinite(value) and -INT64_MAX <= value <= INT64_MAX - 1 else -INT64_MAX - 1', 'LtE -> Lt [0]'): 'no double lies there: near 2**63 they are 1,024 apart',
    ('integers', 'return int(value) if isfinite(value) and -INT64_MAX <= value <= INT64_MAX - 1 else -INT64_MAX - 1', 'LtE -> Lt [1]'): 'no double lies there: near 2**63 they are 1,024 apart',
    ('integers', 'return int(value) if isfinite(value) and -INT64_MAX <= value <= INT64_MAX - 1 else -INT64_MAX - 1', '1 -> 1 + 1'): 'no double lies there: near 2**63 they are 1,024 apart',
    ('integers', 'return int(value) if isfinite(value) and -INT64_MAX <= value <= INT64_MAX - 1 else -INT64_MAX - 1', '1 -> 1 - 1'): 'no double lies there: near 2**63 they are 1,024 apart',
    ('quantity', 'return rounded if milli >= 0 else -rounded', 'GtE -> Gt [0]'): '-0 is 0',
    ('metrics', 'if metric.target <= 100 or not release.fills_missing_at_target:', 'LtE -> Lt [0]'): 'at 100 % the general form gives the request too',
    ('metrics', 'if metric.target <= 100 or not release.fills_missing_at_target:', '100 -> 100 - 1'): 'at 100 % the general form gives the request too',
    ('metrics', 'if tolerance.holds(filled) or (ratio < 1.0 < filled) or (filled < 1.0 < ratio):', 'Lt -> LtE [0]'): 'a ratio of exactly 1 was held by the tolerance before, or nothing was filled in',
    ('metrics', 'if tolerance.holds(filled) or (ratio < 1.0 < filled) or (filled < 1.0 < ratio):', 'Lt -> LtE [1]'): 'a ratio of exactly 1 was held by the tolerance before, or nothing was filled in',
    ('metrics', 'if (filled < 1.0 and proposal > current) or (filled > 1.0 and proposal < current):', 'Lt -> LtE [0]'): 'a ratio of exactly 1 was held by the tolerance before, or nothing was filled in',
    ('metrics', 'if (filled < 1.0 and proposal > current) or (filled > 1.0 and proposal < current):', 'Gt -> GtE [0]'): 'a ratio of exactly 1 was held by the tolerance before, or nothing was filled in',
    ('metrics', 'if capped and value > 0 and total > INT64_MAX - value:', 'Gt -> GtE [0]'): 'value >= 0: 0 overflows nothing',
    ('metrics', 'if capped and value > 0 and total > INT64_MAX - value:', '0 -> 0 - 1'): 'no int64 is above the largest one; 0 overflows nothing',
    ('metrics', 'capped = rules.release.caps_value_proposal and proposal > INT32_MAX', 'Gt -> GtE [0]'): 'the value at the cap is the cap',
    ('metrics', 'if capped and proposal > INT32_MAX:', 'Gt -> GtE [0]'): 'the value at the cap is the cap',
    ('metrics', 'if float(usage) >= INT64_MAX:', 'GtE -> Gt [0]'): 'the value at the cap is the cap',
    ('stabilization', 'up = behavior.scale_up.stabilization_window_seconds or 0', '0 -> 0 - 1'): 'nothing is remembered of the future, so a window of -1 s is one of 0 s',
    ('stabilization', 'elif replicas > largest:', 'Gt -> GtE [0]'): 'replacing a value by an equal one',
    ('stabilization', 'if at_us > up_cutoff and replicas < low:', 'Lt -> LtE [0]'): 'replacing a value by an equal one',
    ('stabilization', 'if at_us > down_cutoff and replicas > high:', 'Gt -> GtE [0]'): 'replacing a value by an equal one',
    ('limits', 'grew = desired > current', 'Gt -> GtE [0]'): 'only a changed count is written',
    ('controller', 'largest, winner = 0, 0', '0 -> 0 + 1'): 'the first proposal overwrites it',
    ('controller', 'largest, winner = 0, 0', '0 -> 0 - 1'): 'the first proposal overwrites it',
    ('controller', 'condition = UP_STABILIZED if proposal >= current else DOWN_STABILIZED', 'GtE -> Gt [0]'): "a proposal of the current count lies in every window's limits, so nothing was stabilised",
    ('manifest', 'milli = 0', '0 -> 0 + 1'): 'read_manifest raises after the problem was noted, so the value is not used',
    ('manifest', 'milli = 0', '0 -> 0 - 1'): 'read_manifest raises after the problem was noted, so the value is not used',
    ('manifest', 'kind = given[0]', '0 -> 0 - 1'): 'the list has one entry',
}
