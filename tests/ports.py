"""Ports of this machine that nobody else gets: for servers that have to be told theirs before they start."""

from __future__ import annotations

import socket


def free_port() -> int:
    """One that is held until this process ends, also while its server is away.

    Bound and not listening: the kernel gives it to no connection and to nobody who asks for any port, refuses whoever
    connects, and lets the server have it that is told, as all of ours allow its reuse (SO_REUSEADDR).
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        held.detach()
        return port
