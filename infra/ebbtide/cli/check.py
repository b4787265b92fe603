"""`ebbtide check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from ebbtide.cli.output import ANNOTATIONS, BAD_INPUT, print_findings, project_root, style
from ebbtide.judgement.findings import Finding, Level, SettingsError, refused
from ebbtide.settings.loading.loader import LoadedStack, located, read_stack
from ebbtide.settings.loading.project import first_stack, read_project, stack_names
from ebbtide.settings.rules.check import check_stack
from ebbtide.settings.rules.neighbours import check_neighbours
from ebbtide.settings.values.units import plural


def run(stack: str | None, project: Path | None, format: str, *, strict: bool) -> None:  # noqa: A002
    """Check one stack or all of them. Exits with 1 for an error, with `strict` for a warning too."""
    root = project_root(project)
    # Once for all of them; of one stack what is wrong with it is a finding like the others.
    shared = read_project(root) if stack is None else None
    names = stack_names(root, shared) if stack is None else [stack]
    if not names:
        raise refused("project", f"there is no stack in the project {root}", first_stack(root))
    results = _results(names, root, shared)
    if format == "json":
        from ebbtide.documents.check import CheckDocument
        from ebbtide.documents.document import to_json

        typer.echo(to_json(CheckDocument.of(results)))
    elif format in ANNOTATIONS:
        from ebbtide.cli.annotations import of_findings, show

        found = (one for findings in results.values() for one in of_findings(findings, root))
        typer.echo(show("check", found, format), nl=False)
    else:
        _print(results, root)
    levels = {finding.level for found in results.values() for finding in found if not finding.accepted}
    if Level.ERROR in levels or (strict and Level.WARNING in levels):
        raise typer.Exit(BAD_INPUT)


def _results(names: Sequence[str], root: Path, project: Mapping[str, Any] | None) -> dict[str, list[Finding]]:
    """What is found in each stack, by its name: first where it meets another."""
    read = {name: _read(name, root, project) for name in names}
    loaded = {name: one for name, one in read.items() if isinstance(one, LoadedStack)}
    together = check_neighbours(one.settings for one in loaded.values())
    results = {}
    for name, one in read.items():
        if isinstance(one, LoadedStack):
            found = [*together[name], *check_stack(one.settings, one.notes)]
            results[name] = [located(finding, one.sources) for finding in found]
        else:
            results[name] = one
    return results


def _read(name: str, root: Path, project: Mapping[str, Any] | None) -> LoadedStack | list[Finding]:
    """A stack, or why it cannot be read."""
    try:
        return read_stack(name, root, project)
    except SettingsError as error:
        return [replace(finding, source=finding.source or error.where) for finding in error.findings]


def _print(results: dict[str, list[Finding]], root: Path) -> None:
    for name, found in results.items():
        counts = {level: sum(finding.level is level and not finding.accepted for finding in found) for level in Level}
        words = [
            f"{count} {level}" if level is Level.INFO else plural(count, level)
            for level, count in counts.items()
            if count
        ]
        accepted = sum(bool(finding.accepted) for finding in found)
        words += [f"{accepted} accepted"] if accepted else []
        typer.echo(f"{style(name, bold=True)}: {', '.join(words) or 'no findings'}")
        print_findings([_at_its_line(finding, root) for finding in found])


def _at_its_line(finding: Finding, root: Path) -> Finding:
    """As editors and terminals open it: `stacks/Pulumi.dev.yaml:12`."""
    from ebbtide.settings.loading.positions import place_of

    place = place_of(finding.source, finding.path, root)
    if place is None:
        return finding
    file, line = place
    return replace(finding, source=f"{file}:{line}" if line else file)
