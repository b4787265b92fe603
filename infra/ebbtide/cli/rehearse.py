"""`ebbtide rehearse`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from ebbtide.brokers import BROKERS
from ebbtide.cli.console import make_console
from ebbtide.cli.output import BAD_INPUT, project_root
from ebbtide.documents.whole import write_whole
from ebbtide.judgement.findings import SettingsError
from ebbtide.rehearsal.access import open_access
from ebbtide.rehearsal.conduct import Rehearsal
from ebbtide.rehearsal.interruption import take_as_interrupts
from ebbtide.rehearsal.problem import one_line, refusal
from ebbtide.rehearsal.report import build_report, tables
from ebbtide.rehearsal.result import Result
from ebbtide.rehearsal.scenario import Options
from ebbtide.report.page import render_page
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.yaml import parse_yaml
from ebbtide.settings.models.stack import is_gke

INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The options as they were typed."""

    stack: str
    project: Path | None
    consumer: str | None
    context: str | None
    namespace: str
    broker: str
    image: str | None
    broker_image: str
    scenario: str
    messages: int
    values: list[str]
    setup_command: str
    send_command: str
    format: str
    report: Path | None
    baseline: bool
    verbose: bool


def run(command: Command) -> None:
    """Rehearse, and print what was seen. Exit status 1 if anything was lost, repeated or did not happen."""
    options = _options(command)
    if command.report is not None and not command.report.absolute().parent.is_dir():
        raise refusal("--report", f"{command.report.parent} is no directory; nothing was made", "make it first")
    if command.report is not None and command.report.is_dir():
        raise refusal("--report", f"{command.report} is a directory; nothing was made", "name a file in it")
    stack = load_stack(options.stack, options.root)
    access = open_access(options.context, cluster_is_gke=is_gke(stack.cluster))
    # These come with the client, which `open_access` has asked for.
    from urllib3.exceptions import HTTPError
    from websocket import WebSocketException

    take_as_interrupts()
    began = time.monotonic()

    def say(line: str) -> None:
        if command.verbose or sys.stderr.isatty():
            seconds = int(time.monotonic() - began)
            typer.echo(f"{seconds // 60:3d}:{seconds % 60:02d} {line}", err=True)

    rehearsal = Rehearsal(options, access, say)
    try:
        result = rehearsal.run()
    except SettingsError as error:
        findings = [replace(one, message=f"{one.message}; {rehearsal.left_behind}") for one in error.findings]
        raise SettingsError(findings, error.where) from None
    except (RuntimeError, OSError, access.client.ApiException, HTTPError, WebSocketException) as error:
        # A command that fails in a pod, an object that is not admitted, an API server that goes away in the middle.
        message = f"could not go on ({one_line(error)}); {rehearsal.left_behind}"
        raise refusal("rehearse", message, "put that right, then run it again") from None
    except KeyboardInterrupt:
        typer.echo(f"rehearse: interrupted; {rehearsal.left_behind}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    # A disk that is full by now must not cost what half an hour has shown.
    _show(result, command.format)
    if command.report is not None:
        write_whole(command.report, render_page(build_report(result)))
    if not result.passed:
        raise typer.Exit(BAD_INPUT)


def _options(command: Command) -> Options:
    root = project_root(command.project)
    values = {}
    for text in command.values:
        path, equals, value = text.partition("=")
        if not equals or not path:
            raise refusal("--set", f"is no PATH=VALUE (got {text!r})", "write for example worker.processes=8")
        values[path] = parse_yaml(value, Path("--set"))
    return Options(
        root=root,
        stack=command.stack,
        consumer=command.consumer,
        context=command.context,
        namespace=command.namespace,
        broker=BROKERS[command.broker],
        image=command.image,
        broker_image=command.broker_image,
        scenario=command.scenario,
        messages=command.messages,
        baseline=command.baseline,
        values=values,
        setup_command=command.setup_command,
        send_command=command.send_command,
    )


def _show(result: Result, output: str) -> None:
    if output == "json":
        from ebbtide.documents.document import to_json
        from ebbtide.rehearsal.document import RehearsalDocument

        typer.echo(to_json(RehearsalDocument.of(result)))
        return
    from ebbtide.cli.simulate_output import as_rich_table

    console = make_console()
    console.print("Passed." if result.passed else "Not passed.", style="green" if result.passed else "red", end=" ")
    console.print(result.verdict)
    for problem in result.problems:
        console.print(f"problem: {problem}")
    for table in tables(result):
        console.print()
        console.print(table.title, style="bold")
        console.print(as_rich_table(table))
