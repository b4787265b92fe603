"""One line of simulation for a review: what the committed load would meet, before and after a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def committed_runs(root: Path, stack: StackSettings) -> dict[str, Run]:
    """A run for each consumer with a committed load (0.3 s for 150,000 messages, once it is asked for its outcome).
    One seed: enough to see a direction, `ebbtide simulate --seeds` tells the range."""
    files = {consumer: load_profile(root, consumer) for consumer in stack.consumers}
    return {consumer: Run(stack, consumer, LoadSource(file)) for consumer, file in files.items() if file.is_file()}


def what_if(runs: Mapping[str, Run], before: StackSettings | None = None) -> Iterator[str]:
    """A line for each committed run, with the figures of `before` where they are others."""
    for consumer, new in runs.items():
        file = new.load.file
        subject = f"{consumer} under {file.parent.name}/{file.name} (simulated): "
        try:
            old = Run(before, consumer, new.load) if before and consumer in before.consumers else None
            if old is not None and old.scenario == new.scenario:
                old = None
            before_it = asdict(old.summarize(old.outcome)) if old else None
            yield subject + in_words(asdict(new.summarize(new.outcome)), before_it)
        except (SettingsError, ValueError) as error:
            yield f"{subject}not possible: {str(error).splitlines()[0]}"


def mean_pods(runs: Mapping[str, Run]) -> dict[str, float]:
    """How many pods each consumer with a committed load has on the mean, as simulated; the others are not in it."""
    found = {}
    for consumer, run in runs.items():
        # What cannot be simulated says so in its line of `what_if`.
        with suppress(SettingsError, ValueError):
            found[consumer] = _mean_pods(run)
    return found


def pods_under(load: Path, stack: StackSettings, consumer: str) -> float:
    """How many pods a consumer has on the mean under a load. Raises SettingsError for a load that cannot be used, or a
    consumer that cannot be simulated."""
    return _mean_pods(Run(stack, consumer, LoadSource(load)))


def _mean_pods(run: Run) -> float:
    return run.outcome.pod_seconds / run.outcome.horizon_seconds
