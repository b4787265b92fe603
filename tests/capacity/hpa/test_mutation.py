"""Whether the tables would notice a mistake: every small change of the package's code must fail at least one case."""

from __future__ import annotations

import ast
import collections
import sys
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

import pytest
from tests.capacity.hpa.conformance import cases
from tests.capacity.hpa.mutator import mutants
from tests.capacity.hpa.survivors import EQUIVALENT

import ebbtide.capacity.hpa as installed_package
from ebbtide.kubernetes import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
PREFIX = "ebbtide.capacity.hpa"
# Each module after those it imports; the package itself last.
ORDER = (
    "integers", "quantity", "release", "spec", "history", "pods", "ratio", "metrics", "stabilization", "limits",
    "controller", "manifest", "requests", "__init__",
)  # fmt: skip
DIRECTORY = Path(installed_package.__file__).parent
# Shared with the settings, and so in a room of its own.
ELSEWHERE = {"quantity": "ebbtide.kubernetes.quantity"}
FILES = {name: DIRECTORY / f"{name}.py" for name in ORDER} | {"quantity": Path(quantity.__file__)}
SOURCES = {name: file.read_text() for name, file in FILES.items()}
CODES = {name: compile(source, f"{name}.py", "exec") for name, source in SOURCES.items()}


def _module(name: str) -> str:
    return ELSEWHERE.get(name, f"{PREFIX}.{name}" if name else PREFIX)


def _is_ours(module: str) -> bool:
    return module.startswith(PREFIX) or module in ELSEWHERE.values()


@contextmanager
def imported(codes: dict[str, CodeType]) -> Iterator[dict[str, ModuleType]]:
    """The package made of these codes, in place of the installed one."""
    kept = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    package = ModuleType(PREFIX)
    package.__path__ = [str(DIRECTORY)]
    modules = {name: ModuleType(_module(name)) for name in ORDER[:-1]} | {"": package}
    for name in kept:
        del sys.modules[name]
    try:
        sys.modules.update({_module(name): each for name, each in modules.items()})
        for name in ORDER:
            exec(codes[name], modules["" if name == "__init__" else name].__dict__)
        yield modules
    finally:
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(kept)


def killer(codes: dict[str, CodeType], hints: collections.Counter[str]) -> str | None:
    """The first case that fails with this code; None when all pass. Cases that killed before are tried first."""
    try:
        with imported(codes) as modules:
            for name, check in sorted(cases(modules.__getitem__), key=lambda case: -hints[case[0]]):
                try:
                    check()
                except Exception:  # noqa: BLE001  any failure notices the change
                    return name
    except Exception as error:  # noqa: BLE001  it does not even import
        return f"import: {error}"
    return None


def test_all_cases_pass_on_the_package_loaded_this_way():
    assert killer(CODES, collections.Counter()) is None
    assert sys.modules[PREFIX] is installed_package


def test_at_least_95_percent_of_mutants_are_killed(record_testsuite_property):
    """The figure counts survivors that change nothing (survivors.py says why) as survivors."""
    hints: collections.Counter[str] = collections.Counter()
    survivors, total = [], 0
    for module in ORDER[:-1]:
        for mutant in mutants(SOURCES[module]):
            total += 1
            case = killer({**CODES, module: compile(mutant.tree, f"{module}.py", "exec")}, hints)
            if case is None:
                line = SOURCES[module].splitlines()[mutant.line - 1].strip()
                survivors.append((module, line, mutant.what))
            else:
                hints[case] += 1
    share = 1 - len(survivors) / total
    record_testsuite_property("HPA mutants", f"{total}, {total - len(survivors)} killed, {share:.1%}")
    unexplained = [each for each in survivors if each not in EQUIVALENT]
    assert not unexplained, f"{share:.1%} killed; nothing notices: {unexplained}"
    assert share >= 0.95, f"only {share:.1%} of {total} mutants are killed"


def test_every_explained_survivor_is_still_a_line_of_the_code():
    stale = [each for each in EQUIVALENT if each[1] not in map(str.strip, SOURCES[each[0]].splitlines())]
    assert not stale, f"survivors.py explains lines that are gone: {stale}"


def test_the_mutator_changes_what_it_says():
    source = "def f(a):\n    return a > 1 and not a\n"
    changed = [ast.unparse(each.tree) for each in mutants(source)]
    assert len(changed) == len(set(changed)) == 7
    assert "a >= 1" in changed[1] + changed[2]
