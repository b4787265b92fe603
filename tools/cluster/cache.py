"""Things built once: each in a directory named by the hash of what it is built from."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """Where built things lie; it may be deleted at any time while nothing runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ebbtide"


def built_path(name: str, pins: bytes) -> Path:
    """The directory of `name` built from `pins`, whether or not it is there."""
    return cache_root() / f"{name}-{hashlib.sha256(pins).hexdigest()[:12]}"


def build_once(name: str, pins: bytes, build: Callable[[Path], None], minutes: str) -> Path:
    """Return the directory of `name`, filled by `build` unless an earlier run with the same pins has filled it.

    Two runs at once: the second waits for the first. A build that breaks off leaves nothing behind that looks whole.
    `minutes` is what a cold build takes on two cores, for the line that says why nothing seems to happen.
    """
    target = built_path(name, pins)
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return target
        for left in target.parent.glob(f"{name}-{'[0-9a-f]' * 12}.*"):
            # By a build that was killed; nobody else builds this now.
            shutil.rmtree(left, ignore_errors=True)
        say(f"Building {name} into {target} (once, {minutes} minutes on two cores) ...")
        started = time.monotonic()
        scratch = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
        try:
            build(scratch)
            scratch.chmod(0o755)
            scratch.rename(target)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        say(f"Built {name} in {time.monotonic() - started:.0f} s.")
    return target


def say(line: str) -> None:
    """Progress, on stderr: stdout is for what a script reads."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
