"""What is timed is a stack that `check` takes: a benchmark is run by hand, and would be found broken a month late."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cli.run import many_consumers

from ebbtide import load_stack


def test_the_stack_with_many_consumers_is_valid(tmp_path: Path) -> None:
    many_consumers(tmp_path / "many", 3)
    assert list(load_stack("many", tmp_path / "many").consumers) == ["consumer-0", "consumer-1", "consumer-2"]
