"""What a Deployment's manifest tells about its pods: enough to say what a change does to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.manifests.kubernetes.autoscaler import BOUNDS
from ebbtide.preview.change import Operation, ResourceChange, entries, mapping
from ebbtide.preview.risk import Context
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.values.units import format_duration

_DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a Deployment, as its manifest states them."""

    grace_seconds: int
    processes: int
    longest_message_seconds: int | None
    image: str
    has_hook: bool
    is_consumer: bool
    """Whether ebbtide made them, by their variables; a program of one's own may have other Deployments."""
    replicas: int | None
    """None where an autoscaler owns the number."""

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> Pods:
        """Read a manifest; what is not there has Kubernetes' default."""
        spec = mapping(deployment.get("spec"))
        pod = mapping(mapping(spec.get("template")).get("spec"))
        containers = entries(pod.get("containers"))
        container = next(
            (found for found in containers if found.get("name") == "consumer"), containers[0] if containers else {}
        )
        longest = _variable(container, "EBBTIDE_LONGEST_MESSAGE_SECONDS")
        replicas = spec.get("replicas")
        return cls(
            grace_seconds=_number(pod.get("terminationGracePeriodSeconds"), _DEFAULT_GRACE_SECONDS),
            processes=_number(_variable(container, "EBBTIDE_PROCESSES"), 1),
            longest_message_seconds=_number(longest, 0) if longest is not None else None,
            image=str(container.get("image", "")),
            has_hook=bool(mapping(container.get("lifecycle")).get("preStop")),
            is_consumer=any(str(one.get("name")).startswith("EBBTIDE_") for one in entries(container.get("env"))),
            replicas=replicas if isinstance(replicas, int) else None,
        )


def _number(value: object, default: int) -> int:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _variable(container: Mapping[str, Any], name: str) -> object:
    for variable in entries(container.get("env")):
        if variable.get("name") == name:
            return variable.get("value")
    return None


def rolls_pods(change: ResourceChange) -> bool:
    """Whether Kubernetes replaces the pods: any change of the template but nothing else does."""
    return any(found.path[:2] == ("spec", "template") for found in change.properties)


def autoscalers(context: Context, *operations: Operation) -> Iterator[ResourceChange]:
    """The changes of whatever owns a number of pods."""
    for kind in BOUNDS:
        yield from context.of(kind, *operations)


def bounds(kind: str, autoscaler: Mapping[str, Any]) -> tuple[int, int]:
    """The smallest and the largest number of pods that an autoscaler's manifest allows."""
    spec = mapping(autoscaler.get("spec"))
    least, most = (_number(spec.get(name), 1) for name in BOUNDS[kind])
    return least, most


def plural(count: int, noun: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def drain_sentence(change: ResourceChange, consumer: ConsumerSettings | None, autoscaler: ResourceChange | None) -> str:
    """How many pods drain, for how long at most, and what runs side by side meanwhile.

    `autoscaler` is its change in the same update: the old bounds are those of the pods that drain.
    """
    before, after = Pods.of(change.old), Pods.of(change.new)
    took = f"each within {format_duration(before.grace_seconds)}"
    if before.longest_message_seconds:
        took = f"each for as long as its longest message ({format_duration(before.longest_message_seconds)} at most)"
    if consumer is None:
        return f"all its pods drain, {took}"
    next_most = consumer.autoscaling.max_replicas
    least, most = consumer.autoscaling.min_replicas, next_most
    if before.replicas is not None:
        least = most = before.replicas
    elif autoscaler is not None and autoscaler.old:
        least, most = bounds(autoscaler.kind, autoscaler.old)
    count = f"{least}" if least == most else f"{least} to {most}"
    pods = f"{count} pod{'' if most == 1 else 's'} drain{'s' if most == 1 else ''}, {took}"
    connections = consumer.worker.connections
    held = most * before.processes + next_most * after.processes
    return (
        f"{pods}; old and new overlap: up to {most + next_most} pods, {held * connections.broker} broker and "
        f"{held * connections.database} database connections"
    )
