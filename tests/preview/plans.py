"""Plans as `pulumi preview --json` writes them, built from two lists of resources.

For what no recorded plan shows (hundreds of resources, every recorded change). The format is that of the real plans
in tests/engine/plans, which test_plan.py reads as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ebbtide.preview.change import MISSING, diff
from ebbtide.preview.sources.immutable import replaces


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
    base: Iterable[Mapping[str, Any]], head: Iterable[Mapping[str, Any]], stack: str = "production"
) -> dict[str, Any]:
    """The plan from `base` to `head`."""
    before = {urn(found, stack): found for found in base}
    after = {urn(found, stack): found for found in head}
    steps = [{"op": "same", "urn": f"urn:pulumi:{stack}::ebbtide::pulumi:pulumi:Stack::ebbtide-{stack}"}]
    counts = {"same": 1}
    for name in [*after, *(before.keys() - after.keys())]:
        step = step_of(name, before.get(name), after.get(name))
        counts[step["op"]] = counts.get(step["op"], 0) + 1
        if step["op"] != "same":
            steps.append(step)
    return {"config": {}, "steps": steps, "diagnostics": [], "duration": 1_000_000, "changeSummary": counts}


def step_of(name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    """One step."""
    step: dict[str, Any] = {"urn": name}
    if old is not None:
        step["oldState"] = state(name, old)
    if new is not None:
        step["newState"] = state(name, new)
    if old is None or new is None:
        return {**step, "op": "create" if old is None else "delete"}
    changes = list(diff(old["properties"], new["properties"]))
    if not changes:
        return {**step, "op": "same"}
    forced = [change for change in changes if replaces(new["type"], change.path)]
    step["detailedDiff"] = {
        engine_path(change.path, old["properties"], new["properties"]): {
            "kind": ("add" if change.old is MISSING else "delete" if change.new is MISSING else "update")
            + ("-replace" if change in forced else ""),
            "inputDiff": True,
        }
        for change in changes
    }
    if forced:
        step["replaceReasons"] = [engine_path(change.path) for change in forced]
    return {**step, "op": "replace" if forced else "update"}


def state(name: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's state, with numbers as the engine writes them."""
    inputs = {"__defaults": [], **resource["properties"]}
    options = {"protect": True} if resource["options"].get("protect") else {}
    return {"urn": name, "custom": True, "type": resource["type"], "inputs": floats(inputs), "outputs": {}, **options}


def floats(value: Any) -> Any:
    """Numbers as they come out of the engine's protocol."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return float(value)
    if isinstance(value, Mapping):
        return {key: floats(entry) for key, entry in value.items()}
    return [floats(entry) for entry in value] if isinstance(value, list) else value
