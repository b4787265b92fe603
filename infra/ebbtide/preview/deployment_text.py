"""What a stack deploys, on a terminal or as plain text in a pipe."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ebbtide.explain.text import consumer_summary, findings_list
from ebbtide.preview.deployment import by_component, notes_of, title_of
from ebbtide.preview.document import DeploymentDocument


def print_deployment(deployment: DeploymentDocument, console: Console) -> None:
    """The verdict, the resources, each consumer's shutdown and scaling, and every finding."""
    console.print(Text(deployment.verdict, "bold"))
    console.print(Text(deployment.cluster, "dim"))
    console.print()
    console.print(_resources(deployment))
    for consumer in deployment.consumers:
        console.print()
        console.rule(Text(consumer.name, "bold"), align="left")
        console.print(consumer_summary(consumer))
    for line in deployment.what_if:
        console.print()
        console.print(Text(f"What if: {line}"))
    for line in deployment.cost:
        console.print()
        console.print(Text(f"Cost: {line}"))
    console.print()
    console.print(findings_list(deployment.findings))


def _resources(deployment: DeploymentDocument) -> RenderableType:
    parts: list[RenderableType] = []
    for path, resources in by_component(deployment.resources).items():
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="green")
        table.add_column(no_wrap=True, min_width=24)
        table.add_column(overflow="fold")
        table.add_column(style="dim", overflow="fold")
        for resource in resources:
            table.add_row("  +", Text(resource.kind), Text(title_of(resource)), Text(notes_of(resource)))
        parts += [Text(path, "bold"), table]
    return Group(*parts)
