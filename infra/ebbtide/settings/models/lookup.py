"""What the models say about one place in a stack: which model, which keys, which type, which examples."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, PlainSerializer, WithJsonSchema
from pydantic.fields import FieldInfo

from ebbtide.judgement.findings import Path
from ebbtide.settings.models.base import Why
from ebbtide.settings.models.kinds import is_family

_SCALARS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", datetime: "a date and time"}


def model_at(path: Path, model: type[BaseModel], raw: object) -> type[BaseModel] | None:
    """The model that describes the value at `path`, choosing a kind by its name in `raw`."""
    annotation, _, here = _walk(path, model, raw)
    return _choose(annotation, here)


def keys_of(model: type[BaseModel]) -> list[str]:
    """What may be written as a key of this model."""
    return [
        info.alias or name
        for name, info in model.model_fields.items()
        if not (isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("x-injected"))
    ]


def kinds_at(path: Path, model: type[BaseModel], raw: object) -> list[str]:
    """Every `kind` that may be written at `path`; none where there are no kinds."""
    annotation, _, _ = _walk(path, model, raw)
    return [name for member in alternatives(annotation) if is_family(member) for name in member.kinds]


def what_at(path: Path, model: type[BaseModel], raw: object) -> str:
    """What is written there, in words: `a list`, `a whole number`, `one of a, b`; empty if no model knows."""
    annotation, _, _ = _walk(path, model, raw)
    for member in members(annotation):
        origin = get_origin(member)
        if origin is Literal:
            return f"one of {', '.join(map(str, get_args(member)))}"
        if origin in {dict, tuple}:
            return "a list" if origin is tuple else "a mapping"
        if isinstance(member, type) and member is not type(None):
            return "a mapping" if issubclass(member, BaseModel) else _SCALARS.get(member, "")
    return ""


def examples_at(path: Path, model: type[BaseModel], raw: object) -> list[str]:
    """Examples of what is written there."""
    for item in _metadata_at(path, model, raw):
        if isinstance(item, WithJsonSchema) and item.json_schema:
            return [str(example) for example in item.json_schema.get("examples", ())]
        if isinstance(item, FieldInfo) and item.examples:
            return [str(example) for example in item.examples]
    return []


def format_at(path: Path, model: type[BaseModel], raw: object) -> Callable[[Any], str]:
    """How a number is written there: `1h` where the model counts 3600 seconds."""
    for item in _metadata_at(path, model, raw):
        if isinstance(item, PlainSerializer):
            return cast("Callable[[Any], str]", item.func)
    return str


def reason_at(path: Path, model: type[BaseModel], raw: object) -> str:
    """Why the default there is what it is; empty where nobody has said."""
    return next((item.reason for item in _metadata_at(path, model, raw) if isinstance(item, Why)), "")


def metadata_of(info: FieldInfo) -> Iterator[Any]:
    """What `Field` and `Annotated` say of a field, also inside of a union with None."""
    yield info
    yield from info.metadata
    yield from _annotated(info.annotation)


def _annotated(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]
    elif get_origin(annotation) in {Union, types.UnionType}:
        for member in get_args(annotation):
            yield from _annotated(member)


def _metadata_at(path: Path, model: type[BaseModel], raw: object) -> Iterator[Any]:
    annotation, info, _ = _walk(path, model, raw)
    yield from _annotated(annotation) if info is None else metadata_of(info)


def _walk(path: Path, model: type[BaseModel], raw: object) -> tuple[Any, FieldInfo | None, object]:
    """The annotation at `path`, the field if the place is one, and the value."""
    annotation: Any = model
    info: FieldInfo | None = None
    here = raw
    for part in path:
        owner = _choose(annotation, here)
        info = _field(owner, part) if owner else None
        annotation = (info.annotation if info else None) if owner else _item(annotation)
        here = value_below(here, part)
    return annotation, info, here


def value_below(here: object, part: str | int) -> object:
    """The value at one step below; None where there is none."""
    if isinstance(here, Mapping):
        return here.get(part)
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return here[part]
    return None


def _field(model: type[BaseModel], key: str | int) -> FieldInfo | None:
    return next((info for name, info in model.model_fields.items() if key in {name, info.alias}), None)


def _item(annotation: Any) -> Any:
    for member in members(annotation):
        if get_origin(member) in {dict, tuple}:
            arguments = get_args(member)
            return arguments[1] if get_origin(member) is dict else arguments[0]
    return None


def members(annotation: Any) -> list[Any]:
    """What may stand there: the members of a union, and of a family every kind."""
    return [
        one for member in alternatives(annotation) for one in (member.kinds.values() if is_family(member) else [member])
    ]


def alternatives(annotation: Any) -> list[Any]:
    """The members of a union, looked for through Annotated."""
    if hasattr(annotation, "__metadata__"):
        return alternatives(get_args(annotation)[0])
    if isinstance(annotation, type) or get_origin(annotation) in {dict, tuple, Literal}:
        return [annotation]
    return [member for argument in get_args(annotation) for member in alternatives(argument)]


def _choose(annotation: Any, here: object) -> type[BaseModel] | None:
    """The model of what is written there; None where nobody can tell."""
    model = next((m for m in alternatives(annotation) if isinstance(m, type) and issubclass(m, BaseModel)), None)
    if model is None or not is_family(model):
        return model
    kind = here.get("kind") if isinstance(here, Mapping) else None
    return model.kinds.get(kind) if isinstance(kind, str) else None
