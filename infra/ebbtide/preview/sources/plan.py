"""The engine's source: the output of `pulumi preview --json`, in one document or as a stream of events.

What is known of the format (sdk/go/common/display, pkg/backend/display/json.go): `detailedDiff` has paths but no
values; secrets are `[secret]` on both sides; `same` steps are hidden; a failed preview ends with the steps it had.
Unknown fields are ignored and unknown operations are said in a note, because a newer CLI is no reason to fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ebbtide.judgement.findings import Finding, SettingsError
from ebbtide.judgement.secrets import redact
from ebbtide.preview.change import (
    KNOWN_PACKAGES,
    MISSING,
    SECRET,
    Operation,
    OptionChange,
    Path,
    PropertyChange,
    ResourceChange,
    StackChange,
    diff,
    mapping,
)
from ebbtide.preview.sources.masking import masked

_OPERATIONS = {
    "create": Operation.CREATE,
    "import": Operation.CREATE,
    "update": Operation.UPDATE,
    "replace": Operation.REPLACE,
    "import-replacement": Operation.REPLACE,
    "delete": Operation.DELETE,
}
# Steps that are part of another one, or change nothing.
_SILENT = {
    "same",
    "read",
    "refresh",
    "create-replacement",
    "delete-replaced",
    "read-replacement",
    "discard",
    "discard-replaced",
    "remove-pending-replace",
}
_PATH_PART = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|\.?([^.\[\]]+)')


def read_plan(text: str, stack: str = "", name: str = "the plan", project: str = "") -> StackChange:
    """The change that a plan describes; `stack` and `project` are whose settings judge it.

    Raises SettingsError, with one sentence, when it is no plan.
    """
    document = _parse(text, name)
    steps = document.get("steps")
    summary = document.get("changeSummary")
    if not isinstance(steps, list):
        changed = isinstance(summary, Mapping) and any(
            count for operation, count in summary.items() if operation != "same"
        )
        if changed or (summary is None and "diagnostics" not in document):
            raise _refuse(
                name, "has no steps, although it is not empty", "write it with `pulumi preview --json > plan.json`"
            )
        steps = []
    steps = [step for step in steps if isinstance(step, Mapping)]
    owner = next((_parts(step.get("urn")) for step in steps if _parts(step.get("urn"))), None)
    changes = _changes(steps)
    unknown = sorted({str(step.get("op")) for step in steps} - _OPERATIONS.keys() - _SILENT)
    notes = [f"the plan has steps of an unknown kind, shown as updates: {operation}" for operation in unknown]
    if owner and stack and owner[0] != stack:
        notes.insert(0, f"the plan is of stack {owner[0]}, but it is judged by the settings of {stack}")
    if owner and project and owner[1] != project:
        notes.insert(0, f"the plan is of project {owner[1]}, but it is judged by the settings of {project}")
    foreign = sorted({change.package for change in changes} - KNOWN_PACKAGES - {""})
    if foreign:
        listed = ", ".join(foreign)
        notes.append(f"the rules know only Google Cloud and Kubernetes: read the changes of {listed} yourself")
    same = summary.get("same", -1) if isinstance(summary, Mapping) else -1
    return StackChange(
        stack=stack or (owner[0] if owner else ""),
        project=owner[1] if owner else "",
        changes=tuple(changes),
        unchanged=same if isinstance(same, int) and not isinstance(same, bool) else -1,
        source="the plan of the Pulumi engine",
        incomplete=_failure(document.get("diagnostics")),
        notes=tuple(notes),
    )


def _refuse(name: str, what: str, remedy: str) -> SettingsError:
    return SettingsError([Finding(("--plan",), f"{name} {what}", remedy, rule="plan")])


def _parse(text: str, name: str) -> Mapping[str, Any]:
    remedy = "write it with `pulumi preview --json > plan.json`"
    if not text.strip():
        raise _refuse(name, "is empty", remedy)
    try:
        document = json.loads(text)
    except ValueError:
        return _parse_stream(text, name)
    except RecursionError:
        raise _refuse(name, "is nested too deeply to be a plan", remedy) from None
    if isinstance(document, Mapping) and (
        "steps" in document or "changeSummary" in document or "diagnostics" in document
    ):
        return document
    if isinstance(document, Mapping) and _event(document):
        return _from_events([document])
    raise _refuse(name, "is JSON, but no plan of `pulumi preview --json`", remedy)


def _parse_stream(text: str, name: str) -> Mapping[str, Any]:
    """One event a line (PULUMI_ENABLE_STREAMING_JSON_PREVIEW), or a document with text of the CLI around it."""
    remedy = "keep standard error apart: `pulumi preview --json > plan.json`"
    events: list[Mapping[str, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            event = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            if events and number == len(text.splitlines()):
                # Cut off while it was written: what came before still counts.
                events.append(
                    {"diagnosticEvent": {"severity": "error", "message": "the plan is cut off in its last line"}}
                )
                break
            raise _refuse(name, f"is not JSON (line {number})", remedy) from None
        if isinstance(event, Mapping):
            events.append(event)
    if not any(map(_event, events)):
        raise _refuse(name, "holds lines of JSON, but none is an event of the engine", remedy)
    return _from_events(events)


def _event(document: Mapping[str, Any]) -> bool:
    return any(name.endswith("Event") for name in document)


def _from_events(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The events of a stream in the form of a document."""
    steps, diagnostics, summary = [], [], None
    for event in events:
        if isinstance(event.get("resourcePreEvent"), Mapping):
            metadata = event["resourcePreEvent"].get("metadata")
            if isinstance(metadata, Mapping):
                steps.append({**metadata, "oldState": metadata.get("old"), "newState": metadata.get("new")})
        if isinstance(event.get("diagnosticEvent"), Mapping):
            diagnostics.append(event["diagnosticEvent"])
        if isinstance(event.get("summaryEvent"), Mapping):
            summary = event["summaryEvent"].get("resourceChanges")
    return {"steps": steps, "diagnostics": diagnostics, "changeSummary": summary}


def _failure(diagnostics: object) -> str:
    """The first error of a preview that did not come to its end. Secrets are masked by the engine already."""
    for found in diagnostics if isinstance(diagnostics, list) else []:
        if isinstance(found, Mapping) and found.get("severity") == "error":
            lines = re.sub(r"<\{%.*?%\}>", "", str(found.get("message", ""))).strip().splitlines()
            return redact(lines[0]) if lines else "an error without a message"
    return ""


def _parts(urn: object) -> tuple[str, str, str, str] | None:
    """`urn:pulumi:<stack>::<project>::<parent$type>::<name>` -> (stack, project, type, name)."""
    if not isinstance(urn, str) or not urn.startswith("urn:pulumi:"):
        return None
    parts = urn.removeprefix("urn:pulumi:").split("::", 3)
    if len(parts) != 4:
        return None
    return parts[0], parts[1], parts[2].rpartition("$")[2], parts[3]


def _changes(steps: Iterable[Mapping[str, Any]]) -> list[ResourceChange]:
    changes = []
    seen = set()
    for step in steps:
        urn = _parts(step.get("urn"))
        operation = str(step.get("op"))
        if urn is None or operation in _SILENT or urn[2].startswith(("pulumi:pulumi:", "ebbtide:")):
            continue
        change = masked(_change(urn[2], urn[3], _OPERATIONS.get(operation, Operation.UPDATE), step))
        if change.key not in seen:
            seen.add(change.key)
            changes.append(change)
    return changes


def _change(token: str, name: str, operation: Operation, step: Mapping[str, Any]) -> ResourceChange:
    old_state, new_state = mapping(step.get("oldState")), mapping(step.get("newState"))
    old, new = _inputs(old_state), _inputs(new_state)
    if operation in {Operation.CREATE, Operation.DELETE}:
        return ResourceChange(token, name, operation, old if operation is Operation.DELETE else {}, new)
    replacing = {_path(reason) for reason in _texts(step.get("replaceReasons"))}
    changes = {change.path: change for change in diff(old, new)}
    for text, entry in mapping(step.get("detailedDiff")).items():
        path = _named_path(_path(text), new, old)
        if not path:
            continue
        kind = str(mapping(entry).get("kind", ""))
        if kind.endswith("-replace"):
            replacing.add(path)
        if not any(known[: len(path)] == path or path[: len(known)] == known for known in changes):
            # A value that only the provider computes, or a secret, which is masked on both sides.
            before, after = _value(old, path), _value(new, path)
            changes[path] = PropertyChange(
                path, SECRET if before == SECRET else before, SECRET if after == SECRET else after
            )
    properties = tuple(
        PropertyChange(
            path,
            change.old,
            change.new,
            any(path[: len(fixed)] == fixed or fixed[: len(path)] == path for fixed in replacing if fixed),
        )
        for path, change in changes.items()
    )
    options: tuple[OptionChange, ...] = ()
    if bool(old_state.get("protect")) != bool(new_state.get("protect")):
        options = (OptionChange("protect", bool(old_state.get("protect")), bool(new_state.get("protect"))),)
    return ResourceChange(token, name, operation, old, new, properties, options)


def _texts(value: object) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's inputs without what the provider notes for itself, and with secrets as one word."""
    return {key: _plain(value) for key, value in mapping(state.get("inputs")).items() if not str(key).startswith("__")}


# How the engine marks a secret in a state that was not masked: its ciphertext or plaintext lies beside this key.
_SPECIAL = "4dabf18193072939515e22adb298388d"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        if _SPECIAL in value:
            return SECRET
        return {str(key): _plain(entry) for key, entry in value.items() if not str(key).startswith("__")}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    # Numbers come as 90 or as 90.0, by the way they went through the engine.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _path(text: str) -> Path:
    """`spec.template["a.b"][0]` -> ("spec", "template", "a.b", 0)."""
    parts: list[str | int] = []
    for quoted, index, plain in _PATH_PART.findall(text):
        parts.append(int(index) if index else quoted.replace('\\"', '"') or plain)
    return tuple(parts)


def _named_path(path: Path, *documents: Any) -> Path:
    """The path with entries of named lists by their name, as `diff` writes it."""
    named: list[str | int] = []
    here = list(documents)
    for part in path:
        here = [_step(document, part) for document in here]
        names = {entry["name"] for entry in here if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)}
        named.append(names.pop() if isinstance(part, int) and len(names) == 1 else part)
    return tuple(named)


def _value(document: Any, path: Path) -> Any:
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
