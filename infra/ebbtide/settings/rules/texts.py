"""Every text that settings hold, for the rules that ask what it looks like."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import NoneType

from pydantic import BaseModel

from ebbtide.judgement.findings import Path

# A Secret's name and key are no secret, and a name may say what it holds.
_REFERENCES = {"secret_environment", "provides", "password_key"}
Text = tuple[Path, str, str]
"""A text with its path and its own name; names of settings say nothing, a mapping's keys do."""


def texts_of(value: object) -> list[Text]:
    """Every text that was given."""
    found: list[Text] = []
    _collect(value, (), "", found)
    return found


def _collect(value: object, path: Path, name: str, found: list[Text]) -> None:
    # Asked of every value of every consumer: numbers and nothing are most of them, and an abstract class is asked last.
    if isinstance(value, (int, float, NoneType)):
        return
    if isinstance(value, str):
        found.append((path, name, value))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            _collect(entry, (*path, index), "", found)
    elif isinstance(value, BaseModel):
        given = value.model_fields_set
        for field, key in _keys_of(type(value)) if given else ():
            if field in given:
                _collect(getattr(value, field), (*path, key), "", found)
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            found.append(((*path, key), "", str(key)))
            _collect(entry, (*path, key), _own_name(str(key)), found)


@cache
def _keys_of(model: type[BaseModel]) -> tuple[tuple[str, str], ...]:
    """Fields, and their keys in a file."""
    return tuple((name, info.alias or name) for name, info in model.model_fields.items() if name not in _REFERENCES)


def _own_name(key: str) -> str:
    """`acme.com/token` -> token; `checksum/secret` whole: the first word says what it is."""
    prefix, _, name = key.rpartition("/")
    return name if "." in prefix else key
