"""One line of simulation for a review: what the committed load would meet, before and after a change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ebbtide.capacity.runs import LoadSource, Run
from ebbtide.capacity.summary import Summary
from ebbtide.settings.findings import SettingsError
from ebbtide.settings.stack import StackSettings


def load_profile(root: Path, consumer: str) -> Path:
    """Where a consumer's load is committed."""
    return root / "loads" / f"{consumer}.yaml"


def what_if(root: Path, after: StackSettings, before: StackSettings | None = None) -> Iterator[str]:
    """A line for each consumer with a committed load (0.3 s for 150,000 messages), with the figures of `before` where
    they are others. One seed: enough to see a direction, `ebbtide simulate --seeds` tells the range."""
    for consumer in after.consumers:
        file = load_profile(root, consumer)
        if not file.is_file():
            continue
        subject = f"{consumer} under {file.relative_to(root)} (simulated): "
        try:
            new = Run(after, consumer, LoadSource(file))
            old = Run(before, consumer, LoadSource(file)) if before and consumer in before.consumers else None
            if old is not None and old.scenario() == new.scenario():
                old = None
            yield subject + _words(new.summarize(new.result()), old.summarize(old.result()) if old else None)
        except (SettingsError, ValueError) as error:
            yield f"{subject}not possible: {str(error).splitlines()[0]}"


def _words(new: Summary, old: Summary | None) -> str:
    figures = (
        ("95 % of the messages wait at most", "wait_p95_seconds", "{:.1f} s"),
        ("the longest", "wait_max_seconds", "{:.1f} s"),
        ("most pods", "peak_replicas", "{}"),
        ("pod-hours", "pod_hours", "{:.1f}"),
    )
    parts = []
    for words, name, form in figures:
        after = form.format(getattr(new, name))
        before = form.format(getattr(old, name)) if old else after
        parts.append(f"{words} {after}" if before == after else f"{words} {before} → {after}")
    if new.cut_off:
        parts.append(f"{new.cut_off} messages cut off by the grace period")
    return ", ".join(parts)
