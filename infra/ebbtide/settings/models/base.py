"""The base of every settings model: frozen, closed to unknown keys, camelCase in YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ebbtide.judgement.findings import Level, errors_of
from ebbtide.judgement.rule import rules_on, run_rules

_being_built: ContextVar[type[BaseModel] | None] = ContextVar("_being_built", default=None)
_OF_FILE = object()


class SettingsModel(BaseModel):
    """Plain data only. What exists only at deploy time (an Output) is wiring and never enters a model.

    A string literal under a field is its description in the JSON Schema and in docs/settings.md. It is
    read from the source when those are generated, not at import: `check` would pay for it at every start. For the same
    reason modules of models do without `from __future__ import annotations`: pydantic would compile the text of each
    of 460 annotations again, 3 % of the instructions of `check` (measured).
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        serialize_by_alias=True,
        # A value may be a secret that somebody pasted: messages show it only where a rule decided to.
        hide_input_in_errors=True,
        defer_build=True,
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself: it is frozen. pydantic copies each default that is a model, for every consumer."""
        return self

    @classmethod
    def of_file(cls, values: Mapping[str, Any]) -> Self:
        """What a file says, which is written in camelCase alone: two spellings of one key would merge into both of
        them. Raises ValidationError."""
        return cls.model_validate(values, by_name=False, context=_OF_FILE)

    @classmethod
    def whole_schema(cls) -> CoreSchema:
        """What pydantic has made of this model."""
        cls.model_rebuild()
        return cls.__pydantic_core_schema__

    # A model inside of another is built by itself, when there is a value of it to be read: of 107 models a stack
    # names two dozen, and building all of them with the root took a fifth of the time of `ebbtide check`.

    @classmethod
    def model_rebuild(cls, **arguments: Any) -> bool | None:
        """As pydantic's, which asks for this one's own schema and not for how another model reads it."""
        outer = _being_built.set(cls)
        try:
            return super().model_rebuild(**arguments)
        finally:
            _being_built.reset(outer)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if _being_built.get() is cls:
            return handler(source)
        return core_schema.with_info_plain_validator_function(cls.read_value, metadata={"reads": cls})

    @classmethod
    def read_value(cls, value: object, info: ValidationInfo) -> Self:
        """The model of a value inside of another model. Raises ValidationError."""
        by_name = False if info.context is _OF_FILE else None
        read: Self = cls.__pydantic_validator__.validate_python(value, by_name=by_name, context=info.context)
        return read


class _OrText:
    """Marks a mapping that may also be written as one text: in the JSON Schema, which does not see validators."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


OrText = _OrText()


@dataclass(frozen=True, slots=True)
class Why:
    """Marks a field with the reason of its default, which `ebbtide explain` gives beside it."""

    reason: str


def repeated(names: Iterable[str]) -> list[str]:
    """The names that stand there more than once, each once, in their order."""
    return [name for name, count in Counter(names).items() if count > 1]


class JudgedModel(SettingsModel):
    """A model that refuses what a rule calls an error (ebbtide.settings.rules): nobody can build one that is wrong."""

    @model_validator(mode="after")
    def _refuse_errors(self) -> Self:
        errors = errors_of(run_rules(rules_on(type(self), Level.ERROR), self))
        if errors:
            summary = "; ".join(map(str, errors))
            raise PydanticCustomError("findings", "{summary}", {"summary": summary, "findings": errors})
        return self
