"""The in-process source: base and head rendered from two commits and compared as plain data.

Where the repository holds ebbtide itself, each commit is rendered by its own code. Elsewhere ebbtide is installed, and
the installed one renders both: what another version of it would change is not seen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebbtide.git import Commit, checked_out, merge_base
from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.sources.compare import compare
from ebbtide.settings.loading.loader import IMAGES_VARIABLE, NO_STACK, read_stack
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import acceptances

# What says which dependencies are installed, by any of the usual tools.
_LOCKS = ("requirements.lock", "requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock")
_RENDER_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Base:
    """What the base deploys, and what a reader must know about it."""

    resources: list[dict[str, Any]]
    notes: tuple[str, ...] = ()
    settings: StackSettings | None = None
    """None where this version cannot read them."""
    unknown: str = ""
    """Why nobody knows what it deploys."""


def change_since(
    ref: str, stack: str, root: Path, head: list[dict[str, Any]], project: str
) -> tuple[StackChange, StackSettings | None]:
    """Compare `head` (JSON resources of the work tree) with the project where the work tree left `ref`; and the
    settings there, where this version can read them.

    Raises SettingsError when `ref` is no commit here. A base that has no such stack or no ebbtide is no error: then
    everything is new, and a note says why. What one deploys that is invalid is not known, and so not judged.
    """
    commit = merge_base(ref, root)
    base = _render_base(commit, stack, root)
    changes, standing = compare(base.resources, head)
    change = StackChange(
        stack=stack,
        project=project,
        changes=changes,
        unchanged=len(standing),
        source=f"the work tree compared with {commit}, in process",
        notes=base.notes,
        unknown_base=base.unknown,
        standing=standing,
        accepted=None if base.settings is None else acceptances(base.settings),
    )
    return change, base.settings


def _render_base(commit: Commit, stack: str, root: Path) -> Base:
    ref = commit.ref
    with checked_out(commit.id, root) as tree:
        if not (tree / "Pulumi.yaml").is_file() or (_holds_ebbtide(root) and not _holds_ebbtide(tree)):
            return Base([], (f"{ref} has no ebbtide yet: everything is new",))
        read, notes = _read(stack, tree), []
        settings = None if isinstance(read, SettingsError) else read
        if any(_bytes(tree / lock) != _bytes(root / lock) for lock in _LOCKS):
            notes.append(f"{ref} locks other dependencies: it was rendered with the ones installed here")
        try:
            resources = _by_its_own_code(stack, tree) if _holds_ebbtide(tree) else _by_this_code(read)
        except _NotRenderedError as error:
            if NO_STACK in error.said:
                return Base([], (*notes, f"{ref} has no stack {stack}: everything is new"), settings)
            reason = (error.said.strip().splitlines() or ["no message"])[-1]
            return Base([], tuple(notes), settings, f"stack {stack} is not valid at {ref}: {reason}")
        return Base(resources, tuple(notes), settings)


class _NotRenderedError(Exception):
    """The base cannot be rendered."""

    def __init__(self, said: str) -> None:
        """`said` is what its code has said, in its last line why."""
        super().__init__(said)
        self.said = said


def _read(stack: str, tree: Path) -> StackSettings | SettingsError:
    """The base's settings, or why this version cannot read them. Images that CI passes belong to the head."""
    try:
        return read_stack(stack, tree, images="").settings
    except SettingsError as error:
        return error


def _by_this_code(read: StackSettings | SettingsError) -> list[dict[str, Any]]:
    if isinstance(read, SettingsError):
        raise _NotRenderedError(str(read))
    return [to_json(resource) for resource in stack_resources(read)]


def _by_its_own_code(stack: str, tree: Path) -> list[dict[str, Any]]:
    """The base's own settings in a process of their own, without the images that belong to the head."""
    environment = {name: value for name, value in os.environ.items() if name != IMAGES_VARIABLE}
    environment["PYTHONPATH"] = str(tree / "infra")
    command = [sys.executable, "-m", "ebbtide", "render", "--resources", "--format", "json", "--stack", stack]
    try:
        done = subprocess.run(
            [*command, "--project", str(tree)],
            env=environment,
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RENDER_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise _NotRenderedError(f"it took longer than {_RENDER_TIMEOUT_SECONDS} s") from None
    if done.returncode != 0:
        raise _NotRenderedError(done.stderr)
    document = json.loads(done.stdout)
    # A base may have ebbtide's own code from when it printed the bare list.
    resources: list[dict[str, Any]] = document["resources"] if isinstance(document, dict) else document
    return resources


def _holds_ebbtide(tree: Path) -> bool:
    return (tree / "infra" / "ebbtide" / "__init__.py").is_file()


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
