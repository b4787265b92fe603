"""`ebbtide advise`: which autoscaler meets a goal for the fewest pod-hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from ebbtide.capacity.advice import FAMILIES, FIXED, KEDA, Advisor, Candidate, Outcome, Shape, shapes
from ebbtide.capacity.from_settings import NOT_MODELLED, Assumption
from ebbtide.capacity.runs import LoadSource, Run, run_all
from ebbtide.capacity.simulation_report import show_range
from ebbtide.capacity.summary import Summary, ranges
from ebbtide.capacity.sweep import Goal, parse_goal
from ebbtide.cli.console import make_console
from ebbtide.cli.output import BAD_INPUT, project_root
from ebbtide.cli.progress_bar import Advance, progress_bar
from ebbtide.cli.simulate_inputs import RunOptions, choose_consumer, with_changes
from ebbtide.cli.simulate_output import as_rich_table, print_assumptions
from ebbtide.judgement.findings import SettingsError
from ebbtide.report.model import Table
from ebbtide.settings.loading.loader import LoadedStack, read_stack, with_values
from ebbtide.settings.values.units import plural

_COLUMNS = {
    "wait_p95_seconds": "95 % wait at most",
    "wait_max_seconds": "longest",
    "peak_pods": "most pods",
    "peak_broker_connections": "connections",
    "pod_hours": "pod-hours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(RunOptions):
    """What was asked of `ebbtide advise`."""

    goals: list[str]
    format: str


@dataclass(frozen=True, slots=True)
class Advice:
    """What was found out, before it is printed."""

    consumer: str
    goals: tuple[Goal, ...]
    advisor: Advisor
    impossible: Mapping[str, str]
    """By family, why it cannot be simulated with these settings."""
    assumptions: Sequence[Assumption]

    @property
    def chosen(self) -> Outcome | None:
        """The cheapest of all that meets every goal."""
        return self.advisor.chosen()

    def best(self, family: str) -> Outcome | None:
        """The family's own cheapest, or its nearest."""
        return self.advisor.chosen(family) or self.advisor.nearest(family)


def run(options: Options) -> None:
    """Compare, and print the cheapest. Exit status 1 if nothing meets the goal."""
    root = project_root(options.project)
    goals = tuple(parse_goal(text) for text in options.goals)
    loaded = read_stack(options.stack, root)
    consumer = choose_consumer(loaded, options.consumer)
    load = options.read_load(root, consumer)
    base = with_changes(loaded, options.changes, consumer) if options.changes else loaded
    advice = _advise(base, consumer, load, goals, options.seeds)
    if options.format == "json":
        from ebbtide.documents.document import to_json

        typer.echo(to_json(_document(options, load, advice)))
    else:
        _print(options, load, advice)
    if advice.chosen is None:
        raise typer.Exit(BAD_INPUT)


def _advise(base: LoadedStack, consumer: str, load: LoadSource, goals: tuple[Goal, ...], seeds: int) -> Advice:
    possible, impossible = _possible(base, consumer, load)
    first = max(1, base.settings.consumers[consumer].autoscaling.max_replicas)
    advisor = Advisor(goals, first, possible)
    with progress_bar("runs") as advance:
        run_some = _Runner(base, consumer, load, advance)
        while candidates := advisor.next_round():
            found = run_some(candidates, range(1, 2))
            # Who misses a goal with the first seed is not tried with the others.
            promising = [one for one, summaries in found.items() if not Outcome(one, tuple(summaries)).missed(goals)]
            for one, summaries in run_some(promising, range(2, seeds + 1)).items():
                found[one] += summaries
            advisor.learn(found)
    chosen = advisor.chosen() or next(filter(None, map(advisor.nearest, FAMILIES)))
    return Advice(consumer, goals, advisor, impossible, _run(base, consumer, load, chosen.candidate, 1).assumptions())


@dataclass(slots=True)
class _Runner:
    """Runs candidates side by side, and counts them."""

    base: LoadedStack
    consumer: str
    load: LoadSource
    advance: Advance
    done: int = 0

    def __call__(self, candidates: Sequence[Candidate], seeds: range) -> dict[Candidate, list[Summary]]:
        runs = {
            (candidate, seed): _run(self.base, self.consumer, self.load, candidate, seed)
            for candidate in candidates
            for seed in seeds
        }
        found: dict[Candidate, list[Summary]] = {}
        total = self.done + len(runs)
        for (candidate, _), summary in run_all(runs) if runs else ():
            found.setdefault(candidate, []).append(summary)
            self.done += 1
            self.advance(self.done, total)
        return found


def _possible(base: LoadedStack, consumer: str, load: LoadSource) -> tuple[list[Shape], dict[str, str]]:
    """What these settings and this load can be simulated with, and why the rest cannot. Raises SettingsError where
    nothing can, as with a load that cannot be read: then the first reason is that of all."""
    possible: list[Shape] = []
    impossible: dict[str, str] = {}
    first: SettingsError | None = None
    for shape in shapes():
        try:
            _ = _run(base, consumer, load, Candidate(shape, max(1, shape.least)), 1).scenario
        except SettingsError as error:
            first = first or error
            impossible.setdefault(shape.family, str(error).splitlines()[0].removeprefix("advise: "))
        else:
            possible.append(shape)
    if not possible and first is not None:
        raise first
    return possible, impossible


def _run(base: LoadedStack, consumer: str, load: LoadSource, candidate: Candidate, seed: int) -> Run:
    path = ("consumers", consumer, "autoscaling")
    settings = with_values(base, {path: candidate.shape.autoscaling(candidate.most)}, "advise").settings
    return Run(settings, consumer, load, seed)


def fragment(autoscaling: Mapping[str, Any]) -> str:
    """What to write into the stack file, below the consumer."""
    return "\n".join(["autoscaling:", *(f"  {name}: {_yaml(value)}" for name, value in autoscaling.items())])


def _yaml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_yaml(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    return str(value)


def _told(advice: Advice) -> str:
    """In a sentence: the choice and what binds, or that there is none."""
    wanted = " and ".join(map(str, advice.goals))
    chosen = advice.chosen
    if chosen is None:
        nearest = [found for found in map(advice.advisor.nearest, FAMILIES) if found is not None]
        reasons = "; ".join(
            f"{found.candidate.shape.family}, {_short(found.candidate)}: {found.why_not(advice.goals)}"
            for found in nearest
        )
        return f"Nothing meets {wanted}. {reasons}."
    binds = advice.advisor.binds(chosen)
    hours = f"{chosen.pod_hours:,.1f} pod-hours"
    return f"The cheapest that meets {wanted}: {hours}.{f' {binds}' if binds else ''}"


def _short(candidate: Candidate) -> str:
    """`0 to 4 pods, 2 messages a worker`."""
    shape, most = candidate.shape, candidate.most
    if shape.family == FIXED:
        return plural(most, "pod")
    pods = f"{shape.least} to {plural(most, 'pod')}" if shape.least < most else plural(most, "pod")
    if shape.family == KEDA:
        return f"{pods}, {plural(shape.parameter, 'message')} a worker"
    return f"{pods}, CPU at {shape.parameter} %"


def _print(options: Options, load: LoadSource, advice: Advice) -> None:
    console = make_console()
    count = len(advice.advisor.outcomes)
    seeds = f"{options.seeds} seeds, of each setting the worst" if options.seeds > 1 else "seed 1"
    console.print(
        f"[bold]{advice.consumer} in {options.stack}[/]: {count} settings under {load.file.name}; {seeds}",
        highlight=False,
    )
    console.print()
    headings = ["", "its best", *_COLUMNS.values(), "goal"]
    rows = [_row(advice, family, found) for family in FAMILIES if (found := advice.best(family))]
    console.print(as_rich_table(Table("", headings, rows)))
    console.print()
    for family, reason in advice.impossible.items():
        console.print(f"Not compared: {family}: {reason}\n", soft_wrap=True, markup=False, highlight=False)
    console.print(_told(advice), soft_wrap=True, markup=False)
    if advice.chosen is not None:
        candidate = advice.chosen.candidate
        console.print()
        console.print(fragment(candidate.shape.autoscaling(candidate.most)), markup=False, highlight=False)
    print_assumptions(console, advice.assumptions)


def _row(advice: Advice, family: str, found: Outcome) -> list[str]:
    figures = ranges([found.worst(advice.goals[0])])
    met = "missed" if found.missed(advice.goals) else "cheapest" if found is advice.chosen else "met"
    return [family, _short(found.candidate), *(show_range(name, figures[name]) for name in _COLUMNS), met]


def _document(options: Options, load: LoadSource, advice: Advice) -> Any:
    from ebbtide.capacity.document import AdviceDocument, FamilyDocument, SettingDocument

    def setting(outcome: Outcome | None) -> SettingDocument | None:
        if outcome is None:
            return None
        return SettingDocument(
            outcome.candidate.shape.family,
            outcome.candidate.shape.autoscaling(outcome.candidate.most),
            outcome.worst(advice.goals[0]),
            not outcome.missed(advice.goals),
        )

    chosen = advice.chosen
    return AdviceDocument(
        version=1,
        stack=options.stack,
        consumer=advice.consumer,
        load=load.file.name,
        seeds=options.seeds,
        goals=tuple(map(str, advice.goals)),
        families=tuple(
            FamilyDocument(family, setting(advice.best(family)), advice.impossible.get(family)) for family in FAMILIES
        ),
        tried=tuple(filter(None, map(setting, advice.advisor.outcomes.values()))),
        chosen=setting(chosen),
        fragment=fragment(chosen.candidate.shape.autoscaling(chosen.candidate.most)) if chosen else None,
        verdict=_told(advice),
        assumptions=tuple(advice.assumptions),
        not_modelled=NOT_MODELLED,
    )
