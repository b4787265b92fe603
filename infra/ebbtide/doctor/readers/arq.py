"""arq's WorkerSettings: what it does with jobs at its stop signal, and how long one may take."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ebbtide.doctor.data import UNKNOWN, Place, Said
from ebbtide.doctor.files import File
from ebbtide.doctor.readers.python_code import last_of
from ebbtide.doctor.readers.queues import parsed

JOB_SECONDS: Final = 300
"""arq/worker.py: job_timeout where nothing is written."""
_IMPORTS: Final = re.compile(r"(?m)^\s*(?:from|import)\s+arq\b")
_KEYS: Final = frozenset({"job_completion_wait", "job_timeout", "max_tries", "retry_jobs", "handle_signals"})


@dataclass(frozen=True)
class ArqSettings:
    """A class of settings, or a Worker that is made."""

    name: str
    place: Place
    options: dict[str, Said[Any]] = field(default_factory=dict)

    def number(self, key: str, default: int) -> Said[int] | None:
        """The whole seconds, or tries, of an option; None where it is no number here."""
        said = self.options.get(key)
        if said is None:
            return Said(default, self.place)
        is_number = isinstance(said.value, (int, float)) and not isinstance(said.value, bool)
        return Said(int(said.value), said.place) if is_number else None


def read_arq(file: File) -> Iterator[ArqSettings]:
    """The classes of a file that `arq module.Class` may run: with functions, or cron jobs."""
    tree = parsed(file) if _IMPORTS.search(file.text) else None
    for node in ast.walk(tree) if tree is not None else ():
        if not isinstance(node, ast.ClassDef):
            continue
        said = {
            target.id: Said(_value(one.value), file.at(one.lineno))
            for one in node.body
            if isinstance(one, (ast.Assign, ast.AnnAssign)) and one.value is not None
            for target in (one.targets if isinstance(one, ast.Assign) else [one.target])
            if isinstance(target, ast.Name)
        }
        # A class that another one gives its options to is not known whole.
        if {"functions", "cron_jobs"} & said.keys() and not node.bases:
            options = {key: one for key, one in said.items() if key in _KEYS}
            yield ArqSettings(node.name, file.at(node.lineno), options)


def _value(node: ast.expr) -> Any:
    """A number, a truth value, a product of numbers, or a timedelta of one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        left, right = _value(node.left), _value(node.right)
        return left * right if isinstance(left, (int, float)) and isinstance(right, (int, float)) else UNKNOWN
    if isinstance(node, ast.Call) and last_of(node.func) == "timedelta" and len(node.keywords) == 1 and not node.args:
        size = {"seconds": 1, "minutes": 60, "hours": 3600}.get(node.keywords[0].arg or "")
        value = _value(node.keywords[0].value)
        return value * size if size and isinstance(value, (int, float)) else UNKNOWN
    return node.value if isinstance(node, ast.Constant) else UNKNOWN
