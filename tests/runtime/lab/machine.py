"""What the laboratory needs of the machine, and how it gets it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

EXAMPLE = Path(__file__).parents[3] / "examples" / "github-events"
# Beside the application's own packages: the containers' runtime, PID 1 of the two set-ups we compare with, Redis.
FAST = ("python3", "redis-server", "runc", "supervisor")
ALL = (*FAST, "postgresql", "rabbitmq-server")

# Packages must not start their servers: the tests start their own, on ports of their own.
_POLICY = Path("/usr/sbin/policy-rc.d")


class UnavailableError(Exception):
    """This machine cannot run the laboratory; the message says what is missing."""


def application_packages() -> list[str]:
    lines = (EXAMPLE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def prepare(packages: Iterable[str]) -> None:
    """Sees to it that Debian packages are installed.

    Raises:
        UnavailableError: not Linux, not root, not Debian, or apt could not install them.
    """
    if not hasattr(os, "pidfd_open") or os.geteuid() != 0:
        raise UnavailableError("containers need root on Linux: drains were not run against real workers")
    if shutil.which("apt-get") is None:
        raise UnavailableError("PHP, Symfony and brokers come from Debian's packages: drains were not run here")
    with _one_at_a_time():
        missing = [package for package in packages if not _installed(package)]
        if missing:
            _install(missing)


def _installed(package: str) -> bool:
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True, check=False
    )
    return asked.stdout == "installed"


def _install(packages: list[str]) -> None:
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_servers():
        for command in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise UnavailableError(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")


@contextmanager
def _no_servers() -> Iterator[None]:
    if _POLICY.exists():  # the machine has a policy of its own
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with Path("/run/lock/ebbtide-packages").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
