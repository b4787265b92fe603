"""The values in a plan: how the engine writes what is secret or not known yet, and where in a resource they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ebbtide.preview.change import MISSING, SECRET, SECRET_SIGNATURE, UNKNOWN, Path

# What the engine writes in place of a value that it does not know yet (sdk/go/common/resource/plugin/rpc.go): of a
# bool, a number, a text, a list, an asset, an archive and a mapping.
_UNKNOWN = frozenset(
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
_MARK = re.compile("|".join(_UNKNOWN))
_PATH_PART = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[\]]+)')
# How the engine marks what is no plain value (sdk/go/common/resource/sig/sig.go): an output may be known or not; the
# ciphertext or plaintext of a secret lies beside its mark, and the content of an asset or archive beside theirs.
_OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"


def plain(value: Any) -> Any:
    """A value as it is, with what is secret, and what is not known yet, as one word each."""
    if isinstance(value, Mapping):
        if value.get(SECRET_SIGNATURE) == _OUTPUT and not value.get("secret"):
            return plain(value["value"]) if "value" in value else UNKNOWN
        if SECRET_SIGNATURE in value:
            return SECRET
        return {str(key): plain(entry) for key, entry in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    if isinstance(value, str) and _MARK.search(value):
        return UNKNOWN
    # Numbers come as 90 or as 90.0, by the way they went through the engine.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def parse_path(text: str) -> Path:
    """`spec.template["a.b"][0]` -> ("spec", "template", "a.b", 0)."""
    parts: list[str | int] = []
    for quoted, index, word in _PATH_PART.findall(text):
        parts.append(int(index) if index else quoted.replace('\\"', '"') or word)
    return tuple(parts)


def named_path(path: Path, *documents: Any) -> Path:
    """The path with entries of named lists by their name, as `diff` writes it: where both sides have the same one at
    that place."""
    named: list[str | int] = []
    here = [document for document in documents if document]
    for part in path:
        here = [_step(document, part) for document in here]
        names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in here]
        agreed = names[0] if names and all(name == names[0] for name in names) else None
        named.append(agreed if isinstance(part, int) and isinstance(agreed, str) else part)
    return tuple(named)


def value_at(document: Any, path: Path) -> Any:
    """What is at a place; MISSING where nothing is, or where it is below something secret."""
    for part in path:
        document = _step(document, part)
    return document


def _step(document: Any, part: str | int) -> Any:
    if isinstance(document, Mapping):
        return document.get(part, MISSING)
    if isinstance(document, list) and isinstance(part, int):
        return document[part] if part < len(document) else MISSING
    if isinstance(document, list):
        return next((entry for entry in document if isinstance(entry, Mapping) and entry.get("name") == part), MISSING)
    return MISSING
