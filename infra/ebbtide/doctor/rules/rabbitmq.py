"""A rule about RabbitMQ itself: where it keeps what waits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.redis_servers import has_no_disk, is_below
from ebbtide.doctor.rules.declare import setup_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import Container

_IMAGE: Final = re.compile(r"(?:^|/)rabbitmq(?:[:@]|$)")
_OFFICIAL: Final = re.compile(r"(?:docker\.io/)?(?:library/)?rabbitmq(?:[:@]|$)")
_DATA: Final = "/var/lib/rabbitmq/mnesia"
"""Where the official image keeps its queues, also since they are no longer Mnesia's."""
_ELSEWHERE: Final = ("RABBITMQ_MNESIA_BASE", "RABBITMQ_MNESIA_DIR")


@setup_rule(
    "D-96",
    Harm.LOSES,
    remedy="Run it as a StatefulSet with volumeClaimTemplates mounted at /var/lib/rabbitmq.",
    source="RabbitMQ's documentation of persistence: durable queues and persistent messages are files of its node; "
    "Kubernetes': what a container writes, and an emptyDir, is gone with the pod.",
)
def check_rabbitmq_disk(setup: SetUp) -> Iterator[Diagnosis]:
    """Queues outlive the RabbitMQ that they are in. Without a disk an update, an eviction or the drain of its node
    takes queues and messages with it, persistent ones too. Said of a single one: of several each queue may have a copy
    elsewhere."""
    for workload in setup.workloads:
        for container in workload.containers:
            is_single = workload.replicas is None or workload.replicas.value <= 1
            if is_single and _is_server(container) and has_no_disk(workload, container, partial(_may_hold, container)):
                yield Diagnosis(
                    workload.place,
                    workload.title,
                    "keeps its queues inside of its pod: an update, an eviction or the drain of its node takes them "
                    "with all that waits",
                    "mount a claim at /var/lib/rabbitmq (volumeClaimTemplates)",
                )


def _is_server(container: Container) -> bool:
    """Whether it runs RabbitMQ itself: its image holds the programs that ask one as well, for a Job that makes queues
    or a container that waits. What a script of somebody's runs is not known."""
    words = [word for one in (container.command, container.arguments) if one is not None for word in one.words]
    is_image = _IMAGE.search(container.image.value if container.image else "") is not None
    return is_image and (not words or any("rabbitmq-server" in word for word in words))


def _may_hold(container: Container, mounted: str) -> bool:
    """Whether a path may hold its queues: the official image's own, or any where somebody says otherwise."""
    is_known = _OFFICIAL.match(container.image.value if container.image else "") is not None
    if not is_known or any(name in container.environment for name in _ELSEWHERE) or container.command is not None:
        return True
    return is_below(_DATA, mounted) or is_below(mounted, _DATA)
