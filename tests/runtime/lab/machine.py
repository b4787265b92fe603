"""What the laboratory needs of the machine, and how it gets it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ebbtide.brokers import BROKERS

if TYPE_CHECKING:
    from collections.abc import Collection

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "github-events"
# Beside the application's own packages: the containers' runtime, PID 1 of the two set-ups we compare with, Redis.
FAST = ("python3", "runc", "supervisor", *BROKERS["redis"].packages)
ALL = (*FAST, *(package for broker in BROKERS.values() for package in broker.packages))


class UnavailableError(Exception):
    """This machine cannot run the laboratory; the message says what is missing."""


def application_packages() -> list[str]:
    lines = (EXAMPLE / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def find_tools() -> None:
    """Let the modules of `scripts/cluster` be imported. They have short names, and so come last on the path."""
    sys.path.append(str(ROOT / "tools" / "cluster"))


def prepare(packages: Collection[str]) -> None:
    """Sees to it that Debian packages are installed.

    Raises:
        UnavailableError: not Linux, not root, not Debian, or apt could not install them.
    """
    if not hasattr(os, "pidfd_open") or os.geteuid() != 0:
        raise UnavailableError("containers need root on Linux: drains were not run against real workers")
    if shutil.which("apt-get") is None:
        raise UnavailableError("PHP, Symfony and brokers come from Debian's packages: drains were not run here")
    find_tools()
    from debian import install_packages
    from problem import Problem

    try:
        install_packages(packages)
    except Problem as problem:
        raise UnavailableError(str(problem)) from None
