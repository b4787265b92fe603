"""What somebody asked `ebbtide simulate` for: from options to settings and a load."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ebbtide.capacity.measured import Measured
from ebbtide.capacity.model import Signal
from ebbtide.capacity.profile import Durations, DurationSource
from ebbtide.capacity.runs import LoadSource, Run
from ebbtide.capacity.samples import read_samples
from ebbtide.capacity.what_if import load_profile
from ebbtide.judgement.findings import Finding, SettingsError, parse_path, refused
from ebbtide.judgement.findings import Path as SettingsPath
from ebbtide.settings.loading.errors import findings_of
from ebbtide.settings.loading.loader import LoadedStack, read_stack, with_values
from ebbtide.settings.loading.yaml import parse_yaml

_LABEL_CHARACTERS = 40
_SHORT_PATHS = {
    "maxReplicas": "autoscaling.maxReplicas",
    "minReplicas": "autoscaling.minReplicas",
    "replicas": "autoscaling.replicas",
    "processes": "worker.processes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every command that simulates is asked: of which consumer, under which load, how often."""

    stack: str
    project: Path | None
    consumer: str | None
    load: Path | None
    durations: str | None
    signals: list[str]
    measured: list[str]
    seeds: int
    changes: list[str]

    def read_load(self, root: Path, consumer: str) -> LoadSource:
        """The load of this consumer, with everything that was said about it. Raises SettingsError."""
        return LoadSource(
            find_load(self.load, root, consumer),
            read_durations(self.durations),
            read_signals(self.signals),
            read_measured(self.measured),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(RunOptions):
    """What was asked of `ebbtide simulate`."""

    base: str | None
    why: str | None
    sweep: str | None
    goal: str | None
    format: str
    report: Path | None


def choose_consumer(loaded: LoadedStack, name: str | None) -> str:
    """The consumer that is meant."""
    consumers = list(loaded.settings.consumers)
    if name is None and len(consumers) == 1:
        return consumers[0]
    if name in consumers:
        return str(name)
    if not consumers:
        raise refusal("--stack", f"has no consumer to simulate (got {loaded.settings.name!r})", "name another stack")
    got = f" (got {name!r})" if name else ""
    raise refusal(
        "--consumer", f"must name a consumer of stack {loaded.settings.name}{got}", f"use one of {', '.join(consumers)}"
    )


def find_load(given: Path | None, root: Path, consumer: str) -> Path:
    """The load that was named, or the one that is committed for the consumer."""
    if given is not None:
        return given
    file = load_profile(root, consumer)
    if not file.is_file():
        raise refusal(
            "--load", f"is needed: there is no {file.relative_to(root)}", "name a profile, a trace, .csv or .jsonl"
        )
    return file


def read_durations(text: str | None) -> DurationSource | None:
    """`p50=2s,max=200s`, or the name of a file with a measured duration a line. Raises SettingsError."""
    if text is None:
        return None
    if "=" not in text:
        return read_samples(Path(text))
    raw = dict(part.strip().partition("=")[::2] for part in text.split(","))
    try:
        return Durations.model_validate(raw)
    except ValidationError as error:
        raise _within("--durations", findings_of(error, Durations, raw)) from None


def read_signals(given: list[str]) -> tuple[tuple[str, Signal], ...]:
    """`METRIC=backlog`, each."""
    found: dict[str, Signal] = {}
    for entry in given:
        name, _, signal = entry.partition("=")
        if signal not in {"backlog", "backlogAndInFlight"}:
            raise refusal(
                "--signal", f"is no signal (got {entry!r})", "write METRIC=backlog or METRIC=backlogAndInFlight"
            )
        found[name] = signal  # type: ignore[assignment]
    return tuple(found.items())


def check_signals(given: tuple[tuple[str, Signal], ...], runs: Iterable[Run]) -> None:
    """Refuse a signal for a metric that none of these has: it would change nothing. Raises SettingsError."""
    known = sorted({metric.name for run in runs for metric in run.metrics if not metric.of_pods})
    for name, _ in given:
        if name not in known:
            remedy = f"name {' or '.join(known)}" if known else "leave it out: nothing scales on a count of messages"
            raise refusal("--signal", f"is no metric of this autoscaler (got {name!r})", remedy)


def check_lags(given: Measured, runs: Iterable[Run]) -> None:
    """The same for how old a metric is."""
    known = sorted({metric.name for run in runs for metric in run.metrics})
    for name in given.metric_lag_seconds:
        if name not in known:
            remedy = f"name {' or '.join(known)}" if known else "leave it out: nothing scales"
            raise refusal("--measured", f"metricLagSeconds is of no metric of this autoscaler (got {name!r})", remedy)


def read_measured(given: list[str]) -> Measured:
    """`bootSeconds=12` or `metricLagSeconds.cpu=60`, each. Raises SettingsError with all that is wrong."""
    raw: dict[str, Any] = {}
    for entry in given:
        name, separator, text = entry.partition("=")
        if not separator or not name.strip():
            raise refusal("--measured", f"is no name and value (got {entry!r})", "write bootSeconds=12")
        try:
            value = parse_yaml(text, Path("--measured"))
        except SettingsError as error:
            raise _within("--measured", error.findings) from None
        first, dot, rest = name.strip().partition(".")
        if dot:
            raw[first] = {**(raw[first] if isinstance(raw.get(first), dict) else {}), rest: value}
        else:
            raw[first] = value
    try:
        return Measured.model_validate(raw)
    except ValidationError as error:
        raise _within("--measured", findings_of(error, Measured, raw)) from None


def setting_path(text: str, consumer: str) -> SettingsPath:
    """A path as somebody types it: below the consumer, unless it begins at the top."""
    path = parse_path(_SHORT_PATHS.get(text, text))
    return path if path[:1] in {("consumers",), ("cluster",)} else ("consumers", consumer, *path)


def with_changes(loaded: LoadedStack, changes: list[str], consumer: str) -> LoadedStack:
    """The stack with the values of `--set`."""
    values = {}
    for change in changes:
        name, separator, text = change.partition("=")
        if not separator or not name.strip():
            raise refusal("--set", f"is no setting and value (got {change!r})", "write maxReplicas=9")
        try:
            value = parse_yaml(text, Path("--set"))
        except SettingsError as error:
            raise _within("--set", error.findings) from None
        values[setting_path(name.strip(), consumer)] = value
    return with_values(loaded, values, "--set")


def read_cases(options: Options, loaded: LoadedStack, consumer: str, root: Path) -> dict[str, LoadedStack]:
    """One column of the result each: before a change, and after it."""
    cases = {}
    if options.base:
        from ebbtide.git import checked_out, merge_base

        with checked_out(merge_base(options.base, root).id, root) as tree:
            base = cases[options.base] = _read_base(options.stack, tree, options.base)
        if consumer not in base.settings.consumers:
            raise refusal("--base", f"has no consumer {consumer} (got {options.base!r})", "simulate it without --base")
    if not (options.base and options.changes):
        cases["as it is"] = loaded
    if options.changes:
        label = f"with {', '.join(options.changes)}"
        if len(label) > _LABEL_CHARACTERS:
            label = f"with another {', '.join(change.partition('=')[0] for change in options.changes)}"
        cases[label] = with_changes(loaded, options.changes, consumer)
    return cases


def read_moment(text: str | None) -> int | None:
    """`14:05` in seconds since the beginning."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,4}):([0-5][0-9])", text)
    if match is None:
        raise refusal("--why", f"is no time (got {text!r})", "write hours and minutes since the beginning, 14:05")
    return int(match[1]) * 3600 + int(match[2]) * 60


def check_report(file: Path | None) -> None:
    """Refuse a report that cannot be written before anything is simulated for it."""
    if file is None:
        return
    if file.suffix not in {".html", ".png"}:
        raise refusal("--report", f"is no page or picture (got {file.name!r})", "name a .html or .png file")
    if not file.parent.is_dir():
        raise refusal("--report", f"{file} cannot be written: there is no directory {file.parent}", "make it first")
    if file.is_dir():
        raise refusal("--report", f"{file} is a directory", "name a file in it")
    if file.suffix == ".png":
        from ebbtide.report.picture import require_matplotlib

        require_matplotlib(file)


def _read_base(stack: str, tree: Path, ref: str) -> LoadedStack:
    """The stack at a commit. Its mistakes are not in the files that the reader has before her, so they say where."""
    try:
        return read_stack(stack, tree)
    except SettingsError as error:
        found = [
            replace(finding, source=f"{finding.source or error.where} at {ref}".strip()) for finding in error.findings
        ]
        raise SettingsError(found) from None


def _within(option: str, findings: list[Finding]) -> SettingsError:
    """Findings in the value of an option, which stands in the place of a file."""
    return SettingsError([replace(finding, source=option) for finding in findings])


def refusal(option: str, message: str, remedy: str) -> SettingsError:
    """An option that cannot be used."""
    return refused("simulate", message, remedy, (option,))
