"""The options of `ebbtide advise`."""

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
    Stack,
    new_command,
)

app = new_command()


@app.command(
    epilog="""\b
Examples:
  ebbtide advise --stack production --goal 'p95 < 60s'
  ebbtide advise -s production --goal 'p99 < 5m' --goal 'podHours < 30' --goal 'connections < 400' --seeds 3"""
)
def advise(
    stack: Stack,
    goal: Annotated[
        list[str],
        typer.Option(
            "--goal",
            metavar="GOAL",
            help="What has to hold, several times if need be: 'p95 < 60s', 'podHours < 30', 'connections < 400'.",
        ),
    ],
    project: Project = None,
    consumer: Consumer = None,
    load: Load = None,
    durations: Durations = None,
    signal: Signal = None,
    measured: Measured = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="Runs of a drawn load; the worst counts.")] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="With another setting, for example processes=40."),
    ] = None,
    format: Format = "text",  # noqa: A002
) -> None:
    """Find the autoscaler that meets a goal for the fewest pod-hours.

    Fixed, an HPA on CPU, or KEDA; exit status 1 if none does.
    """
    from ebbtide.cli.advise import Options, run

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
            goals=goal,
            format=format,
        )
    )
