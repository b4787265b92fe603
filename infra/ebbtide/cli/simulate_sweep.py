"""`ebbtide simulate --sweep`: many values of one setting, and which of them to take."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from types import FrameType

import typer

from ebbtide.capacity.from_settings import NOT_MODELLED, Assumption
from ebbtide.capacity.runs import LoadSource, Run, run_all
from ebbtide.capacity.simulation_report import FIGURES, show_range
from ebbtide.capacity.summary import Summary, ranges
from ebbtide.capacity.sweep import Goal, Sweep, Tried, best, cheapest, parse_goal, parse_sweep, what_binds
from ebbtide.cli.console import make_console
from ebbtide.cli.output import BAD_INPUT
from ebbtide.cli.progress_bar import progress_bar
from ebbtide.cli.simulate_inputs import Options, check_lags, check_signals, refusal, setting_path, with_changes
from ebbtide.cli.simulate_output import as_rich_table, print_assumptions
from ebbtide.report.model import Table
from ebbtide.settings.loading.loader import LoadedStack, with_values


def run_sweep(options: Options, loaded: LoadedStack, consumer: str, load: LoadSource) -> None:
    """Try every value and print what comes of each. Exit status 1 if none meets the goal."""
    if not options.sweep:
        raise refusal("--goal", "needs a sweep to choose from", "add --sweep maxReplicas=2..20")
    for option, given in (("--base", options.base), ("--why", options.why), ("--report", options.report)):
        if given is not None:
            raise refusal(option, "does not go with --sweep", "simulate the chosen value by itself, with --set")
    sweep = parse_sweep(options.sweep)
    goal = parse_goal(options.goal) if options.goal else None
    base = with_changes(loaded, options.changes, consumer) if options.changes else loaded
    path = setting_path(sweep.path, consumer)
    runs: dict[tuple[int, int], Run] = {}
    for value in sweep.values:
        settings = with_values(base, {path: value}, "--sweep").settings
        runs |= {(value, seed): Run(settings, consumer, load, seed) for seed in range(1, options.seeds + 1)}
    ends = [runs[value, 1] for value in (sweep.values[0], sweep.values[-1])]
    check_signals(load.signals, ends)
    check_lags(load.measured, ends)
    assumptions = _common_assumptions(ends)
    tried, interrupted = _try_all(runs, options.seeds, goal)
    _show_sweep(options, consumer, load, sweep, goal, tried, assumptions, interrupted=interrupted)
    if interrupted:
        typer.echo(f"interrupted: {len(tried)} of {len(sweep.values)} values were tried", err=True)
        raise typer.Exit(BAD_INPUT)
    if goal and cheapest(tried, goal) is None:
        raise typer.Exit(BAD_INPUT)


def _common_assumptions(runs: list[Run]) -> list[Assumption]:
    """What every value stands on: all but what the sweep itself changes. Raises SettingsError as `Run.scenario`."""
    first, *others = (run.assumptions() for run in runs)
    return [row for row in first if all(row in other for other in others)]


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """A second Ctrl-C must not cost the results that the first one is about to print."""
    del number, frame
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _try_all(runs: Mapping[tuple[int, int], Run], seeds: int, goal: Goal | None) -> tuple[list[Tried], bool]:
    """What was tried with every seed, by value, each with its worst seed; and whether Ctrl-C ended it early."""
    found: dict[int, list[Summary]] = {}
    interrupted = False
    signal.signal(signal.SIGINT, _interrupt_once)
    try:
        with progress_bar("runs") as advance:
            for count, ((value, _), summary) in enumerate(run_all(runs), 1):
                found.setdefault(value, []).append(summary)
                advance(count, len(runs))
    except KeyboardInterrupt:
        interrupted = True
    judge = goal or Goal("p95", 0)
    tried = [
        Tried(value, max(summaries, key=lambda summary: (summary.left, judge.value_of(summary))))
        for value, summaries in sorted(found.items())
        if len(summaries) == seeds
    ]
    return tried, interrupted


def _show_sweep(
    options: Options,
    consumer: str,
    load: LoadSource,
    sweep: Sweep,
    goal: Goal | None,
    tried: list[Tried],
    assumptions: list[Assumption],
    *,
    interrupted: bool,
) -> None:
    chosen = cheapest(tried, goal) if goal else None
    verdict = _verdict(sweep, goal, tried, chosen)
    if interrupted and verdict:
        verdict = f"Of the values that were tried: {verdict}"
    if options.format == "json":
        from ebbtide.capacity.document import SweepDocument, TriedDocument
        from ebbtide.documents.document import to_json

        document = SweepDocument(
            version=1,
            kind="sweep",
            stack=options.stack,
            consumer=consumer,
            load=load.file.name,
            seeds=options.seeds,
            sweep=sweep.path,
            goal=str(goal) if goal else None,
            tried=tuple(TriedDocument(entry.value, entry.summary) for entry in tried),
            chosen=chosen.value if chosen else None,
            verdict=verdict,
            interrupted=interrupted,
            assumptions=tuple(assumptions),
            not_modelled=NOT_MODELLED,
        )
        typer.echo(to_json(document))
        return
    columns = ("wait_p95_seconds", "wait_max_seconds", "peak_waiting", "peak_broker_connections", "pod_hours")
    headings = [sweep.path, *(FIGURES[name][0] for name in columns), "goal"]
    rows = [_sweep_row(entry, columns, goal, chosen) for entry in tried]
    console = make_console()
    if options.seeds > 1:
        console.print(f"{options.seeds} seeds, of each value the worst\n")
    console.print(as_rich_table(Table("", headings, rows)))
    if verdict:
        console.print()
        console.print(verdict, soft_wrap=True, markup=False)
    print_assumptions(console, assumptions)


def _sweep_row(entry: Tried, columns: tuple[str, ...], goal: Goal | None, chosen: Tried | None) -> list[str]:
    figures = ranges([entry.summary])
    met = "" if goal is None else "cheapest" if entry is chosen else "met" if goal.met_by(entry.summary) else "missed"
    return [str(entry.value), *(show_range(name, figures[name]) for name in columns), met]


def _verdict(sweep: Sweep, goal: Goal | None, tried: list[Tried], chosen: Tried | None) -> str:
    if goal is None or not tried:
        return ""
    if chosen is None:
        nearest = best(tried, goal)
        return f"No {sweep.path} meets {goal}; the best is {nearest.value}: {what_binds(nearest, goal)}."
    below = [entry for entry in tried if entry.value < chosen.value and not goal.met_by(entry.summary)]
    binds = f" With {below[-1].value}, {what_binds(below[-1], goal)}." if below else ""
    hours = f"{chosen.summary.pod_hours:,.1f} pod-hours"
    return f"{sweep.path} {chosen.value} is the cheapest that meets {goal}: {hours}.{binds}"
