"""The options of `ebbtide rehearse`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ebbtide.brokers import BROKERS
from ebbtide.cli.commands.options import Consumer, Format, Project, complete_stack, new_command

app = new_command()


def _known_broker(name: str) -> str:
    if name not in BROKERS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, BROKERS))}.")
    return name


@app.command(
    epilog="Example: ebbtide rehearse --stack staging --context staging --image registry/app@sha256:... "
    "--broker rabbitmq --broker-image registry/broker:1 --report rehearsal.html"
)
def rehearse(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Stack name.", autocompletion=complete_stack)] = "local",
    project: Project = None,
    consumer: Consumer = None,
    context: Annotated[
        str | None,
        typer.Option("--context", help="Context of the kubeconfig; needed for a cluster that is not on this machine."),
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", help="Namespace to make; the broker's is called so too, with -broker.")
    ] = "ebbtide-rehearsal",
    broker: Annotated[
        str,
        typer.Option(
            "--broker", metavar=f"<{'|'.join(BROKERS)}>", callback=_known_broker, help="Which broker to start."
        ),
    ] = "redis",
    image: Annotated[
        str | None,
        typer.Option("--image", help="Image of the consumer. Default: the stack's."),
    ] = None,
    broker_image: Annotated[
        str,
        typer.Option("--broker-image", help="Image with the broker's server (for PostgreSQL: that knows user 10001)."),
    ] = "localhost/ebbtide/broker",
    scenario: Annotated[
        Literal["full", "short", "wakes"],
        typer.Option(
            "--scenario",
            help="full: every round; short: that of longest messages, and with KEDA a delayed one; wakes: ten times "
            "one message at zero (KEDA).",
        ),
    ] = "full",
    messages: Annotated[int, typer.Option("--messages", min=0, help="Send at least so many.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another setting of the consumer, as worker.processes=8."),
    ] = None,
    setup_command: Annotated[
        str, typer.Option("--setup-command", help="Run once in the image before the first message.")
    ] = "php bin/console messenger:setup-transports --no-interaction",
    send_command: Annotated[
        str, typer.Option("--send-command", help="Queues the JSON lines on its standard input (docs/rehearsal.md).")
    ] = "php bin/console app:send-events",
    format: Format = "text",  # noqa: A002
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Also write a page with charts."),
    ] = None,
    *,
    baseline: Annotated[
        bool,
        typer.Option("--baseline", help="Rehearse supervisord without hook instead: shows that losses are seen."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show progress in a pipe as well.")] = False,
) -> None:
    """Rehearse a stack in a real cluster, and count every message.

    Load, scaling, an update, an eviction. Exit status 1 if it fails.

    Everything happens in namespaces of its own, which are gone afterwards.
    """
    from ebbtide.cli.rehearse import Command, run

    run(
        Command(
            stack=stack,
            project=project,
            consumer=consumer,
            context=context,
            namespace=namespace,
            broker=broker,
            image=image,
            broker_image=broker_image,
            scenario=scenario,
            messages=messages,
            values=set_ or [],
            setup_command=setup_command,
            send_command=send_command,
            format=format,
            report=report,
            baseline=baseline,
            verbose=verbose,
        )
    )
