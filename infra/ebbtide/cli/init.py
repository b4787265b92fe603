"""`ebbtide init`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ebbtide.cli.output import fail, style
from ebbtide.judgement.findings import refused
from ebbtide.scaffold.answers import Project, example_consumer
from ebbtide.scaffold.broker import BrokerDsn, follow_queue, read_dsn, remarks
from ebbtide.scaffold.files import image_directory, write_project
from ebbtide.settings.values.units import parse_duration

if TYPE_CHECKING:
    from ebbtide.scaffold.carried import Carried

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was said on the command line; None is asked on a terminal, and has a default elsewhere."""

    directory: Path
    read: list[str]
    name: str | None
    stack: str
    platform: str
    kubernetes: str
    consumer: str | None
    image: str | None
    receivers: str | None
    processes: int | None
    longest_message: str | None
    broker: str | None


def run(options: Options) -> None:
    """Write a project. What is there stays as it is."""
    project = _from_set_up(options) if options.read else _from_answers(options)
    try:
        written = write_project(project, options.directory)
    except OSError as error:
        fail(
            f"{error.filename}: cannot be written: {error.strerror}; make room, and run it again: it goes on from here"
        )
    for one in written:
        mark = style("new ", fg=typer.colors.GREEN) if one.is_new else style("kept", dim=True)
        typer.echo(f"{mark}  {one.path}")
    _say_next(options, project)


def _say_next(options: Options, project: Project) -> None:
    here = "" if options.directory == Path() else f" --project {options.directory}"
    typer.echo(f"\nNext: ebbtide check{here}; ebbtide explain --stack {project.stack}{here}")
    if project.migration:
        typer.echo(
            f"      {options.directory / 'MIGRATION.md'}: what was not carried over, and the steps in their order"
        )


def _from_answers(options: Options) -> Project:
    name = _ask("Name of the project", options.name, _named_after(options.directory))
    if not _NAME.fullmatch(name):
        raise refused(
            "init", f"has other signs than a-z, 0-9 and - (got {name!r})", "write for example shop", ("--name",)
        )
    consumer = _ask("Name of the first consumer", options.consumer, "mail")
    image = _ask("Its image, built from docker/", options.image, f"registry.example/consumers/{consumer}:1")
    receivers = _ask("Transports that it consumes, separated by blanks", options.receivers, consumer).split()
    processes = int(_ask("Worker processes in a pod", options.processes, "10"))
    longest = _ask("The longest that one message takes", options.longest_message, "60s")
    entry = example_consumer(image, receivers, processes, longest)
    try:
        parse_duration(longest)
    except ValueError:
        message = f"is not a duration (got {longest!r})"
        raise refused("init", message, "write for example 90s, 4m or 1h30m", ("--longest-message",)) from None
    broker = _ask("Its broker, as redis://10.20.0.7:6379/mail; empty: not now", options.broker, "")
    project = Project(name, options.stack, options.platform, options.kubernetes, {consumer: entry})
    return follow_queue(project, consumer, read_dsn(broker)) if broker else project


def _named_after(directory: Path) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", directory.resolve().name.lower()).strip("-0123456789")[:40].strip("-") or "shop"


def _ask(question: str, said: object, default: str) -> str:
    if said is not None:
        return str(said)
    return str(typer.prompt(question, default=default)) if sys.stdin.isatty() else default


def _from_set_up(options: Options) -> Project:
    from ebbtide.doctor.connect import connect
    from ebbtide.doctor.diagnose import diagnose_files
    from ebbtide.doctor.document import DoctorDocument
    from ebbtide.doctor.files import collect
    from ebbtide.doctor.read import read_all
    from ebbtide.scaffold.carry import carry, not_carried
    from ebbtide.scaffold.migration import migration_text

    dsn = read_dsn(options.broker) if options.broker else None
    files, notes = collect(options.read)
    units = connect(read_all(files, list(notes)))
    carried = carry(units, dsn)
    if not carried:
        what = not_carried(units) or "no worker was seen in it"
        raise refused("doctor", what, "`ebbtide doctor` says what is missing; without --from, init asks")
    name = options.name or _named_after(options.directory)
    report = DoctorDocument.of(diagnose_files(files, notes))
    consumers = {one.name: one.settings for one in carried}
    text = migration_text(carried, report, options.stack, image_directory(options.directory))
    project = Project(name, options.stack, options.platform, options.kubernetes, consumers, text)
    return project if dsn is None else _following(project, carried, dsn)


def _following(project: Project, carried: list[Carried], dsn: BrokerDsn) -> Project:
    """The project with what its consumer needs to follow a queue. A DSN names one."""
    following = [one for one in carried if one.settings["autoscaling"]["kind"] == "keda"]
    if len(following) != 1:
        names = ", ".join(one.name for one in following)
        who = f"{names} would follow it" if names else "no consumer is messenger:consume of a queue"
        message = f"names one queue, and {who}"
        raise refused("init", message, "leave it out, and write transport and autoscaling of each", ("--broker",))
    one = following[0]
    has_keda = any(scaler.kind == "ScaledObject" for other in carried for scaler in other.unit.autoscalers)
    return replace(project, keda="existing" if has_keda else "install", remarks=remarks(one.name, one.settings, dsn))
