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
from ebbtide.preview.change import StackChange
from ebbtide.preview.sources.compare import compare
from ebbtide.settings.loading.loader import IMAGES_VARIABLE, read_stack
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
        settings, notes = _settings(stack, tree), []
        if any(_bytes(tree / lock) != _bytes(root / lock) for lock in _LOCKS):
            notes.append(f"{ref} locks other dependencies: it was rendered with the ones installed here")
        done = _render(tree, stack)
        if done.returncode == 0:
            document = json.loads(done.stdout)
            # A base may have ebbtide's own code from when it printed the bare list.
            resources = document["resources"] if isinstance(document, dict) else document
            return Base(resources, tuple(notes), settings)
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if "there is no stack" in done.stderr:
            return Base([], (*notes, f"{ref} has no stack {stack}: everything is new"), settings)
        return Base([], tuple(notes), settings, f"stack {stack} is not valid at {ref}: {reason}")


def _settings(stack: str, tree: Path) -> StackSettings | None:
    try:
        return read_stack(stack, tree).settings
    except SettingsError:
        return None


def _render(tree: Path, stack: str) -> subprocess.CompletedProcess[str]:
    """The base's own settings, by its own code if it has any. Images that CI passes belong to the head."""
    environment = {name: value for name, value in os.environ.items() if name != IMAGES_VARIABLE}
    if _holds_ebbtide(tree):
        environment["PYTHONPATH"] = str(tree / "infra")
    command = [sys.executable, "-m", "ebbtide", "render", "--resources", "--format", "json", "--stack", stack]
    try:
        return subprocess.run(
            [*command, "--project", str(tree)],
            env=environment,
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            timeout=_RENDER_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(error.cmd, 1, "", f"it took longer than {_RENDER_TIMEOUT_SECONDS} s")


def _holds_ebbtide(tree: Path) -> bool:
    return (tree / "infra" / "ebbtide" / "__init__.py").is_file()


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
