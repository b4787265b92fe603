"""The command line, `ebbtide`. Only options and help live here; each command imports what it runs when it runs.

`--help` must not pay for the models, and `check` not for Pulumi: importing the SDK's classes takes 4.4 s.
"""

import gc
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from ebbtide.brokers import BROKERS

app = typer.Typer(
    name="ebbtide",
    help="Autoscaled queue consumers on GKE that never lose a message when they scale down.",
    epilog="A project is a directory with Pulumi.yaml; its stacks are stacks/Pulumi.<name>.yaml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _stacks(incomplete: str) -> list[str]:
    """The stacks of the project around this directory, for the shell."""
    from ebbtide.cli.complete import stacks

    return stacks(incomplete)


def _consumers(context: typer.Context, incomplete: str) -> list[str]:
    """The consumers of the stack that the line names already."""
    from ebbtide.cli.complete import consumers

    return consumers(context.params.get("stack"), context.params.get("project"), incomplete)


Project = Annotated[
    Path | None,
    typer.Option("--project", help="Directory with Pulumi.yaml. Default: the nearest one at or above this one."),
]
Stack = Annotated[str, typer.Option("--stack", "-s", help="Stack name, for example dev.", autocompletion=_stacks)]


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Autoscaled queue consumers on GKE that never lose a message when they scale down."""
    if version:
        from ebbtide.version import __version__

        typer.echo(f"ebbtide {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(epilog="Example: ebbtide render --stack production --out manifests/")
def render(
    stack: Stack,
    project: Project = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write one file per object here, and a kustomization; files of the run before go."),
    ] = None,
    format: Annotated[Literal["yaml", "json"], typer.Option("--format", help="Output format.")] = "yaml",  # noqa: A002
    *,
    resources: Annotated[
        bool,
        typer.Option("--resources", help="Every resource of the program, Google Cloud included, with its options."),
    ] = False,
) -> None:
    """Print the Kubernetes manifests of a stack, as they are applied."""
    from ebbtide.cli.render import run

    run(stack, project, out, format, resources=resources)


@app.command(epilog="Example: ebbtide check --strict")
def check(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Only this stack. Default: all.", autocompletion=_stacks)
    ] = None,
    project: Project = None,
    format: Annotated[  # noqa: A002
        Literal["text", "json", "sarif", "github"],
        typer.Option("--format", help="Output format; sarif is for code scanning, github marks lines in a workflow."),
    ] = "text",
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings as well.")] = False,
) -> None:
    """Validate stacks and print every finding at once. Exit status 1 if there is an error."""
    from ebbtide.cli.check import run

    run(stack, project, format, strict=strict)


@app.command(
    epilog="""\b
Examples:
  ebbtide explain --stack dev
  ebbtide explain --stack production --load mail=black-friday.csv"""
)
def explain(
    stack: Stack,
    project: Project = None,
    load: Annotated[
        list[str] | None,
        typer.Option(
            "--load",
            metavar="CONSUMER=FILE",
            help="What it costs under this load, as simulated. Default: loads/<consumer>.yaml.",
        ),
    ] = None,
    format: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",  # noqa: A002
) -> None:
    """Explain a stack: settings and their sources, the shutdown timeline, the scaling envelope, the cost."""
    from ebbtide.cli.explain import run

    run(stack, project, load or [], format)


@app.command(
    epilog="""\b
Examples:
  ebbtide dashboard --stack production --out monitoring/
  ebbtide dashboard --stack production --format json"""
)
def dashboard(
    stack: Stack,
    project: Project = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the files here.")] = None,
    format: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",  # noqa: A002
) -> None:
    """Dashboards and alerts as files, for whoever gives them to Grafana, Prometheus, Loki or Google Cloud by hand.

    A stack with `observability` deploys its own; this needs none.
    """
    from ebbtide.cli.dashboard import run

    run(stack, project, out, format)


@app.command(epilog="Example: ebbtide preview --stack production --base origin/main --format markdown")
def preview(
    stack: Stack,
    project: Project = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="GIT-REF", help="Compare with where the work tree left this branch, in process."
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan", metavar="FILE", help="Judge the output of `pulumi preview --json`; - reads standard input."
        ),
    ] = None,
    engine: Annotated[
        Literal["in-process", "pulumi"],
        typer.Option(
            "--engine", help="in-process needs no login; pulumi runs the real preview (Pulumi CLI and backend)."
        ),
    ] = "in-process",
    format: Annotated[  # noqa: A002
        Literal["text", "markdown", "json", "sarif", "github"],
        typer.Option("--format", help="Output format; sarif is for code scanning, github marks lines in a workflow."),
    ] = "text",
    read: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Show what --format json wrote earlier, of the same stack."),
    ] = None,
    fail_on: Annotated[
        Literal["danger", "notJudged", "disruptive", "scaling", "info"] | None,
        typer.Option("--fail-on", help="Exit with 3 if a risk is at this level or above."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead.")] = None,
) -> None:
    """Show what a stack deploys or, with --base or --plan, what a change does to running consumers."""
    from ebbtide.cli.preview import run

    run(stack, project, base=base, plan=plan, engine=engine, read=read, format=format, fail_on=fail_on, out=out)


simulate_app = typer.Typer(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(simulate_app, name="simulate")


@simulate_app.callback(
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
        str, typer.Option("--stack", "-s", help="Stack name, for example production.", autocompletion=_stacks)
    ] = "",
    project: Project = None,
    consumer: Annotated[
        str | None,
        typer.Option("--consumer", help="Which consumer, if the stack has several.", autocompletion=_consumers),
    ] = None,
    load: Annotated[
        Path | None,
        typer.Option("--load", help="A profile, a trace, .csv or .jsonl. Default: loads/<consumer>.yaml."),
    ] = None,
    durations: Annotated[
        str | None,
        typer.Option("--durations", help="'p50=2s,p95=30s,max=200s', or a file of samples."),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            "--signal", metavar="METRIC=SIGNAL", help="What an external metric measures: backlog or backlogAndInFlight."
        ),
    ] = None,
    measured: Annotated[
        list[str] | None,
        typer.Option(
            "--measured", metavar="NAME=VALUE", help="What you measured, in place of a default, as bootSeconds=12."
        ),
    ] = None,
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
    format: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",  # noqa: A002
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Also write a page with charts (.html), or a picture (.png)."),
    ] = None,
) -> None:
    """Simulate a consumer and its autoscaler under a load: pods, backlog, waiting times, drains.

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
            stack,
            project,
            consumer,
            load,
            durations,
            signal or [],
            measured or [],
            seeds,
            set_ or [],
            base,
            why,
            sweep,
            goal,
            format,
            report,
        )
    )


@simulate_app.command("convert", epilog="Example: ebbtide simulate convert monday.csv monday.trace")
def simulate_convert(
    source: Annotated[Path, typer.Argument(help="A profile, .csv or .jsonl.")],
    target: Annotated[Path, typer.Argument(help="The trace to write.")],
    durations: Annotated[
        str | None,
        typer.Option("--durations", help="'p50=2s,p95=30s,max=200s', or a file of samples."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="For what is drawn.")] = 1,
) -> None:
    """Write a load as a binary trace, which is read ten times faster than text."""
    from ebbtide.cli.simulate import convert

    convert(source, target, durations, seed)


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
            help="What has to hold, several times if need be: 'p95 < 60s', 'podHours < 30', 'connections < 400'.",
        ),
    ],
    project: Project = None,
    consumer: Annotated[
        str | None, typer.Option("--consumer", help="Which consumer, if the stack has several.")
    ] = None,
    load: Annotated[
        Path | None,
        typer.Option("--load", help="A profile, a trace, .csv or .jsonl. Default: loads/<consumer>.yaml."),
    ] = None,
    durations: Annotated[
        str | None,
        typer.Option("--durations", help="'p50=2s,p95=30s,max=200s', or a file of samples."),
    ] = None,
    signal: Annotated[
        list[str] | None,
        typer.Option(
            "--signal", metavar="METRIC=SIGNAL", help="What an external metric measures: backlog or backlogAndInFlight."
        ),
    ] = None,
    measured: Annotated[
        list[str] | None,
        typer.Option(
            "--measured", metavar="NAME=VALUE", help="What you measured, in place of a default, as bootSeconds=12."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, max=1000, help="Runs of a drawn load; the worst counts.")] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="With another setting, for example processes=40."),
    ] = None,
    format: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",  # noqa: A002
) -> None:
    """Find the autoscaler that meets a goal for the fewest pod-hours: fixed, an HPA on CPU, or KEDA. 1 if none does."""
    from ebbtide.cli.advise import Options, run

    run(
        Options(
            stack, project, consumer, load, durations, signal or [], measured or [], seeds, set_ or [], goal, format
        )
    )


def _known_broker(name: str) -> str:
    if name not in BROKERS:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, BROKERS))}.")
    return name


@app.command(
    epilog="Example: ebbtide rehearse --stack staging --context staging --image registry/app@sha256:... "
    "--broker rabbitmq --broker-image registry/broker:1 --report rehearsal.html"
)
def rehearse(
    stack: Annotated[str, typer.Option("--stack", "-s", help="Stack name.", autocompletion=_stacks)] = "local",
    project: Project = None,
    consumer: Annotated[
        str | None,
        typer.Option("--consumer", help="Which consumer, if the stack has several.", autocompletion=_consumers),
    ] = None,
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
            help="full: every round; short: one, of longest messages; wakes: ten times one message at zero (KEDA).",
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
    format: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",  # noqa: A002
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
    """Rehearse a stack in a real cluster: load, scaling, an update, an eviction; counts every message. 1 if it fails.

    Everything happens in namespaces of its own, which are gone afterwards.
    """
    from ebbtide.cli.rehearse import Command, run

    run(
        Command(
            stack,
            project,
            consumer,
            context,
            namespace,
            broker,
            image,
            broker_image,
            scenario,
            messages,
            set_ or [],
            setup_command,
            send_command,
            format,
            report,
            baseline,
            verbose,
        )
    )


@app.command(
    epilog="""\b
Examples:
  ebbtide comment previews/ --head "$HEAD"     in a workflow of GitHub (examples/ci/github-comment.yml)
  ebbtide comment .                            in a pipeline of GitLab (examples/ci/gitlab.yml)
"""
)
def comment(
    directory: Annotated[
        Path, typer.Argument(help="Holds preview-<stack>/preview.json, and on GitHub preview-<stack>/pull-request.")
    ],
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="SHA", help="Post only if the pull request is at this commit."),
    ] = None,
) -> None:
    """Post previews as comments of a pull request or merge request, one for each stack, updated in place.

    The token is read from GITHUB_TOKEN or PREVIEW_TOKEN. The previews are data: a job without rights may write them.
    """
    from ebbtide.cli.comment import run

    run(directory, head)


@app.command(
    epilog="""\b
Examples:
  ebbtide doctor k8s/ docker/ config/packages/messenger.yaml
  helm template shop charts/shop | ebbtide doctor - docker/Dockerfile
  kubectl get deploy,hpa,scaledobject,pdb -o yaml | ebbtide doctor - --format sarif --out doctor.sarif
  docker inspect registry.example/workers:7 > image.json && ebbtide doctor k8s/ image.json
  ebbtide doctor --cluster --namespace shop docker/Dockerfile
"""
)
def doctor(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Files, directories, - for standard input.")
    ] = None,
    format: Annotated[  # noqa: A002
        Literal["text", "markdown", "json", "sarif", "github"], typer.Option("--format", help="Output format.")
    ] = "text",
    fail_on: Annotated[
        Literal["loses", "breaks", "repeats", "delays", "costs", "notJudged"] | None,
        typer.Option("--fail-on", help="Exit with 3 if something is as bad as this or worse, and with 0 otherwise."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write to this file instead.")] = None,
    context: Annotated[str | None, typer.Option("--context", help="With --cluster: which context.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="With --cluster: only this one.")] = None,
    *,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Read what a cluster runs too, by `kubectl get`: reads, changes nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for delays and costs as well.")] = False,
) -> None:
    """Tell what a set-up loses, repeats, delays or costs: Kubernetes YAML, Dockerfile, supervisord.conf, scripts, ...

    Reads also compose files, `docker inspect`, s6 run files, messenger.yaml, Laravel's queue.php and horizon.php, and
    Celery's settings; connects them, and names what it could not judge. It runs nothing that it reads, and without
    --cluster it needs no cluster, network or login. Exit status 1 if something loses or repeats messages, or breaks.
    """
    if not paths and not cluster:
        raise typer.BadParameter("name a file or a directory, or write --cluster", param_hint="'PATH...'")
    from ebbtide.cli.doctor import Cluster, run

    read = Cluster(context, namespace) if cluster else None
    run(paths or [], read, format=format, strict=strict, fail_on=fail_on, out=out)


@app.command(
    epilog="""\b
Examples:
  ebbtide init shop/
  ebbtide init shop/ --from k8s/ docker/
  ebbtide init . --name shop --consumer mail --receivers 'mail sms' --processes 20 --longest-message 90s
"""
)
def init(
    directory: Annotated[Path, typer.Argument(help="The project's directory.")] = Path(),
    read: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="PATH", help="Carry a set-up over, as doctor reads it. Can be repeated."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the project. Default: the directory's.")] = None,
    stack: Annotated[str, typer.Option("--stack", "-s", help="Name of the first stack.")] = "dev",
    platform: Annotated[
        Literal["gkeStandard", "gkeAutopilot", "other"], typer.Option("--platform", help="What the cluster is.")
    ] = "gkeStandard",
    kubernetes: Annotated[str, typer.Option("--kubernetes", help="Version of the cluster.")] = "1.34",
    consumer: Annotated[str | None, typer.Option("--consumer", help="Name of the first consumer.")] = None,
    image: Annotated[str | None, typer.Option("--image", help="Its image.")] = None,
    receivers: Annotated[str | None, typer.Option("--receivers", help="Transports that it consumes.")] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Worker processes in a pod.")] = None,
    longest_message: Annotated[
        str | None, typer.Option("--longest-message", help="The longest that one message takes, as 90s.")
    ] = None,
) -> None:
    """Begin a project: stack file, program, image, review workflow. From a set-up with --from, and MIGRATION.md then.

    Asks on a terminal; elsewhere it takes options and their defaults. Nothing that is there is changed.
    """
    from ebbtide.cli.init import Options, run

    run(
        Options(
            directory,
            read or [],
            name,
            stack,
            platform,
            kubernetes,
            consumer,
            image,
            receivers,
            processes,
            longest_message,
        )
    )


@app.command(epilog="Examples: ebbtide rules; ebbtide rules V-21")
def rules(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this one, with its reason.")] = None,  # noqa: A002
    format: Annotated[Literal["text", "json"], typer.Option("--format", help="Output format.")] = "text",  # noqa: A002
) -> None:
    """List what ebbtide judges, or explain one rule: why it is there, what to do, and where it is known from."""
    from ebbtide.cli.rules import run

    run(id, format)


@app.command(epilog="Example: ebbtide schema > stack.schema.json")
def schema() -> None:
    """Print the JSON Schema of a stack file, for editors."""
    from ebbtide.cli.schema import run

    run()


@app.command(epilog="Example: ebbtide image --out docker/")
def image(out: Annotated[Path, typer.Option("--out", help="Directory to write to.")]) -> None:
    """Write the Dockerfile and what it packages, to build the consumer image from."""
    from ebbtide.cli.image import run

    run(out)


def main() -> None:
    """Run the command line; settings that cannot be used end in their findings and exit status 1."""
    # What a command imports stays, and the collector would look through it 90 times. Long commands still collect,
    # only later. And pydantic would read the metadata of every installed package in search of plugins for itself.
    # Together 3 % of the instructions of `ebbtide check` (measured).
    gc.set_threshold(100_000, 50)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from ebbtide.cli.output import exit_cleanly, prepare_terminal

    prepare_terminal()
    with exit_cleanly():
        app(prog_name="ebbtide")
