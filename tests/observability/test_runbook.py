"""Whoever is on call finds every alert, every event and every exit status in the runbook, and an answer below it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ebbtide.image.ebbtide_supervisor.metric_texts import EVENT_COUNTS
from ebbtide.image.ebbtide_supervisor.outcome import ExitStatus

ROOT = Path(__file__).parents[2]
SECTIONS = {
    title: text.strip()
    for title, text in re.findall(
        r"^### (.*)\n([\s\S]*?)(?=^##)", (ROOT / "docs" / "runbook.md").read_text() + "## ", re.MULTILINE
    )
}
_EMITTED = re.compile(r'\b_?(?:emit|event_line)\(\s*"([a-zA-Z]+)"')
EVENTS = {
    event
    for file in (ROOT / "consumer" / "ebbtide_supervisor").glob("*.py")
    for event in _EMITTED.findall(file.read_text())
}


def test_events_are_found_in_the_image():
    assert len(EVENTS) >= 25
    assert {"drainStarted", "hookFailed", "eventsDropped", "containerEnding", "memoryMeasured"} <= EVENTS


@pytest.mark.parametrize("event", sorted(EVENTS | {count.event for count in EVENT_COUNTS}))
def test_every_event_has_its_section(event):
    assert SECTIONS.get(f"`{event}`"), f"docs/runbook.md says nothing of {event}"


@pytest.mark.parametrize("status", [*(status.value for status in ExitStatus), 137])
def test_every_exit_status_has_its_section(status):
    assert SECTIONS.get(f"Exit status {status}")


def test_no_section_is_of_an_event_or_a_status_that_is_gone():
    known = {f"`{event}`" for event in EVENTS | {count.event for count in EVENT_COUNTS}}
    assert {title for title in SECTIONS if title.startswith("`")} <= known
    statuses = {f"Exit status {status.value}" for status in ExitStatus} | {"Exit status 137"}
    assert {title for title in SECTIONS if title.startswith("Exit status")} == statuses
