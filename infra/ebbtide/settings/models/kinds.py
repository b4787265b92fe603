"""Another kind of autoscaling, transport, worker or cluster, from outside of this package.

A field that may be of several kinds is a union of models, told apart by `kind`. What reads the models (files and their
errors, the JSON Schema, docs/settings.md) sees a kind that was added here like one that was always there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.lookup import kind_names, members

_Change: TypeAlias = Callable[[tuple[Any, ...]], tuple[Any, ...]]


def add_kind(model: type[SettingsModel], field: str, kind: type[SettingsModel]) -> None:
    """Let this field be of this kind too: `add_kind(ConsumerSettings, "autoscaling", KedaScaling)`.

    To be called before settings are read. A kind has a field `kind` with a literal of its own, and answers what the
    others' common base asks. Raises ValueError for a field that is no union of kinds, and for a name that is taken.
    """
    info, names = _union(model, field), kind_names(kind)
    known = {name: other for other in members(info.annotation) for name in kind_names(other)}
    taken = [name for name in names if name in known]
    if not names or taken:
        got = f"{taken[0]!r} is {known[taken[0]].__name__}" if taken else f"{kind.__name__} has no field `kind`"
        raise ValueError(f"{model.__name__}.{field}: {got}; give it a literal of its own")
    _change(model, info, lambda union: (*union, kind))


def forget_kind(model: type[SettingsModel], field: str, kind: type[SettingsModel]) -> None:
    """Take a kind out again: for a test that has added one."""
    _change(model, _union(model, field), lambda union: tuple(member for member in union if member is not kind))


def _union(model: type[SettingsModel], field: str) -> FieldInfo:
    info = model.model_fields.get(field)
    if info is None or not any(kind_names(member) for member in members(info.annotation)):
        raise ValueError(f"{model.__name__}.{field} is not a setting of several kinds")
    return info


def _change(model: type[SettingsModel], info: FieldInfo, change: _Change) -> None:
    info.annotation = _changed(info.annotation, change)
    for stale in (model, *_holders(model)):
        stale.model_rebuild(force=True)


def _changed(annotation: Any, change: _Change) -> Any:
    """The annotation with its union of kinds changed, which may stand in an Annotated and beside None."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return Annotated[(_changed(arguments[0], change), *arguments[1:])]
    if any(kind_names(member) for member in arguments):
        return Union[change(arguments)]  # noqa: UP007 - what is in it is known when this runs
    return Union[tuple(_changed(member, change) for member in arguments)] if arguments else annotation  # noqa: UP007


def _holders(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that have this one inside of them, from the inside outwards."""
    for holder in _descendants(SettingsModel):
        if any(_mentions(info.annotation, model) for info in holder.model_fields.values()):
            yield holder
            yield from _holders(holder)


def _descendants(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for child in model.__subclasses__():
        yield child
        yield from _descendants(child)


def _mentions(annotation: Any, model: type[BaseModel]) -> bool:
    return annotation is model or any(_mentions(argument, model) for argument in get_args(annotation))
