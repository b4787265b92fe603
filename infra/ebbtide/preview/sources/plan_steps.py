"""One step of a plan: of what it is, and whether anything happens by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ebbtide.preview.change import mapping

# Steps that change nothing, or only what the engine remembers. What is imported is taken over as it is: the engine
# refuses inputs that differ.
SILENT = {
    "same",
    "import",
    "read",
    "refresh",
    "read-replacement",
    "discard",
    "discard-replaced",
    "remove-pending-replace",
}


def parts_of(urn: object) -> tuple[str, str, str, str] | None:
    """`urn:pulumi:<stack>::<project>::<parent$type>::<name>` -> (stack, project, type, name)."""
    if not isinstance(urn, str) or not urn.startswith("urn:pulumi:"):
        return None
    parts = urn.removeprefix("urn:pulumi:").split("::", 3)
    if len(parts) != 4:
        return None
    return parts[0], parts[1], parts[2].rpartition("$")[2], parts[3]


def only_groups(token: str, step: Mapping[str, Any]) -> bool:
    """A component, or the stack itself: what it groups has steps of its own."""
    if token.startswith(("pulumi:pulumi:", "ebbtide:")):
        return True
    states = [mapping(step.get(side)) for side in ("oldState", "newState") if step.get(side)]
    return bool(states) and all(state.get("custom") is False for state in states)


def is_left_out(step: Mapping[str, Any]) -> bool:
    """Whether the program would make it, and this preview leaves it out (`--target`, `--exclude`): the engine shows it
    as what stays as it is, on both sides what it would be (NewSkippedCreateStep). Of what is there it knows the id."""
    old = mapping(step.get("oldState"))
    return step.get("op") == "same" and bool(old.get("custom") and old.get("provider")) and not old.get("id")
