"""Requests to Google's APIs at an address of one's own, as its provider sends them: a path, a query and JSON."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tools.google.discovery import Method, documents, methods
from tools.google.kinds import Found, Refused

# A stand-in ends what it does by how often it is asked, so that waiting costs next to nothing.
POLL_SECONDS, TRIES = 0.005, 50
# How each kind of API says that something goes on: where its operations are, and the method that asks for one.
_OPERATIONS = {
    "compute.beta": "compute.{scope}Operations.get",
    "container.v1beta1": "container.projects.locations.operations.get",
    "sqladmin.v1": "sql.operations.get",
}


class _AgainError(Refused):
    """Refused for now: somebody else has written in between, or does not see yet what was made."""


def address(method: Method, name: str) -> str:
    """Where a method is for what is called so, below the address of all APIs: `compute.googleapis.com/compute/...`."""
    head, _, rest = f"{documents()[method.document]['root']}{method.path}".partition("projects/")
    parts, given = f"projects/{rest}".split("/"), name.split("/")
    filled = [re.sub(r"\{\w+\}", given[at], part) if "{" in part else part for at, part in enumerate(parts)]
    return f"{head.removeprefix('https://')}{quote('/'.join(filled), safe='/:@')}"


class Client:
    """One API endpoint for all of Google's APIs."""

    def __init__(self, endpoint: str) -> None:
        """`endpoint` is `http://host:port`."""
        self._host = urlsplit(endpoint).netloc

    def call(
        self, document: str, method: str, name: str, sent: Any = None, query: Mapping[str, str] | None = None
    ) -> Found:
        """Call a method, and wait until what it began has ended. Raises Refused in Google's words."""
        called = methods()[document, method]
        answer = self._ask(called, name, sent, query or {})
        return self._ended(called, name, answer) if called.is_long else answer

    def find(self, document: str, method: str, name: str, sent: Any = None) -> Found | None:
        """What is there, or None. Raises Refused."""
        status, answer = self._send(methods()[document, method], name, sent, {})
        return None if status == 404 else _checked(status, answer)

    def settle(self, is_done: Callable[[], bool]) -> None:
        """Try it until it is done. Raises Refused where it never is."""
        last: Refused = Refused("what was written is not read")
        for _ in range(TRIES):
            try:
                if is_done():
                    return
            except _AgainError as again:
                last = again
            time.sleep(POLL_SECONDS)
        raise last

    def _ended(self, called: Method, name: str, operation: Found) -> Found:
        """What a long operation has made. Raises Refused where it ends with an error."""
        place = "/".join(name.split("/")[:4])
        if called.document == "compute.beta":
            scope = "region" if "/regions/" in f"/{name}" else "global"
            method = _OPERATIONS[called.document].format(scope=scope)
            place = place if scope == "region" else "/".join(name.split("/")[:3])
        elif called.document == "sqladmin.v1":
            method, place = _OPERATIONS[called.document], "/".join(name.split("/")[:2])
        else:
            collection = called.name.partition(".")[0]
            method = _OPERATIONS.get(called.document, f"{collection}.projects.locations.operations.get")
        where = f"{place}/operations/{str(operation['name']).rpartition('/')[2]}"
        for _ in range(TRIES):
            if operation.get("done") or operation.get("status") == "DONE":
                break
            time.sleep(POLL_SECONDS)
            operation = self._ask(methods()[called.document, method], where, None, {})
        error = operation.get("error")
        if error:
            first = error["errors"][0] if "errors" in error else error
            raise Refused(f"Error waiting for {called.verb} of {name}: {first['code']}: {first['message']}")
        found: Found = operation.get("response", operation)
        return found

    def _ask(self, method: Method, name: str, sent: Any, query: Found) -> Found:
        return _checked(*self._send(method, name, sent, query))

    def _send(self, method: Method, name: str, sent: Any, query: Found) -> tuple[int, Any]:
        connection = HTTPConnection(self._host, timeout=60)
        where = f"/{address(method, name)}" + (f"?{urlencode(query)}" if query else "")
        try:
            body = None if sent is None else json.dumps(sent)
            connection.request(method.http, where, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, json.loads(response.read() or b"{}")
        finally:
            connection.close()


def _checked(status: int, answer: Any) -> Found:
    if status < 400:
        found: Found = answer
        return found
    error = answer["error"]
    reason = error["errors"][0]["reason"]
    text = f"googleapi: Error {status}: {error['message']}, {reason}"
    # The provider tries again where the policy was written in between, and where an account is not seen yet.
    if reason == "aborted" or (status == 400 and "does not exist" in error["message"]):
        raise _AgainError(text)
    raise Refused(text)
