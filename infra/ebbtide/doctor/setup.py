"""Everything that the files say, side by side. What belongs together is found in `connect`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ebbtide.doctor.data import Place, Said
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.files import File
from ebbtide.doctor.image import Image
from ebbtide.doctor.readers.arq import ArqSettings
from ebbtide.doctor.readers.clients import ClientProgram
from ebbtide.doctor.readers.messenger import MessengerPart, Transport
from ebbtide.doctor.readers.node import NodeProgram
from ebbtide.doctor.readers.python import PythonProgram
from ebbtide.doctor.readers.queues import CelerySettings, HorizonSupervisor, QueueConnection, SidekiqSettings, TaskLimit
from ebbtide.doctor.readers.sqs import SqsQueue
from ebbtide.doctor.readers.supervisor import SupervisorFile
from ebbtide.doctor.workload import ManifestObject, Workload


@dataclass
class SetUp:
    """What was read."""

    objects: list[ManifestObject] = field(default_factory=list)
    workloads: list[Workload] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    supervisors: list[SupervisorFile] = field(default_factory=list)
    scripts: list[File] = field(default_factory=list)
    messenger: list[MessengerPart] = field(default_factory=list)
    programs: list[File] = field(default_factory=list)
    """PHP and Python that handle signals themselves, as they are."""
    transports: list[Transport] = field(default_factory=list)
    """Of Messenger, in production: what all its files say together."""
    dotenv: dict[str, dict[str, Said[str]]] = field(default_factory=dict)
    """What `.env` and `.env.prod` say, by file."""
    connections: list[QueueConnection] = field(default_factory=list)
    horizon: list[HorizonSupervisor] = field(default_factory=list)
    schedules: list[File] = field(default_factory=list)
    """Where Laravel's tasks are scheduled, as it is."""
    celery: list[CelerySettings] = field(default_factory=list)
    rq: dict[str, Said[Any]] = field(default_factory=dict)
    """How long a job of each queue of Django-RQ may run, in seconds."""
    task_limits: list[TaskLimit] = field(default_factory=list)
    sqs: list[SqsQueue] = field(default_factory=list)
    """Queues of SQS that something among the files makes."""
    gems: dict[str, Said[str]] = field(default_factory=dict)
    """The versions of Gemfile.lock."""
    sidekiq: list[SidekiqSettings] = field(default_factory=list)
    node: dict[str, NodeProgram] = field(default_factory=dict)
    """What runs on Node.js and may take messages, or is a part of that, by the file's name."""
    clients: dict[str, ClientProgram] = field(default_factory=dict)
    """What takes messages in PHP, Go and Ruby by a client of its own, by the file's name."""
    arq: list[ArqSettings] = field(default_factory=list)
    python: dict[str, PythonProgram] = field(default_factory=dict)
    """Every program of Python, by the file's name: what takes messages, and what may be a part of that."""
    npm_scripts: dict[str, Said[str]] = field(default_factory=dict)
    """Of package.json, by name."""
    npm_packages: set[str] = field(default_factory=set)
    """What it depends on, to run."""
    s6_kills: dict[str, Said[int]] = field(default_factory=dict)
    """After how many milliseconds s6-rc kills a service, by the file that says so."""
    redis: list[File] = field(default_factory=list)
    """redis.conf, as it is."""
    rabbitmq: list[File] = field(default_factory=list)
    """rabbitmq.conf, as it is."""
    overlays: list[File] = field(default_factory=list)
    """kustomization.yaml, as it is."""
    indented_by_tabs: list[Place] = field(default_factory=list)
    unreadable: list[File] = field(default_factory=list)
    """What was handed over and is no text of its kind: nothing of it is known."""
    notes: list[Note] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    """The files that something was found in."""

    def of_kind(self, kind: str) -> Sequence[ManifestObject]:
        """The objects of a kind, once all files are read. For what looks among them for each worker: 250 workers and
        all of 500 objects for each took 0.66 s, and now 0.32."""
        return self._by_kind.get(kind, ())

    @cached_property
    def _by_kind(self) -> dict[str, list[ManifestObject]]:
        found: dict[str, list[ManifestObject]] = {}
        for one in self.objects:
            found.setdefault(one.kind, []).append(one)
        return found
