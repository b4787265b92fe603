"""A server that answers as GitLab's documented REST API does, for the notes of one merge request.

Documented behaviour that matters here: 100 notes a page at most with X-Next-Page, newest first, 401 without a token,
404 for another project, and an author with every note.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlparse

TOKEN = "a-token-of-the-test"
OURS = 7
"""The user of the token."""


@dataclass
class GitLab:
    """The state behind the server."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    head: str = "a" * 40

    def add(self, body: str, author: int = OURS) -> dict[str, Any]:
        """Store a note."""
        note = {"id": len(self.notes) + 1, "body": body, "author": {"id": author}, "system": False}
        self.notes.append(note)
        return note

    def answer(self, method: str, path: str, query: dict[str, list[str]], content: Any) -> tuple[int, Any, str]:
        """The status, the content and which page is next."""
        merge_request = "/projects/5/merge_requests/12"
        if path == "/user":
            return 200, {"id": OURS}, ""
        if path == merge_request:
            return 200, {"iid": 12, "sha": self.head}, ""
        if path == f"{merge_request}/notes":
            return (201, self.add(content["body"]), "") if method == "POST" else self.page(query)
        found = next((note for note in self.notes if path == f"{merge_request}/notes/{note['id']}"), None)
        if found is None or found["author"]["id"] != OURS:
            return (404 if found is None else 403), {"message": "no"}, ""
        if method == "DELETE":
            self.notes.remove(found)
        else:
            found["body"] = content["body"]
        return 200, found, ""

    def page(self, query: dict[str, list[str]]) -> tuple[int, Any, str]:
        """Notes, newest first."""
        size, page = min(100, int(query.get("per_page", ["20"])[0])), int(query.get("page", ["1"])[0])
        more = page * size < len(self.notes)
        return 200, self.notes[::-1][(page - 1) * size : page * size], str(page + 1) if more else ""


class Server:
    """The server on a free port of the loopback, as a context manager."""

    def __init__(self) -> None:
        self.state = state = GitLab()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                """Quiet."""

            def run(self) -> None:
                url = urlparse(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                content = json.loads(self.rfile.read(length)) if length else {}
                if self.headers.get("PRIVATE-TOKEN") != TOKEN:
                    status, result, following = 401, {"message": "401 Unauthorized"}, ""
                else:
                    status, result, following = state.answer(self.command, url.path, parse_qs(url.query), content)
                body = b"" if result is None else json.dumps(result).encode()
                self.send_response(status)
                self.send_header("X-Next-Page", following)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = run  # noqa: N815 - the base class's names

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
