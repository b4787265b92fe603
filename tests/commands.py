"""A command line, run in this process as a shell would run it in one of its own.

To start Python and import the settings costs 0.4 s of a processor each time (measured), and most tests ask only for
the exit status and what was printed. What a process alone can show stays with one: how it starts and what it imports,
encodings of its streams, signals, a pipe whose reader leaves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TextIO
from unittest import mock

from ebbtide.cli.main import main


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
        for number in (signal.SIGINT, signal.SIGTERM):  # Commands set them, as it suits a process that ends.
            stack.callback(signal.signal, number, signal.getsignal(number))
        status = _status()
        out.flush()
        err.flush()
        return subprocess.CompletedProcess(argv, status, *(_read(file) for file in files))


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
