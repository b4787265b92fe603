"""How commands speak: findings on standard error, colours on a terminal only, exit statuses without tracebacks."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from ebbtide.judgement.findings import Finding

BAD_INPUT = 1
RISK = 3
"""A risk at or over `--fail-on`; 2 is typer's own for wrong usage."""
ANNOTATIONS = ("sarif", "github")
"""Formats that mark lines of files."""

_COLOURS = {"error": typer.colors.RED, "warning": typer.colors.YELLOW, "info": typer.colors.BLUE}


@contextmanager
def exit_cleanly() -> Iterator[None]:
    """Turn a user's mistake into its message and exit status 1, and a closed pipe into a quiet end."""
    try:
        yield
    except BrokenPipeError:
        # The reader has left (`| head`): Python would print a traceback when it flushes at exit.
        _drop_output()
        raise SystemExit(BAD_INPUT) from None
    except OSError as error:
        # What no command has named itself: a full disk behind `>`, a name that is too long.
        _drop_output()
        typer.echo(f"error: {error.filename or 'standard output'}: {error.strerror or error}", err=True)
        raise SystemExit(BAD_INPUT) from None
    except ValueError as error:
        findings = getattr(error, "findings", None)
        if findings is None:
            raise
        # A load or an option is named by the error as a whole.
        where = getattr(error, "where", "")
        print_findings([replace(finding, source=finding.source or where) for finding in findings], err=True)
        raise SystemExit(BAD_INPUT) from None


def _drop_output() -> None:
    """Python would flush it at exit, and print the same error again as a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def prepare_terminal() -> None:
    """Print a mark that the terminal does not know as `?`, where Python would end in a traceback: a Windows that
    redirects writes cp1252. And end on SIGTERM as on an error, so that what is temporary is removed."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    with suppress(ValueError):  # Signals can be set in the main thread only.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def style(text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str:
    """Colours for a terminal; none where NO_COLOR is set (https://no-color.org)."""
    return text if os.environ.get("NO_COLOR") else typer.style(text, fg=fg, bold=bold or None, dim=dim or None)


def print_findings(findings: list[Finding], *, err: bool = False) -> None:
    """One finding a line: level, rule, file, path, sentence, remedy."""
    for finding in findings:
        source = f"{finding.source}: " if finding.source else ""
        rule = style(f" [{finding.rule}]", dim=True)
        colour = None if finding.accepted else _COLOURS[finding.level]
        level = style("accepted" if finding.accepted else str(finding.level), fg=colour, bold=True)
        typer.echo(f"{level}: {source}{finding}{rule}", err=err)


def say(message: str) -> None:
    """One sentence beside what a command prints, on standard error."""
    typer.echo(f"{style('note', bold=True)}: {message}", err=True)


def fail(message: str) -> NoReturn:
    """End with exit status 1 and one sentence about a file or a tool, without the id of a rule."""
    level = style("error", fg=_COLOURS["error"], bold=True)
    typer.echo(f"{level}: {message}", err=True)
    raise typer.Exit(BAD_INPUT)


def project_root(project: Path | None) -> Path:
    """The directory of the project that was named, or of the one around this directory. Raises SettingsError."""
    from ebbtide.settings.loading.project import find_root, named_root

    return find_root(Path.cwd()) if project is None else named_root(project)
