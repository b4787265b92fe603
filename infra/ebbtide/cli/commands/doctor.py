"""The options of `ebbtide doctor`."""

from typing import Annotated, Literal

import typer

from ebbtide.cli.commands.options import Out, new_command

app = new_command()


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
    out: Out = None,
    context: Annotated[str | None, typer.Option("--context", help="With --cluster: which context.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="With --cluster: only this one.")] = None,
    *,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Read what a cluster runs too, by `kubectl get`: reads, changes nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for delays and costs as well.")] = False,
) -> None:
    """Tell what a set-up that runs loses, repeats, delays or costs.

    From Kubernetes YAML, Dockerfile, supervisord.conf, scripts, ...

    Reads also compose files, `docker inspect`, s6 run files, messenger.yaml, Laravel's queue.php and horizon.php, and
    Celery's settings; connects them, and names what it could not judge. It runs nothing that it reads, and without
    --cluster it needs no cluster, network or login. Exit status 1 if something loses or repeats messages, or breaks.
    """
    if not paths and not cluster:
        raise typer.BadParameter("name a file or a directory, or write --cluster", param_hint="'PATH...'")
    from ebbtide.cli.doctor import Cluster, run

    read = Cluster(context, namespace) if cluster else None
    run(paths or [], read, format=format, strict=strict, fail_on=fail_on, out=out)
