"""The options of `ebbtide simulate`."""

from pathlib import Path
from typing import Annotated

import typer

from ebbtide.cli.commands.options import (
    Consumer,
    Durations,
    Format,
    Load,
    Measured,
    Project,
    Signal,
    complete_stack,
    new_command,
)

app = new_command()


@app.callback(
    invoke_without_command=True,
    epilog="""\b
Examples:
  ebbtide simulate --stack production                         the committed load
  ebbtide simulate -s production --load monday.csv --durations took.csv
  ebbtide simulate -s production --why 14:05                  why so many pods
  ebbtide simulate -s production --set maxReplicas=9          before and after
  ebbtide simulate -s production --base origin/main --report day.html
  ebbtide simulate -s production --sweep maxReplicas=2..20 --goal 'p95 < 60s'
""",
)
def simulate(
    context: typer.Context,
    stack: Annotated[
        str, typer.Option("--stack", "-s", help="Stack name, for example production.", autocompletion=complete_stack)
    ] = "",
    project: Project = None,
    consumer: Consumer = None,
    load: Load = None,
    durations: Durations = None,
    signal: Signal = None,
    measured: Measured = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=1000, help="Runs of a drawn load; several give a range.")
    ] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Compare with another setting, for example maxReplicas=9."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="GIT-REF", help="Compare with the settings at this commit."),
    ] = None,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="HH:MM", help="Tell what the autoscaler saw and decided in this minute."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option("--sweep", metavar="PATH=A..B", help="Try every value, for example maxReplicas=2..20."),
    ] = None,
    goal: Annotated[
        str | None,
        typer.Option("--goal", help="Find the cheapest that meets it: 'p95 < 60s', 'backlog < 1000'."),
    ] = None,
    format: Format = "text",  # noqa: A002
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Also write a page with charts (.html), or a picture (.png)."),
    ] = None,
) -> None:
    """Simulate a consumer and its autoscaler under a load.

    Pods, backlog, waiting times, drains.

    A trace of a million messages and more is run by a kernel in C, four times as fast, where there is a C compiler: the
    first such run compiles it (cc, gcc or clang, half a second) and keeps it in ~/.cache/ebbtide.
    """
    if context.invoked_subcommand is not None:
        return
    if not stack:
        raise typer.BadParameter("is required", param_hint="'--stack' / '-s'")
    from ebbtide.cli.simulate import run
    from ebbtide.cli.simulate_inputs import Options

    run(
        Options(
            stack=stack,
            project=project,
            consumer=consumer,
            load=load,
            durations=durations,
            signals=signal or [],
            measured=measured or [],
            seeds=seeds,
            changes=set_ or [],
            base=base,
            why=why,
            sweep=sweep,
            goal=goal,
            format=format,
            report=report,
        )
    )


@app.command("convert", epilog="Example: ebbtide simulate convert monday.csv monday.trace")
def simulate_convert(
    source: Annotated[Path, typer.Argument(help="A profile, .csv or .jsonl.")],
    target: Annotated[Path, typer.Argument(help="The trace to write.")],
    durations: Durations = None,
    seed: Annotated[int, typer.Option("--seed", help="For what is drawn.")] = 1,
) -> None:
    """Write a load as a binary trace, which is read ten times faster than text."""
    from ebbtide.cli.simulate import convert

    convert(source, target, durations, seed)
