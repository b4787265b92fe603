"""A preview read back from its JSON, perhaps one that a stranger wrote: what does not fit the schema is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ebbtide.documents.document import read_json
from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.preview.document import PreviewDocument

_MOST_BYTES = 32 * 1024 * 1024
"""Of 500 consumers, a review has 0.7 MiB and a deployment 13 (measured)."""
# A terminal obeys what stands in a text.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MADE_BY = "write it with `ebbtide preview --format json --out FILE`, by this version of ebbtide"


def read_preview(file: Path, stack: str) -> PreviewDocument:
    """The preview of this stack. Raises SettingsError for anything else, whatever it is.

    Another stack's would overwrite that one's comment, or pass its gate.
    """
    document = _parsed(file, _read(file))
    if document.stack != stack:
        raise _refusal(file, f"is the preview of another stack than {stack} (got {document.stack[:100]!r})", "")
    return document


def _read(file: Path) -> bytes:
    if file.is_symlink() or not file.is_file():
        raise _refusal(file, "is no regular file", _MADE_BY)
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _refusal(file, f"cannot be read: {error.strerror}", _MADE_BY) from None
    if len(text) > _MOST_BYTES:
        raise _refusal(file, f"has more than {_MOST_BYTES // 1024**2} MiB, which no preview has", _MADE_BY)
    return text


def _parsed(file: Path, text: bytes) -> PreviewDocument:
    try:
        # By the types that the schema is made of; what it does not name is left out.
        document: PreviewDocument = read_json(PreviewDocument, json.dumps(_cleaned(json.loads(text))))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "the document"
        # A key or a tag of theirs may stand in it, line breaks included.
        reason = " ".join(f"{where}: {first['msg'][:200]}".split())
        raise _refusal(file, f"is no preview: {reason}", _MADE_BY) from None
    except (ValueError, RecursionError):
        raise _refusal(file, "is not JSON", _MADE_BY) from None
    return document


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", value).encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(entry) for key, entry in value.items()}
    return [_cleaned(entry) for entry in value] if isinstance(value, list) else value


def _refusal(file: Path, message: str, remedy: str) -> SettingsError:
    return refused("preview", message, remedy, (str(file),))
