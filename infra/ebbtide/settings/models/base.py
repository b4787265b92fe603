"""The base of every settings model: frozen, closed to unknown keys, camelCase in YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from ebbtide.judgement.findings import Level, errors_of
from ebbtide.judgement.rule import rules_on, run_rules


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
        # One validator is built, for the root, at its first use: building each of the models by itself at import
        # took a third of the time of `ebbtide check`.
        defer_build=True,
    )


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
