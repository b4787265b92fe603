"""The base of every settings model: frozen, closed to unknown keys, camelCase in YAML."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class SettingsModel(BaseModel):
    """Plain data only. What exists only at deploy time (an Output) is wiring and never enters a model.

    A string literal under a field is its description in the JSON Schema and in docs/settings.md. It is
    read from the source when those are generated, not at import: `check` would pay for it at every start.
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
