"""The JSON Schema of a stack file, and the reference in docs/settings.md: both from the models and their docstrings."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.lookup import keys_of
from ebbtide.settings.models.stack import GoogleSettings, StackSettings


def stack_file_schema() -> dict[str, Any]:
    """The schema of `stacks/Pulumi.<stack>.yaml`, for editors.

    Nothing is required and any value may be null, because a stack states only its differences: whether the whole
    is complete is for `ebbtide check` to say.
    """
    full = StackSettings.model_json_schema(schema_generator=_Generator)
    definitions = full.pop("$defs")
    for model in _models(SettingsModel):
        if model.__name__ in definitions:
            _describe(definitions[model.__name__], model)
    _describe(full, StackSettings)
    google = definitions.pop(GoogleSettings.__name__)["properties"]
    own = {f"ebbtide:{name}": full["properties"][name] for name in keys_of(StackSettings)}
    definitions["ConsumerSettings"]["properties"].pop("name")
    config = {**{f"gcp:{name}": value for name, value in google.items()}, **own}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A stack of ebbtide: stacks/Pulumi.<stack>.yaml",
        "type": "object",
        "properties": {
            "config": {"type": "object", "properties": config, "patternProperties": {"^(?!ebbtide:|gcp:)": {}}},
            "secretsprovider": {"type": "string"},
            "encryptedkey": {"type": "string"},
            "encryptionsalt": {"type": "string"},
        },
        "$defs": definitions,
    }
    relaxed: dict[str, Any] = _relaxed(schema)
    return relaxed


class _Generator(GenerateJsonSchema):
    """Models inside of models are built when they are read: here all of them."""

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        return super().generate_inner(_read_by(schema) or schema)

    def field_title_should_be_set(self, schema: Any) -> bool:
        inner = _read_by(schema)
        return super().field_title_should_be_set(schema) if inner is None else inner["type"] == "tagged-union"


def _read_by(schema: Mapping[str, Any]) -> CoreSchema | None:
    """The whole schema of the model that reads here, if one does."""
    model: type[SettingsModel] | None = schema.get("metadata", {}).get("reads")
    return None if model is None else model.whole_schema()


def stack_file_schema_text() -> str:
    """The schema as it is printed and committed."""
    return json.dumps(stack_file_schema(), indent=2) + "\n"


def _relaxed(schema: Any) -> Any:
    """The schema without `required`, with null allowed, and unions that need no `kind`."""
    if isinstance(schema, list):
        return [_relaxed(entry) for entry in schema]
    if not isinstance(schema, Mapping):
        return schema
    relaxed = {key: _relaxed(value) for key, value in schema.items() if key not in {"required", "discriminator"}}
    if "oneOf" in relaxed:
        relaxed["anyOf"] = relaxed.pop("oneOf")
    if isinstance(relaxed.get("properties"), dict):
        relaxed["properties"] = {name: _or_null(value) for name, value in relaxed["properties"].items()}
    if isinstance(relaxed.get("additionalProperties"), dict):
        relaxed["additionalProperties"] = _or_null(relaxed["additionalProperties"])
    return relaxed


def _or_null(schema: Any) -> Any:
    if not isinstance(schema, dict) or not schema:
        return schema
    description = {key: schema[key] for key in ("description", "default", "title") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in description}
    return {**description, "anyOf": [rest, {"type": "null"}]}


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    documents = field_documents(model)
    for name, info in model.model_fields.items():
        properties = schema.get("properties", {})
        alias = info.alias or name
        if alias in properties and name in documents:
            properties[alias] = {**properties[alias], "description": documents[name]}


def field_documents(model: type[BaseModel]) -> dict[str, str]:
    """The text literal under each field of a model and its bases, by field name; one line each."""
    documents: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if owner not in {BaseModel, object} and issubclass(owner, BaseModel):
            documents |= _own_documents(owner)
    return documents


@cache
def _own_documents(owner: type[BaseModel]) -> dict[str, str]:
    """Of the fields in its own body. To find that takes 3 ms, and bases are asked for again with each model."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(owner)))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    return {
        field.target.id: " ".join(ast.literal_eval(text.value).split())  # type: ignore[attr-defined]
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(text)
    }


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _models(base: type[SettingsModel]) -> Iterator[type[SettingsModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)
