"""From pydantic's errors to findings: where in the file, what was got, and what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence, Sized
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ebbtide.settings.findings import Finding, Path

_PRINTED_LENGTH = 60


def findings_of(error: ValidationError, model: type[BaseModel], raw: object) -> list[Finding]:
    """Every error of a validation of `raw` against `model`, in the order of the file."""
    found: list[Finding] = []
    for details in error.errors(include_url=False):
        if _follows_from_others(details):
            continue
        path = _without_injected_name(_path_in(raw, details["loc"]))
        nested = details.get("ctx", {}).get("findings")
        if nested:
            found.extend(finding.below(path) for finding in nested)
        else:
            found.append(_finding(details, path, model, raw))
    return found


def _follows_from_others(details: ErrorDetails) -> bool:
    """pydantic calls a list too short when it has dropped its entries for errors of their own."""
    given, context = details["input"], details.get("ctx", {})
    return details["type"] == "too_short" and isinstance(given, Sized) and len(given) > context["actual_length"]


def _path_in(raw: object, location: Sequence[str | int]) -> Path:
    """The location without what pydantic adds to it: the chosen member of a union, and `[key]`."""
    path: list[str | int] = []
    here = raw
    for part in location:
        if part == "[key]":
            continue
        if isinstance(here, Mapping) and part not in here and part == here.get("kind"):
            continue
        path.append(part)
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
        else:
            here = None
    return tuple(path)


def _without_injected_name(path: Path) -> Path:
    """A consumer's name is its key: what is wrong with it is said of the key."""
    return path[:-1] if len(path) == 3 and path[0] == "consumers" and path[-1] == "name" else path


def _got(details: ErrorDetails, path: Path) -> str:
    value = details["input"]
    # An environment value may be a secret that somebody pasted.
    if "environment" in path or not isinstance(value, (str, int, float, type(None))):
        return f"a {_KINDS.get(type(value), type(value).__name__)}"
    text = repr(value)
    return text if len(text) <= _PRINTED_LENGTH else f"{text[:_PRINTED_LENGTH]}..."


_KINDS = {dict: "mapping", list: "list", str: "text", bool: "boolean", int: "number", float: "number"}


def _finding(details: ErrorDetails, path: Path, model: type[BaseModel], raw: object) -> Finding:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, model, raw)
    if kind == "missing":
        return Finding(path, "is required and not given", _example(path))
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        choices = str(context.get("expected_tags", "")) or _kinds_at(path, model, raw)
        got = repr(context["tag"]) if "tag" in context else "nothing"
        return Finding((*path, "kind"), f"is none of the known kinds (got {got})", f"write one of {choices}")
    if kind == "string_type":
        remedy = (
            f'write it in quotes: "{details["input"]}"' if isinstance(details["input"], (int, float)) else "write text"
        )
        return Finding(path, f"must be text (got {_got(details, path)})", remedy)
    remedy = str(context.get("remedy", ""))
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if remedy:
        return Finding(path, message, remedy)
    text = message if "(got" in message else f"{message[:1].lower()}{message[1:]} (got {_got(details, path)})"
    return Finding(path, text, _bounds(context))


def _bounds(context: Mapping[str, Any]) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    limits = [f"{word} {context[name]}" for name, word in words.items() if name in context]
    return f"write {' and '.join(limits)}" if limits else ""


_EXAMPLES = {
    "image": "write for example europe-west1-docker.pkg.dev/acme/consumers/githubevents@sha256:...",
    "worker": "write for example {kind: symfonyMessenger, receivers: [githubevents], processes: 70}",
    "autoscaling": "write for example {kind: fixed, replicas: 2}",
    "cluster": "write for example {kind: gkeStandard}",
    "consumers": "name at least one consumer",
}


def _example(path: Path) -> str:
    return _EXAMPLES.get(str(path[-1]) if path else "", "add it")


def _unknown_key(path: Path, model: type[BaseModel], raw: object) -> Finding:
    key = str(path[-1])
    owner = _model_at(path[:-1], model, raw)
    names = _keys(owner) if owner else []
    close = difflib.get_close_matches(key, names, n=1)
    if close:
        return Finding(path, "is not a setting", f"did you mean {close[0]}?")
    return Finding(path, "is not a setting", f"use one of {', '.join(names)}" if names else "remove it")


def _keys(model: type[BaseModel]) -> list[str]:
    return [
        info.alias or name
        for name, info in model.model_fields.items()
        if not (isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("x-injected"))
    ]


def _kinds_at(path: Path, model: type[BaseModel], raw: object) -> str:
    owner = _model_at(path[:-1], model, raw)
    annotation = _annotation(owner, path[-1]) if owner and path else None
    return ", ".join(repr(kind) for member in _members(annotation) for kind in _kind_names(member))


def _model_at(path: Path, model: type[BaseModel], raw: object) -> type[BaseModel] | None:
    """The model that describes the value at `path`, choosing union members by their `kind` in `raw`."""
    annotation: Any = model
    here = raw
    for part in path:
        owner = _choose(annotation, here)
        annotation = _annotation(owner, part) if owner else _item(annotation)
        if isinstance(here, Mapping):
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int) and part < len(here):
            here = here[part]
    return _choose(annotation, here)


def _annotation(model: type[BaseModel] | None, key: str | int) -> Any:
    for name, info in model.model_fields.items() if model else ():
        if key in {name, info.alias}:
            return info.annotation
    return None


def _item(annotation: Any) -> Any:
    for member in [annotation, *_members(annotation)]:
        if get_origin(member) in {dict, tuple}:
            arguments = get_args(member)
            return arguments[1] if get_origin(member) is dict else arguments[0]
    return None


def _members(annotation: Any) -> list[Any]:
    """The members of a union, looked for through Annotated."""
    if hasattr(annotation, "__metadata__"):
        return _members(get_args(annotation)[0])
    if isinstance(annotation, type) or get_origin(annotation) in {dict, tuple}:
        return [annotation]
    return [member for argument in get_args(annotation) for member in _members(argument)]


def _kind_names(member: Any) -> tuple[str, ...]:
    field = member.model_fields.get("kind") if isinstance(member, type) and issubclass(member, BaseModel) else None
    return get_args(field.annotation) if field else ()


def _choose(annotation: Any, here: object) -> type[BaseModel] | None:
    models = [m for m in _members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]
    kind = here.get("kind") if isinstance(here, Mapping) else None
    for member in models:
        if kind in _kind_names(member):
            return member
    return models[0] if len(models) == 1 else None
