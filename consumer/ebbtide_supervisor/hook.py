"""The preStop hook's side of a drain. Imports little: each millisecond before the signal lets workers take messages."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from typing import Final

# The runtime starts PID 1 before it can run a hook; a busy node needs seconds to get to supervisord's socket.
CONNECT_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.05
# PID 1 answers at its deadline; this is for a PID 1 that is stuck.
ANSWER_MARGIN_SECONDS: Final = 2.0


def main() -> int:
    """Returns the hook's exit status."""
    directory = os.environ.get("EBBTIDE_STATE_DIRECTORY", "/run/ebbtide")
    began_at = time.monotonic()
    _write_stop_file(directory)
    deadline = _deadline_seconds()
    try:
        connection = _connect(f"{directory}/supervisor.sock", began_at + min(CONNECT_SECONDS, deadline))
    except OSError as error:
        return _fail(
            f"PID 1 does not answer on {directory}/supervisor.sock (got {error.strerror or error}): supervisord has "
            "not started, has ended, or was never this container's PID 1; workers that start from now on find the "
            "stop file and end"
        )
    with connection:
        return _wait(connection, deadline, began_at)


def _write_stop_file(directory: str) -> None:
    try:
        os.close(os.open(f"{directory}/stop", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    except OSError as error:
        # PID 1 remembers the drain too: the file only makes it hold when PID 1 is slow to answer.
        _say(f"{directory}/stop cannot be written (got {error.strerror}); asking PID 1 all the same")


def _deadline_seconds() -> int:
    """The same numbers the entrypoint checked: an exec'd process gets the pod's variables, not PID 1's defaults."""
    from ebbtide_supervisor.environment import DEFAULT_DRAIN_DEADLINE_SECONDS, read_environment  # noqa: PLC0415

    environment, _problems = read_environment(os.environ)
    return DEFAULT_DRAIN_DEADLINE_SECONDS if environment is None else environment.drain_deadline_seconds


def _connect(path: str, until: float) -> socket.socket:
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            if time.monotonic() >= until:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return connection


def _wait(connection: socket.socket, deadline: int, began_at: float) -> int:
    remaining = max(1, round(deadline - (time.monotonic() - began_at)))
    body = (
        "<?xml version='1.0'?><methodCall><methodName>ebbtide.drain</methodName>"
        f"<params><param><value><int>{remaining}</int></value></param></params></methodCall>"
    )
    request = f"POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    connection.settimeout(remaining + ANSWER_MARGIN_SECONDS)
    answer = b""
    try:
        connection.sendall(request.encode())
        while data := connection.recv(65536):
            answer += data
    except TimeoutError:
        return _fail(f"PID 1 gave no answer within {remaining} s")
    except OSError as error:
        return _fail(f"PID 1 went away (got {error.strerror})")
    return _judge(answer.decode(), time.monotonic() - began_at)


def _judge(answer: str, seconds: float) -> int:
    # supervisord answers with one string, our JSON, inside XML whose quotes are not escaped.
    match = re.search(r"<string>(\{.*\})</string>", answer)
    if match is None:
        return _fail(f"PID 1 ended or did not understand (got {answer[:200]!r})")
    import json  # noqa: PLC0415

    result = json.loads(match[1])
    summary = ", ".join(f"{count} {word}" for word, count in result.items() if word not in ("ended", "exitStatus"))
    if not result["ended"]:
        return _fail(f"the deadline passed after {seconds:.1f} s with workers still at work: {summary}")
    if result["exitStatus"] != 0:
        return _fail(f"drained in {seconds:.1f} s, not every worker by itself: {summary}")
    _say(f"drained in {seconds:.1f} s: {summary}")
    return 0


def _say(text: str) -> None:
    # The hook's own output never reaches the pod's log, only a person who runs it.
    print(f"ebbtide: drain: {text}", file=sys.stderr)


def _fail(text: str) -> int:
    from ebbtide_supervisor.events import event_line  # noqa: PLC0415

    _say(text)
    # PID 1's own output is the pod's log, whatever PID 1 is. Never waits for a reader.
    with contextlib.suppress(OSError):
        log = os.open("/proc/1/fd/1", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(log, event_line("hookFailed", reason=text))
    return 1
