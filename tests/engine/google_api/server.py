"""The stand-in of Google's APIs over HTTP, on this machine: `/compute.googleapis.com/compute/beta/projects/...`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.engine.google_api.answers import GoogleError
from tests.engine.google_api.api import Api, check_answer
from tools.google.discovery import Method, documents, methods


@cache
def _routes() -> list[tuple[str, re.Pattern[str], Method]]:
    """Each method with the pattern of its address; those without variable ends first."""
    found = []
    for method in methods().values():
        whole = documents()[method.document]["root"].removeprefix("https://") + method.path
        pattern = re.sub(r"\\\{\w+\\\}", "[^/:]+", re.escape(whole))
        found.append((method.http, re.compile(f"/{pattern}"), method))
    return found


def route(http: str, path: str) -> tuple[Method, str]:
    """Which method that is, and of what. Raises GoogleError."""
    for verb, pattern, method in _routes():
        if verb == http and pattern.fullmatch(path):
            name = path[path.index("/projects/") + 1 :]
            end = method.path.rpartition("}")[2]
            # What follows the last variable part is the method's, but for a collection's own name.
            return method, name.removesuffix(end) if end.startswith((":", "/certificateAuthority")) else name
    raise GoogleError("NOT_FOUND", f"The requested URL {path} was not found on this server.")


@contextmanager
def served(api: Api) -> Iterator[str]:
    """The address at which it is, until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                method, name = route(self.command, unquote(url.path))
                answer = api.answer(method, name, dict(parse_qsl(url.query)), json.loads(body or b"{}"))
                check_answer(method, answer)
                self._send(200, answer)
            except GoogleError as error:
                self._send(error.http, error.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the server's names

        def _send(self, status: int, answer: dict[str, Any]) -> None:
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing: what matters is in the answers."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
