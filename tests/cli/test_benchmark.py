"""What is timed is a stack that `check` takes: a benchmark is run by hand, and would be found broken a month late.

And what it times grows with the consumers and not with their square, which is counted here, not timed.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from benchmarks.cli.run import many_consumers

import ebbtide
from ebbtide import load_stack
from ebbtide.cli import check, explain, preview, render

LIBRARY = str(Path(ebbtide.__file__).parent)


def test_the_stack_with_many_consumers_is_valid(tmp_path: Path) -> None:
    many_consumers(tmp_path / "many", 3)
    assert list(load_stack("many", tmp_path / "many").consumers) == ["consumer-0", "consumer-1", "consumer-2"]


def calls(command: Callable[[], None]) -> Counter[str]:
    """How often each function was called by the library, or of it, a generator once a turn."""
    counts: Counter[str] = Counter()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if not code.co_filename.startswith(LIBRARY):
            return
        place = f"{code.co_filename.removeprefix(LIBRARY)}:{code.co_firstlineno} {code.co_qualname}"
        if event == "call":
            counts[place] += 1
        elif event == "c_call":
            counts[f"{argument.__qualname__} in {place}"] += 1

    sys.setprofile(note)
    try:
        command()
    finally:
        sys.setprofile(None)
    return counts


COMMANDS: dict[str, Callable[[Path], None]] = {
    "check": lambda root: check.run("many", root, "text", strict=False),
    "render": lambda root: render.run("many", root, None, "json", resources=False),
    "render --resources": lambda root: render.run("many", root, None, "json", resources=True),
    "explain": lambda root: explain.run("many", root, [], "json"),
    "preview": lambda root: preview.run(
        "many", root, base=None, plan=None, engine="in-process", read=None, format="json", fail_on=None, out=None
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_twice_as_many_consumers_are_twice_the_work(command: str, tmp_path: Path) -> None:
    few, many = 8, 16
    run, counts = COMMANDS[command], {}
    for count in (few, many):
        root = tmp_path / str(count)
        many_consumers(root, count)
        run(root)  # What is remembered of texts and classes is no part of it.
        counts[count] = calls(lambda root=root: run(root))
    worse = {
        place: (counts[few][place], often)
        for place, often in counts[many].items()
        if often >= many and often > 2.5 * counts[few][place]
    }
    assert not worse
