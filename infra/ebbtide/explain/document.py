"""What `ebbtide explain --format json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from ebbtide.documents.finding import FindingDocument
from ebbtide.explain.cost import CostExplanation
from ebbtide.explain.model import ConsumerExplanation, StackExplanation


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationDocument:
    """One stack, resolved."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    stack: str
    cluster: str
    """Its kind, version and place, in words."""
    namespace: str
    consumers: tuple[ConsumerExplanation, ...]
    findings: tuple[FindingDocument, ...]
    cost: CostExplanation | None = None
    """What it costs a month; null where the stack makes nothing that has a price."""

    @classmethod
    def of(cls, explanation: StackExplanation) -> Self:
        """The same as a document."""
        return cls(
            version=1,
            stack=explanation.name,
            cluster=explanation.cluster,
            namespace=explanation.namespace,
            consumers=explanation.consumers,
            findings=tuple(map(FindingDocument.of, explanation.findings)),
            cost=explanation.cost,
        )
