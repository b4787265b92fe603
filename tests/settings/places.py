"""Every finding of a rule about settings names a place that a stack file has: a user looks for it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from ebbtide.judgement.findings import Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.lookup import members
from ebbtide.settings.models.stack import StackSettings

_ROOTS: tuple[type[BaseModel], ...] = (StackSettings, ConsumerSettings)
"""Rules about a consumer name a place in it; who runs them puts the consumer before it."""


def is_place(path: Path) -> bool:
    """Whether a stack file, or a consumer in one, has this place: keys as they are written, whatever the kind."""
    return any(_is_below(root, path) for root in _ROOTS)


def _is_below(annotation: Any, path: Path) -> bool:
    return not path or any(_is_below(inner, path[1:]) for inner in _steps(annotation, path[0]))


def _steps(annotation: Any, part: str | int) -> Iterator[Any]:
    for member in members(annotation):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield from (info.annotation for name, info in member.model_fields.items() if part == (info.alias or name))
        elif origin is dict and isinstance(part, str):
            yield arguments[1]
        elif origin is tuple and isinstance(part, int):
            yield arguments[0]
        elif member is Any or member is object:
            yield Any
