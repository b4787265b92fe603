"""Values and operations as readers see them, the same in every format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ebbtide.judgement.secrets import mask_value
from ebbtide.preview.change import MISSING, SECRET, SECRET_SIGNATURE, UNKNOWN, Operation, Path, PropertyChange

SYMBOLS = {Operation.CREATE: "+", Operation.UPDATE: "~", Operation.REPLACE: "±", Operation.DELETE: "-"}
_VALUE_LENGTH = 160


def show_path(path: Path) -> str:
    """`spec.template.spec.containers[consumer].env[APP_ENV]`."""
    text = ""
    for part in path:
        plain = isinstance(part, str) and "." not in part and "/" not in part and not _names_an_entry(text)
        text += (f".{part}" if text else str(part)) if plain else f"[{part}]"
    return text


def _names_an_entry(text: str) -> bool:
    return text.endswith(("containers", "initContainers", "env", "volumes", "volumeMounts"))


def show_value(value: Any, path: Path = ()) -> str:
    """A value on one line, shortened; `[secret]` for a secret, `(none)` for none.

    `path` leads to it: what is called like a credential is one.
    """
    if value is MISSING:
        return "(none)"
    if value is UNKNOWN:
        return f"({value!r})"
    if _is_secret(value):
        return SECRET
    value = mask_value(value, [str(part) for part in path])
    text = value if isinstance(value, str) else json.dumps(_masked(value), default=str)
    text = " ".join(text.split())
    return text if len(text) <= _VALUE_LENGTH else f"{text[: _VALUE_LENGTH - 1]}…"


def show_option(value: Any) -> str:
    """An option's value: `on`, `off`, `spec.replicas`, `unset`."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == []:
        return "unset"
    return ", ".join(map(str, value)) if isinstance(value, list) else show_value(value)


def _is_secret(value: Any) -> bool:
    return value == SECRET or (isinstance(value, Mapping) and SECRET_SIGNATURE in value)


def _masked(value: Any) -> Any:
    if _is_secret(value):
        return SECRET
    if isinstance(value, Mapping):
        return {key: _masked(entry) for key, entry in value.items()}
    return [_masked(entry) for entry in value] if isinstance(value, list) else value


def show_change(change: PropertyChange) -> str:
    """`before → after`, or in words when there is nothing to compare."""
    if _is_secret(change.old) and _is_secret(change.new):
        return "[secret] changes"
    if change.old == change.new:
        return "changes where it runs"
    old, new = show_value(change.old, change.path), show_value(change.new, change.path)
    if old == new == SECRET:
        return "[secret] changes"
    if isinstance(change.old, list) and isinstance(change.new, list) and "…" in {old[-1:], new[-1:]}:
        # Two lists that were both cut off may look alike: then only what differs is shown.
        gone = [one for one in change.old if one not in change.new]
        come = [one for one in change.new if one not in change.old]
        if gone or come:
            old, new = (show_value(part, change.path) if part else "(none)" for part in (gone, come))
            return f"{old} → {new} (the rest of the list stays)"
    return f"{old} → {new}"
