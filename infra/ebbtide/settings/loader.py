"""From a stack's files, or the engine's configuration, to validated settings.

`load_stack` reads the files in process; `load_from_engine` takes what Pulumi has read. Both end in the same
merge and the same model.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ebbtide.settings.explain_errors import findings_of
from ebbtide.settings.findings import Finding, SettingsError
from ebbtide.settings.findings import Path as SettingsPath
from ebbtide.settings.merge import Sources, merge, record_sources, source_of, without_nulls
from ebbtide.settings.stack import StackSettings
from ebbtide.settings.yaml import read_yaml

PROJECT_FILE = "Pulumi.yaml"
IMAGES_VARIABLE = "EBBTIDE_IMAGES"
"""`consumer=reference,...`: how CI passes the images it has just built, without editing a file.
`pulumi config set --path` would rewrite other values of the file (`012` becomes 10: measured)."""

_NAMESPACE = "ebbtide:"
_STACK_KEYS = ("cluster", "consumers", "namespace", "imageRepository", "protect")
_DEFAULTS = "defaults"


@dataclass(frozen=True, slots=True)
class LoadedStack:
    """A stack's settings, and where each value came from."""

    settings: StackSettings
    sources: Sources
    """By path, as written in the file: `("consumers", "githubevents", "image")`."""
    raw: Mapping[str, Any]
    """The merged values before validation; what is not in it is a default of the model."""


def load_stack(name: str, root: Path) -> StackSettings:
    """The settings of stack `name` of the project in `root`. Raises SettingsError with every problem at once."""
    return read_stack(name, root).settings


def read_stack(name: str, root: Path) -> LoadedStack:
    """Like `load_stack`, with the source of every value."""
    project = _read_mapping(root / PROJECT_FILE, Path(PROJECT_FILE))
    shown_as = stack_file(name, root).relative_to(root)
    stack = _read_mapping(_existing_stack_file(name, root), shown_as)
    _refuse_what_cannot_work(stack, shown_as)
    shared = {_qualified(key): _project_value(entry) for key, entry in _mapping(project.get("config")).items()}
    own = {_qualified(key): value for key, value in _mapping(stack.get("config"), shown_as).items()}
    # As the engine does it: a stack's value replaces the project's whole value of the same key.
    config = {**{key: value for key, value in shared.items() if value is not None}, **own}
    labels = {key: str(shown_as) if key in own else PROJECT_FILE for key in config}
    return _build(name, config, labels)


def load_from_engine(name: str, config: Mapping[str, Any], root: Path | None = None) -> StackSettings:
    """The settings of the stack that the engine is running.

    `config` holds the values by qualified key (`ebbtide:consumers`, `gcp:project`), objects already parsed. With
    `root` the stack's file is also checked for what only the file shows. Raises SettingsError.
    """
    if root is not None and stack_file(name, root).is_file():
        file = stack_file(name, root)
        _refuse_what_cannot_work(_read_mapping(file, file.relative_to(root)), file.relative_to(root))
    shown_as = str(stack_file(name, root).relative_to(root)) if root is not None else f"stack {name}"
    labels = {key: PROJECT_FILE if key == _NAMESPACE + _DEFAULTS else shown_as for key in config}
    return _build(name, config, labels).settings


def with_values(loaded: LoadedStack, values: Mapping[SettingsPath, Any], source: str) -> LoadedStack:
    """The same stack with other values, validated anew: `{("consumers", "mail", "autoscaling", "maxReplicas"): 9}`.

    `source` is where they came from, for messages. Raises SettingsError as a stack file with these values would.
    """
    merged: dict[str, Any] = copy.deepcopy(dict(loaded.raw))
    sources = dict(loaded.sources)
    for path, value in values.items():
        _put(merged, path, value, source)
        record_sources(value, source, sources, path)
    try:
        settings = StackSettings.model_validate(merged)
    except ValidationError as error:
        found = findings_of(error, StackSettings, merged)
        raise SettingsError([_located(finding, sources) for finding in found], "") from None
    return LoadedStack(settings, sources, merged)


def _put(merged: dict[str, Any], path: SettingsPath, value: object, source: str) -> None:
    container: Any = merged
    for place, part in enumerate(path):
        if isinstance(container, dict) and isinstance(part, str):
            container.setdefault(part, {})
        elif not (isinstance(container, list) and isinstance(part, int) and part < len(container)):
            message = "is no place in these settings"
            raise SettingsError([Finding(path[: place + 1], message, "`ebbtide explain` lists them", source=source)])
        if place == len(path) - 1:
            container[part] = value
        container = container[part]


def stack_names(root: Path) -> list[str]:
    """The stacks of the project, by their files."""
    return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in _stack_directory(root).glob("Pulumi.*.yaml"))


def stack_file(name: str, root: Path) -> Path:
    """Where stack `name` is written down; it need not exist."""
    return _stack_directory(root) / f"Pulumi.{name}.yaml"


def find_root(start: Path) -> Path:
    """The nearest directory at or above `start` that holds Pulumi.yaml. Raises SettingsError if there is none."""
    for directory in (start, *start.parents):
        if (directory / PROJECT_FILE).is_file():
            return directory
    remedy = f"run this inside a project, or name one with --project; a project has a {PROJECT_FILE} with main: infra/"
    raise SettingsError([Finding((), f"no {PROJECT_FILE} here or in a directory above", remedy, rule="project")])


def _stack_directory(root: Path) -> Path:
    project = _read_mapping(root / PROJECT_FILE, Path(PROJECT_FILE))
    return root / str(project.get("stackConfigDir", "."))


def _existing_stack_file(name: str, root: Path) -> Path:
    file = stack_file(name, root)
    if not file.is_file():
        names = stack_names(root)
        close = difflib.get_close_matches(name, names, n=1)
        remedy = f"did you mean {close[0]}?" if close else f"use one of {', '.join(names) or '(none yet)'}"
        raise SettingsError(
            [
                Finding(
                    (),
                    f"there is no stack {name!r} ({file.relative_to(root)} does not exist)",
                    remedy,
                    rule="project",
                )
            ]
        )
    return file


def _read_mapping(file: Path, shown_as: Path) -> Mapping[str, Any]:
    return _mapping(read_yaml(file, shown_as), shown_as)


def _mapping(value: object, file: Path | None = None) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        message = f"must hold a mapping (got {type(value).__name__})"
        raise SettingsError([Finding((), message, "write `config:` and keys below it", rule="yaml")], str(file or ""))
    return value


def _qualified(key: str) -> str:
    return key if ":" in key else _NAMESPACE + key


def _project_value(entry: object) -> object:
    """What Pulumi.yaml gives for a key: a plain value, its `value:`, or the `default:` of a typed one."""
    if isinstance(entry, Mapping):
        return entry.get("value", entry.get("default"))
    return entry


def _refuse_what_cannot_work(stack: Mapping[str, Any], file: Path) -> None:
    """What one of the two ways of running would read differently, or not at all."""
    config = _mapping(stack.get("config"), file)
    found = []
    if "environment" in stack:
        found.append(
            Finding(
                ("environment",),
                "is resolved by Pulumi's service only, so a preview without credentials would show other settings",
                "write the values under config:",
                rule="project",
            )
        )
    for key, value in config.items():
        path = (_qualified(key),)
        if _qualified(key) == _NAMESPACE + _DEFAULTS:
            found.append(
                Finding(
                    path,
                    "in a stack file would replace the shared defaults as a whole",
                    f"change them in {PROJECT_FILE}",
                    rule="project",
                )
            )
        elif _qualified(key).startswith(_NAMESPACE) and _holds_secure(value):
            found.append(
                Finding(
                    path,
                    "holds a `secure:` value, and settings hold no secrets",
                    "name a key of a Secret under secretEnvironment",
                    rule="project",
                )
            )
    if found:
        raise SettingsError([replace(finding, source=str(file)) for finding in found], str(file))


def _holds_secure(value: object) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or any(map(_holds_secure, value.values()))
    return isinstance(value, list) and any(map(_holds_secure, value))


def _build(name: str, config: Mapping[str, Any], labels: Mapping[str, str]) -> LoadedStack:
    values = {key[len(_NAMESPACE) :]: value for key, value in config.items() if key.startswith(_NAMESPACE)}
    problems = _unknown_keys(values, labels)
    defaults = _mapping(values.get(_DEFAULTS), Path(PROJECT_FILE))
    values = {key: value for key, value in values.items() if key in _STACK_KEYS}
    sources: Sources = {}
    base = {key: value for key, value in defaults.items() if key != "consumer"}
    record_sources(base, labels.get(_NAMESPACE + _DEFAULTS, PROJECT_FILE), sources)
    for key, value in values.items():
        record_sources(value, labels[_NAMESPACE + key], sources, (key,))
    merged = _with_consumer_defaults(merge(base, values), defaults.get("consumer"), sources)
    _take_images(merged, sources)
    google = {key: config[f"gcp:{key}"] for key in ("project", "region") if config.get(f"gcp:{key}") is not None}
    if google:
        merged["google"] = google
        sources |= {("google", key): labels[f"gcp:{key}"] for key in google}
    merged["name"] = name
    try:
        settings = StackSettings.model_validate(merged)
    except ValidationError as error:
        problems += findings_of(error, StackSettings, merged)
    if problems:
        raise SettingsError([_located(finding, sources) for finding in problems], "")
    return LoadedStack(settings, sources, merged)


def _unknown_keys(values: Mapping[str, Any], labels: Mapping[str, str]) -> list[Finding]:
    found = []
    for key in sorted(set(values) - {*_STACK_KEYS, _DEFAULTS}):
        close = difflib.get_close_matches(key, _STACK_KEYS, n=1)
        remedy = f"did you mean {_NAMESPACE}{close[0]}?" if close else f"use one of {', '.join(_STACK_KEYS)}"
        found.append(Finding((_NAMESPACE + key,), "is not a setting", remedy, source=labels[_NAMESPACE + key]))
    return found


def _with_consumer_defaults(merged: dict[str, Any], template: object, sources: Sources) -> dict[str, Any]:
    """Every consumer laid over `defaults.consumer`, the part that all of them share."""
    consumers = merged.get("consumers")
    if not isinstance(template, Mapping) or not isinstance(consumers, Mapping):
        return merged
    for name, consumer in consumers.items():
        own = {path: source for path, source in sources.items() if path[:2] == ("consumers", name)}
        record_sources(without_nulls(template), PROJECT_FILE, sources, ("consumers", name))
        sources |= own
        merged = {**merged, "consumers": {**merged["consumers"], name: merge(template, consumer)}}
    return merged


def _take_images(merged: dict[str, Any], sources: Sources) -> None:
    given = os.environ.get(IMAGES_VARIABLE, "")
    for entry in filter(None, given.split(",")):
        name, separator, image = entry.partition("=")
        consumers = merged.get("consumers")
        if not separator or not isinstance(consumers, Mapping) or not isinstance(consumers.get(name), Mapping):
            known = ", ".join(consumers) if isinstance(consumers, Mapping) else "none"
            message = f"names no consumer of this stack (got {entry!r})"
            raise SettingsError([Finding((IMAGES_VARIABLE,), message, f"write <consumer>=<image>; consumers: {known}")])
        merged["consumers"] = {**consumers, name: {**consumers[name], "image": image}}
        sources[("consumers", name, "image")] = f"environment {IMAGES_VARIABLE}"


def _located(finding: Finding, sources: Sources) -> Finding:
    return finding if finding.source else replace(finding, source=source_of(finding.path, sources))
