"""How much room a worker has."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.fleet import Pods
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_memory

_CONTAINER = "spec.template.spec.containers.*"


@change_rule(
    "P-07",
    RiskLevel.DANGER,
    remedy="Measure what a worker needs at most, and leave room above it.",
    source="Linux, cgroup v2 memory.max: what is above it is killed, with the message in flight.",
    reads={
        "Deployment": (f"{_CONTAINER}.resources.limits.memory", f"{_CONTAINER}.env.{image_contract.PROCESSES}.value"),
    },
)
def check_memory_limit(context: Context) -> Iterator[Risk]:
    """Each worker process has as much memory as before, beside what its pod uses itself: what needs more than its limit
    is killed, with the message that it has in flight."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            limit = before.memory_limit_bytes
            if after.memory_limit_bytes is None:
                continue
            asked, had = after.memory_request_bytes, before.memory_request_bytes
            if (
                asked is not None
                and asked > after.memory_limit_bytes
                and (asked, limit) != (had, after.memory_limit_bytes)
            ):
                sentence = (
                    f"{whose} asks for {format_memory(asked)} of memory and may use "
                    f"{format_memory(after.memory_limit_bytes)}: the API server refuses that, and the update fails"
                )
                yield Risk(successor.title, sentence, "ask for no more than the limit", successor.change.key)
                continue
            least = 0 if limit is None else _least_beside(before, after)
            if limit is not None and not _is_less(before, after, least):
                continue
            if limit is None or after.memory_limit_bytes // after.processes < limit // before.processes:
                # The limit divided by the processes says it, which everybody can do.
                least = 0
            each = (after.memory_limit_bytes - least) // after.processes
            was = None if limit is None else (limit - least) // before.processes
            has = f"the only process of {whose} has {_shown(each)} of memory"
            if after.processes > 1:
                whole = format_memory(after.memory_limit_bytes)
                has = f"{after.processes} processes of {whose} share {whole} of memory, {_shown(each)} each"
            beside = f" beside the {_shown(least)} of the pod's own" if least else ""
            several = " each" if (before.processes, after.processes) != (1, 1) else ""
            old = "no limit" if was is None else f"{_shown(was)}{several}"
            sentence = f"{has}{beside} instead of {old}: what needs more is killed with its message"
            advice = "compare with the most that a worker was seen to need"
            yield Risk(successor.title, sentence, advice, successor.change.key)


def _least_beside(before: Pods, after: Pods) -> int:
    """The least that either pod uses beside its workers; nothing where a limit is below what its pod uses."""
    sides = (before, after)
    if any((side.memory_limit_bytes or 0) <= side.own_memory_bytes for side in sides):
        return 0
    return min(side.own_memory_bytes for side in sides)


def _is_less(before: Pods, after: Pods, least: int) -> bool:
    """Whether a process has less, whichever way what the pod itself uses is counted: as each side has it, which is how
    a limit is derived from the number of processes, and as little as one of them. What the pod does beside its work,
    and how its workers start, then makes no danger of a limit that stays."""
    old, new = before.memory_limit_bytes or 0, after.memory_limit_bytes or 0
    counted = {(before.own_memory_bytes, after.own_memory_bytes), (least, least)} if least else {(0, 0)}
    # A hundredth is what rounding to whole MiB makes, and what nobody's worker is killed for.
    spare = old / before.processes / 100
    return all(
        (new - beside_new) / after.processes < (old - beside_old) / before.processes - spare
        for beside_old, beside_new in counted
    )


def _shown(size: int) -> str:
    return format_memory(size // 2**20 * 2**20)
