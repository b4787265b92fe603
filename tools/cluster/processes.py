"""The cluster's processes: started with a log each, written down, and ended by what was written down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from layout import Layout
from problem import Problem

# Each is there within seconds, and nobody waits for longer but where one hangs: a slow machine is no reason to give up.
START_SECONDS = 180


_NOTHING: Mapping[str, str] = MappingProxyType({})


def start(layout: Layout, name: str, command: Sequence[str | Path], environment: Mapping[str, str] = _NOTHING) -> None:
    """Start a process of the cluster in a session of its own; it outlives us. Its environment is ours and what is
    given."""
    log = layout.log(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=layout.directory,
            env={**os.environ, **environment},
        )
    known = recorded(layout)
    known[name] = {"pid": process.pid, "started": _started(process.pid)}
    new = layout.processes.with_suffix(".new")
    new.write_text(json.dumps(known, indent=1))
    # At once: `status` waits for nobody.
    new.replace(layout.processes)


def recorded(layout: Layout) -> dict[str, dict[str, int | None]]:
    """The processes by name, whether or not they still run."""
    if not layout.processes.is_file():
        return {}
    known: dict[str, dict[str, int | None]] = json.loads(layout.processes.read_text())
    return known


def is_running(entry: dict[str, int | None]) -> bool:
    """Whether this very process runs; a number that was given to another process since does not count."""
    pid = entry["pid"]
    return pid is not None and entry["started"] is not None and _started(pid) == entry["started"]


def end(layout: Layout, name: str, patience_seconds: float = 5) -> None:
    """End one process: SIGTERM, and SIGKILL if it does not listen."""
    entry = recorded(layout).get(name)
    if entry is None or not is_running(entry):
        return
    pid = entry["pid"]
    assert pid is not None  # noqa: S101 - a running process has a number
    for number, seconds in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 5.0)):
        os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not is_running(entry):
                return
            time.sleep(0.05)


def wait_for(what: str, layout: Layout, name: str, ready: Callable[[], bool]) -> None:
    """Wait until `ready`; tells what the log of `name` says if that process ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        entry = recorded(layout).get(name)
        ended = entry is None or not is_running(entry)
        if ended or time.monotonic() > deadline:
            tail = layout.log(name).read_text(errors="replace")[-1500:] if layout.log(name).is_file() else ""
            reason = "has ended" if ended else f"did not get there in {START_SECONDS} s"
            raise Problem(f"{what}: {name} {reason}; the end of its log {layout.log(name)}:\n{tail}")
        time.sleep(0.1)


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on. Held until this process ends, bound and not listening: the kernel
    gives it to nobody else, and lets the server have it that is told, as programs in Go do (SO_REUSEADDR)."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        held.detach()
        return port


def _started(pid: int) -> int | None:
    """The process's start time in clock ticks since boot, or None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
