"""What a project is made of, whoever said it: a person, options, or a set-up that was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Consumer = dict[str, Any]
"""One entry of `ebbtide:consumers`, as a stack file writes it."""


@dataclass(frozen=True)
class Project:
    """The answers."""

    name: str
    stack: str
    platform: str
    kubernetes: str
    consumers: dict[str, Consumer] = field(default_factory=dict)
    migration: str = ""
    """The text of MIGRATION.md; empty where nothing ran before."""
    remarks: str = ""
    """Comments at the head of the stack file, about what it needs; empty where nothing is known of its broker."""
    keda: Literal["", "install", "existing"] = ""
    """Whether the stack installs KEDA, or finds it there; empty where it needs none."""


def example_consumer(image: str, receivers: list[str], processes: int, longest_message: str) -> Consumer:
    """A consumer of Symfony Messenger that `ebbtide check` accepts, to be filled in."""
    return {
        "image": image,
        "worker": {
            "kind": "symfonyMessenger",
            "receivers": receivers,
            "processes": processes,
            "memoryLimit": "128M",
        },
        "shutdown": {"longestMessage": longest_message},
        "autoscaling": {"kind": "fixed", "replicas": 2},
    }
