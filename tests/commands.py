"""A command line, run in this process as a shell would run it in one of its own.

To start Python and import the settings costs 0.4 s of a processor each time (measured), and most tests ask only for
the exit status and what was printed. What a process alone can show stays with one: how it starts and what it imports,
encodings of its streams, signals, a pipe whose reader leaves.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import IO, TextIO
from unittest import mock

from ebbtide.capacity import what_if
from ebbtide.capacity.runs import Run
from ebbtide.capacity.what_if import committed_runs
from ebbtide.cli.main import main
from ebbtide.settings.models.stack import StackSettings


def run_here(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`ebbtide arguments`, as `subprocess.run` would report it; what a user would see as a traceback is raised.

    `env` is the whole environment, as there. The streams are files: no terminal, and with a descriptor as a pipe has.
    """
    argv = ["ebbtide", *map(str, arguments)]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(2)]
        out, err = (stack.enter_context(_stream(file.fileno())) for file in files)
        stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
        stack.enter_context(mock.patch.dict(os.environ, os.environ if env is None else env, clear=env is not None))
        stack.enter_context(mock.patch.multiple(sys, argv=argv, stdout=out, stderr=err))
        stack.enter_context(mock.patch.object(what_if, "committed_runs", _committed_runs))
        for number in (signal.SIGINT, signal.SIGTERM):  # Commands set them, as it suits a process that ends.
            stack.callback(signal.signal, number, signal.getsignal(number))
        status = _status()
        out.flush()
        err.flush()
        return subprocess.CompletedProcess(argv, status, *(_read(file) for file in files))


ROOT = Path(__file__).parents[1]
_SIMULATED: list[tuple[StackSettings, dict[str, Run]]] = []


def _committed_runs(root: Path, stack: StackSettings) -> dict[str, Run]:
    """This repository's own loads are simulated once for a stack, 0.5 s each: twenty tests ask about the words around
    their figures. What a simulation finds is asked in tests/capacity, and elsewhere every time."""
    if root.resolve() != ROOT:
        return committed_runs(root, stack)
    for simulated, runs in _SIMULATED:
        if simulated == stack:
            return runs
    _SIMULATED.append((stack, committed_runs(root, stack)))
    return _SIMULATED[-1][1]


class Scripts:
    """Runs scripts in bash, in which each `ebbtide` runs in this process, one after the other."""

    def __init__(self, asked: Listener) -> None:
        self._asked = asked

    @classmethod
    @contextlib.contextmanager
    def with_program_in(cls, directory: Path) -> Iterator[Scripts]:
        """With `ebbtide` in this directory, which the scripts have on their path."""
        with Listener(family="AF_UNIX") as asked:
            program = directory / "ebbtide"
            ask = shlex.join([sys.executable, "-IS", str(Path(__file__).with_name("ask.py")), str(asked.address)])
            program.write_text(f'#!/bin/sh\nexec {ask} "$@"\n')
            program.chmod(0o755)
            yield cls(asked)

    def run(self, *options: str, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """`bash options`, as `subprocess.run` would report it; a traceback of `ebbtide` is raised."""
        with ThreadPoolExecutor(1) as beside:
            script = beside.submit(self._run_to_its_end, options, cwd, env)
            while self._answer():
                pass
            return script.result()

    def _run_to_its_end(
        self, options: tuple[str, ...], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(["bash", *options], cwd=cwd, env=env, capture_output=True, text=True, check=False)
        finally:
            # Who asks for nothing is the script, which has ended.
            Client(self._asked.address).close()

    def _answer(self) -> bool:
        with self._asked.accept() as asking:
            try:
                arguments, cwd, env = asking.recv()
            except EOFError:
                return False
            done = run_here(*arguments, cwd=Path(cwd), env=env)
            asking.send((done.returncode, done.stdout, done.stderr))
            return True


def _status() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _stream(descriptor: int) -> TextIO:
    """One to write on. A command may point it elsewhere, and what it wrote before stays in the file."""
    return os.fdopen(os.dup(descriptor), "w", encoding="utf-8", newline="\n")


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
