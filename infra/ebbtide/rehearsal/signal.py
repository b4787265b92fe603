"""What an autoscaler follows, and with it what a rehearsal's load moves, what is watched of it and how it is judged.

One class for each signal: the CPU of the pods (`cpu`), or what the broker holds (`backlog`). Which one a kind of
autoscaling follows, it says in `signals`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from ebbtide.rehearsal.access import Need
from ebbtide.rehearsal.autoscaler_document import AutoscalerDocument
from ebbtide.rehearsal.cluster import Cluster, Manifest
from ebbtide.rehearsal.load import Kind
from ebbtide.rehearsal.outcome import Scaling
from ebbtide.rehearsal.record import Record
from ebbtide.rehearsal.scenario import Round
from ebbtide.rehearsal.watch import Seen
from ebbtide.report.model import Chart, Table


class Judgement(ABC):
    """What an autoscaler did, held against what it may do."""

    scalings: list[Scaling]
    """Every change of the number of pods that it asked for."""

    @property
    @abstractmethod
    def problems(self) -> list[str]:
        """What it did that it must not, or did not do; with any of them a rehearsal has not passed."""

    @abstractmethod
    def table(self) -> Table:
        """The same in words."""

    @abstractmethod
    def chart(self) -> Chart:
        """What it saw, over time."""

    @abstractmethod
    def document(self) -> AutoscalerDocument:
        """The same for `--format json`."""


class Signal(ABC):
    """One of them, for one consumer of one rehearsal."""

    needs: ClassVar[tuple[Need, ...]]
    """What the cluster must serve."""
    rounds: ClassVar[Mapping[str, tuple[Round, ...]]]
    """By the name of the scenario."""
    begins_at_rest: ClassVar[bool]
    """Whether the pods are brought to their minimum before the first round: a new Deployment begins with one."""

    def require_watched(self, cluster: Cluster, namespace: str) -> None:  # noqa: B027 - an HPA is watched everywhere
        """Raises SettingsError where its autoscaler does not look into this namespace."""

    @property
    @abstractmethod
    def reach_seconds(self) -> float:
        """How long the way up or down may take."""

    @abstractmethod
    def load(self, one: Round) -> Kind:
        """What brings the pods to their maximum, and leaves them there; or what is sent at rest."""

    def phase_seconds(self, number: int) -> float:  # noqa: ARG002 - where none matters
        """How long a round waits before it sends at rest, so that not every one meets the same phase of a poll."""
        return 0.0

    @abstractmethod
    def descent(self, one: Round) -> tuple[tuple[Kind | None, int], ...]:
        """The way down: what is sent meanwhile, and the number of pods at the end of it."""

    @abstractmethod
    def look(self, cluster: Cluster, namespace: str, pods: list[Manifest]) -> Seen:
        """What the autoscaler sees and asks for now; keeps what judging needs."""

    @abstractmethod
    def judge(self, record: Record) -> Judgement:
        """What follows from what was seen."""
