"""A project on disk: where it is, what Pulumi.yaml says of it, and where its stacks are written down."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ebbtide.judgement.findings import Path as SettingsPath
from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.settings.loading.yaml import read_yaml

PROJECT_FILE = "Pulumi.yaml"


def project_name(root: Path) -> str:
    """What Pulumi.yaml calls the project in `root`. Raises SettingsError when it cannot be read."""
    return str(read_project(root).get("name", ""))


def stack_names(root: Path, project: Mapping[str, Any] | None = None) -> list[str]:
    """The stacks of the project, by their files; `project` is what Pulumi.yaml says, where it was read already."""
    files = _stack_directory(root, project or read_project(root)).glob(_stack_file_name("*"))
    return sorted(path.name[len("Pulumi.") : -len(".yaml")] for path in files)


def stack_file(name: str, root: Path) -> Path:
    """Where stack `name` is written down; it need not exist."""
    return file_of(name, root, read_project(root))


def file_of(name: str, root: Path, project: Mapping[str, Any]) -> Path:
    """The same, of a project that has been read."""
    return _stack_directory(root, project) / _stack_file_name(name)


def find_root(start: Path) -> Path:
    """The nearest directory at or above `start` that holds Pulumi.yaml. Raises SettingsError if there is none."""
    for directory in (start, *start.parents):
        if (directory / PROJECT_FILE).is_file():
            return directory
    remedy = f"run this inside a project, or name one with --project; a project has a {PROJECT_FILE} with main: infra/"
    raise refusal(f"no {PROJECT_FILE} in {start} or in a directory above", remedy)


def named_root(project: Path) -> Path:
    """The project in the directory that somebody named, or whose Pulumi.yaml. Raises SettingsError if it is none."""
    directory = project.parent if project.name == PROJECT_FILE else project
    if not (directory / PROJECT_FILE).is_file():
        there = "holds no" if directory.is_dir() else "does not exist, and so holds no"
        raise refusal(f"{there} {PROJECT_FILE} (got '{project}')", "name the directory that holds it", ("--project",))
    return directory.resolve()


def refusal(message: str, remedy: str, path: SettingsPath = (), file: str = "") -> SettingsError:
    """Why a project cannot be used."""
    return refused("project", message, remedy, path, file)


def shown(file: Path, root: Path) -> str:
    """A file as messages name it: from the project on."""
    return str(file.relative_to(root) if file.is_relative_to(root) else file)


def read_project(root: Path) -> Mapping[str, Any]:
    """What is in Pulumi.yaml. Raises SettingsError when it cannot be read."""
    example = "name: <project>, main: infra/, runtime: python and stackConfigDir: stacks, a line each"
    return mapping(read_yaml(root / PROJECT_FILE, Path(PROJECT_FILE), example), PROJECT_FILE)


def _stack_directory(root: Path, project: Mapping[str, Any]) -> Path:
    named = project.get("stackConfigDir", ".")
    if not isinstance(named, str):
        message = f"must be text (got a {type(named).__name__})"
        raise refusal(message, "write for example stackConfigDir: stacks", ("stackConfigDir",), PROJECT_FILE)
    return root / named


def _stack_file_name(name: str) -> str:
    return f"Pulumi.{name}.yaml"


def first_stack(root: Path) -> str:
    """What to do about a project in which no stack was found."""
    file = stack_file("dev", root)
    return _stacks_elsewhere(root, file.parent) or f"write its first one, {file}"


def _stacks_elsewhere(root: Path, directory: Path) -> str:
    """Stack files below the project that Pulumi does not look at; empty where there are none."""
    found = sorted((*root.glob(_stack_file_name("*")), *root.glob(f"[!.]*/{_stack_file_name('*')}")))
    others = [file for file in found if file.parent != directory.absolute() and file.parent != directory]
    if not others:
        return ""
    where = shown(others[0].parent, root)
    return f"{shown(others[0], root)} is there: write stackConfigDir: {where} in {PROJECT_FILE}"


def which_stack(name: str, file: Path, root: Path) -> str:
    """What somebody may have meant by a stack that has no file."""
    if file.with_suffix(".yml").exists():
        return f"rename {shown(file.with_suffix('.yml'), root)}: Pulumi reads only .yaml"
    # People also name the file instead of the stack.
    meant = Path(name).name.removeprefix("Pulumi.").removesuffix(".yaml").lower()
    names = [other for other in stack_names(root) if other != name]
    if not names and (there := _stacks_elsewhere(root, file.parent)):
        return there
    close = difflib.get_close_matches(meant, names, n=1)
    return f"did you mean {close[0]}?" if close else f"use one of {', '.join(names) or '(none yet)'}"


def read_mapping(file: Path, shown_as: str) -> Mapping[str, Any]:
    """What is in a YAML file. Raises SettingsError when it cannot be read, or is something else."""
    return mapping(read_yaml(file, Path(shown_as)), shown_as)


def mapping(value: object, file: str, *path: str) -> Mapping[str, Any]:
    """A value at `path` of a file, where a mapping belongs; nothing is one too. Raises SettingsError for others."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        got = "list" if isinstance(value, list) else type(value).__name__
        example = f"`{path[-1]}:` and keys below it" if path else "`config:` and keys below it"
        raise refusal(f"must hold a mapping (got a {got})", f"write {example}", path, file)
    return value
