"""Values with a unit: durations, Kubernetes quantities and PHP's memory shorthand.

Each type is an integer in one unit, named after it; YAML holds the text. A number without a unit is
refused where it could be read in two ways.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from ebbtide.kubernetes.quantity import BINARY, DECIMAL, parse_quantity

_DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([a-zA-Z]*)")
_MEBIBYTE = 1024**2
# `m` is a legal suffix of memory for the API server: 128m is an eighth of a byte.
_MEMORY_SUFFIXES = BINARY | {suffix: factor for suffix, factor in DECIMAL.items() if factor >= 1}
# What most numbers of Kubernetes' objects are; the API server refuses more.
MAX_INT32 = 2**31 - 1
# Whole numbers: the remainder of a Fraction takes 5.1 us, 36 times as long (measured).
_LARGEST_FIRST = tuple((suffix, int(factor)) for suffix, factor in reversed(BINARY.items()))
_PHP_MINIMUM_BYTES = 16 * _MEBIBYTE
# PHP reads its shorthand in powers of 1024 and knows no `Mi`.
_PHP_SUFFIXES = {"K": 1024, "M": 1024**2, "G": 1024**3}


def _refuse(what: str, got: object, remedy: str) -> PydanticCustomError:
    """A refusal that carries what was got and what to write instead."""
    return PydanticCustomError("unit", "{what} (got {got})", {"what": what, "got": repr(got), "remedy": remedy})


def parse_duration(value: object) -> int:
    """`"1h30m"` -> 5400 seconds.

    Raises a validation error for a bare number, because 240 could be seconds or minutes.
    """
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or isinstance(value, bool):
        example = f"{value}s" if isinstance(value, int) and not isinstance(value, bool) else "200s"
        raise _refuse(
            "is not a duration",
            value,
            f"write whole hours, minutes and seconds, for example {example}, 4m or 1h30m",
        )
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def format_duration(seconds: int) -> str:
    """5400 -> `1h30m`, 200 -> `200s`: text that `parse_duration` reads back to the same number.

    Up to ten minutes seconds stay seconds, because that is how Kubernetes and supervisor count them.
    """
    if seconds % 60 and seconds < 600:
        return f"{seconds}s"
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    text = (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "") + (f"{left}s" if left else "")
    return text or "0s"


def _text(value: object) -> str:
    return str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""


def _number_and_suffix(value: object, what: str, remedy: str) -> tuple[Fraction, str]:
    """Stricter than a quantity of Kubernetes: without sign and exponent."""
    match = _NUMBER.fullmatch(_text(value))
    if match is None:
        raise _refuse(what, value, remedy)
    return Fraction(match.group(1)), match.group(2)


def parse_cpu(value: object) -> int:
    """`"490m"`, `0.49` -> 490 millicores.

    Raises a validation error for anything finer than 1m: the API server rounds it up to 1m
    (SetDefaults_ResourceList), so `0.490m` would make 5m of use look like 500 % of the request.
    """
    what, remedy = "is not a CPU quantity", "write millicores (490m) or cores (0.5, 2)"
    number, suffix = _number_and_suffix(value, what, remedy)
    if suffix not in {"", "m"}:
        raise _refuse(what, value, remedy)
    millicores = number * DECIMAL[suffix] * 1000
    if millicores.denominator != 1:
        likely = f"{float(millicores * 1000):g}m" if suffix == "m" else f"{max(1, round(millicores))}m"
        raise _refuse(
            "is finer than 1m, and Kubernetes rounds it up to a whole millicore, so that a CPU target means nothing",
            value,
            f"write {likely} if that was meant, else a whole number of millicores",
        )
    return int(millicores)


def parse_memory(value: object) -> int:
    """`"512Mi"`, `"1G"` -> bytes, as Kubernetes reads them (`M` is 10^6, `Mi` is 2^20)."""
    what, remedy = "is not a memory quantity", "write it with a unit, for example 512Mi or 2Gi"
    number, suffix = _number_and_suffix(value, what, remedy)
    factor = _MEMORY_SUFFIXES.get(suffix)
    if factor is None or (suffix == "" and number < _MEBIBYTE):
        raise _refuse(what, value, remedy)
    size = number * factor
    if size.denominator != 1:
        raise _refuse("is not a whole number of bytes", value, remedy)
    return int(size)


def parse_php_memory(value: object) -> int:
    """`"150M"` -> 150 MiB in bytes, as PHP and `messenger:consume --memory-limit` read it.

    Raises a validation error below 16 MiB, where a console of Symfony does not start, and for parts of a MiB, which
    would be lost on the way to php.ini.
    """
    what, remedy = (
        "is not a PHP memory size",
        "write PHP's shorthand, for example 150M (which PHP reads as 150 MiB) or 1G",
    )
    number, suffix = _number_and_suffix(value, what, remedy)
    factor = _PHP_SUFFIXES.get(suffix.upper())
    if factor is None or number.denominator != 1:
        raise _refuse(what, value, remedy)
    size = int(number) * factor
    if size < _PHP_MINIMUM_BYTES:
        raise _refuse("is less than 16 MiB, and no Symfony console starts in that", value, remedy)
    if size % _MEBIBYTE:
        raise _refuse("is not a whole number of MiB", value, remedy)
    return size


def parse_quantity_milli(value: object) -> int:
    """Any Kubernetes quantity in thousandths, as the HPA counts metrics: `"30"` -> 30000, `"500m"` -> 500."""
    what, remedy = "is not a quantity", "write a number, for example 30, 500m or 1k"
    try:
        milli = parse_quantity(_text(value)) * 1000
    except ValueError:
        raise _refuse(what, value, remedy) from None
    if milli.denominator != 1:
        raise _refuse(what, value, remedy)
    return int(milli)


def plural(count: int, noun: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def format_cpu(millicores: int) -> str:
    """490 -> `490m`, 2000 -> `2`."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def format_memory(size_bytes: int) -> str:
    """The largest binary unit that loses nothing: 6815744000 -> `6500Mi`."""
    for suffix, factor in _LARGEST_FIRST:
        if size_bytes and size_bytes % factor == 0:
            return f"{size_bytes // factor}{suffix}"
    return str(size_bytes)


def format_php_memory(size_bytes: int) -> str:
    """157286400 -> `150M`."""
    return f"{size_bytes // _MEBIBYTE}M"


def format_quantity(milli: int) -> str:
    """30000 -> `30`, 500 -> `500m`."""
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def _text_schema(pattern: str, *examples: str, numbers: bool = False) -> WithJsonSchema:
    kinds = ["string", "number"] if numbers else "string"
    return WithJsonSchema({"type": kinds, "pattern": pattern, "examples": list(examples)})


Count = Annotated[int, Field(strict=True)]
"""A whole number; neither `true` nor `"70"`, which pydantic would take for 1 and 70."""

Seconds = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    _text_schema(r"^(?=\d)(\d+h)?(\d+m)?(\d+s)?$", "200s", "4m", "1h"),
]
"""A duration in seconds; `200s`, `4m` or `1h30m` in YAML."""

Millicores = Annotated[
    int,
    BeforeValidator(parse_cpu),
    Field(gt=0),
    PlainSerializer(format_cpu),
    _text_schema(r"^\d+m$|^\d*\.?\d+$", "490m", "0.5", "2", numbers=True),
]
"""CPU in thousandths of a core; `490m` or `0.5` in YAML."""

MemoryBytes = Annotated[
    int,
    BeforeValidator(parse_memory),
    Field(gt=0),
    PlainSerializer(format_memory),
    _text_schema(r"^\d+(\.\d+)?([KMGTPE]i|[kMGTPE])?$", "512Mi", "2Gi", numbers=True),
]
"""Memory in bytes; a Kubernetes quantity in YAML, where `M` is 10^6 and `Mi` is 2^20."""

PhpMemoryBytes = Annotated[
    int,
    BeforeValidator(parse_php_memory),
    PlainSerializer(format_php_memory),
    _text_schema(r"^\d+[KkMmGg]$", "150M", "1G"),
]
"""Memory of one PHP process in bytes; PHP's shorthand in YAML, where `150M` is 150 MiB."""

QuantityMilli = Annotated[
    int,
    BeforeValidator(parse_quantity_milli),
    Field(gt=0),
    PlainSerializer(format_quantity),
    _text_schema(
        r"^\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3}|[KMGTPE]i|[numkMGTPE])?$", "30", "500m", numbers=True
    ),
]
"""A metric's quantity in thousandths, which is how the HPA computes; any Kubernetes quantity in YAML."""
