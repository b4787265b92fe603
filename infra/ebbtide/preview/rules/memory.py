"""How much room a worker has."""

from __future__ import annotations

from collections.abc import Iterator

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
    """Each worker process has as much memory as before: what needs more than its limit is killed, with the message
    that it has in flight."""
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
            each = after.memory_limit_bytes // after.processes
            was = None if limit is None else limit // before.processes
            # A hundredth is what rounding to whole MiB, and the supervisor's own share, make.
            if was is None or each < was * 0.99:
                old = "no limit" if was is None else f"{format_memory(was // 2**20 * 2**20)} each"
                has = f"the only process of {whose} has {format_memory(each // 2**20 * 2**20)} of memory"
                if after.processes > 1:
                    whole = format_memory(after.memory_limit_bytes)
                    has = (
                        f"{after.processes} processes of {whose} share {whole} of memory, "
                        f"{format_memory(each // 2**20 * 2**20)} each"
                    )
                elif before.processes == 1:
                    old = old.removesuffix(" each")
                sentence = f"{has} instead of {old}: what needs more is killed with its message"
                advice = "compare with the most that a worker was seen to need"
                yield Risk(successor.title, sentence, advice, successor.change.key)
