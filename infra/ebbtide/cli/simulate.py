"""`ebbtide simulate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ebbtide.capacity.from_settings import NOT_MODELLED, Assumption
from ebbtide.capacity.load import read_load
from ebbtide.capacity.model import Result
from ebbtide.capacity.runs import LoadSource, Run, explain_minute, run_all, why_not_compiled
from ebbtide.capacity.summary import Range, ranges
from ebbtide.capacity.trace import write_trace
from ebbtide.cli.output import BAD_INPUT, project_root
from ebbtide.cli.progress_bar import Advance, progress_bar
from ebbtide.cli.simulate_inputs import (
    Options,
    check_lags,
    check_report,
    check_signals,
    choose_consumer,
    read_cases,
    read_durations,
    read_moment,
    refusal,
)
from ebbtide.documents.whole import write_whole
from ebbtide.settings.loading.loader import read_stack

if TYPE_CHECKING:
    from ebbtide.capacity.document import SimulationDocument
    from ebbtide.report.model import Report

_DAY_SECONDS = 86_400


def run(options: Options) -> None:
    """Simulate a consumer and print what comes of it. Exit status 1 if it leaves messages undone."""
    root = project_root(options.project)
    moment = read_moment(options.why)
    check_report(options.report)
    loaded = read_stack(options.stack, root)
    consumer = choose_consumer(loaded, options.consumer)
    load = options.read_load(root, consumer)
    if reason := why_not_compiled(load.file):
        typer.echo(f"runs without the compiled kernel, slower and with the same result: {reason}", err=True)
    if options.sweep or options.goal:
        from ebbtide.cli.simulate_sweep import run_sweep

        run_sweep(options, loaded, consumer, load)
        return
    cases = read_cases(options, loaded, consumer, root)
    firsts = {label: Run(case.settings, consumer, load) for label, case in cases.items()}
    check_signals(load.signals, firsts.values())
    check_lags(load.measured, firsts.values())
    outcome = {label: _run_case(first, options.seeds, label) for label, first in firsts.items()}
    _show(options, consumer, load, outcome, _why(moment, outcome))
    if list(outcome.values())[-1].figures["left"].high:
        raise typer.Exit(BAD_INPUT)


def convert(source: Path, target: Path, durations: str | None, seed: int) -> None:
    """Write a load as a binary trace."""
    if target.is_dir():
        raise refusal(str(target), "is a directory", "name a file, monday.trace")
    try:
        load = read_load(source, read_durations(durations))
        count = write_trace(target, load.open(seed))
    except OSError as error:
        raise refusal(str(target), f"cannot be written: {error.strerror}", "name another file") from None
    typer.echo(f"{count:,} messages in {target}", err=True)


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: Result
    """Of the first seed."""
    figures: Mapping[str, Range]
    assumptions: tuple[Assumption, ...]


def _run_case(first: Run, seeds: int, label: str) -> _Outcome:
    runs = {seed: Run(first.stack, first.consumer, first.load, seed) for seed in range(2, seeds + 1)}
    assumptions = first.assumptions()
    with progress_bar(f"{label}, seed 1") as advance:
        result = first.result(lambda seconds: _tick(advance, seconds))
    summaries = [first.summarize(result)]
    if runs:
        with progress_bar(f"{label}, {seeds} seeds") as advance:
            for _, summary in run_all(runs):
                summaries.append(summary)
                advance(len(summaries), seeds)
    return _Outcome(result, ranges(summaries), assumptions)


def _tick(advance: Advance, seconds: int) -> None:
    # A load may be longer than a day; how long is only known at its end.
    if seconds % 900 == 0:
        advance(seconds, -(-seconds // _DAY_SECONDS) * _DAY_SECONDS)


def _show(
    options: Options,
    consumer: str,
    load: LoadSource,
    outcome: Mapping[str, _Outcome],
    why: list[str],
) -> None:
    figures = {label: found.figures for label, found in outcome.items()}
    last = list(outcome.values())[-1]
    title = f"{consumer} in {options.stack}"
    lead = _lead(load, last, options.seeds)
    if options.format == "json":
        from ebbtide.documents.document import to_json

        typer.echo(to_json(_document(options, consumer, load, outcome, why)))
    else:
        from ebbtide.cli.simulate_output import print_result

        print_result(title, lead, figures, why, last.assumptions)
    if options.report:  # at last: where it finds no room, the result has been shown
        from ebbtide.capacity.simulation_report import build_report

        results = {label: found.result for label, found in outcome.items()}
        _write_report(options.report, build_report(title, lead, figures, results, last.assumptions))


def _lead(load: LoadSource, outcome: _Outcome, seeds: int) -> str:
    days = outcome.result.rows[-1].seconds / _DAY_SECONDS
    runs = f"{seeds} seeds, middle (lowest to highest)" if seeds > 1 else "seed 1"
    return f"{outcome.result.messages:,} messages of {load.file.name} in {days * 24:.1f} h; {runs}"


def _why(moment: int | None, outcome: Mapping[str, _Outcome]) -> list[str]:
    if moment is None:
        return []
    clock = _clock(moment)
    lines = []
    for label, found in outcome.items():
        told = explain_minute(found.result, moment)
        if not told:
            end = found.result.rows[-1].seconds
            raise refusal("--why", f"is after the end (got {clock})", f"the run ends at {_clock(end)}")
        lines += ["", f"Why at {clock}" + (f", {label}" if len(outcome) > 1 else ""), *told]
    return lines


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"


def _document(
    options: Options, consumer: str, load: LoadSource, outcome: Mapping[str, _Outcome], why: list[str]
) -> SimulationDocument:
    from ebbtide.capacity.document import CaseDocument, SimulationDocument

    return SimulationDocument(
        version=1,
        kind="simulation",
        stack=options.stack,
        consumer=consumer,
        load=load.file.name,
        seeds=options.seeds,
        cases=tuple(CaseDocument.of(label, found.figures) for label, found in outcome.items()),
        why=tuple(line for line in why if line),
        assumptions=list(outcome.values())[-1].assumptions,
        not_modelled=NOT_MODELLED,
    )


def _write_report(file: Path, report: Report) -> None:
    try:
        if file.suffix == ".png":
            from ebbtide.report.picture import write_picture

            write_picture(report, file)
        else:
            from ebbtide.report.page import render_page

            write_whole(file, render_page(report))
    except OSError as error:
        raise refusal("--report", f"{file} cannot be written: {error.strerror}", "name another file") from None
    typer.echo(f"wrote {file}", err=True)
