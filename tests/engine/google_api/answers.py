"""How Google says no, and how its long operations look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tools.google.discovery import Method, schema

# From the client libraries' table of canonical codes; the reason is the word that older APIs use.
_STATUSES = {
    "INVALID_ARGUMENT": (400, 3, "badRequest"),
    "FAILED_PRECONDITION": (400, 9, "failedPrecondition"),
    "IN_USE": (400, 9, "resourceInUseByAnotherResource"),
    "PERMISSION_DENIED": (403, 7, "forbidden"),
    "NOT_FOUND": (404, 5, "notFound"),
    "ALREADY_EXISTS": (409, 6, "alreadyExists"),
    "ABORTED": (409, 10, "aborted"),
    "RESOURCE_EXHAUSTED": (429, 8, "rateLimitExceeded"),
    "UNIMPLEMENTED": (501, 12, "notImplemented"),
}
# What APIs are called in the names of permissions, and what a method needs there.
_SERVICES = {"sql": "cloudsql", "cloudresourcemanager": "resourcemanager"}
_VERBS = {
    "insert": "create",
    "patch": "update",
    "addVersion": "add",
    "setManagement": "update",
    "setMaintenancePolicy": "update",
    "setResourceLabels": "update",
    "getCertificateAuthority": "get",
}


class GoogleError(Exception):
    """An answer that did nothing."""

    def __init__(self, status: str, message: str, details: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.http, self.code, self.reason = _STATUSES[status]
        self.status, self.message, self.details = status, message, details

    @property
    def body(self) -> dict[str, Any]:
        """As it is sent."""
        errors = [{"message": self.message, "domain": "global", "reason": self.reason}]
        told = {"code": self.http, "message": self.message, "status": self.status, "errors": errors}
        return {"error": {**told, **({"details": list(self.details)} if self.details else {})}}


def permission(method: Method) -> str:
    """What whoever calls a method must have: `container.clusters.update`."""
    service, *_, collection, verb = method.name.split(".")
    if collection == "nodePools":
        collection, verb = "clusters", "update"  # GKE has no permissions of its own for pools
    return f"{_SERVICES.get(service, service)}.{collection}.{_VERBS.get(verb, verb)}"


@dataclass
class Operation:
    """What goes on after an answer; it has ended when it has been asked for often enough."""

    method: Method
    identifier: str
    target: str
    polls_left: int
    result: dict[str, Any] = field(default_factory=dict)
    error: GoogleError | None = None

    def told(self) -> dict[str, Any]:
        """In the words of its API: by the description of its document, one of two."""
        done = self.polls_left <= 0
        fields = schema(self.method.document, self.method.response or "")["properties"]
        if "done" in fields:
            place = "/".join(self.target.split("/")[:4])
            name = f"{place}/operations/{self.identifier}"
            return {"name": name, "done": done, **(self._outcome() if done else {})}
        told = {"name": self.identifier, "status": "DONE" if done else "RUNNING", "targetLink": self.target}
        return {**told, **(self._failure("$ref" in fields["error"]) if done else {})}

    def _outcome(self) -> dict[str, Any]:
        if self.error is None:
            return {"response": self.result}
        return {"error": {"code": self.error.code, "message": self.error.message}}

    def _failure(self, is_named: bool) -> dict[str, Any]:
        if self.error is None:
            return {}
        name = schema(self.method.document, self.method.response or "")["properties"]["error"].get("$ref", "")
        if is_named and name == "Status":
            return {"error": {"code": self.error.code, "message": self.error.message}}
        return {"error": {"errors": [{"code": self.error.status, "message": self.error.message}]}}
