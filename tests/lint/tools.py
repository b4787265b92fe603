"""The linters, each in an environment of its own that is built once from its pins and then cached."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tools.compilers import go

_HERE = Path(__file__).parent


def checkov() -> Path:
    """The `checkov` program; every package it needs is locked with hashes."""
    lock = _HERE / "checkov" / "requirements.lock"
    return _cached("checkov", [lock], lambda directory: _install_python(directory, lock)) / "bin" / "checkov"


def kube_score() -> Path:
    """The `kube-score` program, built from the Go module that go.sum locks."""
    return _go_tool("kube-score", "github.com/zegl/kube-score/cmd/kube-score")


def actionlint() -> Path:
    """The `actionlint` program, likewise."""
    return _go_tool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint")


def _go_tool(name: str, package: str) -> Path:
    module = _HERE / name
    pins = [module / "go.mod", module / "go.sum"]
    return _cached(name, pins, lambda directory: _build_go(directory / name, module, package)) / name


def _cached(name: str, pins: list[Path], build: Callable[[Path], None]) -> Path:
    """The directory that `build` filled for exactly these pins, now or earlier."""
    digest = hashlib.sha256(sys.version.encode() + b"".join(pin.read_bytes() for pin in pins)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{name}-{digest}"
    # Two test runs at once: the second waits for the first one's build instead of doing it again.
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            # In place, because a virtual environment cannot be moved; the marker is what makes it count.
            target.mkdir()
            build(target)
            (target / "complete").touch()
    return target


def _install_python(directory: Path, lock: Path) -> None:
    _run([sys.executable, "-m", "venv", str(directory)])
    pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # Compiling all of it would take as long as installing it; checkov uses a fraction.
    _run([*pip, "--no-compile", "--require-hashes", "--no-deps", "--requirement", str(lock)])


def _build_go(program: Path, module: Path, package: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch) / program.name
        _run([str(go()), "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", str(built), package], module)
        shutil.move(built, program)


def _run(command: list[str], directory: Path | None = None) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def promtool() -> Path:
    """The `promtool` program out of Debian's package `prometheus`, which is not installed: nothing of it is started.

    Raises RuntimeError on a machine without apt.
    """
    return _of_debian("prometheus") / "usr" / "bin" / "promtool"


def prometheus() -> Path:
    """The server out of the same package."""
    return _of_debian("prometheus") / "usr" / "bin" / "prometheus"


def php_extension(name: str, php: str) -> Path:
    """An extension of Debian's PHP `php` (8.2), not installed either: every PHP of this machine would load it."""
    (library,) = (_of_debian(f"php{php}-{name}") / "usr" / "lib" / "php").glob(f"*/{name}.so")
    return library


def _of_debian(package: str) -> Path:
    return _cached(f"debian-{package}", [], lambda directory: _unpack(directory, package))


def _unpack(directory: Path, package: str) -> None:
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"{package} comes from Debian's packages, and this machine has no apt")
    with tempfile.TemporaryDirectory() as scratch:
        _run(["apt-get", "download", package], Path(scratch))
        (archive,) = Path(scratch).glob("*.deb")
        _run(["dpkg", "-x", str(archive), str(directory)])
