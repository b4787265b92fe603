"""docs/settings.md, written from the models themselves."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from textwrap import wrap
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from ebbtide.settings.models.kinds import is_family
from ebbtide.settings.models.lookup import keys_of, metadata_of
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.reference.schema import field_documents
from ebbtide.settings.values import units

_UNITS: dict[Any, tuple[str, Callable[[int], str]]] = {
    units.parse_duration: ("duration", units.format_duration),
    units.parse_cpu: ("CPU quantity", units.format_cpu),
    units.parse_memory: ("memory quantity", units.format_memory),
    units.parse_php_memory: ("PHP memory", units.format_php_memory),
    units.parse_quantity_milli: ("quantity", units.format_quantity),
}

_WIDTH = 118

_SETTINGS_HEAD = """\
# Settings

<!-- Written by scripts/generate-docs from the models. Do not edit. -->

Shared values stand in `Pulumi.yaml` under `ebbtide:defaults`; `stacks/Pulumi.<stack>.yaml` states a stack's
differences under `ebbtide:<key>`. They are laid over each other by consumer and key:

- mappings merge key by key, to any depth; lists and scalars replace;
- a mapping with another `kind` replaces the whole mapping; `null` removes what the base says;
- `ebbtide:defaults` may hold `consumer`, which every consumer is laid over.

`ebbtide explain --stack S` shows every resolved value and the file it came from. CI passes images it has just built
in the variable `EBBTIDE_IMAGES`: `githubevents=registry/app@sha256:...,mail=...`.

**Units.** Durations are `200s`, `4m`, `1h30m`. CPU is `490m` or `0.5`. Memory is a Kubernetes quantity, where `M` is
10^6 and `Mi` 2^20; PHP memory is PHP's own shorthand, where `150M` is 150 MiB. A bare number is refused where it
could be read in two ways.

An editor completes and checks a stack file with the schema in `docs/stack.schema.json`
(`# yaml-language-server: $schema=../docs/stack.schema.json`).
"""


def settings_reference() -> str:
    """The text of docs/settings.md."""
    sections = [_SETTINGS_HEAD]
    seen: set[type[BaseModel]] = set()
    queue: list[tuple[str, type[BaseModel]]] = [("The stack", StackSettings)]
    while queue:
        title, model = queue.pop(0)
        if model in seen:
            continue
        seen.add(model)
        sections.append(_section(title, model))
        queue += [(found.__name__, found) for info in model.model_fields.values() for found in _models(info.annotation)]
    return "\n".join(sections)


def _section(title: str, model: type[BaseModel]) -> str:
    documents = field_documents(model)
    lines = [f"## {title}", "", inspect.cleandoc(model.__doc__ or ""), ""]
    for name, info in model.model_fields.items():
        if (info.alias or name) in keys_of(model):
            lines += _entry(info.alias or name, info, documents.get(name, ""))
    return "\n".join(lines) + "\n"


def _entry(key: str, info: FieldInfo, text: str) -> list[str]:
    """One setting as an item of a list: a table's rows would be lines of 300 letters."""
    facts = ", ".join(filter(None, [_type(info), _default(info)]))
    return wrap(
        f"- **`{key}`** ({facts}): {text}",
        _WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _type(info: FieldInfo) -> str:
    for item in info.metadata:
        unit = _UNITS.get(getattr(item, "func", None))
        if unit:
            return unit[0]
    return _words(info.annotation)


def _words(annotation: Any) -> str:  # noqa: PLR0911 - one line for each kind of type
    """The type in a reader's words.

    Read from the annotation, not from the JSON Schema of the same model: there, the 36 settings with a unit are "number
    or text" with a default in seconds or bytes, and the kinds of a union are references without their names in YAML.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for item in arguments[1:]:
            unit = _UNITS.get(getattr(item, "func", None))
            if unit:
                return unit[0]
        return _words(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, types.UnionType}:
        return " or ".join(_words(member) for member in arguments if member is not type(None))
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    if origin is dict:
        return f"mapping of text to {_words(arguments[1])}"
    if is_family(annotation):
        return " or ".join(_words(kind) for kind in annotation.kinds.values())
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return {str: "text", int: "number", bool: "boolean"}.get(
        annotation, getattr(annotation, "__name__", str(annotation))
    )


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value == ():
        return ""
    if isinstance(value, BaseModel | dict):
        return f"default {', '.join(f'`{key}`' for key in value)}" if isinstance(value, dict) and value else ""
    for item in metadata_of(info):
        unit = _UNITS.get(getattr(item, "func", None))
        if unit:
            return f"default `{unit[1](value)}`"
    if isinstance(value, bool):
        return f"default `{str(value).lower()}`"
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"default `{text}`" if text else ""


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if is_family(annotation):
        yield from annotation.kinds.values()
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
