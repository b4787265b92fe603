"""`ebbtide preview`."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ebbtide.cli.output import ANNOTATIONS, BAD_INPUT, RISK, fail, project_root
from ebbtide.documents.whole import write_whole
from ebbtide.explain.model import explain_stack
from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import LoadedStack, read_stack

if TYPE_CHECKING:
    from rich.console import Console

    from ebbtide.preview.document import DeploymentDocument, PreviewDocument, ReviewDocument
    from ebbtide.preview.sources.engine import EnginePreview
    from ebbtide.settings.models.stack import StackSettings


def run(
    stack: str,
    project: Path | None,
    *,
    base: str | None,
    plan: Path | None,
    engine: str,
    read: Path | None,
    format: str,  # noqa: A002
    fail_on: str | None,
    out: Path | None,
) -> None:
    """Show what the stack deploys or, with a base, a plan or the engine, review the change."""
    _refuse_other_than_one_source(base, plan, engine, read, fail_on)
    if read is not None:
        from ebbtide.preview.reading import read_preview

        document = read_preview(read, stack)
    elif plan is not None and (review := _review_without_settings(stack, project, plan)) is not None:
        document = review
    else:
        root = project_root(project)
        try:
            loaded = read_stack(stack, root)
        except SettingsError as refusal:
            if format != "text" and out is not None:
                _write_refusal(refusal, stack, root, format, out)
            raise
        if base is None and plan is None and engine == "in-process":
            document = _deployment(loaded, root)
        else:
            document = _review(loaded, root, base=base, plan=plan)
    _show(document, format, out, project)
    _exit(document, fail_on)


def _refuse_other_than_one_source(
    base: str | None, plan: Path | None, engine: str, read: Path | None, fail_on: str | None
) -> None:
    sources = (("--base", base), ("--plan", plan), ("--engine pulumi", engine == "pulumi"), ("--from", read))
    given = [name for name, used in sources if used]
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} are two sources of one change; keep one")
    if fail_on is not None and not given:
        # Without a change nothing could ever fail: a pipeline would believe that it is guarded.
        raise typer.BadParameter("--fail-on judges a change; name one with --base, --plan, --engine pulumi or --from")


def _review_without_settings(stack: str, project: Path | None, plan: Path) -> ReviewDocument | None:
    """The review of a plan of somebody else's program: of a stack that has no settings of ebbtide's."""
    from ebbtide.preview.document import ReviewDocument
    from ebbtide.preview.review import review_change
    from ebbtide.preview.sources.plan import read_plan
    from ebbtide.settings.loading.loader import has_settings

    try:
        if has_settings(stack, project_root(project)):
            return None
    except SettingsError:
        if project is not None:
            return None  # The place that was named is wrong, and the message says how.
    text, name = _read_plan(plan)
    change = read_plan(text, stack, name)
    note = "this stack has no settings of ebbtide: what its consumers need is not known, and judged by the plan alone"
    return ReviewDocument.of(review_change(replace(change, notes=(*change.notes, note))))


def _review(loaded: LoadedStack, root: Path, *, base: str | None, plan: Path | None) -> ReviewDocument:
    from ebbtide.preview.document import ReviewDocument
    from ebbtide.preview.review import review_change
    from ebbtide.settings.loading.project import project_name

    settings = loaded.settings
    findings = explain_stack(loaded).findings
    if base is not None:
        from ebbtide.manifests.resource import to_json
        from ebbtide.manifests.stack import stack_resources
        from ebbtide.preview.sources.base import change_since

        resources = [to_json(resource) for resource in stack_resources(settings)]
        change, before = change_since(base, settings.name, root, resources, project_name(root))
        return ReviewDocument.of(review_change(change, settings, findings, *_what_if_and_cost(loaded, root, before)))
    from ebbtide.preview.sources.plan import read_plan

    if plan is None:
        preview = _run_engine(settings.name, root)
        change = read_plan(preview.text, settings.name, "the preview", project_name(root))
        change = replace(change, incomplete=change.incomplete or preview.failure)
    else:
        text, name = _read_plan(plan)
        change = read_plan(text, settings.name, name, project_name(root))
    return ReviewDocument.of(review_change(change, settings, findings, *_what_if_and_cost(loaded, root)))


def _read_plan(plan: Path) -> tuple[str, str]:
    try:
        return (
            (sys.stdin.read(), "standard input") if str(plan) == "-" else (plan.read_text(encoding="utf-8"), str(plan))
        )
    except UnicodeDecodeError:
        fail(f"{plan}: is not UTF-8; write it with `pulumi preview --json > plan.json`")
    except OSError as error:
        fail(f"{plan}: cannot be read: {error.strerror}; write it with `pulumi preview --json > plan.json`")


def _run_engine(stack: str, root: Path) -> EnginePreview:
    from ebbtide.preview.sources.engine import EngineError, preview_with_engine

    try:
        return preview_with_engine(stack, root)
    except EngineError as error:
        fail(str(error))


def _exit(document: PreviewDocument, fail_on: str | None) -> None:
    """End with the status that the document asks for, if it does."""
    from ebbtide.preview.document import RefusalDocument, ReviewDocument
    from ebbtide.preview.risk import RiskLevel

    if isinstance(document, RefusalDocument) or (isinstance(document, ReviewDocument) and document.incomplete):
        raise typer.Exit(BAD_INPUT)
    if fail_on is None:
        return
    if not isinstance(document, ReviewDocument):
        fail(f"--fail-on judges a change, and --from holds a {document.kind}; write it with --base or --plan")
    levels = list(RiskLevel)
    if document.level is not None and levels.index(document.level) <= levels.index(RiskLevel(fail_on)):
        raise typer.Exit(RISK)


def _what_if_and_cost(
    loaded: LoadedStack, root: Path, before: StackSettings | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the committed loads would meet, and what the stack costs a month, from the same runs; compared with the
    base's settings, where this version can read them."""
    from ebbtide.capacity.what_if import committed_runs, mean_pods, what_if
    from ebbtide.cost.prices import read_prices
    from ebbtide.cost.words import cost_lines

    runs = committed_runs(root, loaded.settings)
    cost = cost_lines(loaded.settings, read_prices(root), before, mean_pods(runs))
    return tuple(what_if(runs, before)), tuple(cost)


def _deployment(loaded: LoadedStack, root: Path) -> DeploymentDocument:
    from ebbtide.in_process import run_in_process
    from ebbtide.preview.document import DeploymentDocument
    from ebbtide.settings.loading.project import project_name

    resources = run_in_process(loaded.settings).resources
    return DeploymentDocument.of(project_name(root), explain_stack(loaded), resources, *_what_if_and_cost(loaded, root))


def _write_refusal(refusal: SettingsError, stack: str, root: Path, format: str, out: Path) -> None:  # noqa: A002
    """In place of the comment on an earlier commit, which would go on saying that all is well."""
    from ebbtide.preview.document import RefusalDocument
    from ebbtide.settings.loading.project import project_name

    with suppress(SettingsError):  # Pulumi.yaml itself: then nobody knows whose comment it is.
        _show(RefusalDocument.of(project_name(root), stack, refusal), format, out, root)


def _show(document: PreviewDocument, format: str, out: Path | None, project: Path | None) -> None:  # noqa: A002
    if format == "json":
        from ebbtide.documents.document import to_json

        _write(f"{to_json(document)}\n", out)
        return
    if format in ANNOTATIONS:
        from ebbtide.cli.annotations import of_preview, show

        _write(show("preview", of_preview(document, project_root(project)), format), out)
        return
    from ebbtide.preview.formats import as_markdown, print_document

    if format == "markdown":
        _write(as_markdown(document), out)
    else:
        _print(lambda console: print_document(document, console), out)


def _print(show: Callable[[Console], None], out: Path | None) -> None:
    """Show on the terminal, or in a file as plain text."""
    from ebbtide.cli.console import make_console

    if out is None:
        show(make_console())
        return
    text = io.StringIO()
    show(make_console(text))
    _write(text.getvalue(), out)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        write_whole(out, text)
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror}; name another file with --out")
