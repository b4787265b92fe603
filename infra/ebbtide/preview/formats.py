"""A preview in every format, whichever kind it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ebbtide.preview.deployment_markdown import deployment_markdown
from ebbtide.preview.document import DeploymentDocument, PreviewDocument, ReviewDocument
from ebbtide.preview.review_markdown import refusal_markdown, review_markdown

if TYPE_CHECKING:
    from rich.console import Console


def as_markdown(document: PreviewDocument) -> str:
    """A comment, a job's summary."""
    if isinstance(document, ReviewDocument):
        return review_markdown(document)
    if isinstance(document, DeploymentDocument):
        return deployment_markdown(document)
    return refusal_markdown(document)


def print_document(document: PreviewDocument, console: Console) -> None:
    """On a terminal."""
    from ebbtide.preview.deployment_text import print_deployment  # noqa: PLC0415 - rich, for the terminal only
    from ebbtide.preview.review_text import print_refusal, print_review  # noqa: PLC0415

    if isinstance(document, ReviewDocument):
        print_review(document, console)
    elif isinstance(document, DeploymentDocument):
        print_deployment(document, console)
    else:
        print_refusal(document, console)
