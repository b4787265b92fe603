"""A consumer container without a container: the image's files in a directory, PID 1 as an ordinary process.

The layout is the image's: consumer/ and supervisor 4.3.0 side by side. As root the processes run as the image's
user; PID namespaces, real PHP and real brokers are in tests/runtime.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
CONSUMER = ROOT / "consumer"
FAKE_WORKER = Path(__file__).with_name("fake_worker.py")
PYTHON = (
    "/usr/bin/python3"  # the scripts' own; the one that runs the tests may lie in a home that uid 10001 cannot read
)
IMAGE_USER = 10001
# Generous: what is tested is that it happens at all, on a machine that may be busy. The fake worker ends after 120 s.
PATIENCE_SECONDS = 100.0


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a true value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.01)
    return value


def full_log() -> tuple[int, int]:
    """A pipe that takes no more: its end to read, and its end to write."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write_fd, b"x" * 4096)
    os.set_blocking(write_fd, True)
    return read_fd, write_fd


class Container:
    """One consumer container: its directory, its environment, its PID 1 and what that has said."""

    def __init__(self, image: Path, directory: Path) -> None:
        self.image = image
        self.directory = directory
        self.state = directory / "state"
        self.ledger_file = directory / "ledger"
        self.log_file = directory / "log"
        self.broker = directory / "broker"
        self.variables = {
            "PATH": os.environ["PATH"] + ":/usr/bin:/bin",
            "HOSTNAME": "pod-a",
            "EBBTIDE_STATE_DIRECTORY": str(self.state),
            "EBBTIDE_WORKER_KIND": "command",
            "EBBTIDE_LONGEST_MESSAGE_SECONDS": "5",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *options: str) -> list[str]:
        """The argv of a fake worker."""
        return [PYTHON, "-ES", str(self.directory / FAKE_WORKER.name), "--ledger", str(self.ledger_file), *options]

    def start(self, *command: str, main: str = "entrypoint", **variables: object) -> Container:
        """Start PID 1 with these EBBTIDE_ variables besides the usual ones."""
        self.variables |= {f"EBBTIDE_{name}": str(value) for name, value in variables.items()}
        with self.log_file.open("ab") as log:
            self.process = self.popen(main, *command, stdout=log, stderr=subprocess.STDOUT)
        return self

    def patched(self, code: str) -> str:
        """An entrypoint whose supervisord runs this Python first: for faults that cannot be had at will."""
        supervise = self.directory / "supervise"
        run = f"import runpy\nrunpy.run_path({str(self.image / 'supervise')!r}, run_name='__main__')\n"
        supervise.write_text(f"import sys\nsys.path.insert(0, {str(self.image)!r})\n{textwrap.dedent(code)}{run}")
        entry = self.directory / "entry"
        entry.write_text(ENTRY.format(image=str(self.image), supervise=str(supervise)))
        entry.chmod(0o755)
        return str(entry)

    def popen(self, script: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        path = script if "/" in script else str(self.image / script)
        return subprocess.Popen(
            [path, *arguments], env=self.variables, cwd=self.directory, **as_image_user(), **options
        )

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the image's scripts to its end, as `kubectl exec` would."""
        process = self.popen(script, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess([script, *arguments], process.returncode, out.decode(), err.decode())

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def events(self, name: str, **fields: object) -> list[dict[str, Any]]:
        """The events of that name with these fields so far."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [e for e in lines if e["event"] == name and all(e.get(k) == v for k, v in fields.items())]

    def ledger(self, what: str) -> list[str]:
        """Workers' own notes of that kind: started, finished, asked, up."""
        if not self.ledger_file.exists():
            return []
        return [line for line in self.ledger_file.read_text().splitlines() if line.startswith(f"{what} ")]

    def until_event(self, name: str, **fields: object) -> dict[str, Any]:
        try:
            return until(lambda: self.events(name, **fields), f"the event {name} {fields}")[0]
        except AssertionError as error:
            raise AssertionError(f"{error}, in\n{self.log}") from None

    def terminate(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """PID 1's exit status."""
        assert self.process is not None
        return self.process.wait(PATIENCE_SECONDS)

    def destroy(self) -> None:
        """End PID 1 and everything it started, whoever is its parent by now."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        until(lambda: not self._kill_what_is_left(), "the container's processes to end")

    def _kill_what_is_left(self) -> list[int]:
        mark = f"EBBTIDE_STATE_DIRECTORY={self.state}\0".encode()
        left = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and mark in _environ(path)]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left


ENTRY = """#!/usr/bin/python3 -EsB
import os, sys
sys.path.insert(0, {image!r})
from ebbtide_supervisor import entrypoint
execv = os.execv
entrypoint.os.execv = lambda path, argv: execv(path, [path, "-EsB", {supervise!r}])
entrypoint.main(sys.argv[1:])
"""


def _environ(process: Path) -> bytes:
    """Empty for a process that has ended or is another user's."""
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def as_image_user() -> dict[str, Any]:
    return {"user": IMAGE_USER, "group": IMAGE_USER, "extra_groups": []} if os.getuid() == 0 else {}


@pytest.fixture(scope="session")
def image() -> Iterator[Path]:
    """/opt/ebbtide of the image."""
    root = Path(tempfile.mkdtemp(prefix="ebbtide-image-"))
    root.chmod(0o755)
    directory = root / "opt"
    shutil.copytree(CONSUMER, directory, ignore=shutil.ignore_patterns("__pycache__"))
    without_tests = shutil.ignore_patterns("__pycache__", "tests")
    for package in ("supervisor", "prometheus_client"):
        found = importlib.util.find_spec(package)
        assert found is not None, f"{package} is a development dependency"
        assert found.origin is not None
        shutil.copytree(Path(found.origin).parent, directory / package, ignore=without_tests)
    # As consumer/build does: no start of a container compiles what the one before compiled.
    compiled = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(directory)]
    subprocess.run(["/usr/bin/python3", *compiled], check=True)
    shutil.copy(Path(sys.executable).with_name("shfmt"), directory)
    yield directory
    shutil.rmtree(root)


@pytest.fixture
def container(image: Path) -> Iterator[Container]:
    directory = Path(tempfile.mkdtemp(prefix="ebbtide-container-"))
    shutil.copy(FAKE_WORKER, directory)
    made = Container(image, directory)
    made.broker.touch()
    if os.getuid() == 0:
        for path in (directory, *directory.iterdir()):
            os.chown(path, IMAGE_USER, IMAGE_USER)
    yield made
    made.destroy()
    shutil.rmtree(directory, ignore_errors=True)
