"""How many small mistakes in the judging rules the default tests notice: `scripts/mutants --help`.

pytest collects the tests of a room and runs them once, whereby is noted which lines of the rules each of them reaches.
Then a process is forked for each mutant, in which the changed module is loaded in place of the one that is there, and
the tests that reach the change run until one fails. Tests that start another process see no mutant, and are left out as
those are that take more than `_SLOW_SECONDS`: what is counted as killed is, and what survives may yet be noticed by
them.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import functools
import importlib
import multiprocessing
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, Literal

import hypothesis
import pytest
from tests.mutation.mutator import Mutant, mutants

import ebbtide.judgement.rule as registry
import ebbtide.preview.rules.declare as scopes

ROOT = Path(__file__).resolve().parents[2]
_SLOW_SECONDS, _QUICK_SECONDS, _ELSEWHERE_SECONDS = 0.5, 0.02, 10.0
# Of other processes: the parser of shell scripts is done much sooner, and another Python later.
_OTHERS_SECONDS = 0.1
# Of one mutant: what it makes go on without an end is noticed.
_MOST_CPU_SECONDS = 200
# Tests that one process runs in a row.
_CHUNK = 20
Outcome = Literal["killed", "survived", "endless"]
_current: list[Mutation] = []


@dataclass(frozen=True, slots=True)
class Room:
    """Modules that judge, each after those that it imports, or packages of such; and the tests that hold them to it."""

    judges: tuple[str, ...]
    tests: tuple[str, ...]

    def modules(self) -> list[str]:
        """Every module by its whole name."""
        return [name for one in self.judges for name in _modules_of(one)]


def _modules_of(name: str) -> list[str]:
    package = importlib.import_module(name)
    if not hasattr(package, "__path__"):
        return [name]
    directory = Path(str(package.__file__)).parent
    return [f"{name}.{file.stem}" for file in sorted(directory.glob("*.py")) if file.stem not in _NO_JUDGES]


_NO_JUDGES = {"__init__", "declare"}
# What makes much of plans and repositories, and asks little of rules.
_NO_RULES = {"base", "comment", "git", "markdown", "plan", "reading"}
# A level that changes is a change of docs/rules.md.
_LEVELS = "tests/contracts/test_levels.py"
_OF_PREVIEWS = (
    *(
        str(file.relative_to(ROOT))
        for file in sorted((ROOT / "tests" / "preview").glob("test_*.py"))
        if file.stem.removeprefix("test_") not in _NO_RULES
    ),
    "tests/observability/test_review.py",
    _LEVELS,
)
ROOMS = {
    "settings": Room(
        ("ebbtide.settings.rules",),
        (
            "tests/settings",
            "tests/judgement",
            "tests/manifests",
            "tests/observability",
            "tests/properties/test_settings.py",
            _LEVELS,
        ),
    ),
    "preview": Room(("ebbtide.preview.rules",), _OF_PREVIEWS),
    "judgement": Room(
        (
            # Not accept: models have taken its functions already when it is loaded again.
            "ebbtide.judgement.secrets",
            *(f"ebbtide.preview.{name}" for name in ("harmless", "kinds", "patterns")),
            *(f"ebbtide_supervisor.{name}" for name in ("programs", "syntax", "branches", "path_states")),
            *(f"ebbtide_supervisor.{name}" for name in ("script", "handover")),
            *(f"ebbtide_supervisor.{name}" for name in ("command", "image_rules")),
        ),
        (
            *("tests/judgement", "tests/settings", "tests/doctor/test_set_ups.py", "tests/doctor/test_shells.py"),
            *("tests/consumer/test_command.py", "tests/consumer/test_image.py"),
            # The others of that file run each script with real shells.
            *(
                f"tests/consumer/test_handover.py::test_{name}"
                for name in (
                    "what_cannot_be_known_of_a_script_is_said_and_not_called_safe",
                    "a_script_in_the_image_is_judged_as_the_same_text_in_the_command",
                    "the_wrapper_scripts_of_public_reports_are_refused_by_the_line_of_their_worker",
                    "a_file_that_a_script_reads_in_is_judged_with_it",
                    "a_loop_is_left_as_far_as_its_break_says",
                    "a_shell_whose_scripts_nobody_reads_is_refused",
                    "a_script_that_is_not_utf_8_is_read_byte_by_byte",
                    "a_script_whose_interpreter_ends_in_a_carriage_return_is_refused",
                    "a_script_without_its_first_line_is_judged_as_what_sh_runs",
                    "a_script_that_cannot_be_read_is_not_called_safe",
                    "deep_nesting_is_one_line_and_no_traceback",
                    "an_image_without_its_parser_refuses_a_script_instead_of_accepting_it",
                    "what_a_command_becomes_is_found_behind_its_wrappers",
                    "an_interpreter_that_may_keep_the_worker_below_it_is_not_judged",
                    "an_option_of_the_program_is_none_of_its_interpreter",
                )
            ),
            *_OF_PREVIEWS,
        ),
    ),
    # Not those that run the command, or hold a clock against it.
    "doctor": Room(
        ("ebbtide.doctor.rules",),
        (
            *(
                f"tests/doctor/test_{name}.py"
                for name in (
                    *("edges", "scaling_edges", "stopping_edges"),
                    *("readers", "set_ups", "shells", "unjudged", "words"),
                )
            ),
            _LEVELS,
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Reached:
    """The place of a test, the lines of rules that it ran, and the seconds of processor time that it took, and that
    processes took which it has started."""

    test: int
    lines: frozenset[tuple[str, int]]
    seconds: float
    seconds_of_others: float


class Mutation:
    """A plugin of pytest that tries mutants in place of running the tests."""

    def __init__(self, modules: Sequence[str], chosen: argparse.Namespace, say: Callable[[str], None]) -> None:
        self.modules, self.chosen, self.say = modules, chosen, say
        self.outcomes: dict[str, Counter[Outcome]] = {name: Counter() for name in modules}
        self.is_loaded_again = False
        self.remembered: list[functools._lru_cache_wrapper[Any]] = []

    def pytest_configure(self) -> None:
        """No test fails because the machine is busy, and none looks for the smallest value that fails."""
        hypothesis.settings.register_profile(
            "mutants",
            parent=hypothesis.settings(),
            deadline=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        hypothesis.settings.load_profile("mutants")
        run = subprocess.run
        subprocess.run = lambda *given, timeout=None, **how: run(*given, timeout=timeout and 30 * timeout, **how)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Everything."""
        self.session = session
        forked = multiprocessing.get_context("fork")
        with _silence():
            with forked.Pool(self.chosen.jobs) as pool:
                starts = range(0, len(session.items), _CHUNK)
                found = [one for each in pool.imap(self._reach, starts) for one in each]
            kept = [each for each in found if each.seconds < _SLOW_SECONDS and each.seconds_of_others < _OTHERS_SECONDS]
            seconds = sum(each.seconds for each in kept)
            self.say(f"{len(kept)} tests of {seconds:.0f} s together, without {len(found) - len(kept)} slow ones")
            drawn = self._drawn()
            tasks = [(name, mutant, self._tests_of(name, mutant, kept)) for name, mutant in drawn]
            with forked.Pool(self.chosen.jobs) as pool:
                for (name, mutant), outcome in zip(drawn, pool.imap(self._outcome, tasks), strict=True):
                    self.outcomes[name][outcome] += 1
                    if outcome != "killed" or self.chosen.verbose:
                        line = mutant.source.splitlines()[mutant.line - 1].strip()
                        self.say(f"{outcome}: {name}:{mutant.line}: {mutant.what}: {line}")
        for name, outcomes in self.outcomes.items():
            self.say(f"{name}: {outcomes.total() - outcomes['survived']} of {outcomes.total()} killed")
        return True

    def _drawn(self) -> list[tuple[str, Mutant]]:
        """Some mutants of each module, in turns, so that whoever stops early has seen of each."""
        found = []
        for name in self.modules:
            everything = list(mutants(_source(sys.modules[name]), judges=True))
            some = random.Random(f"{self.chosen.seed} {name}").sample(
                everything, min(self.chosen.each, len(everything))
            )
            found.append([(name, each) for each in some])
        return [one for turn in zip_longest(*found) for one in turn if one]

    def _tests_of(self, name: str, mutant: Mutant, reached: list[Reached]) -> list[int]:
        return [each.test for each in _tests_of(mutant, str(sys.modules[name].__file__), reached)]

    def _reach(self, start: int) -> list[Reached]:
        """What some tests reach. They run with every module loaded again as it is, and must pass."""
        modules = [importlib.import_module(name) for name in self.modules]
        if not self.is_loaded_again:
            for module in modules:
                load_again(module, _code(module))
            # A test that is answered from what another one has asked would seem to reach nothing.
            self.remembered = list(_remembered())
            self.is_loaded_again = True
        files, found = {str(module.__file__) for module in modules}, []
        for place in range(start, min(start + _CHUNK, len(self.session.items))):
            for each in self.remembered:
                each.cache_clear()
            began, others, lines = time.process_time(), _seconds_of_others(), set[tuple[str, int]]()
            with _traced(files, lines):
                self._run(place, place + 1 if place + 1 < start + _CHUNK else None)
            if self.session.testsfailed:
                raise pytest.UsageError(f"{self.session.items[place].nodeid} fails without any change")
            others = _seconds_of_others() - others
            found.append(Reached(place, frozenset(lines), time.process_time() - began, others))
        return found

    def _run(self, place: int, following: int | None) -> None:
        items = self.session.items
        last = following is None or following >= len(items)
        self.session.config.hook.pytest_runtest_protocol(item=items[place], nextitem=None if last else items[following])

    def _outcome(self, task: tuple[str, Mutant, list[int]]) -> Outcome:
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_CPU, (_MOST_CPU_SECONDS, _MOST_CPU_SECONDS))
            os._exit(self._is_killed(*task))
        _, status = os.waitpid(child, 0)
        return "endless" if os.WIFSIGNALED(status) else "killed" if status else "survived"

    def _is_killed(self, name: str, mutant: Mutant, tests: list[int]) -> bool:
        try:
            load_again(sys.modules[name], compile(mutant.tree, str(sys.modules[name].__file__), "exec"))
            loaded = {name}
            for module in (sys.modules[each] for each in self.modules if each != name):
                # Its tables may hold what the changed module has made anew.
                if loaded & {getattr(value, "__module__", None) for value in vars(module).values()}:
                    load_again(module, _code(module))
                    loaded.add(module.__name__)
            for place, following in zip_longest(tests, tests[1:]):
                self._run(place, following)
                if self.session.testsfailed:
                    return True
        except BaseException:  # noqa: BLE001 - it cannot even be loaded
            return True
        return False

    def __reduce__(self) -> tuple[Callable[[], Mutation], tuple[()]]:
        """A forked process has it already."""
        return _the_one, ()


def _seconds_of_others() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _the_one() -> Mutation:
    return _current[-1]


def _source(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def _code(module: ModuleType) -> CodeType:
    return compile(_source(module), str(module.__file__), "exec")


def load_again(module: ModuleType, code: CodeType) -> None:
    """Run a module's code in its place: its rules stand where the old ones stood, whoever has imported a name of it has
    the new one, and nobody remembers what the old one answered."""
    before = dict(vars(module))
    with _registered_in_place():
        exec(code, vars(module))
    for other in list(sys.modules.values()):
        for name, value in list(getattr(other, "__dict__", {}).items()):
            if name in before and value is before[name]:
                setattr(other, name, vars(module)[name])
    for each in _remembered():
        each.cache_clear()


def _remembered() -> Iterator[functools._lru_cache_wrapper[Any]]:
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            if isinstance(value, functools._lru_cache_wrapper):
                yield value


@contextlib.contextmanager
def _registered_in_place() -> Iterator[None]:
    """What is registered meanwhile takes the place of what has its id."""
    texts, rules, scoped = dict(registry._texts), dict(registry._rules), list(scopes._scopes)
    registry._texts.clear()
    registry._rules.clear()
    scopes._scopes.clear()
    yield
    anew = {rule.id: rule for each in registry._rules.values() for rule in each}
    of_anew = {(scope.rule, scope.how): scope for scope in scopes._scopes}
    added = {subject: each for subject, each in registry._rules.items() if subject not in rules}
    registry._texts.update(texts | registry._texts)
    registry._rules.update({subject: [anew.get(rule.id, rule) for rule in each] for subject, each in rules.items()})
    registry._rules.update(added)
    scopes._scopes[:] = [of_anew.get((scope.rule, scope.how), scope) for scope in scoped]


def _tests_of(mutant: Mutant, file: str, reached: Sequence[Reached]) -> list[Reached]:
    """The tests that reach a change, first those that reach what few others do. What stands outside of functions is
    used by those that name it, and a rule's declaration also by whoever asks what is judged."""
    tree = ast.parse(mutant.source)
    top = next(each for each in tree.body if mutant.line in _lines(each))
    is_inside = isinstance(top, ast.FunctionDef | ast.ClassDef) and mutant.line >= top.lineno
    users = [top] if isinstance(top, ast.FunctionDef | ast.ClassDef) else _users(tree, top)
    around = {(file, line) for each in users for line in _lines(each)}
    holding = [_lines(each) for each in ast.walk(top) if isinstance(each, ast.stmt) and mutant.line in _lines(each)]
    near = {(file, line) for line in min(holding, key=len)} if is_inside else around
    first = [each for each in reached if near & each.lines]
    often = Counter(line for each in first for line in around & each.lines)
    first.sort(key=lambda each: (min(often[line] for line in around & each.lines), each.seconds))
    if is_inside:
        return first
    others = sorted((each for each in reached if not near & each.lines), key=lambda each: each.seconds)
    # What no function here uses is for other modules, and nobody has noted which tests come to those.
    seconds = accumulate(each.seconds for each in others)
    most = 0 if users else _ELSEWHERE_SECONDS
    return first + [
        one for one, sum_ in zip(others, seconds, strict=True) if one.seconds < _QUICK_SECONDS or sum_ < most
    ]


def _users(tree: ast.Module, top: ast.stmt) -> list[ast.stmt]:
    """The functions that use what a statement outside of them gives a name, also by way of another such name."""
    names: set[str] = set()
    users = []
    for each in (top, *tree.body, *tree.body):
        named = {(node.id, type(node.ctx)) for node in ast.walk(each) if isinstance(node, ast.Name)}
        if each is top or {(name, ast.Load) for name in names} & named:
            if isinstance(each, ast.FunctionDef | ast.ClassDef):
                users.append(each)
            else:
                names |= {name for name, context in named if context is ast.Store}
    return users


def _lines(node: ast.stmt) -> range:
    """With its decorators."""
    decorators = getattr(node, "decorator_list", ())
    return range(min([node.lineno, *(each.lineno for each in decorators)]), (node.end_lineno or node.lineno) + 1)


@contextlib.contextmanager
def _traced(files: set[str], lines: set[tuple[str, int]]) -> Iterator[None]:
    """Note the lines of these files that run meanwhile."""

    def in_rule(frame: FrameType, event: str, _: object) -> Any:
        lines.add((frame.f_code.co_filename, frame.f_lineno))
        return in_rule

    def anywhere(frame: FrameType, event: str, argument: object) -> Any:
        return in_rule(frame, event, argument) if frame.f_code.co_filename in files else None

    sys.settrace(anywhere)
    try:
        yield
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    kept = [os.dup(stream) for stream in (1, 2)]
    nothing = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    for stream in (1, 2):
        os.dup2(nothing, stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        for stream, was in zip((1, 2), kept, strict=True):
            os.dup2(was, stream)


def _one_name_each() -> None:
    """The image's modules are imported by two names, as two modules; a change of one would be half a change."""
    sys.path.insert(0, str(ROOT / "consumer"))
    for module in ("", *(f".{file.stem}" for file in (ROOT / "consumer" / "ebbtide_supervisor").glob("[!_]*.py"))):
        with contextlib.suppress(ImportError):  # what only the image has installed
            sys.modules[f"ebbtide.image.ebbtide_supervisor{module}"] = importlib.import_module(
                f"ebbtide_supervisor{module}"
            )


def main() -> int:
    """Try mutants, print what survives and how many were killed. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", help="of rules, or a room: keda, settings.broker, doctor (default: all)")
    parser.add_argument("--each", type=int, default=15, help="how many mutants of each module (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="which of them (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="how many processes at a time (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="name those that are killed, too")
    chosen = parser.parse_args()
    _one_name_each()
    with os.fdopen(os.dup(1), "w") as out:

        def say(text: str) -> None:
            print(text, file=out, flush=True)

        outcomes: Counter[Outcome] = Counter()
        for title, room in ROOMS.items():
            is_whole = not chosen.modules or title in chosen.modules
            modules = [name for name in room.modules() if is_whole or _is_one_of(name, chosen.modules)]
            if not modules:
                continue
            _current.append(plugin := Mutation(modules, chosen, say))
            options = ("-q", "-s", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
            status = pytest.main([*options, *room.tests], plugins=[plugin])
            if status:
                return int(status)
            for each in plugin.outcomes.values():
                outcomes.update(each)
        total, survived = outcomes.total(), outcomes["survived"]
        say(f"{total - survived} of {total} killed ({1 - survived / (total or 1):.1%}), seed {chosen.seed}")
    return 0


def _is_one_of(module: str, written: Sequence[str]) -> bool:
    return any(f".{module.replace('.rules.', '.')}".endswith(f".{one}") for one in written)


if __name__ == "__main__":
    sys.exit(main())
