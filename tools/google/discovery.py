"""What Google's APIs say of themselves: methods with their addresses, and the schemas of what they take and answer.

Read from `discovery.json`, which scripts/google-schemas writes. The one reader: the tests of what a stack sends, the
provider's stand-in, and the stand-in of the APIs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]
DEPRECATED, GOOGLES = "is deprecated", "is Google's to say"
UNKNOWN = "known when it is made"
"""Stands for a text that another resource's creation will tell."""
_FORMATS = {
    "google-duration": re.compile(r"-?\d+(\.\d{1,9})?s"),
    "google-datetime": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
    "byte": re.compile(r"[A-Za-z0-9+/_-]*={0,2}"),
}
_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a description does not have, or has otherwise."""

    path: str
    """`nodeConfig.oauthScopes[0]`, below what was asked about."""
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclass(frozen=True, slots=True)
class Method:
    """One call."""

    document: str
    """`container.v1beta1`."""
    name: str
    """`container.projects.locations.clusters.create`."""
    http: str
    path: str
    """Below the root of the API, with each variable part in braces."""
    query: Mapping[str, Schema]
    request: str | None
    """The schema of what it takes."""
    response: str | None

    @property
    def verb(self) -> str:
        """`create`."""
        return self.name.rpartition(".")[2]

    @property
    def is_long(self) -> bool:
        """Whether it answers with an operation that ends some time."""
        return (self.response or "").endswith("Operation")


@cache
def documents() -> dict[str, Any]:
    """Each document by its name."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("discovery.json").read_text())
    return {name: document for name, document in found.items() if name != "source"}


@cache
def methods() -> dict[tuple[str, str], Method]:
    """Every method by its document and name."""
    found = {}
    for document, of in documents().items():
        for name, method in of["methods"].items():
            schemas = (method.get(part, {}).get("$ref") for part in ("request", "response"))
            found[document, name] = Method(document, name, method["http"], method["path"], method["query"], *schemas)
    return found


def schema(document: str, name: str) -> Schema:
    """One schema."""
    found: Schema = documents()[document]["schemas"][name]
    return found


def resolved(document: str, field: Schema) -> Schema:
    """What a field is, where it only names it."""
    return schema(document, field["$ref"]) if "$ref" in field else field


def field_at(document: str, of: Schema, path: str) -> Schema | None:
    """The description of a field some schemas below, or None."""
    for part in path.split("."):
        of = resolved(document, of).get("properties", {}).get(part)
        if of is None:
            return None
    return of


def problems(document: str, name: str, value: Any, *, complete: bool = False) -> list[Problem]:
    """What is wrong with a value that is to be of this schema; `complete` where no required field may be missing."""
    return list(_Held(document, complete).field({"$ref": name}, value, ""))


def parameter_problems(method: Method, given: Mapping[str, str]) -> list[Problem]:
    """The same of what stands in the address behind its question mark."""
    held = _Held(method.document, complete=True)
    found = [Problem(name, "Cannot bind query parameter") for name in given if name not in method.query]
    for name, of in method.query.items():
        if name in given:
            found += held.field({**of, "type": "string"}, given[name], name)
        elif of.get("required"):
            found.append(Problem(name, "is required"))
    return found


@dataclass(frozen=True, slots=True)
class _Held:
    """A value is held against its description."""

    document: str
    complete: bool

    def field(self, of: Schema, value: Any, path: str) -> Iterator[Problem]:
        of = resolved(self.document, of)
        if of.get("type") == "array":
            if not isinstance(value, list):
                yield Problem(path, f"is a list (got {value!r})")
                return
            for index, entry in enumerate(value):
                yield from self.field(of["items"], entry, f"{path}[{index}]")
        elif "properties" in of or "additionalProperties" in of:
            yield from self._object(of, value, path)
        elif of.get("type") != "any":
            yield from (Problem(path, text) for text in _value(of, value))

    def _object(self, of: Schema, value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, Mapping):
            yield Problem(path, f"is an object (got {value!r})")
            return
        fields = of.get("properties", {})
        for key, entry in value.items():
            where = f"{path}.{key}" if path else key
            found = fields.get(key, of.get("additionalProperties"))
            if found is None:
                yield Problem(where, "Google has no such field")
                continue
            if found.get("readOnly"):
                yield Problem(where, GOOGLES)
            if found.get("deprecated"):
                yield Problem(where, DEPRECATED)
            yield from self.field(found, entry, where)
        required = {key for key, found in fields.items() if found.get("required")} if self.complete else set()
        for key in sorted(required - set(value)):
            yield Problem(f"{path}.{key}" if path else key, "is required")


def _value(of: Schema, value: Any) -> Iterator[str]:
    kind, form = of.get("type"), of.get("format")
    if isinstance(value, (Mapping, list)):
        yield f"is no object and no list (got {value!r})"
    elif "enum" in of:
        yield from _choice(of, value)
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield f"is a boolean (got {value!r})"
    elif kind in {"integer", "number"} or form in {"int64", "uint64"}:
        yield from _number(str(kind), form, value)
    elif not isinstance(value, str):
        yield f"is a text (got {value!r})"
    elif form in _FORMATS and not _FORMATS[form].fullmatch(value):
        yield f"is no {form} (got {value!r})"
    elif value != UNKNOWN and not re.search(of.get("pattern", ""), value):
        yield f"does not match {of['pattern']} (got {value!r})"


def _choice(of: Schema, value: Any) -> Iterator[str]:
    deprecated = of.get("enumDeprecated", [False] * len(of["enum"]))
    allowed = dict(zip(of["enum"], deprecated, strict=True))
    if value not in allowed:
        yield f"{value!r} is none of {', '.join(allowed)}"
    elif allowed[value]:
        yield f"{value!r} {DEPRECATED}"


def _number(kind: str, form: str | None, value: Any) -> Iterator[str]:
    try:
        number = float(value) if kind == "number" else int(value)
    except (TypeError, ValueError):
        yield f"is a number (got {value!r})"
        return
    low, high = _RANGES.get(form or "", (-float("inf"), float("inf")))
    if isinstance(value, bool) or not low <= number <= high:
        yield f"is no {form or kind} (got {value!r})"
