"""What a stack deploys as GitHub-flavoured Markdown: the verdict first, the resources folded."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.explain.model import ConsumerExplanation
from ebbtide.preview.deployment import by_component, notes_of, title_of
from ebbtide.preview.document import DeploymentDocument
from ebbtide.preview.markdown import COMMENT_LIMIT, fitting, marker, prose
from ebbtide.settings.values.units import format_cpu, format_duration, format_memory


def deployment_markdown(deployment: DeploymentDocument, limit: int = COMMENT_LIMIT) -> str:
    """The whole, or as much of it as fits into a comment."""
    return fitting(_blocks(deployment), limit, "\n_{count} more parts do not fit into a comment._") + "\n"


def _blocks(deployment: DeploymentDocument) -> Iterator[str]:
    yield f"{marker(deployment.project, deployment.stack)}\n### {prose(deployment.verdict)}"
    yield f"\n{prose(deployment.cluster)}\n"
    for found in deployment.findings:
        level = "accepted" if found.accepted else found.level
        yield f"- **{level}** <code>{prose(found.rule)}</code> {prose(str(found))}"
    yield from (_consumer(consumer) for consumer in deployment.consumers)
    yield from (f"\n**What if**: {prose(line)}" for line in deployment.what_if)
    yield from (f"\n**Cost**: {prose(line)}" for line in deployment.cost)
    groups = by_component(deployment.resources)
    lines = ["", f"<details><summary>{sum(map(len, groups.values()))} resources</summary>", ""]
    for path, resources in groups.items():
        lines += [f"**{prose(path)}**", ""]
        for resource in resources:
            line = f"- {prose(resource.kind)} <code>{prose(title_of(resource))}</code> {prose(notes_of(resource))}"
            lines.append(line.rstrip())
        lines.append("")
    yield "\n".join([*lines, "</details>"])


def _consumer(consumer: ConsumerExplanation) -> str:
    lines = ["", f"#### {prose(consumer.name)}", "", "| after deletion | |", "|--:|---|"]
    lines += [f"| {format_duration(moment.seconds)} | {prose(moment.what)} |" for moment in consumer.timeline]
    lines += ["", "| | pods | processes | broker | database | CPU | memory |", "|---|--:|--:|--:|--:|--:|--:|"]
    for point in consumer.envelope:
        lines.append(
            f"| {point.at} | {point.pods} | {point.processes} | {point.broker_connections} | "
            f"{point.database_connections} | {format_cpu(point.cpu_request_millicores)} | "
            f"{format_memory(point.memory_request_bytes)} |"
        )
    return "\n".join(lines)
