"""One node for all processes that test on it: the first starts it, and the last takes away what one of them started."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
# Of the machine, as the node is.
PLACE = Path(tempfile.gettempdir())


def run_cluster_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/cluster`; its progress goes to this test's captured stderr."""
    return subprocess.run([ROOT / "scripts" / "cluster", *arguments], stdout=subprocess.PIPE, text=True, check=False)


@contextmanager
def shared_node() -> Iterator[Path]:
    """The administrator's kubeconfig of a node that is up: one that runs, or one that is started for this block."""
    state = PLACE / "ebbtide-node.json"
    with ExitStack() as files:
        # Who comes or goes does so alone: a lock that is changed is free for a moment.
        door, users = (files.enter_context(_lock_file(name)) for name in ("door", "users"))
        fcntl.flock(door, fcntl.LOCK_EX)
        if _is_alone(users):
            was_up = run_cluster_script("status").returncode == 0
            up = run_cluster_script("up")
            assert up.returncode == 0, "the node does not come up; its own words are above"
            # A cluster of the user's own has a kubeconfig already, and nothing is printed.
            path = up.stdout.strip().removeprefix("export KUBECONFIG=") or os.environ["KUBECONFIG"]
            state.write_text(json.dumps({"kubeconfig": path, "wasUp": was_up}))
        fcntl.flock(users, fcntl.LOCK_SH)
        found = json.loads(state.read_text())
        fcntl.flock(door, fcntl.LOCK_UN)
        yield Path(found["kubeconfig"])
        fcntl.flock(door, fcntl.LOCK_EX)
        if _is_alone(users) and not found["wasUp"]:
            assert run_cluster_script("down").returncode == 0, "something of the node stays behind on this machine"


@contextmanager
def node_in_use(*, alone: bool) -> Iterator[None]:
    """Use the node beside others, or without them: for what takes it down and makes it again."""
    with _lock_file("use") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def _lock_file(name: str) -> IO[str]:
    return (PLACE / f"ebbtide-node-{name}.lock").open("w")


def _is_alone(users: IO[str]) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
