"""The ledger's reader: what it counts is what every promise about drains rests on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import ledger

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, *events: tuple[float, str, str, int, str]) -> Path:
    """A ledger of (second, event, worker, pid, message) lines."""
    lines = []
    for second, event, worker, pid, message in events:
        line = {"monotonic_ns": int(second * 1e9), "event": event, "worker": worker, "pid": pid}
        if message:
            line |= {"message": message, "attempt": 0}
        if event == "failed":
            line["reason"] = "it broke"
        lines.append(json.dumps(line) + "\n")
    file = path / "ledger"
    file.write_text("".join(lines))
    return file


def test_a_message_that_was_begun_and_never_ended_was_killed(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        (1, "consuming", "a", 1, ""),
        (2, "started", "a", 1, "x"),
        (3, "started", "b", 2, "y"),
        (4, "finished", "b", 2, "y"),
    )
    account = ledger.read(file, ["x", "y", "z"])
    assert [one.message for one in account.killed] == ["x"]
    assert account.finished == {"y"}
    assert account.consuming == (("a", 1.0),)
    assert account.last_end == 4.0


def test_a_failure_is_neither_finished_nor_killed(tmp_path: Path) -> None:
    account = ledger.read(written(tmp_path, (1, "started", "a", 1, "x"), (2, "failed", "a", 1, "x")), ["x"])
    assert [one.failed for one in account.failed] == ["it broke"]
    assert not account.killed
    assert not account.finished


def test_a_killed_message_that_comes_again_is_not_handled_twice(tmp_path: Path) -> None:
    account = ledger.read(
        written(tmp_path, (1, "started", "a", 1, "x"), (9, "started", "b", 2, "x"), (10, "finished", "b", 2, "x")),
        ["x"],
    )
    assert account.started_again == {"x"}
    assert len(account.killed) == 1
    assert not account.handled_twice
    assert not account.overlapping


def test_a_kill_is_seen_even_if_the_next_container_has_the_same_names_and_pids(tmp_path: Path) -> None:
    account = ledger.read(
        written(tmp_path, (1, "started", "a", 1, "x"), (9, "started", "a", 1, "x"), (10, "finished", "a", 1, "x")),
        ["x"],
    )
    assert len(account.killed) == 1
    assert account.finished == {"x"}


def test_two_workers_with_the_same_message_in_flight_overlap(tmp_path: Path) -> None:
    account = ledger.read(
        written(
            tmp_path,
            (1, "started", "a", 1, "x"),
            (2, "started", "b", 2, "x"),
            (3, "finished", "a", 1, "x"),
            (4, "finished", "b", 2, "x"),
        ),
        ["x"],
    )
    assert account.overlapping == {"x"}
    assert account.handled_twice == {"x"}


def test_moments_are_counted_from_the_side_of_the_drain(tmp_path: Path) -> None:
    account = ledger.read(
        written(
            tmp_path,
            (1, "started", "a", 1, "x"),
            (5, "finished", "a", 1, "x"),
            (6, "started", "a", 1, "y"),
            (7, "finished", "a", 1, "y"),
        ),
        ["x", "y"],
    )
    assert [one.message for one in account.in_flight_at(4)] == ["x"]
    assert account.started_after(4) == 1


@pytest.mark.parametrize("torn", ['{"monotonic_ns": 1, "event"', '{"event": "started"}'])
def test_a_line_that_is_not_whole_is_never_passed_over(tmp_path: Path, torn: str) -> None:
    file = tmp_path / "ledger"
    file.write_text(torn + "\n")
    with pytest.raises(ValueError, match="line 1: not a whole ledger line"):
        ledger.read(file, [])


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path: Path, cut: int) -> None:
    file = written(tmp_path, (1, "started", "a", 1, "x"), (2, "finished", "a", 1, "x"))
    text = file.read_text()
    file.write_text(text[:-cut])
    assert [one.killed for one in ledger.read(file, ["x"]).handlings] == [True]
    file.write_text(text)
    assert ledger.read(file, ["x"]).finished == {"x"}


def test_an_end_without_a_beginning_is_never_passed_over(tmp_path: Path) -> None:
    file = written(tmp_path, (1, "finished", "a", 1, "x"))
    with pytest.raises(ValueError, match="not a whole ledger line"):
        ledger.read(file, ["x"])
