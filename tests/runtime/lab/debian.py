"""Debian file systems of other suites, for the other lines of Symfony: built once, kept in the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.runtime.lab.machine import find_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

# suite -> the line of Symfony Messenger it brings.
SYMFONY_LINES = {"trixie": "6.4", "sid": "7.4"}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def file_system(suite: str, packages: Sequence[str]) -> Path:
    """The root directory of a minimal Debian with these packages; about two minutes the first time.

    It comes from the mirror that this machine's own apt uses.

    Raises:
        RuntimeError: debootstrap or apt failed, with the end of what it said.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"
    cache.mkdir(parents=True, exist_ok=True)
    pins = hashlib.sha256("\n".join((suite, *sorted(packages))).encode()).hexdigest()[:12]
    target = cache / f"debian-{suite}-{pins}"
    with (cache / f"debian-{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _build(suite, unfinished, packages)
            unfinished.rename(target)
    return target


def _build(suite: str, root: Path, packages: Sequence[str]) -> None:
    find_tools()
    from debian import CONTAINED

    _run(*CONTAINED, "debootstrap", "--variant=minbase", f"--keyring={KEYRING}", suite, str(root), _mirror())
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    _run(*CONTAINED, "chroot", str(root), "apt-get", "-q", "install", "-y", "--no-install-recommends", *packages)
    shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)


def _mirror() -> str:
    listed = _run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    return next(line.split()[0] for line in listed.splitlines() if "security" not in line)


def _run(*command: str) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        ["nice", "-n", "15", *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    return done.stdout
