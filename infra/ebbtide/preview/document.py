"""What `ebbtide preview --format json` prints, and all that its other formats are made of.

Whoever renders it later, as the job that posts comments, needs nothing else: neither the stack nor the change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ebbtide.documents.finding import FindingDocument
from ebbtide.explain.model import ConsumerExplanation, StackExplanation
from ebbtide.judgement.findings import Level, SettingsError
from ebbtide.manifests.document import ResourceDocument
from ebbtide.manifests.resource import Resource, kind_of
from ebbtide.preview.change import Operation, ResourceChange
from ebbtide.preview.review import Review
from ebbtide.preview.risk import Risk, RiskLevel
from ebbtide.preview.show import show_change, show_option, show_path, show_value
from ebbtide.preview.timelines import TimelineChange
from ebbtide.settings.values.units import plural

VERSION: Literal[2] = 2


@dataclass(frozen=True, slots=True)
class ChangedProperty:
    """One property, before and after."""

    path: str
    """`spec.template.spec.containers[consumer].env[APP_ENV]`."""
    old: str
    """Shortened; `[secret]` for a secret, `(none)` for none."""
    new: str
    shown: str
    """Both in words, as the other formats show them: of a long list only what differs."""
    replaces: bool
    """Whether it cannot change in place."""


@dataclass(frozen=True, slots=True)
class ChangedOption:
    """An option of the program's, before and after: `protect`, `ignoreChanges`."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class ChangedResource:
    """One resource that does not stay as it is."""

    type: str
    name: str
    """The logical name."""
    title: str
    """What it is called where it is deployed."""
    operation: Operation
    properties: tuple[ChangedProperty, ...]
    options: tuple[ChangedOption, ...]

    @classmethod
    def of(cls, change: ResourceChange) -> ChangedResource:
        """The same as a document."""
        return cls(
            change.token,
            change.name,
            change.title,
            change.operation,
            tuple(
                ChangedProperty(
                    show_path(one.path),
                    show_value(one.old, one.path),
                    show_value(one.new, one.path),
                    show_change(one),
                    one.replaces,
                )
                for one in change.properties
            ),
            tuple(ChangedOption(one.name, show_option(one.old), show_option(one.new)) for one in change.options),
        )

    @property
    def kind(self) -> str:
        """`kubernetes:apps/v1:Deployment` -> `Deployment`."""
        return kind_of(self.type)

    @property
    def key(self) -> str:
        """How a risk names it."""
        return f"{self.type}::{self.name}"


@dataclass(frozen=True, slots=True)
class NotJudgedProperty:
    """A part of a change that neither a rule nor the list of what is harmless knows."""

    resource: str
    """Type and logical name."""
    what: str
    """The property's path; of a type that nobody knows, what happens to the resource."""
    known_after_update: bool
    """Whether its value is known only then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewDocument:
    """A change of a stack, judged: `--base`, `--plan` or `--engine pulumi`."""

    version: Literal[2]
    """Another one where a key went away or means something else; keys may be added."""
    kind: Literal["review"]
    project: str
    stack: str
    verdict: str
    """The worst thing, in words."""
    level: RiskLevel | None
    """Of the worst risk; null where no rule found one."""
    counts: str
    """`1 created, 2 updated, 14 unchanged`."""
    source: str
    """What was compared with what."""
    incomplete: str
    """Why the source ended before its end; empty where it did not."""
    notes: tuple[str, ...]
    """What a reader must know about the comparison itself."""
    unchanged: int
    """-1 where the source does not say."""
    risks: tuple[Risk, ...]
    """Worst first."""
    not_judged: tuple[NotJudgedProperty, ...]
    """What nobody has judged; each is in a risk of level notJudged as well."""
    timelines: tuple[TimelineChange, ...]
    """How a pod stops, where that changes."""
    changes: tuple[ChangedResource, ...]
    """Those with the worst risks first."""
    findings: tuple[FindingDocument, ...]
    """On the settings as they will be."""
    what_if: tuple[str, ...]
    """One line of simulation for each consumer with a committed load."""
    cost: tuple[str, ...] = ()
    """What it costs a month, in words: the difference first."""

    @classmethod
    def of(cls, review: Review) -> ReviewDocument:
        """The same as a document."""
        change = review.change
        return cls(
            version=VERSION,
            kind="review",
            project=change.project,
            stack=change.stack,
            verdict=review.verdict,
            level=review.worst,
            counts=review.counts,
            source=change.source,
            incomplete=change.incomplete,
            notes=change.notes,
            unchanged=change.unchanged,
            risks=review.risks,
            not_judged=tuple(
                NotJudgedProperty(found.change.key, found.what, found.is_unknown) for found in review.not_judged
            ),
            timelines=review.timelines,
            changes=tuple(map(ChangedResource.of, review.changes)),
            findings=tuple(map(FindingDocument.of, review.findings)),
            what_if=review.what_if,
            cost=review.cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDocument:
    """What a stack deploys, compared with nothing."""

    version: Literal[2]
    """Another one where a key went away or means something else; keys may be added."""
    kind: Literal["deployment"]
    project: str
    stack: str
    verdict: str
    cluster: str
    """Its kind, version and place, in words."""
    namespace: str
    consumers: tuple[ConsumerExplanation, ...]
    findings: tuple[FindingDocument, ...]
    resources: tuple[ResourceDocument, ...]
    """In the order in which the program registers them."""
    what_if: tuple[str, ...]
    """One line of simulation for each consumer with a committed load."""
    cost: tuple[str, ...] = ()
    """What it costs a month, in words."""

    @classmethod
    def of(
        cls,
        project: str,
        explanation: StackExplanation,
        resources: Iterable[Resource],
        what_if: tuple[str, ...] = (),
        cost: tuple[str, ...] = (),
    ) -> DeploymentDocument:
        """What a stack deploys, as a document."""
        registered = tuple(map(ResourceDocument.of, resources))
        deployed = sum(one.is_deployed for one in registered)
        warnings = sum(one.level is Level.WARNING and not one.accepted for one in explanation.findings)
        counted = [f"{plural(len(explanation.consumers), 'consumer')} in {plural(deployed, 'resource')}"]
        counted += [plural(warnings, "warning")] if warnings else []
        return cls(
            version=VERSION,
            kind="deployment",
            project=project,
            stack=explanation.name,
            verdict=f"Stack {explanation.name} deploys {', with '.join(counted)}.",
            cluster=explanation.cluster,
            namespace=explanation.namespace,
            consumers=explanation.consumers,
            findings=tuple(map(FindingDocument.of, explanation.findings)),
            resources=registered,
            what_if=what_if,
            cost=cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalDocument:
    """A stack whose settings are refused, so that there is nothing to show: written with `--out`."""

    version: Literal[2]
    """Another one where a key went away or means something else; keys may be added."""
    kind: Literal["refusal"]
    project: str
    stack: str
    verdict: str
    findings: tuple[FindingDocument, ...]

    @classmethod
    def of(cls, project: str, stack: str, refusal: SettingsError) -> RefusalDocument:
        """The reasons as a document."""
        return cls(
            version=VERSION,
            kind="refusal",
            project=project,
            stack=stack,
            verdict=f"Stack {stack} cannot be previewed: its settings are refused",
            findings=tuple(FindingDocument.of(one, refusal.where) for one in refusal.findings),
        )


PreviewDocument: TypeAlias = ReviewDocument | DeploymentDocument | RefusalDocument
"""Told apart by `kind`."""
