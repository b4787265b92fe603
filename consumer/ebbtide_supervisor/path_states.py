"""What is known at one point of a shell script, on every path that leads there, and how a command changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from .syntax import Words


Status = Literal["ok", "failed", "unknown"]
Last = Literal["program", "not program", "test", "other"]
"""What set a status. `not program` is one behind `!`."""

_OPPOSITE: Final[dict[Status, Status]] = {"ok": "failed", "failed": "ok"}
_NEGATED: Final[dict[Last, Last]] = {"program": "not program", "not program": "program"}


class Ran(NamedTuple):
    """A program that ran below the shell."""

    line: int
    name: str


@dataclass(frozen=True)
class State:
    """What is known at one point of one path."""

    status: Status = "ok"  # of the last command
    ran: Ran | None = None  # the last program that may be the worker
    ran_status: Status = "unknown"
    last: Last = "other"
    is_decided: bool = False  # a test that came after the program has chosen this path
    repeated: Ran | None = None
    background: Ran | None = None
    not_read: int = 0  # the line of a file or a text that is not known here


States = frozenset[State]
NONE: Final[States] = frozenset()


def after_program(states: States, ran: Ran) -> States:
    """A program has run that may be the worker; nobody has looked at how it ended."""
    return frozenset(
        replace(state, status="unknown", last="program", ran=ran, ran_status="unknown", is_decided=False)
        for state in states
    )


def with_status(states: States, *, status: Status, last: Last) -> States:
    """A command has run that is no worker."""
    return frozenset(replace(state, status=status, last=last) for state in states)


def split(states: States) -> tuple[States, States]:
    """The paths on which the last command was right, and those on which it failed."""
    sides: dict[Status, set[State]] = {"ok": set(), "failed": set()}
    for state in states:
        possible: tuple[Status, ...] = ("ok", "failed") if state.status == "unknown" else (state.status,)
        for side in possible:
            known = replace(state, status=side)
            if state.last in ("program", "not program"):
                is_ok = (side == "ok") == (state.last == "program")
                known = replace(known, ran_status="ok" if is_ok else "failed")
            elif state.last == "test" and state.status == "unknown":
                known = replace(known, is_decided=True)
            sides[side].add(known)
    return frozenset(sides["ok"]), frozenset(sides["failed"])


def negated(states: States) -> States:
    """After `! command`."""
    return frozenset(
        replace(state, status=_OPPOSITE.get(state.status, "unknown"), last=_NEGATED.get(state.last, state.last))
        for state in states
    )


def repeating(state: State, before: States) -> State:
    """A program of the loop, if the loop goes on although it was right."""
    is_new = state.ran is not None and state.ran not in {earlier.ran for earlier in before}
    return replace(state, repeated=state.ran) if is_new and state.ran_status != "failed" else state


def ended(state: State, words: Words) -> State:
    """After `exit` or `return` with a status, or with that of the last command."""
    code = words[1] if len(words) > 1 else "$?"
    if code == "$?":
        return state
    if code is None or not code.isdecimal():
        return replace(state, status="unknown")
    return replace(state, status="failed" if int(code) % 256 else "ok")
