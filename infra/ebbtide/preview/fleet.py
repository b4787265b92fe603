"""What a Deployment's manifest tells about its pods: enough to say what a change does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.kubernetes.quantity import milli_value
from ebbtide.preview.change import SECRET, UNKNOWN, ResourceChange, entries, mapping, mapping_at
from ebbtide.settings.models.consumer import ConsumerSettings, own_memory_bytes
from ebbtide.settings.models.shutdown import FINISH_ALLOWANCE_SECONDS
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.names import CONTAINER_NAME
from ebbtide.settings.values.units import format_duration, plural

_DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a Deployment, as its manifest states them. None is not stated, or known after the update only."""

    grace_seconds: int | None
    """None only where it is not known yet, or secret: what is not stated has Kubernetes' default."""
    processes: int
    longest_message_seconds: int | None
    stop_wait_seconds: int | None
    drain_deadline_seconds: int | None
    time_limit_seconds: int | None
    image: str | None
    hook: tuple[str, ...]
    """The command that the kubelet runs before it sends SIGTERM; empty if there is none."""
    command: tuple[str, ...]
    environment: Mapping[str, Any]
    """Each variable's value, or where it comes from, by name."""
    memory_limit_bytes: int | None
    memory_request_bytes: int | None
    """What the scheduler reserves: the limit where only that is stated."""
    cpu_limit_millicores: int | None
    disk_limit_bytes: int | None
    is_consumer: bool
    """Whether ebbtide made them, by their variables; a program of one's own may have other Deployments."""
    replicas: int | None
    """None where an autoscaler owns the number."""

    env_from: frozenset[str]
    """The Secrets of which every key is a variable."""

    @classmethod
    def of(cls, deployment: Mapping[str, Any]) -> Pods:
        """Read a manifest: of its containers the consumer, or else the first."""
        found = cls.by_container(deployment)
        return found.get(CONTAINER_NAME) or next(iter(found.values()), cls._read(deployment, {}))

    @classmethod
    def by_container(cls, deployment: Mapping[str, Any]) -> dict[str, Pods]:
        """The same of each container, by its name."""
        containers = entries(pod_of(deployment).get("containers"))
        return {str(found.get("name", place)): cls._read(deployment, found) for place, found in enumerate(containers)}

    @classmethod
    def _read(cls, deployment: Mapping[str, Any], container: Mapping[str, Any]) -> Pods:
        spec = mapping(deployment.get("spec"))
        variables = {
            str(variable.get("name")): variable.get("value", variable.get("valueFrom"))
            for variable in entries(container.get("env"))
        }
        limits, requests = (mapping_at(container, "resources", part) for part in ("limits", "requests"))
        image = container.get("image", "")
        replicas = spec.get("replicas")
        hook = mapping(mapping(mapping(container.get("lifecycle")).get("preStop")).get("exec")).get("command")
        return cls(
            grace_seconds=_grace(deployment),
            processes=_number(variables.get(image_contract.PROCESSES)) or 1,
            longest_message_seconds=_number(variables.get(image_contract.LONGEST_MESSAGE_SECONDS)),
            stop_wait_seconds=_number(variables.get(image_contract.STOP_WAIT_SECONDS)),
            drain_deadline_seconds=_number(variables.get(image_contract.DRAIN_DEADLINE_SECONDS)),
            time_limit_seconds=_number(variables.get(image_contract.TIME_LIMIT_SECONDS)),
            image=None if image is UNKNOWN else str(image),
            hook=_texts(hook),
            command=(*_texts(container.get("command")), *_texts(container.get("args"))),
            environment=variables,
            memory_limit_bytes=_bytes(limits.get("memory")),
            memory_request_bytes=_bytes(requests.get("memory", limits.get("memory"))),
            cpu_limit_millicores=_millis(limits.get("cpu")),
            disk_limit_bytes=_bytes(limits.get("ephemeral-storage")),
            is_consumer=any(name.startswith(image_contract.VARIABLE_PREFIX) for name in variables),
            replicas=replicas if isinstance(replicas, int) else None,
            env_from=frozenset(
                str(mapping(one.get("secretRef")).get("name"))
                for one in entries(container.get("envFrom"))
                if mapping(one.get("secretRef"))
            ),
        )

    @property
    def drains_in_time(self) -> bool:
        """Whether whoever is asked to end has time for its longest message: the hook is there, and every rung of the
        budget is above the one before it."""
        rungs = (self.longest_message_seconds, self.stop_wait_seconds, self.drain_deadline_seconds, self.grace_seconds)
        longest, stop_wait, deadline, grace = (rung if rung is not None else -1 for rung in rungs)
        ladder = longest >= 0 and longest + FINISH_ALLOWANCE_SECONDS <= stop_wait < deadline < grace
        return self.is_consumer and self.hook == (image_contract.DRAIN,) and ladder

    @property
    def own_memory_bytes(self) -> int:
        """What a pod of ebbtide's uses beside its workers, and what those have in common, which no limit of PHP's
        covers: their own limits, and these, are what its memory limit is derived from."""
        if not self.is_consumer:
            return 0
        helps = not {image_contract.METRICS_PORT, image_contract.IDLE_FIRST}.isdisjoint(self.environment)
        recovers = bool(_number(self.environment.get(image_contract.RECOVER_AFTER_SECONDS)))
        shared = _number(self.environment.get(image_contract.SHARED_MEBIBYTES)) or 0
        return own_memory_bytes(helps=helps, recovers=recovers) + shared * 1024**2

    @property
    def own_environment(self) -> dict[str, Any]:
        """What the application reads, without what ebbtide's image does."""
        return {
            name: value
            for name, value in self.environment.items()
            if not name.startswith(image_contract.VARIABLE_PREFIX)
        }


def pod_of(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    """The specification of its pods."""
    return mapping(mapping(mapping(deployment.get("spec")).get("template")).get("spec"))


def _grace(deployment: Mapping[str, Any]) -> int | None:
    stated: Any = deployment
    for part in ("spec", "template", "spec", "terminationGracePeriodSeconds"):
        stated = mapping(stated).get(part)
        if stated is UNKNOWN or stated == SECRET:
            return None
    number = _number(stated)
    return _DEFAULT_GRACE_SECONDS if number is None else number


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(part) for part in value) if isinstance(value, list) else ()


def _bytes(value: object) -> int | None:
    millis = _millis(value)
    return None if millis is None else -(-millis // 1000)


def _millis(value: object) -> int | None:
    """As the API server reads it; None where it is not stated, or is no quantity, which it refuses."""
    try:
        return milli_value(str(value)) if value is not None and len(str(value)) <= 32 else None
    except ValueError:
        return None


def rolls_pods(change: ResourceChange) -> bool:
    """Whether Kubernetes replaces the pods: any change of the template but nothing else does."""
    return any(found.path[:2] == ("spec", "template") for found in change.properties)


def takes_none_away(deployment: Mapping[str, Any]) -> bool:
    """Whether an update of this Deployment says that none of its pods goes before its successor is ready."""
    strategy = mapping_at(deployment, "spec", "strategy")
    return strategy.get("type") == "RollingUpdate" and mapping_at(strategy, "rollingUpdate").get("maxUnavailable") in (
        0,
        "0%",
    )


@dataclass(frozen=True, slots=True)
class Overlap:
    """The most that runs at once while pods are replaced: Kubernetes does not count a pod that is ending."""

    least: int
    """How many pods drain at least."""
    most: int
    """How many pods drain at most."""
    pods: int
    """Old and new ones together."""
    broker_connections: int
    database_connections: int
    recreates: bool
    """Whether the old ones go first, and the new ones come when they are gone."""
    memory_bytes: int | None
    """What their limits add up to; None where a pod has none."""


def overlap_of(change: ResourceChange, consumer: ConsumerSettings, bounds_before: tuple[int, int] | None) -> Overlap:
    """What runs side by side when every pod of a consumer is replaced; `bounds_before` are its old autoscaler's."""
    before, after = Pods.of(change.old), Pods.of(change.new)
    next_most = consumer.autoscaling.max_replicas
    least, most = consumer.autoscaling.min_replicas, next_most
    if before.replicas is not None:
        least = most = before.replicas
    elif bounds_before is not None:
        least, most = bounds_before
    recreates = mapping(mapping(change.new.get("spec")).get("strategy")).get("type") == "Recreate"
    fleets = ((most, before), (next_most, after))
    processes = [pods * fleet.processes for pods, fleet in fleets]
    at_once: Callable[[Iterable[int]], int] = max if recreates else sum
    held = at_once(processes)
    worker = consumer.worker
    limits = (before.memory_limit_bytes, after.memory_limit_bytes)
    memory = None if None in limits else at_once((most * (limits[0] or 0), next_most * (limits[1] or 0)))
    return Overlap(
        least,
        most,
        at_once((most, next_most)),
        held * worker.broker_connections // worker.processes,
        held * worker.database_connections // worker.processes,
        recreates,
        memory,
    )


def drain_sentence(change: ResourceChange, overlap: Overlap | None) -> str:
    """How many pods drain, for how long at most, and what runs side by side meanwhile."""
    before = Pods.of(change.old)
    grace = before.grace_seconds
    took = "how long each takes is not known" if grace is None else f"each within {format_duration(grace)}"
    if before.longest_message_seconds:
        took = f"each for as long as its longest message ({format_duration(before.longest_message_seconds)} at most)"
    if overlap is None:
        return f"all its pods drain, {took}"
    least = "" if overlap.least == overlap.most else f"{overlap.least} to "
    pods = f"{least}{plural(overlap.most, 'pod')} {'drains' if overlap.most == 1 else 'drain'}, {took}"
    if overlap.recreates:
        return f"{pods}; the new ones start when they are gone, and nothing consumes meanwhile"
    return (
        f"{pods}; old and new overlap: up to {overlap.pods} pods, {overlap.broker_connections} broker and "
        f"{overlap.database_connections} database connections"
    )


def falling_rungs(before: Pods, after: Pods) -> Iterator[tuple[str, int, int]]:
    """The rungs of the shutdown budget that a change lowers: in words, before and after."""
    rungs = {
        "to finish": (before.grace_seconds, after.grace_seconds),
        "until a worker is killed": (before.stop_wait_seconds, after.stop_wait_seconds),
        "until the drain hook gives up": (before.drain_deadline_seconds, after.drain_deadline_seconds),
    }
    for words, (old, new) in rungs.items():
        if old is not None and new is not None and new < old:
            yield words, old, new
