"""A small stack that each test changes in what it is about."""

from __future__ import annotations

from typing import Any

from ebbtide.manifests.kubernetes import Manifest, build_consumer, stack_manifests
from ebbtide.settings.models.stack import StackSettings

DIGEST = "sha256:" + "a" * 64


def make_stack(consumer: dict[str, Any] | None = None, **stack: Any) -> StackSettings:
    """A stack with the consumer `events`; `consumer` and `stack` are laid over it key by key."""
    events = {
        "image": f"registry.example/events@{DIGEST}",
        "worker": {"kind": "symfonyMessenger", "receivers": ["events"], "processes": 3},
        "autoscaling": {"kind": "fixed", "replicas": 2},
        **(consumer or {}),
    }
    settings = {"name": "test", "cluster": {"kind": "existing"}, "consumers": {"events": events}, **stack}
    return StackSettings.model_validate(settings)


def make_object(kind: str, consumer: dict[str, Any] | None = None, **stack: Any) -> Manifest:
    """The consumer's one object of this kind."""
    settings = make_stack(consumer, **stack)
    (found,) = [one for one in build_consumer(settings, settings.consumers["events"]) if one["kind"] == kind]
    return found


def make_pod(consumer: dict[str, Any] | None = None, **stack: Any) -> Manifest:
    """The `spec` of the consumer's pods."""
    pod: Manifest = make_object("Deployment", consumer, **stack)["spec"]["template"]["spec"]
    return pod


def make_container(consumer: dict[str, Any] | None = None) -> Manifest:
    """The consumer's container."""
    (container,) = make_pod(consumer)["containers"]
    return dict(container)


def all_objects(consumer: dict[str, Any] | None = None, **stack: Any) -> tuple[Manifest, ...]:
    """Every object of the stack."""
    return stack_manifests(make_stack(consumer, **stack))
