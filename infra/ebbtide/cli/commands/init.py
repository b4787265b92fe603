"""The options of `ebbtide init`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ebbtide.cli.commands.options import new_command
from ebbtide.cli.many_paths import ManyPaths
from ebbtide.kubernetes.versions import DEFAULT_KUBERNETES

app = new_command()


@app.command(
    cls=ManyPaths,
    epilog="""\b
Examples:
  ebbtide init shop/
  ebbtide init shop/ --from k8s/ docker/
  ebbtide init shop/ --from k8s/ docker/ --broker redis://10.20.0.7:6379/mail
  ebbtide init . --consumer mail --processes 20 --longest-message 90s --broker redis://10.20.0.7:6379/mail
""",
)
def init(
    directory: Annotated[Path, typer.Argument(help="The project's directory.")] = Path(),
    read: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="PATH...", help="Carry a set-up over: files and directories, as doctor reads."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the project. Default: the directory's.")] = None,
    stack: Annotated[str, typer.Option("--stack", "-s", help="Name of the first stack.")] = "dev",
    platform: Annotated[
        Literal["gkeStandard", "gkeAutopilot", "other"], typer.Option("--platform", help="What the cluster is.")
    ] = "gkeStandard",
    kubernetes: Annotated[
        str, typer.Option("--kubernetes", help="Version of the cluster, as 1.34.")
    ] = DEFAULT_KUBERNETES,
    consumer: Annotated[str | None, typer.Option("--consumer", help="Name of the first consumer.")] = None,
    image: Annotated[str | None, typer.Option("--image", help="Its image.")] = None,
    receivers: Annotated[str | None, typer.Option("--receivers", help="Transports that it consumes.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Worker processes in a pod.")] = None,
    longest_message: Annotated[
        str | None, typer.Option("--longest-message", help="The longest that one message takes, as 90s.")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option("--broker", metavar="DSN", help="Follow its queue to zero and back; a DSN without a password."),
    ] = None,
) -> None:
    """Begin a project: stack file, program, image, review workflow.

    From a set-up with --from, and MIGRATION.md then.

    Asks on a terminal; elsewhere it takes options and their defaults. Nothing that is there is changed.
    """
    from ebbtide.cli.init import Options, run

    run(
        Options(
            directory=directory,
            read=read or [],
            name=name,
            stack=stack,
            platform=platform,
            kubernetes=kubernetes,
            consumer=consumer,
            image=image,
            receivers=receivers,
            processes=processes,
            longest_message=longest_message,
            broker=broker,
        )
    )
