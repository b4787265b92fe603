"""What the checks share: upstream's flags and the pods of its fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.capacity.hpa.scenarios import SECOND_US

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    Case = tuple[str, Callable[[], None]]
    Load = Callable[[str], ModuleType]


NOW_US = 10**6 * SECOND_US


def same(expected: object, got: object) -> None:
    assert expected == got, f"expected {expected!r}, got {got!r}"


def upstream_flags(api: ModuleType, factor: float = 8.0) -> Any:
    return api.ControllerFlags(
        cpu_initialization_period_seconds=120, initial_readiness_delay_seconds=10, scale_up_limit_factor=factor
    )


def build_pods(
    api: ModuleType, count: int, requests_milli: Any, levels: Any, state: dict[str, Any]
) -> tuple[list[Any], list[Any]]:
    """Pods as upstream's fixtures make them, and samples of pods that do not exist."""
    starts = {"h": NOW_US, "c": NOW_US - 180 * SECOND_US}
    phases = {"R": "Running", "P": "Pending", "F": "Failed"}
    ready = {"T": "True", "F": "False"}
    zero = -(10**15)  # Go's zero time: long before anything
    samples = [] if levels == "failed" else [api.Sample(level, zero, 60 * SECOND_US) for level in levels]
    attached = [] if state.get("stray") else samples[:count]
    made = [
        api.Pod(
            phase=phases[state["phase"][i]] if "phase" in state else "Running",
            ready_status=ready[state["ready"][i]] if i < len(state.get("ready", "")) else "True",
            ready_transition_us=zero,
            start_us=starts[state["start"][i]] if "start" in state else zero,
            deleted=state.get("deleted", "." * count)[i] == "D",
            request_milli=requests_milli[i] if i < len(requests_milli) else None,
            sample=attached[i] if i < len(attached) else None,
        )
        for i in range(count)
    ]
    return made, samples[len(attached) :]
