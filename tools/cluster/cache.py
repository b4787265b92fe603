"""Things built once: each in a directory named by the hash of what it is built from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from progress import duration, say, showing


def cache_root() -> Path:
    """Where built things lie; it may be deleted at any time while nothing runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"


def built_path(name: str, pins: bytes) -> Path:
    """The directory of `name` built from `pins`, whether or not it is there."""
    return cache_root() / f"{name}-{hashlib.sha256(pins).hexdigest()[:12]}"


def build_once(name: str, pins: bytes, build: Callable[[Path], None], minutes: str) -> Path:
    """Return the directory of `name`, filled by `build` unless an earlier run with the same pins has filled it.

    Two runs at once: the second waits for the first. A build that breaks off leaves nothing behind that looks whole.
    `minutes` of processor time is what a cold build was measured to take: how long that is depends on what else the
    machine does.
    """
    target = built_path(name, pins)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{name}.lock").open("w") as lock:
        _take(lock, name)
        if target.is_dir():
            return target
        for left in target.parent.glob(f"{name}-{'[0-9a-f]' * 12}.*"):
            # By a build that was killed; nobody else builds this now.
            shutil.rmtree(left, ignore_errors=True)
        say(f"Building {name} into {target}, once: {minutes} minutes of processor time ...")
        began, used = time.monotonic(), _processor_seconds()
        scratch = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        try:
            with showing(name):
                build(scratch)
            scratch.chmod(0o755)
            scratch.rename(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        took, spent = duration(time.monotonic() - began), duration(_processor_seconds() - used)
        say(f"Built {name} in {took}, with {spent} of processor time.")
    return target


def _take(lock: IO[str], name: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"Another command builds {name}; waiting for it ...")
        with showing(f"waiting for {name}"):
            fcntl.flock(lock, fcntl.LOCK_EX)


def _processor_seconds() -> float:
    """Of every program that has run and ended below this process."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
