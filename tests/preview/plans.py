"""Plans as `pulumi preview --json` writes them, built from two lists of resources.

For what no recorded plan shows (hundreds of resources, every recorded change). The format is that of the real plans
in tests/engine/plans, which test_plan.py reads as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ebbtide.preview.change import MISSING, UNKNOWN, Operation, Path, ResourceChange, by_name
from ebbtide.preview.sources.compare import PROVIDER_GOES, compare

UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes for a text that it does not know yet."""


def urn(resource: Mapping[str, Any], stack: str = "production") -> str:
    """The engine's name of a resource."""
    return f"urn:pulumi:{stack}::ebbtide::{resource['type']}::{resource['name']}"


def engine_path(path: tuple[str | int, ...], *documents: Any) -> str:
    """A path as the engine writes it: entries of lists by their place."""
    text = ""
    here = list(documents)
    for part in path:
        places = [
            index
            for document in here
            if isinstance(document, list)
            for index, entry in enumerate(document)
            if isinstance(entry, Mapping) and entry.get("name") == part
        ]
        if places:
            text += f"[{places[0]}]"
            here = [
                document[places[0]] for document in here if isinstance(document, list) and places[0] < len(document)
            ]
            continue
        text += (
            f"[{part}]"
            if isinstance(part, int)
            else f'["{part}"]'
            if "." in part or "/" in part
            else f"{'.' if text else ''}{part}"
        )
        here = [document[part] for document in here if isinstance(document, Mapping) and part in document]
    return text


def plan_of(
    base: Iterable[Mapping[str, Any]],
    head: Iterable[Mapping[str, Any]],
    stack: str = "production",
    *,
    shows_sames: bool = False,
) -> dict[str, Any]:
    """The plan from `base` to `head`: what changes as it is compared in process, in the engine's form; `shows_sames`:
    with what stays as it is (`--show-sames`)."""
    base, head = list(base), list(head)
    options = {f"{found['type']}::{found['name']}": found["options"] for found in [*base, *head]}
    changes, standing = compare(base, head)
    steps = [{"op": "same", "urn": f"urn:pulumi:{stack}::ebbtide::pulumi:pulumi:Stack::ebbtide-{stack}"}]
    steps += [
        step_of(change, options[change.key], stack)
        for change in changes
        if change.properties or not seen_by_options_only(change)
    ]
    counts = {"same": 1 + len(standing)}
    for step in steps[1:]:
        counts[step["op"]] = counts.get(step["op"], 0) + 1
    if shows_sames:
        steps += [{**step_of(change, options[change.key], stack), "op": "same"} for change in standing]
    return {"config": {}, "steps": steps, "diagnostics": [], "duration": 1_000_000, "changeSummary": counts}


def seen_by_options_only(change: ResourceChange) -> bool:
    """What a plan does not show: an option that only the program knows."""
    return change.operation is Operation.UPDATE and "protect" not in {option.name for option in change.options}


def step_of(change: ResourceChange, options: Mapping[str, Any], stack: str = "production") -> dict[str, Any]:
    """One step."""
    name = urn({"type": change.token, "name": change.name}, stack)
    step: dict[str, Any] = {"urn": name, "op": str(change.operation)}
    if change.operation is not Operation.CREATE:
        was = next((option.old for option in change.options if option.name == "protect"), options.get("protect"))
        step["oldState"] = state(name, change.token, change.old, protect=bool(was))
        step["oldState"]["retainOnDelete"] = change.is_retained
    if change.operation is not Operation.DELETE:
        new = change.new
        for found in change.properties:
            if found.new is UNKNOWN and found != PROVIDER_GOES:
                new = put(new, found.path, UNKNOWN_TEXT)
        now = next((option.new for option in change.options if option.name == "protect"), options.get("protect"))
        step["newState"] = state(name, change.token, new, protect=bool(now))
        kept = next((option.new for option in change.options if option.name == "retainOnDelete"), None)
        step["newState"]["retainOnDelete"] = bool(options.get("retainOnDelete") if kept is None else kept)
    forced = [found for found in change.properties if found.replaces]
    if change.properties:
        step["detailedDiff"] = {
            engine_path(found.path, change.old, change.new): {
                "kind": ("add" if found.old is MISSING else "delete" if found.new is MISSING else "update")
                + ("-replace" if found in forced else ""),
                "inputDiff": True,
            }
            for found in change.properties
        }
    if forced:
        step["replaceReasons"] = [engine_path(found.path) for found in forced]
    return step


def put(document: Any, path: Path, value: Any) -> Any:
    """The document with another value in one place."""
    if not path:
        return value
    first, *rest = path
    if isinstance(document, list):
        named = by_name(document)
        place = list(named).index(str(first)) if named is not None else int(first)
        return [put(entry, tuple(rest), value) if index == place else entry for index, entry in enumerate(document)]
    return {**document, first: put(document[first], tuple(rest), value)}


def state(name: str, token: str, properties: Mapping[str, Any], *, protect: bool) -> dict[str, Any]:
    """A resource's state, with numbers as the engine writes them."""
    inputs = {"__defaults": [], **properties}
    options = {"protect": True} if protect else {}
    return {"urn": name, "custom": True, "type": token, "inputs": floats(inputs), "outputs": {}, **options}


def floats(value: Any) -> Any:
    """Numbers as they come out of the engine's protocol."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, Mapping):
        return {key: floats(entry) for key, entry in value.items()}
    return [floats(entry) for entry in value] if isinstance(value, list) else value
