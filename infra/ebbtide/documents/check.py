"""What `ebbtide check --format json` prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from ebbtide.documents.finding import FindingDocument
from ebbtide.judgement.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDocument:
    """Every finding of every stack that was checked."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    stacks: dict[str, tuple[FindingDocument, ...]]
    """By the name of the stack; empty where nothing was found."""

    @classmethod
    def of(cls, results: Mapping[str, Iterable[Finding]]) -> Self:
        """The findings by stack."""
        return cls(version=1, stacks={name: tuple(map(FindingDocument.of, found)) for name, found in results.items()})
