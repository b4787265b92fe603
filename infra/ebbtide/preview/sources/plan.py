"""The engine's source: the steps of `pulumi preview --json`, as changes of resources.

What is known of the format (sdk/go/common/display, pkg/backend/display/json.go): `detailedDiff` has paths but no
values; secrets are `[secret]` on both sides; `same` steps are hidden without `--show-sames`; a failed preview ends with
the steps it had. Unknown fields are ignored and unknown operations are said in a note, because a newer CLI is no reason
to fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ebbtide.preview.change import (
    MISSING,
    SECRET,
    Operation,
    OptionChange,
    Path,
    PropertyChange,
    ResourceChange,
    StackChange,
    diff,
    is_moved,
    mapping,
)
from ebbtide.preview.sources.immutable import replaces
from ebbtide.preview.sources.masking import masked
from ebbtide.preview.sources.plan_notes import HIDES, drifted, failure, left_out, missing_steps, unreadable, warnings
from ebbtide.preview.sources.plan_steps import SILENT, is_left_out, only_groups, parts_of
from ebbtide.preview.sources.plan_text import find_plan, refuse_plan
from ebbtide.preview.sources.plan_values import named_path, parse_path, plain, value_at
from ebbtide.settings.values.units import plural

_OPERATIONS = {
    "create": Operation.CREATE,
    "update": Operation.UPDATE,
    "replace": Operation.REPLACE,
    "import-replacement": Operation.REPLACE,
    "create-replacement": Operation.REPLACE,
    "delete-replaced": Operation.REPLACE,
    "delete": Operation.DELETE,
}
# Of the steps of one replacement, the one that tells most.
_TELLS_MOST = ("replace", "import-replacement", "create-replacement", "delete-replaced")
# What the engine blames for a replacement that no provider has asked for; for one by a trigger, nothing.
_FORCING = frozenset({"id", "replaceWith", "#initerror"})
# What the engine remembers of a resource beside what it is (apitype.ResourceV3), and what never changes how it is made,
# updated or deleted. What else a program asks of the engine is compared: an option that nobody has heard of, too.
_BOOKKEEPING = frozenset(
    {
        *("urn", "type", "custom", "id", "inputs", "outputs", "parent", "aliases", "importID", "external", "viewOf"),
        *("created", "modified", "sourcePosition", "stackTrace", "dependencies", "propertyDependencies"),
        *("additionalSecretOutputs", "hideDiff", "hideDiffs", "customTimeouts", "initErrors"),
        # Of the provider _provider speaks, and of the others _option_changes by name.
        *("provider", "protect", "retainOnDelete", "ignoreChanges"),
        # Steps of their own follow from these.
        *("delete", "pendingReplacement", "taint", "refreshBeforeUpdate"),
    }
)


def read_plan(text: str, stack: str = "", name: str = "the plan", project: str = "") -> StackChange:
    """The change that a plan describes; `stack` and `project` are whose settings judge it.

    Raises SettingsError, with one sentence, when it is no plan.
    """
    document, notes = find_plan(text, name)
    steps = document.get("steps")
    summary = document.get("changeSummary")
    if not isinstance(steps, list):
        changed = isinstance(summary, Mapping) and any(
            count for operation, count in summary.items() if operation != "same"
        )
        if changed or (summary is None and "diagnostics" not in document):
            raise refuse_plan(name, "has no steps, although it is not empty")
        steps = []
    readable = [step for step in steps if isinstance(step, Mapping) and parts_of(step.get("urn"))]
    nameless, steps = len(steps) - len(readable), readable
    owner = next((parts_of(step.get("urn")) for step in steps if parts_of(step.get("urn"))), None)
    unknown = sorted({str(step.get("op")) for step in steps} - _OPERATIONS.keys() - SILENT)
    imported = sum(step.get("op") == "import" for step in steps)
    notes += [f"imported as they are, and not changed: {plural(imported, 'resource')}"] if imported else []
    notes += drifted(steps)
    unseen = [step for step in steps if is_left_out(step)]
    notes += left_out(unseen)
    notes += warnings(document)
    notes += [f"the plan has steps of an unknown kind, shown as updates: {operation}" for operation in unknown]
    if owner and stack and owner[0] != stack:
        notes.insert(0, f"the plan is of stack {owner[0]}, but it is judged by the settings of {stack}")
    if owner and project and owner[1] != project:
        notes.insert(0, f"the plan is of project {owner[1]}, but it is judged by the settings of {project}")
    same = summary.get("same", -1) if isinstance(summary, Mapping) else -1
    same = same if isinstance(same, int) and not isinstance(same, bool) else -1
    hidden = max(same - sum(step.get("op") == "same" for step in steps), 0)
    same = max(same - len(unseen), -1)
    notes += [HIDES.format(plural(hidden, "resource"))] if hidden else []
    return StackChange(
        stack=stack or (owner[0] if owner else ""),
        project=owner[1] if owner else "",
        changes=tuple(_changes(steps)),
        unchanged=same,
        source="the plan of the Pulumi engine",
        incomplete=failure(document) or unreadable(nameless) or missing_steps(steps, summary),
        notes=tuple(notes),
        standing=tuple(_standing(steps)),
        hidden=hidden,
    )


def _changes(steps: Iterable[Mapping[str, Any]]) -> list[ResourceChange]:
    """One for each resource; of one that has several steps and is not replaced, as where an earlier update broke off
    and left an old copy to be deleted, one for each step."""
    grouped: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for place, step in enumerate(steps):
        urn = parts_of(step.get("urn"))
        if urn is not None and _is_change(step) and not only_groups(urn[2], step):
            of_a_replacement = str(step.get("op")) in _TELLS_MOST
            grouped.setdefault((str(step["urn"]), -1 if of_a_replacement else place), []).append(step)
    return [masked(_change_of(found)) for found in grouped.values()]


def _is_change(step: Mapping[str, Any]) -> bool:
    """Whether anything happens: to the resource, or to what protects it."""
    if step.get("op") == "same":
        return not is_left_out(step) and bool(
            _option_changes(mapping(step.get("oldState")), mapping(step.get("newState")))
        )
    return str(step.get("op")) not in SILENT


def _change_of(steps: list[Mapping[str, Any]]) -> ResourceChange:
    """The change that the steps of one resource are: one, or three of a replacement."""
    ranked = sorted(steps, key=lambda step: _rank(str(step.get("op"))))
    order = [str(step.get("op")) for step in steps]
    urn = parts_of(ranked[0].get("urn"))
    assert urn is not None  # noqa: S101 - `_changes` has looked
    change = _change(urn[2], urn[3], _OPERATIONS.get(str(ranked[0].get("op")), Operation.UPDATE), ranked[0])
    if set(order) == {"delete-replaced"}:
        # What an update that broke off has left: its successor is there already, or has steps of its own.
        return _change(urn[2], urn[3], Operation.DELETE, ranked[0])
    if {"create-replacement", "delete-replaced"} <= set(order):
        return replace(change, deletes_before=order.index("delete-replaced") < order.index("create-replacement"))
    return change


def _rank(operation: str) -> int:
    return _TELLS_MOST.index(operation) if operation in _TELLS_MOST else len(_TELLS_MOST)


def _standing(steps: Iterable[Mapping[str, Any]]) -> Iterator[ResourceChange]:
    """What stays as it is, where the plan shows it (`--show-sames`)."""
    for step in steps:
        urn = parts_of(step.get("urn"))
        state = mapping(step.get("newState") or step.get("oldState"))
        is_same = step.get("op") == "same" and not _is_change(step) and not is_left_out(step)
        if urn is not None and is_same and state.get("inputs") and not only_groups(urn[2], step):
            inputs = _inputs(state)
            yield masked(
                ResourceChange(
                    urn[2], urn[3], Operation.UPDATE, inputs, inputs, ignored=_ignored(state), through=_provider(state)
                )
            )


def _ignored(state: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_texts(state.get("ignoreChanges")))


def _change(token: str, name: str, operation: Operation, step: Mapping[str, Any]) -> ResourceChange:
    old_state, new_state = mapping(step.get("oldState")), mapping(step.get("newState"))
    old, new = _inputs(old_state), _inputs(new_state)
    ignored = _ignored(new_state)
    if operation in {Operation.CREATE, Operation.DELETE}:
        gone = old if operation is Operation.DELETE else {}
        retained = old_state.get("retainOnDelete") is True
        return ResourceChange(
            token,
            name,
            operation,
            gone,
            {} if gone else new,
            ignored=ignored,
            is_retained=retained,
            through=_provider(old_state if gone else new_state),
        )
    replacing = {named_path(parse_path(reason), new, old) for reason in _texts(step.get("replaceReasons"))}
    changes = {change.path: change for change in diff(old, new)}
    for text, entry in mapping(step.get("detailedDiff")).items():
        path = named_path(parse_path(text), new, old)
        if not path:
            continue
        if str(mapping(entry).get("kind", "")).endswith("-replace"):
            replacing.add(path)
        if not _is_shown(path, changes) or _is_hidden(path, changes, old, new):
            # A value that only the provider computes, or a secret, which is masked on both sides.
            changes[path] = PropertyChange(path, value_at(old, path), value_at(new, path))
    if not step.get("detailedDiff"):
        # Which of its properties, and no more: what is seen of one is all that there is to see.
        seen = {path[0] for path in changes}
        untold = [(name,) for name in _texts(step.get("diffReasons")) if name not in seen]
        changes |= {path: PropertyChange(path, MISSING, MISSING) for path in untold}
    properties = tuple(
        PropertyChange(
            path,
            change.old,
            change.new,
            any(path[: len(fixed)] == fixed or fixed[: len(path)] == path for fixed in replacing if fixed),
        )
        for path, change in changes.items()
    )
    options = _option_changes(old_state, new_state)
    retained = old_state.get("retainOnDelete") is True
    moves = is_moved(_provider(old_state), _provider(new_state))
    return ResourceChange(
        token,
        name,
        operation,
        old,
        new,
        properties,
        options,
        ignored,
        is_retained=retained,
        through=_provider(new_state),
        moves=moves,
        is_forced=not moves and _is_forced(token, operation, step, properties),
    )


def _is_forced(token: str, operation: Operation, step: Mapping[str, Any], properties: Iterable[PropertyChange]) -> bool:
    """Whether no provider asked for a replacement (step_generator.go: diff, applyReplaceOnChanges). `replaceOnChanges`
    blames the properties: of Kubernetes' the provider's own are known."""
    old, new = mapping(step.get("oldState")), mapping(step.get("newState"))
    if operation is not Operation.REPLACE or step.get("op") == "import-replacement" or old.get("pendingReplacement"):
        return False
    blamed = [found for found in properties if found.replaces]
    if blamed:
        is_own = bool(new.get("replaceOnChanges")) and token.startswith("kubernetes:")
        return is_own and not any(replaces(token, found) for found in blamed)
    reasons = set(_texts(step.get("replaceReasons")))
    return bool(_FORCING & reasons) or (not reasons and old.get("replacementTrigger") != new.get("replacementTrigger"))


def _provider(state: Mapping[str, Any]) -> str:
    """Which provider makes it. `urn:...::pulumi:providers:kubernetes::blue::<id>`: its id is another one whenever it is
    made anew, and those that nobody has named (`default`, `default_4_24_0`) are one, whatever their version."""
    named = str(state.get("provider") or "").rpartition("::")[0]
    return "default" if named.rpartition("::")[2].partition("_")[0] == "default" else named


def _option_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[OptionChange, ...]:
    """What the program asked of the engine before and after, where both are told: an older CLI remembers less."""
    found = [
        OptionChange(name, bool(old.get(name)), bool(new.get(name)))
        for name in ("protect", "retainOnDelete")
        if old and new and bool(old.get(name)) != bool(new.get(name))
    ]
    ignored = [_texts(side.get("ignoreChanges")) for side in (old, new)]
    # A CLI that remembers where a resource was made (3.195) remembers this too (since pulumi#16146).
    is_told = bool(ignored[0] or old.get("stackTrace"))
    if new and is_told and set(ignored[0]) != set(ignored[1]):
        found.append(OptionChange("ignoreChanges", *ignored))
    others = sorted((old.keys() | new.keys()) - _BOOKKEEPING) if old and new else []
    changed = [name for name in others if (old.get(name) or None) != (new.get(name) or None)]
    return (*found, *(OptionChange(name, old.get(name), new.get(name)) for name in changed))


def _is_shown(path: Path, changes: Mapping[Path, PropertyChange]) -> bool:
    """Whether the comparison of both sides has a change there already. The engine names entries of lists by their
    place, which is another one as soon as an entry comes or goes: below a list that changed it says nothing new."""
    place = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
    prefix = path[:place]
    return any(known[: len(prefix)] == prefix or prefix[: len(known)] == known for known in changes)


def _is_hidden(path: Path, changes: Mapping[Path, PropertyChange], old: Any, new: Any) -> bool:
    """Whether the engine names a secret that no comparison sees: it is masked on both sides. Where an entry comes or
    goes before it, each later one has another place, and which of them changes is not known: then it is named too."""
    is_seen = any(known[: len(path)] == path or path[: len(known)] == known for known in changes)
    return not is_seen and value_at(old, path) == value_at(new, path) == SECRET


def _texts(value: object) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    """A resource's inputs without what the provider notes for itself, and with secrets as one word."""
    return {key: plain(value) for key, value in mapping(state.get("inputs")).items() if not str(key).startswith("__")}
