"""Ctrl-C at any moment: no traceback, and the shell learns that it was one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ebbtide.cli import main as command
from ebbtide.cli.start import main

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
# Presses Ctrl-C when the first of its modules is loaded, however fast the machine is.
WHILE_LOADING = """
import importlib.abc, os, signal, sys
class Press(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, {handler})
sys.meta_path.insert(0, Press())
sys.argv = ["ebbtide", "--version"]
from ebbtide.cli.start import main
main()
"""


def run(handler: str) -> subprocess.CompletedProcess[str]:
    program = WHILE_LOADING.format(handler=handler)
    return subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_while_its_modules_are_loaded_an_interrupt_ends_it_by_the_signal() -> None:
    done = run("signal.default_int_handler")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_who_ignores_interrupts_goes_on_ignoring_them() -> None:
    done = run("signal.SIG_IGN")
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_later_it_ends_with_the_status_of_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "main", interrupted)
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)  # It is this process's own.
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 128 + signal.SIGINT


def test_at_its_end_python_does_not_look_through_all_that_it_made() -> None:
    """That took a sixth of the processor time of `check`. What others tidy up comes before, and is still collected."""
    program = """
import atexit, gc, sys
atexit.register(lambda: print("left to look through:", gc.get_count()[0] + len(gc.get_objects()) < 1000))
from ebbtide.cli.start import main
def tidy_up():
    print("frozen before others tidy up:", gc.get_freeze_count())
import ebbtide.cli.main
others = ebbtide.cli.main.main
def run():
    atexit.register(tidy_up)
    others()
ebbtide.cli.main.main = run
sys.argv = ["ebbtide", "--version"]
main()
"""
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["frozen before others tidy up: 0", "left to look through: True"]
