"""What a shell offers behind an option. A project that cannot be read offers nothing: completion never complains."""

from __future__ import annotations

from pathlib import Path

from ebbtide.cli.output import project_root
from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names


def stacks(incomplete: str, project: Path | None = None) -> list[str]:
    """The stacks of the project whose names begin so."""
    try:
        return [name for name in stack_names(project_root(project)) if name.startswith(incomplete)]
    except SettingsError:
        return []


def consumers(stack: str | None, project: Path | None, incomplete: str) -> list[str]:
    """The consumers of the stack, or of all stacks where none is named yet, whose names begin so."""
    found: set[str] = set()
    for name in [stack] if stack else stacks("", project):
        try:
            found.update(load_stack(name, project_root(project)).consumers)
        except SettingsError:
            continue
    return sorted(name for name in found if name.startswith(incomplete))
