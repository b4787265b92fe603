"""How a dataclass becomes JSON in camelCase, how it is read back, and its JSON Schema.

Printing validates nothing: an output that does not fit its schema fails a test (tests/documents), not the user. Reading
takes nothing that does not fit.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, get_args

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def to_json(document: Any) -> str:
    """The document as `--format json` prints it, without a line break at its end."""
    kind: Any = type(document)
    text: bytes = _adapter(kind).dump_json(document, indent=2, by_alias=True, warnings=False)
    return text.decode()


def read_json(kind: Any, text: str | bytes) -> Any:
    """The document of this kind in a text. Raises pydantic's ValidationError where it does not fit, or is no JSON."""
    return _adapter(kind).validate_json(text)


def json_schema(kind: Any, title: str) -> dict[str, Any]:
    """The schema of a document, or of a union of documents that their `kind` tells apart."""
    adapter = _adapter(kind, described=True)
    schema = adapter.json_schema(by_alias=True, mode="serialization", schema_generator=_generator())
    return {"$schema": _DIALECT, **_without_titles(schema), "title": title}


def json_schema_text(kind: Any, title: str) -> str:
    """The schema as it is committed."""
    return json.dumps(json_schema(kind, title), indent=2) + "\n"


@cache
def _adapter(kind: Any, *, described: bool = False) -> TypeAdapter[Any]:
    """What pydantic makes of a dataclass. Those inside of it take the configuration of the outermost."""
    from pydantic import ConfigDict, Field, TypeAdapter  # noqa: PLC0415 - documents are made without it
    from pydantic.alias_generators import to_camel  # noqa: PLC0415

    config = ConfigDict(
        alias_generator=to_camel,
        # What a later version adds is left out when it is read, and the schema of this one has nothing more.
        extra="forbid" if described else "ignore",
        # A number is not its text.
        strict=True,
        # A text literal under a field is its description. Reading those takes ten times as long as all the rest.
        use_attribute_docstrings=described,
        hide_input_in_errors=True,
    )
    members = get_args(kind) or (kind,)
    for member in members:
        member.__pydantic_config__ = config
    told_apart: Any = Annotated[kind, Field(discriminator="kind")] if len(members) > 1 else kind
    try:
        return TypeAdapter(told_apart)
    finally:
        # It is this document's: inside of another one the class takes that one's.
        for member in members:
            del member.__pydantic_config__


def _generator() -> type[GenerateJsonSchema]:
    from pydantic.json_schema import GenerateJsonSchema  # noqa: PLC0415

    class Generator(GenerateJsonSchema):
        """Whatever a dataclass has is printed, also where it has a default."""

        def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: FBT001
            return field["type"] != "typed-dict-field" or bool(field.get("required", total))

    return Generator


def _without_titles(schema: Any) -> Any:
    """pydantic titles each property with its own name."""
    if isinstance(schema, list):
        return [_without_titles(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may be called `title`: then it is no text.
    return {
        key: _without_titles(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)
    }
