"""A server that answers as GitHub's documented REST API does, for the comments of one pull request.

Documented behaviour that matters here: 100 comments a page at most with a Link header, 401 without a token, 404 for
another repository, rate limits by 403 or 429 with Retry-After, and 502 for a comment that was stored all the same.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlparse

TOKEN = "a-token-of-the-test"


@dataclass
class GitHub:
    """The state behind the server, and the faults it is to show."""

    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    faults: list[tuple[str, int, dict[str, str], bool]] = field(default_factory=list)
    """(method, status, headers, whether the request is carried out all the same), used up in order."""
    fault_content: Any = field(default_factory=lambda: {"message": "fault"})
    """What an answer with a fault says."""
    race: str | None = None
    """A comment that somebody else makes in the same moment as our first one."""
    next_number: int = 1
    head: str = "a" * 40
    """The commit at which the pull request is."""

    def add(self, body: str, kind: str = "Bot", association: str = "NONE") -> dict[str, Any]:
        """Store a comment."""
        comment = {"id": self.next_number, "body": body, "user": {"type": kind}, "author_association": association}
        self.next_number += 1
        self.comments.append(comment)
        return comment


def make_handler(state: GitHub) -> type[BaseHTTPRequestHandler]:  # noqa: C901 - one class, closed over its state
    """A request handler for this state."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Quiet."""

        def answer(self, status: int, content: Any = None, headers: dict[str, str] | None = None) -> None:
            body = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def run(self) -> None:
            url = urlparse(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(length)) if length else {}
            state.requests.append(f"{self.command} {url.path}")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self.answer(401, {"message": "Bad credentials"})
            fault = next((found for found in state.faults if found[0] == self.command), None)
            if fault is not None:
                state.faults.remove(fault)
                if fault[3]:
                    self.carry_out(url, content)
                return self.answer(fault[1], state.fault_content, fault[2])
            status, result, headers = self.carry_out(url, content)
            return self.answer(status, result, headers)

        def carry_out(self, url: Any, content: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
            if url.path == "/repos/acme/shop/issues/12/comments":
                if self.command == "POST":
                    if state.race is not None:
                        state.add(state.race)
                        state.race = None
                    return 201, state.add(content["body"]), {}
                return self.page(url)
            if url.path == "/repos/acme/shop/pulls/12":
                return 200, {"number": 12, "head": {"sha": state.head}}, {}
            number = url.path.rpartition("/")[2]
            found = next((comment for comment in state.comments if str(comment["id"]) == number), None)
            if not url.path.startswith("/repos/acme/shop/issues/comments/") or found is None:
                return 404, {"message": "Not Found"}, {}
            if self.command == "DELETE":
                state.comments.remove(found)
                return 204, None, {}
            found["body"] = content["body"]
            return 200, found, {}

        def page(self, url: Any) -> tuple[int, Any, dict[str, str]]:
            query = parse_qs(url.query)
            size = min(100, int(query.get("per_page", ["30"])[0]))
            page = int(query.get("page", ["1"])[0])
            shown = state.comments[(page - 1) * size : page * size]
            headers = {}
            if page * size < len(state.comments):
                host = f"http://{self.headers['Host']}{url.path}"
                headers["Link"] = f'<{host}?per_page={size}&page={page + 1}>; rel="next", <{host}?page=9>; rel="last"'
            return 200, shown, headers

        do_GET = do_POST = do_PATCH = do_DELETE = run  # noqa: N815 - the base class's names

    return Handler


class Server:
    """The server on a free port of the loopback, as a context manager."""

    def __init__(self) -> None:
        self.state = GitHub()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(self.state))
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
