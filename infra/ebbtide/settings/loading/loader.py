"""From a stack's files, or the engine's configuration, to validated settings.

`load_stack` reads the files in process; `load_from_engine` takes what Pulumi has read. Both end in the same
merge and the same model.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ebbtide.judgement.findings import Finding, Level, SettingsError
from ebbtide.judgement.findings import Path as SettingsPath
from ebbtide.settings.loading.merge import Sources, merge, record_sources, source_of
from ebbtide.settings.loading.project import (
    PROJECT_FILE,
    file_of,
    mapping,
    read_mapping,
    read_project,
    refusal,
    shown,
    stack_file,
    which_stack,
)
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.lookup import keys_of
from ebbtide.settings.models.stack import StackSettings

IMAGES_VARIABLE = "EBBTIDE_IMAGES"
"""`consumer=reference,...`: how CI passes the images it has just built, without editing a file.
`pulumi config set --path` would rewrite other values of the file (`012` becomes 10: measured)."""
NO_STACK = "there is no stack"
"""How the refusal of a stack that has no file begins. A preview knows by it that all is new, also in what another
commit's code prints: these words stay."""

_NAMESPACE = "ebbtide:"
_STACK_KEYS = tuple(sorted(keys_of(StackSettings)))
_DEFAULTS = "defaults"
_TEMPLATE = "consumer"
# What Pulumi knows of a typed key in Pulumi.yaml.
_PROJECT_KEYS = {"type", "description", "items", "secret", "default", "value"}


@dataclass(frozen=True, slots=True)
class LoadedStack:
    """A stack's settings, and where each value came from."""

    settings: StackSettings
    sources: Sources
    """By path, as written in the file: `("consumers", "githubevents", "image")`."""
    raw: Mapping[str, Any]
    """The merged values before validation; what is not in it is a default of the model."""
    notes: tuple[Finding, ...] = ()
    """What a reader of these settings should know of where they come from."""
    shared_consumers: frozenset[str] = frozenset()
    """Those that the shared defaults have: in the stack's own file null removes them."""


def load_stack(name: str, root: Path) -> StackSettings:
    """The settings of stack `name` of the project in `root`. Raises SettingsError with every problem at once."""
    return read_stack(name, root).settings


def read_stack(
    name: str, root: Path, project: Mapping[str, Any] | None = None, images: str | None = None
) -> LoadedStack:
    """Like `load_stack`, with the source of every value; `project` is what Pulumi.yaml says, where it was read
    already, and `images` what CI has built, where it is not what EBBTIDE_IMAGES says."""
    project = project or read_project(root)
    shared = _project_config(project)
    file = file_of(name, root, project)
    shown_as = shown(file, root)
    # A directory or a broken file of this name says itself why it cannot be read.
    if not file.exists():
        message = f"{NO_STACK} {name!r} ({shown_as} does not exist)"
        raise refusal(message, which_stack(name, file, root))
    stack = read_mapping(file, shown_as)
    _refuse_what_cannot_work(stack, shown_as, project)
    own = {_qualified(key, project): value for key, value in mapping(stack.get("config"), shown_as, "config").items()}
    # As the engine does it: a stack's value replaces the project's whole value of the same key.
    config = {**shared, **own}
    labels = {key: shown_as if key in own else PROJECT_FILE for key in config}
    loaded = _build(name, config, labels, shown_as, images)
    return replace(loaded, notes=tuple(_imports(stack, shown_as)))


def _imports(stack: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """An environment of Pulumi's service may bring the login alone, and may bring settings: nobody can see it here."""
    names = stack.get("environment")
    if isinstance(names, list) and names:
        listed = ", ".join(map(str, names))
        yield Finding(
            ("environment",),
            f"imports {listed} from Pulumi's service: what these set is not seen here, only by `pulumi preview`",
            "keep to logins there, and write settings under config:",
            Level.INFO,
            "E-03",
            file,
        )


def load_from_engine(name: str, config: Mapping[str, Any], root: Path | None = None) -> StackSettings:
    """The settings of the stack that the engine is running.

    `config` holds the values by qualified key (`ebbtide:consumers`, `gcp:project`), objects already parsed. With
    `root` the stack's file is also checked for what only the file shows. Raises SettingsError.
    """
    shown_as = f"stack {name}"
    if root is not None:
        file = stack_file(name, root)
        shown_as = shown(file, root)
        if file.is_file():
            _refuse_what_cannot_work(read_mapping(file, shown_as), shown_as, read_project(root))
    labels = {key: PROJECT_FILE if key == _NAMESPACE + _DEFAULTS else shown_as for key in config}
    return _build(name, config, labels, shown_as).settings


def read_values(values: Mapping[str, Any]) -> StackSettings:
    """The settings that a program gives as plain data, in the names of a stack file. Raises SettingsError."""
    settings, problems = _validated(values)
    if settings is None:
        raise SettingsError(problems)
    return settings


def with_values(loaded: LoadedStack, values: Mapping[SettingsPath, Any], source: str) -> LoadedStack:
    """The same stack with other values, validated anew: `{("consumers", "mail", "autoscaling", "maxReplicas"): 9}`.

    `source` is where they came from, for messages. Raises SettingsError as a stack file with these values would.
    """
    merged: dict[str, Any] = copy.deepcopy(dict(loaded.raw))
    sources = dict(loaded.sources)
    for path, value in values.items():
        _put(merged, path, value, source)
        record_sources(value, source, sources, path)
    settings, problems = _validated(merged)
    if settings is None:
        raise SettingsError([located(finding, sources) for finding in problems], "")
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


def has_settings(name: str, root: Path) -> bool:
    """Whether the stack, or the project, says anything to ebbtide. Raises SettingsError where it cannot be read."""
    project = read_project(root)
    file = file_of(name, root, project)
    shown_as = shown(file, root)
    own = mapping(read_mapping(file, shown_as).get("config"), shown_as, "config") if file.exists() else {}
    keys = {*mapping(project.get("config"), PROJECT_FILE, "config"), *own}
    return any(_qualified(key, project).startswith(_NAMESPACE) for key in keys)


def _qualified(key: str, project: Mapping[str, Any]) -> str:
    """As Pulumi has it: a bare key is the project's own, whatever the project is called."""
    return key if ":" in key else f"{project.get('name') or _NAMESPACE[:-1]}:{key}"


def _project_config(project: Mapping[str, Any]) -> dict[str, Any]:
    """What Pulumi.yaml gives for each key: a plain value, its `value:`, or the `default:` of a typed one."""
    config = {}
    for key, entry in mapping(project.get("config"), PROJECT_FILE, "config").items():
        value = entry
        if isinstance(entry, Mapping):
            if _qualified(key, project).startswith(_NAMESPACE) and not _PROJECT_KEYS.issuperset(entry):
                message = "is an object without `value:`, which the engine refuses"
                raise refusal(message, "write `value:` and the object below it", ("config", key), PROJECT_FILE)
            value = entry.get("value", entry.get("default"))
        if value is not None:
            config[_qualified(key, project)] = value
    return config


def _refuse_what_cannot_work(stack: Mapping[str, Any], file: str, project: Mapping[str, Any]) -> None:
    """What one of the two ways of running would read differently, or not at all."""
    config = mapping(stack.get("config"), file, "config")
    found = [
        *_of_another_namespace(config, file, project),
        *_of_another_namespace(mapping(project.get("config"), PROJECT_FILE, "config"), PROJECT_FILE, project),
    ]
    found += _outside_of_config(stack)
    if isinstance(stack.get("environment"), Mapping):
        # Values of its own, resolved only by the service. A list only names others (`_imports`).
        found.append(
            Finding(
                ("environment",),
                "is resolved by Pulumi's service only, so a preview without credentials would show other settings",
                "write the values under config:",
                rule="project",
            )
        )
    for key, value in config.items():
        path = (_qualified(key, project),)
        if _qualified(key, project) == _NAMESPACE + _DEFAULTS:
            found.append(
                Finding(
                    path,
                    "in a stack file would replace the shared defaults as a whole",
                    f"change them in {PROJECT_FILE}",
                    rule="project",
                )
            )
        elif _qualified(key, project).startswith(_NAMESPACE) and _holds_secure(value):
            found.append(
                Finding(
                    path,
                    "holds a `secure:` value, and settings hold no secrets",
                    "name a key of a Secret under secretEnvironment",
                    rule="project",
                )
            )
    if found:
        raise SettingsError([replace(finding, source=finding.source or file) for finding in found], file)


def _outside_of_config(stack: Mapping[str, Any]) -> Iterator[Finding]:
    """A key that Pulumi passes over without a word. Others may hold YAML's anchors."""
    for key in stack:
        if key.removeprefix(_NAMESPACE) in _STACK_KEYS:
            yield Finding(
                (key,), "stands outside of config:, where nobody reads it", "move it below config:", rule="project"
            )
        elif key != "config" and difflib.get_close_matches(key, ["config"], n=1):
            yield Finding((key,), "is no key of a stack file", "did you mean config?", rule="project")


def _of_another_namespace(config: Mapping[str, Any], file: str, project: Mapping[str, Any]) -> Iterator[Finding]:
    """In a project of another name the program does not see the project's own keys."""
    for key in config:
        namespace, _, name = _qualified(key, project).partition(":")
        is_unseen = namespace == project.get("name") and f"{namespace}:" != _NAMESPACE
        if is_unseen and name in {*_STACK_KEYS, _DEFAULTS}:
            message = f"is {namespace}:{name} to Pulumi, and nobody reads it"
            # Pulumi takes `type` and `default` for the project's own keys only.
            remedy = f"write {_NAMESPACE}{name}" + (", and its content under value:" if file == PROJECT_FILE else "")
            yield Finding(("config", key), message, remedy, rule="project", source=file)


def _holds_secure(value: object) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"secure"} or any(map(_holds_secure, value.values()))
    return isinstance(value, list) and any(map(_holds_secure, value))


def _build(
    name: str, config: Mapping[str, Any], labels: Mapping[str, str], shown_as: str, images: str | None = None
) -> LoadedStack:
    given = {key[len(_NAMESPACE) :]: value for key, value in config.items() if key.startswith(_NAMESPACE)}
    defaults = dict(mapping(given.pop(_DEFAULTS, None), PROJECT_FILE, _NAMESPACE + _DEFAULTS))
    template = mapping(defaults.pop(_TEMPLATE, None), PROJECT_FILE, _NAMESPACE + _DEFAULTS, _TEMPLATE)
    problems = [
        *_unknown_keys(defaults, (*_STACK_KEYS, _TEMPLATE), f"{_NAMESPACE}{_DEFAULTS}.", labels),
        *_unknown_keys(given, (*_STACK_KEYS, _DEFAULTS), _NAMESPACE, labels),
        *_blank_consumers(given, defaults, shown_as),
    ]
    base, own = ({key: value for key, value in part.items() if key in _STACK_KEYS} for part in (defaults, given))
    sources: Sources = {}
    base = _over_template(template, base, own)
    own = _named_over(base, own)
    record_sources(base, PROJECT_FILE, sources)
    for key, value in own.items():
        record_sources(value, labels[_NAMESPACE + key], sources, (key,))
    merged = merge(base, own)
    _take_images(os.environ.get(IMAGES_VARIABLE, "") if images is None else images, merged, sources)
    google = {key: config[f"gcp:{key}"] for key in ("project", "region") if config.get(f"gcp:{key}") is not None}
    if google:
        merged["google"] = google
        sources |= {("google", key): labels[f"gcp:{key}"] for key in google}
    merged["name"] = name
    settings, found = _validated(merged)
    problems += found
    if problems or settings is None:
        raise SettingsError([located(finding, sources) for finding in problems], shown_as)
    return LoadedStack(settings, sources, merged, shared_consumers=frozenset(base.get("consumers") or ()))


def _validated(merged: Mapping[str, Any]) -> tuple[StackSettings | None, list[Finding]]:
    try:
        return StackSettings.of_file(merged), []
    except ValidationError as error:
        # 15 ms that only a mistake pays for.
        from ebbtide.settings.loading.errors import findings_of  # noqa: PLC0415

        return None, findings_of(error, StackSettings, merged)


def _unknown_keys(
    values: Mapping[str, Any], known: Sequence[str], prefix: str, labels: Mapping[str, str]
) -> Iterator[Finding]:
    """A consumer's own key is no slip of another one's: it stands a level too high."""
    level = f"{prefix}{_TEMPLATE if _TEMPLATE in known else 'consumers.<name>'}"
    of_consumer = keys_of(ConsumerSettings)
    for key in sorted(set(values) - set(known)):
        close = difflib.get_close_matches(key, known, n=1)
        remedy = f"did you mean {prefix}{close[0]}?" if close else f"use one of {', '.join(known)}"
        remedy = f"write {level}.{key}" if key in of_consumer else remedy
        yield Finding((prefix + key,), "is not a setting", remedy, source=labels.get(prefix + key, PROJECT_FILE))


def _blank_consumers(given: Mapping[str, Any], defaults: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """A consumer without a word is one that somebody forgot to describe; null removes only what is shared."""
    own, shared = (part.get("consumers") for part in (given, defaults))
    if own is None and "consumers" in given:
        message = "is empty, and that would remove every consumer of the shared defaults"
        yield Finding(("consumers",), message, "write <name>: null for each to remove, or remove the line", source=file)
    for name, consumer in own.items() if isinstance(own, Mapping) else ():
        if consumer is None and not (isinstance(shared, Mapping) and name in shared):
            message = "is empty, and the shared defaults have no consumer of this name to remove"
            yield Finding(("consumers", name), message, "write its settings below it, or remove the line", source=file)


def _over_template(template: Mapping[str, Any], base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The shared base, in which every consumer of the stack is laid over `defaults.consumer`."""
    shared, stated = base.get("consumers") or {}, own.get("consumers") or {}
    if not template or not isinstance(shared, Mapping) or not isinstance(stated, Mapping):
        return base
    return {**base, "consumers": {name: merge(template, shared.get(name, {})) for name in {**shared, **stated}}}


def _named_over(base: Mapping[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A namespace's name alone over shared settings of it changes the name, and leaves `create: false` there: it would
    otherwise be made, and what is in one of somebody else's is put under Pod Security."""
    if isinstance(base.get("namespace"), Mapping) and isinstance(own.get("namespace"), str):
        own = {**own, "namespace": {"name": own["namespace"]}}
    shared, stated = base.get("consumers"), own.get("consumers")
    if not isinstance(shared, Mapping) or not isinstance(stated, Mapping):
        return own
    consumers = {
        name: _named_over(mine, dict(one)) if isinstance(one, Mapping) and isinstance(mine, Mapping) else one
        for name, one in stated.items()
        for mine in (shared.get(name),)
    }
    return {**own, "consumers": consumers}


def _take_images(given: str, merged: dict[str, Any], sources: Sources) -> None:
    for entry in filter(None, given.split(",")):
        name, separator, image = entry.partition("=")
        consumers = merged.get("consumers")
        if not separator or not isinstance(consumers, Mapping) or not isinstance(consumers.get(name), Mapping):
            known = ", ".join(consumers) if isinstance(consumers, Mapping) else "none"
            message = f"names no consumer of this stack (got {entry!r})"
            raise SettingsError([Finding((IMAGES_VARIABLE,), message, f"write <consumer>=<image>; consumers: {known}")])
        merged["consumers"] = {**consumers, name: {**consumers[name], "image": image}}
        sources[("consumers", name, "image")] = f"environment {IMAGES_VARIABLE}"


def located(finding: Finding, sources: Sources) -> Finding:
    """The finding with its file, and under the key that stands there."""
    source = finding.source or source_of(finding.path, sources)
    match finding.path:
        case ("google", str(key)):
            return replace(finding, source=source, path=(f"gcp:{key}",))
        case ("google",):
            return replace(finding, source=source, path=("gcp:project",))
        case ("name",):
            remedy = "rename the stack and its file"
            return replace(finding, path=(), message=f"the stack's name {finding.message}", remedy=remedy)
    return replace(finding, source=source)
