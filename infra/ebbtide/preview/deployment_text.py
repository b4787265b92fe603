"""What a stack deploys, on a terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from ebbtide.explain.text import consumer_summary, findings_list
from ebbtide.judgement.findings import as_json
from ebbtide.manifests.resource import to_json
from ebbtide.preview.deployment import DeploymentPreview, kind_of, notes_of, title_of
from ebbtide.settings.values.units import format_cpu, format_duration, format_memory


def print_deployment(preview: DeploymentPreview, console: Console) -> None:
    """The verdict, the resources, each consumer's shutdown and scaling, and every finding."""
    console.print(Text(preview.verdict, "bold"))
    console.print(Text(preview.explanation.cluster, "dim"))
    console.print()
    console.print(_resources(preview))
    for consumer in preview.explanation.consumers:
        console.print()
        console.rule(Text(consumer.name, "bold"), align="left")
        console.print(consumer_summary(consumer))
    for line in preview.what_if:
        console.print()
        console.print(Text(f"What if: {line}"))
    console.print()
    console.print(findings_list(preview.explanation.findings))


def _resources(preview: DeploymentPreview) -> RenderableType:
    parts: list[RenderableType] = []
    for path, resources in preview.by_component().items():
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, style="green")
        table.add_column(no_wrap=True, min_width=24)
        table.add_column(overflow="fold")
        table.add_column(style="dim", overflow="fold")
        for resource in resources:
            table.add_row("  +", kind_of(resource), Text(title_of(resource)), notes_of(resource))
        parts += [Text(path or "(stack)", "bold"), table]
    return Group(*parts)


def deployment_json(preview: DeploymentPreview) -> dict[str, Any]:
    """The stable JSON form; secrets masked, references as text."""
    explanation = asdict(preview.explanation)
    explanation["findings"] = [as_json(finding) for finding in preview.explanation.findings]
    return {
        "verdict": preview.verdict,
        "resources": [to_json(resource) for resource in preview.resources],
        "explanation": explanation,
        "whatIf": list(preview.what_if),
    }


def render_deployment_json(preview: DeploymentPreview) -> str:
    """The JSON text."""
    return json.dumps(deployment_json(preview), indent=2) + "\n"


def render_deployment_markdown(preview: DeploymentPreview) -> str:
    """GitHub-flavoured Markdown: the verdict first, the resources folded."""
    lines = [f"### {preview.verdict}", "", preview.explanation.cluster, ""]
    lines += [
        f"- **{'accepted' if found.accepted else found.level}** `{found.rule}` {_cell(str(found))}"
        for found in preview.explanation.findings
    ]
    for consumer in preview.explanation.consumers:
        lines += ["", f"#### {consumer.name}", "", "| after deletion | |", "|--:|---|"]
        lines += [f"| {format_duration(moment.seconds)} | {_cell(moment.what)} |" for moment in consumer.timeline]
        lines += ["", "| | pods | processes | broker | database | CPU | memory |", "|---|--:|--:|--:|--:|--:|--:|"]
        for point in consumer.envelope:
            lines.append(
                f"| {point.at} | {point.pods} | {point.processes} | {point.broker_connections} | "
                f"{point.database_connections} | {format_cpu(point.cpu_request_millicores)} | "
                f"{format_memory(point.memory_request_bytes)} |"
            )
    lines += [part for line in preview.what_if for part in ("", f"**What if**: {_cell(line)}")]
    lines += ["", f"<details><summary>{len(preview.deployed)} resources</summary>", ""]
    for path, resources in preview.by_component().items():
        lines += [f"**{_cell(path or '(stack)')}**", ""]
        lines += [
            f"- {kind_of(resource)} `{title_of(resource)}` {notes_of(resource)}".rstrip() for resource in resources
        ]
        lines.append("")
    return "\n".join([*lines, "</details>", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
