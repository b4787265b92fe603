"""A stand-in for the API server that takes a pod's cost: it answers what it is told to, and keeps what it was asked.

That the real one takes these requests, and nothing else, is shown by tests/cluster/test_own_cost.py.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def make_directory(directory: Path) -> Path:
    """What the kubelet projects into the pod (token, name, namespace, certificate), and the server's key.

    Raises FileNotFoundError where there is no openssl.
    """
    for name, text in (("token", "TOKEN\n"), ("namespace", "shop"), ("name", "mail-1")):
        (directory / name).write_text(text)
    made = [*("-keyout", str(directory / "key")), *("-out", str(directory / "ca.crt"))]
    subject = [*("-subj", "/CN=kubernetes"), *("-addext", "subjectAltName=IP:127.0.0.1")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *made, *subject],
        check=True,
        capture_output=True,
    )
    return directory


class ApiStandIn:
    """Serves until `stop`, with the certificate of a directory that `make_directory` has made."""

    def __init__(self, directory: Path) -> None:
        self.answers: deque[tuple[int, dict[str, str], Any]] = deque()
        """What it answers next; 200 where nothing is left."""
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_PATCH(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.asked.append((self.path, dict(self.headers), json.loads(body)))
                status, headers, answer = api.answers.popleft() if api.answers else (200, {}, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(directory / "ca.crt", directory / "key")
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
