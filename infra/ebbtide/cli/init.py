"""`ebbtide init`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ebbtide.cli.output import fail, print_findings, say, style
from ebbtide.judgement.findings import SettingsError, errors_of, refused
from ebbtide.kubernetes.versions import DEFAULT_KUBERNETES
from ebbtide.scaffold.answers import Project, example_consumer
from ebbtide.scaffold.broker import BrokerDsn, follow_queue, read_dsn, remarks
from ebbtide.scaffold.files import image_directory, stack_config, write_project
from ebbtide.settings.loading.project import PROJECT_FILE

if TYPE_CHECKING:
    from ebbtide.scaffold.carried import Carried

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
"""tokens.ValidateProjectName of Pulumi's sdk/go/common."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What has been said so far; what has not is something that no rule refuses."""

    name: str
    stack: str
    platform: str
    kubernetes: str
    consumer: str = "mail"
    image: str = "registry.example/consumers/mail:1"
    receivers: str = "mail"
    processes: str = "10"
    longest_message: str = "60s"
    broker: str = ""

    def project(self) -> Project:
        """The project of these. Raises SettingsError for what no stack file may say."""
        _refuse_name(self.name)
        try:
            processes = int(self.processes)
        except ValueError:
            raise refused("init", f"is no whole number (got {self.processes!r})", "write for example 10") from None
        entry = example_consumer(self.image, self.receivers.split(), processes, self.longest_message)
        project = Project(self.name, self.stack, self.platform, self.kubernetes, {self.consumer: entry})
        _refuse_errors(project)
        if self.broker:
            project = follow_queue(project, self.consumer, read_dsn(self.broker))
            _refuse_errors(project)
        return project


def _from_answers(options: Options) -> Project:
    said = _stack_of(options)
    said = _ask(said, "name", "Name of the project", options.name, said.name)
    said = _ask(said, "consumer", "Name of the first consumer", options.consumer, said.consumer)
    said = _ask(
        said, "image", "Its image, built from docker/", options.image, f"registry.example/consumers/{said.consumer}:1"
    )
    receivers = "Transports that it consumes, separated by blanks"
    said = _ask(said, "receivers", receivers, options.receivers, said.consumer)
    said = _ask(said, "processes", "Worker processes in a pod", options.processes, said.processes)
    longest = "The longest that one message takes"
    said = _ask(said, "longest_message", longest, options.longest_message, said.longest_message)
    broker = "Its broker, as redis://10.20.0.7:6379/mail; empty: not now"
    return _ask(said, "broker", broker, options.broker, said.broker).project()


def _stack_of(options: Options) -> _Answers:
    """What is never asked: the stack and its cluster, judged, with the name that the directory gives the project."""
    name = "shop" if options.name is not None else _named_after(options.directory)
    said = _Answers(name=name, stack="dev", platform=options.platform, kubernetes=DEFAULT_KUBERNETES)
    said = _ask(said, "stack", "", options.stack, "")
    return _ask(said, "kubernetes", "", options.kubernetes, "")


def _ask(before: _Answers, key: str, question: str, said: object, default: str) -> _Answers:
    """The answers with one more, which is judged by the rules of the settings when it is given: what was said before is
    right, and whatever is wrong now is this. On a terminal it is asked again.

    Raises SettingsError, under the name of the option, where nobody can be asked.
    """
    is_asked = said is None and sys.stdin.isatty()
    while True:
        text = str(typer.prompt(question, default=default)) if is_asked else str(default if said is None else said)
        answers = replace(before, **{key: text.strip()})
        try:
            answers.project()
        except SettingsError as error:
            path = ("--" + key.replace("_", "-"),)
            found = [replace(finding, path=path) for finding in error.findings]
            if not is_asked:
                raise SettingsError(found) from None
            print_findings([replace(finding, path=()) for finding in found], err=True)
        else:
            return answers


def _refuse_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        message = f"is no project's name to Pulumi: up to 100 letters, digits, '-', '_' and '.' (got {name!r})"
        raise refused("init", message, f"write for example {_as_name(name)}")


def _refuse_errors(project: Project) -> None:
    """Raises SettingsError with what `ebbtide check` would refuse."""
    from ebbtide.settings.loading.loader import read_values
    from ebbtide.settings.rules.check import check_stack

    found = errors_of(check_stack(read_values({"name": project.stack, **stack_config(project)})))
    if found:
        raise SettingsError(found)


def _as_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:100].strip("-") or "shop"


def _named_after(directory: Path) -> str:
    """The directory's own name, wherever Pulumi takes it: shop-1 and shop-2 are two projects."""
    own = directory.resolve().name
    name = own if _NAME.fullmatch(own) else _as_name(own)
    if name != own and not (directory / PROJECT_FILE).exists():
        say(f"the directory's name {own!r} is no project's name to Pulumi; the project is {name}, or what --name says")
    return name


def _from_set_up(options: Options) -> Project:
    from ebbtide.doctor.connect import connect
    from ebbtide.doctor.diagnose import diagnose_files
    from ebbtide.doctor.document import DoctorDocument
    from ebbtide.doctor.files import collect
    from ebbtide.doctor.read import read_all
    from ebbtide.scaffold.carry import carry, not_carried
    from ebbtide.scaffold.migration import migration_text

    said = _stack_of(options)
    said = _ask(said, "name", "", options.name, said.name) if options.name is not None else said
    # Judged with a consumer that stands for those which are read.
    said = _ask(said, "broker", "", options.broker, "") if options.broker else said
    dsn = read_dsn(options.broker) if options.broker else None
    files, notes = collect(options.read)
    units = connect(read_all(files, list(notes)))
    carried = carry(units, dsn)
    if not carried:
        what = not_carried(units) or "no worker was seen in it"
        raise refused("doctor", what, "`ebbtide doctor` says what is missing; without --from, init asks")
    report = DoctorDocument.of(diagnose_files(files, notes))
    consumers = {one.name: one.settings for one in carried}
    text = migration_text(carried, report, options.stack, image_directory(options.directory))
    project = Project(said.name, said.stack, said.platform, said.kubernetes, consumers, text)
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
