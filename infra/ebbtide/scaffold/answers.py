"""What a project is made of, whoever said it: a person, options, or a set-up that was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ebbtide.settings.values.units import parse_duration

Consumer = dict[str, Any]
"""One entry of `ebbtide:consumers`, as a stack file writes it."""
NODE_SCALE_DOWN_SECONDS: Final = 570
"""The longest message with which a pod ends before the scale-down of its node no longer waits (V-05)."""


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
        "shutdown": {"longestMessage": longest_message, **_protected(longest_message)},
        "autoscaling": {"kind": "fixed", "replicas": 2},
    }


def _protected(longest_message: str) -> dict[str, str]:
    try:
        is_long = parse_duration(longest_message) > NODE_SCALE_DOWN_SECONDS
    except ValueError:
        is_long = False  # Said where the whole is judged.
    return {"nodeScaleDown": "protect"} if is_long else {}
