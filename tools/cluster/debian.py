"""Debian's packages: installed by one process at a time, without starting the servers among them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from problem import Problem
from progress import note, say, showing

# What we start so dies with us, also when we are killed; with the second, so does everything in its namespaces, and its
# mounts go: debootstrap mounts /proc.
WITH_US = ("setpriv", "--pdeathsig=KILL")
CONTAINED = (*WITH_US, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_LOCK = Path("/run/lock/ebbtide-packages")
# Without it a package starts its server; whoever uses one of these starts it, on ports of its own.
_POLICY = Path("/usr/sbin/policy-rc.d")
_ENVIRONMENT = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
_WAIT_SECONDS = 600


def install_packages(wanted: Collection[str]) -> None:
    """Install what the machine does not have. Raises Problem where it cannot."""
    missing = _missing(wanted)
    if not missing:
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Problem(f"the Debian packages {', '.join(missing)} are missing: install them as root")
    with _one_at_a_time():
        missing = _missing(wanted)
        if missing:
            say(f"Installing {', '.join(missing)} ...")
            with _no_servers(), showing("Debian's packages"):
                note("apt-get update")
                _apt("update")
                note("apt-get install")
                _apt("install", "--yes", "--no-install-recommends", *missing)


def _missing(packages: Collection[str]) -> list[str]:
    return [name for name in packages if not _is_installed(name)]


def _is_installed(package: str) -> bool:
    status = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True, check=False
    )
    return status.stdout == "installed"


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-o", f"DPkg::Lock::Timeout={_WAIT_SECONDS}", "-qq", *arguments]
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        done = subprocess.run(
            command, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        # The machine's own upgrades hold apt's locks at times, and `update` heeds no timeout for its one.
        if "Could not get lock" not in done.stderr or time.monotonic() > until:
            raise Problem(f"apt-get {arguments[0]} failed: {done.stderr.strip()[-500:]}")
        time.sleep(1)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
