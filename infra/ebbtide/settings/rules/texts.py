"""Every text that settings hold, for the rules that ask what it looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from ebbtide.judgement.findings import Path

# A Secret's name and key are no secret, and a name may say what it holds.
_REFERENCES = {"secret_environment", "provides", "password_key"}


def texts_of(value: object, path: Path = (), name: str = "") -> Iterator[tuple[Path, str, str]]:
    """Every text that was given, with its path and its own name; names of settings say nothing, a mapping's keys do."""
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, BaseModel):
        for field, info in type(value).model_fields.items():
            if field in value.model_fields_set and field not in _REFERENCES:
                yield from texts_of(getattr(value, field), (*path, info.alias or field))
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield (*path, key), "", str(key)
            yield from texts_of(entry, (*path, key), _own_name(str(key)))
    elif isinstance(value, (list, tuple)):
        for index, entry in enumerate(value):
            yield from texts_of(entry, (*path, index))


def _own_name(key: str) -> str:
    """`acme.com/token` -> token; `checksum/secret` whole: the first word says what it is."""
    prefix, _, name = key.rpartition("/")
    return name if "." in prefix else key
