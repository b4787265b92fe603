"""One line of simulation for a review: what the committed load would meet, before and after a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from ebbtide.capacity.runs import LoadSource, Run
from ebbtide.capacity.summary import in_words
from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.models.stack import StackSettings


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
            load = LoadSource(file)
            new = Run(after, consumer, load)
            old = Run(before, consumer, load) if before and consumer in before.consumers else None
            if old is not None and old.scenario == new.scenario:
                old = None
            before_it = asdict(old.summarize(old.result())) if old else None
            yield subject + in_words(asdict(new.summarize(new.result())), before_it)
        except (SettingsError, ValueError) as error:
            yield f"{subject}not possible: {str(error).splitlines()[0]}"


def mean_pods(root: Path, stack: StackSettings) -> dict[str, float]:
    """How many pods each consumer with a committed load has on the mean, as simulated; the others are not in it."""
    found = {}
    for consumer in stack.consumers:
        file = load_profile(root, consumer)
        if file.is_file():
            # What cannot be simulated says so in its line of `what_if`.
            with suppress(SettingsError, ValueError):
                found[consumer] = pods_under(file, stack, consumer)
    return found


def pods_under(load: Path, stack: StackSettings, consumer: str) -> float:
    """How many pods a consumer has on the mean under a load. Raises SettingsError for a load that cannot be used, or a
    consumer that cannot be simulated."""
    result = Run(stack, consumer, LoadSource(load)).result()
    return result.pod_seconds / result.horizon_seconds
