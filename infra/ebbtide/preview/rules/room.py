"""What a pod may use beside its memory limit: what is reserved for it, its share of a processor, its room on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.kubernetes.quantity import parse_quantity
from ebbtide.preview.change import SECRET, entries, mapping
from ebbtide.preview.fleet import Pods, pod_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import Successor, successors
from ebbtide.settings.values.units import format_memory

_POD = "spec.template.spec"
_CONTAINER = f"{_POD}.containers.*"
_DISK = "a pod that writes more is evicted and has no time to finish"
Said = Iterator[tuple[RiskLevel, str, str]]


@change_rule(
    "P-07a",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    RiskLevel.DISRUPTIVE,
    remedy="Measure what a busy pod uses at most, and leave room above it.",
    source="kubelet, eviction manager: of a node that runs short it kills first what uses more than it reserves; local "
    "storage above its limit is an eviction with one second of grace (localStorageEviction).",
    reads={
        "Deployment": (
            *(f"{_CONTAINER}.resources.{part}" for part in ("requests.memory", "limits.cpu")),
            f"{_CONTAINER}.resources.limits.ephemeral-storage",
            *(f"{_POD}.volumes.*.emptyDir.{name}" for name in ("sizeLimit", "medium")),
            f"{_POD}.volumes.*.persistentVolumeClaim.claimName",
        )
    },
)
def check_room(context: Context) -> Iterator[Risk]:
    """A pod has as much room as before: memory that is reserved for it, CPU and disk, and the files of a claim."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            for level, words, advice in _less(before, after):
                yield Risk(successor.title, f"{whose} {words}", advice, successor.change.key, level)
        for level, words, advice in _volumes(successor):
            yield Risk(successor.title, f"{successor.title} {words}", advice, successor.change.key, level)


def _less(before: Pods, after: Pods) -> Said:
    old, new = before.memory_request_bytes, after.memory_request_bytes
    if old is not None and (new is None or new < old):
        shown = "nothing" if new is None else format_memory(new)
        words = (
            f"reserves {shown} of memory instead of {format_memory(old)}: when its node runs short, a pod that uses "
            "more than it reserves is killed first, and has no time to finish"
        )
        yield RiskLevel.DISRUPTIVE, words, "reserve what a busy pod uses"
    old, new = before.cpu_limit_millicores, after.cpu_limit_millicores
    if new is not None and (old is None or new < old):
        was = "as much as there is" if old is None else f"{old}m"
        words = (
            f"may use {new}m of CPU at most instead of {was}: its longest message takes longer, its time to finish not"
        )
        yield RiskLevel.DISRUPTIVE, words, "measure the longest message under that limit"
    old, new = before.disk_limit_bytes, after.disk_limit_bytes
    if new is not None and (old is None or new < old):
        words = f"may write {format_memory(new)} to local disk instead of {_shown(old)}: {_DISK}"
        yield RiskLevel.DANGER, words, "compare with what a busy pod writes, logs too"


def _volumes(successor: Successor) -> Said:
    before, after = (_by_name(side) for side in (successor.old, successor.new))
    for name in before.keys() & after.keys():
        old, new = (mapping(side[name].get("emptyDir")) for side in (before, after))
        sizes = [_bytes(side.get("sizeLimit")) for side in (old, new)]
        if sizes[1] is not None and (sizes[0] is None or sizes[1] < sizes[0]):
            words = f"has {format_memory(sizes[1])} in volume {name} instead of {_shown(sizes[0])}: {_DISK}"
            yield RiskLevel.DANGER, words, "compare with what a busy pod writes"
        if new.get("medium") == "Memory" != old.get("medium"):
            words = f"keeps volume {name} in memory, which counts against its limit"
            yield RiskLevel.DISRUPTIVE, words, "leave room for it"
        claims = [mapping(side[name].get("persistentVolumeClaim")).get("claimName") for side in (before, after)]
        if claims[0] and claims[0] != claims[1]:
            words = (
                f"no longer has volume {name} from claim {claims[0]}: whether a worker needs its files is not judged"
            )
            yield RiskLevel.NOT_JUDGED, words, "make sure that nothing waits in it"


def _by_name(deployment: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(volume.get("name")): volume for volume in entries(pod_of(deployment).get("volumes"))}


def _shown(size: int | None) -> str:
    return "as much as there is" if size is None else format_memory(size)


def _bytes(value: object) -> int | None:
    try:
        return int(parse_quantity(str(value))) if value is not None else None
    except ValueError:
        return None


@change_rule(
    "P-07b",
    RiskLevel.DISRUPTIVE,
    remedy="Write a quantity: 500m, 512Mi, 2Gi.",
    source="k8s.io/apimachinery, resource.ParseQuantity.",
    reads={
        "Deployment": tuple(
            f"{_CONTAINER}.resources.{part}.{name}" for part in ("requests", "limits") for name in ("cpu", "memory")
        )
    },
)
def check_quantities(context: Context) -> Iterator[Risk]:
    """What a pod asks for is a quantity: the API server refuses anything else."""
    for successor in successors(context):
        for container in entries(pod_of(successor.new).get("containers")):
            for part, amounts in mapping(container.get("resources")).items():
                for name, value in mapping(amounts).items():
                    if value != SECRET and not _is_quantity(value):
                        sentence = f"{successor.title} states {part}.{name} {value}, which is no quantity and refused"
                        yield Risk(successor.title, sentence, "write one, as 512Mi", successor.change.key)


def _is_quantity(value: object) -> bool:
    try:
        return parse_quantity(str(value)) >= 0
    except ValueError:
        return False
