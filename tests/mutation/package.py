"""Whether tables would notice a mistake: a package is loaded again with one module changed, and the cases run."""

from __future__ import annotations

import collections
import importlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType, ModuleType

import pytest
from tests.mutation.mutator import mutants

# Of processor time; all cases together take a thirtieth of it. A change may well make a loop without an end.
_LIMIT_SECONDS = 2.0
# One mutant in so many, and the least share of them that a case notices. A fifth may hold more of the survivors that
# change nothing; all of them take minutes.
EACH = pytest.mark.parametrize(
    ("step", "least_share"),
    [pytest.param(5, 0.9, id="a fifth"), pytest.param(1, 0.95, id="all", marks=pytest.mark.long)],
)
Cases = Callable[[Callable[[str], ModuleType]], Iterator[tuple[str, Callable[[], None]]]]


class MutatedPackage:
    """A package whose modules can be replaced. `order`: each after those that it imports, the package itself last;
    `elsewhere`: modules of another room that belong to it."""

    def __init__(
        self, prefix: str, order: Sequence[str], cases: Cases, elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self.prefix, self.order, self.cases, self.elsewhere = prefix, order, cases, dict(elsewhere or {})
        self.directory = Path(str(importlib.import_module(prefix).__file__)).parent
        files = {name: Path(str(importlib.import_module(room).__file__)) for name, room in self.elsewhere.items()}
        self.sources = {name: files.get(name, self.directory / f"{name}.py").read_text() for name in order}
        self.codes = {name: compile(source, f"{name}.py", "exec") for name, source in self.sources.items()}

    def _module(self, name: str) -> str:
        return self.elsewhere.get(name, f"{self.prefix}.{name}" if name else self.prefix)

    def _is_ours(self, module: str) -> bool:
        return module == self.prefix or module.startswith(f"{self.prefix}.") or module in self.elsewhere.values()

    @contextmanager
    def imported(self, codes: Mapping[str, CodeType]) -> Iterator[dict[str, ModuleType]]:
        """The package made of these codes, in place of the installed one."""
        kept = {name: module for name, module in sys.modules.items() if self._is_ours(name)}
        package = ModuleType(self.prefix)
        package.__path__ = [str(self.directory)]
        modules = {name: ModuleType(self._module(name)) for name in self.order[:-1]} | {"": package}
        for name in kept:
            del sys.modules[name]
        try:
            sys.modules.update({self._module(name): each for name, each in modules.items()})
            for name in self.order:
                exec(codes[name], modules["" if name == "__init__" else name].__dict__)
            yield modules
        finally:
            for name in [name for name in sys.modules if self._is_ours(name)]:
                del sys.modules[name]
            sys.modules.update(kept)

    def killer(self, codes: Mapping[str, CodeType], hints: collections.Counter[str]) -> str | None:
        """The first case that fails with this code; None when all pass. Cases that killed before are tried first."""
        try:
            with _limited(), self.imported(codes) as modules:
                for name, check in sorted(self.cases(modules.__getitem__), key=lambda case: -hints[case[0]]):
                    try:
                        check()
                    except Exception:  # noqa: BLE001  any failure notices the change
                        return name
        except Exception as error:  # noqa: BLE001  it does not even import
            return f"import: {error}"
        return None

    def survivors(self, step: int) -> tuple[list[tuple[str, str, str]], int]:
        """(module, line, change) of what no case notices, and how many were tried: one mutant in `step`."""
        hints: collections.Counter[str] = collections.Counter()
        every = [(module, mutant) for module in self.order[:-1] for mutant in mutants(self.sources[module])]
        found, tried = [], every[::step]
        for module, mutant in tried:
            case = self.killer({**self.codes, module: compile(mutant.tree, f"{module}.py", "exec")}, hints)
            if case is None:
                line = self.sources[module].splitlines()[mutant.line - 1].strip()
                found.append((module, line, mutant.what))
            else:
                hints[case] += 1
        return found, len(tried)

    def stale(self, explained: Mapping[tuple[str, str, str], str]) -> list[tuple[str, str, str]]:
        """Explanations of lines that are gone."""
        return [each for each in explained if each[1] not in map(str.strip, self.sources[each[0]].splitlines())]


@contextmanager
def _limited() -> Iterator[None]:
    """Whatever runs too long in here fails, as a case does that notices the change."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeoutError("runs without an end")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _LIMIT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
