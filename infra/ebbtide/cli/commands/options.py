"""The options that several commands have."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def new_command() -> typer.Typer:
    """For the one command of a module."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def complete_stack(incomplete: str) -> list[str]:
    """The stacks of the project around this directory, for the shell."""
    from ebbtide.cli.complete import stacks

    return stacks(incomplete)


def _complete_consumer(context: typer.Context, incomplete: str) -> list[str]:
    """The consumers of the stack that the line names already."""
    from ebbtide.cli.complete import consumers

    return consumers(context.params.get("stack"), context.params.get("project"), incomplete)


Project = Annotated[
    Path | None,
    typer.Option("--project", help="Directory with Pulumi.yaml. Default: the nearest one at or above this one."),
]
Stack = Annotated[
    str, typer.Option("--stack", "-s", help="Stack name, for example dev.", autocompletion=complete_stack)
]
Consumer = Annotated[
    str | None,
    typer.Option("--consumer", help="Which consumer, if the stack has several.", autocompletion=_complete_consumer),
]
Format = Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file instead.")]

# What the simulator is told.
Load = Annotated[
    Path | None,
    typer.Option("--load", help="A profile, a trace, .csv or .jsonl. Default: loads/<consumer>.yaml."),
]
Durations = Annotated[
    str | None,
    typer.Option("--durations", help="'p50=2s,p95=30s,max=200s', or a file of samples."),
]
Signal = Annotated[
    list[str] | None,
    typer.Option(
        "--signal", metavar="METRIC=SIGNAL", help="What an external metric measures: backlog or backlogAndInFlight."
    ),
]
Measured = Annotated[
    list[str] | None,
    typer.Option(
        "--measured", metavar="NAME=VALUE", help="What you measured, in place of a default, as bootSeconds=12."
    ),
]
