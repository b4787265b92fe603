"""A stand-in of Google's APIs: it takes and answers what their own descriptions have, and remembers what was made.

Methods, their addresses and parameters, schemas and enums are those of the descriptions (tools/google/discovery.json);
an answer that its description does not have is a fault of this stand-in, and raises. What no description says is in
`rules.py`, each with the reason. Nothing here looks at a clock: an operation has ended, and a read tells what was
written, when it has been asked for often enough.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from tests.engine.google_api import rules
from tests.engine.google_api.answers import GoogleError, Operation, permission
from tests.engine.google_api.made import MADE
from tools.google.discovery import (
    DEPRECATED,
    GOOGLES,
    Method,
    Problem,
    methods,
    parameter_problems,
    problems,
    schema,
)

# How often an operation is asked for until it has ended, and how many reads still answer what was before a write.
POLLS, STALE_READS = 2, 2
# How many a list has on a page: few, so that whoever asks has to turn it.
PAGE = 2
# A project, or a place in it: there without being made.
_PLACE = re.compile(r"projects/[^/]+(/global|/(regions|locations)/[^/]+)?")
_SETS = {"setManagement", "setMaintenancePolicy", "setResourceLabels"}


@dataclass
class Stored:
    """What is there."""

    collection: str
    value: dict[str, Any]
    before: dict[str, Any] | None = None
    """What reads answer while they are stale; None is that it is not there."""
    stale_reads: int = 0


@dataclass
class Request:
    """One call, with the name of what it is about."""

    method: Method
    name: str
    query: Mapping[str, str]
    body: Any

    @property
    def collection(self) -> str:
        """`compute.networks`."""
        return self.method.name.rpartition(".")[0]


@dataclass
class Refusals:
    """What a test wants refused."""

    permissions: set[str] = field(default_factory=set)
    """Those that the caller does not have."""
    creations_left: int | None = None
    """How many more objects the quota allows; None is any number."""
    failing: dict[str, GoogleError] = field(default_factory=dict)
    """By method: with which error its operation ends."""
    missing: set[tuple[str, str]] = field(default_factory=set)
    """Services that are not everywhere: `("memorystore", "europe-west1")`."""


class Api:
    """All of Google's APIs, for one test."""

    def __init__(self, endpoint: str = "") -> None:
        """`endpoint` plays the control planes of clusters."""
        self._endpoint, self._lock = endpoint, RLock()
        self.stored: dict[str, Stored] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self.refusals = Refusals()
        self.counts: Counter[str] = Counter()
        """How often: each method by its name, `stale` reads, and `running` operations that were asked for."""
        self._operations: dict[str, Operation] = {}
        self._deleted: dict[str, Stored] = {}
        self._payloads: dict[str, Any] = {}
        self._numbers = 0

    @property
    def names(self) -> dict[str, str]:
        """What is there: the collection of each, by its name."""
        return {name: held.collection for name, held in self.stored.items()}

    def take(self, collection: str, name: str, sent: dict[str, Any] | None = None) -> None:
        """Somebody else has made this; what it is, is told of what was sent only."""
        added = {} if sent is None else MADE[collection](name, sent, self._endpoint)
        self.stored[name] = Stored(collection, {**(sent or {}), **added})

    def lose(self, collection: str) -> None:
        """Somebody has deleted by hand what there is of it."""
        for name in [name for name, held in self.stored.items() if held.collection == collection]:
            del self.stored[name]

    def answer(self, method: Method, name: str, query: Mapping[str, str], body: Any) -> dict[str, Any]:
        """Do it. Raises GoogleError in Google's words."""
        request = Request(method, name, query, body)
        with self._lock:
            self.counts[method.name] += 1
            if method.name.rpartition(".")[0].lower().endswith("operations"):
                return self._asked_for(name.rpartition("/")[2])
            self._check(request)
            answer = self._do(request)
            return copy.deepcopy(answer)

    def _check(self, request: Request) -> None:
        method = request.method
        needed = permission(method)
        if needed in self.refusals.permissions:
            text = f"Permission '{needed}' denied on resource '{request.name}' (or it may not exist)."
            detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED"}
            raise GoogleError("PERMISSION_DENIED", text, ({**detail, "metadata": {"permission": needed}},))
        rules.check_location(method.name.partition(".")[0], request.name, self.refusals.missing)
        found = parameter_problems(method, request.query)
        if method.request:
            complete = method.verb in {"create", "insert"}
            sent = {key: value for key, value in request.body.items() if value is not None}
            found += problems(method.document, method.request, sent, complete=complete)
        wrong = [problem for problem in found if DEPRECATED not in problem.text]
        if wrong:
            raise _invalid(wrong)

    def _do(self, request: Request) -> dict[str, Any]:
        verb = request.method.verb
        known = {
            "create": self._create, "insert": self._create, "get": self._get, "list": self._list, "patch": self._update,
            "update": self._update, "delete": self._delete, "getIamPolicy": self._policy,
            "setIamPolicy": self._set_policy, "addVersion": self._add_version, "access": self._access,
            "destroy": self._destroy, "getCertificateAuthority": self._authority,
            **dict.fromkeys(_SETS, self._update),
        }  # fmt: skip
        return known[verb](request)

    # Objects

    def _create(self, request: Request) -> dict[str, Any]:
        sent, name = _inside(request.method, request.body), self._new_name(request)
        quota = self.refusals
        if quota.creations_left == 0:
            metric = f"{request.collection.rpartition('.')[2]} per project"
            raise GoogleError("RESOURCE_EXHAUSTED", f"Quota exceeded for quota metric '{metric}' of '{request.name}'.")
        self._must_exist(_parent(name))
        if name in self.stored:
            raise GoogleError("ALREADY_EXISTS", f"Resource '{name}' already exists.")
        rules.check_new(self.stored, name, request.collection, sent)
        if quota.creations_left is not None:
            quota.creations_left -= 1
        self._put(request, name, sent, before=None)
        return self._answered(request, name)

    def _get(self, request: Request) -> dict[str, Any]:
        held = self.stored.get(request.name) or self._deleted.get(request.name)
        if held is not None and held.stale_reads > 0:
            held.stale_reads -= 1
            self.counts["stale"] += 1
            if held.before is None:
                raise _missing(request.name)
            return held.before
        return self._must_exist(request.name).value

    def _list(self, request: Request) -> dict[str, Any]:
        """One page, and the token of the next: the last name that was told."""
        kept = [name for name, held in self.stored.items() if held.collection == request.collection]
        here = [name for name in kept if name.startswith(f"{request.name}/")]
        below, after = rules.listed(here, request.query.get("filter", "")), request.query.get("pageToken", "")
        page = [name for name in below if name > after][:PAGE]
        rest = {"nextPageToken": page[-1]} if page and page[-1] != below[-1] else {}
        # What was made a moment ago is not told yet.
        seen = [self.stored[name].value for name in page if self.stored[name].stale_reads == 0]
        return {request.method.name.split(".")[-2]: seen, **rest} if seen or rest else {}

    def _update(self, request: Request) -> dict[str, Any]:
        name = self._named_in_query(request)
        held = self._must_exist(name)
        sent, mask = _inside(request.method, request.body), request.query.get("updateMask")
        mask = mask or (request.body.get("updateMask") if isinstance(request.body, dict) else None)
        if request.method.request == "UpdateClusterRequest":
            name, held, sent = self._cluster_change(name, sent)
        self._check_mask(request.method, mask)
        if mask:
            changed = {**held.value, **{key: sent.get(key) for key in mask.split(",")}}
        elif request.method.http == "PUT" and request.collection == "logging.projects.metrics":
            changed = {**sent}
        else:
            changed = {**held.value, **sent}
        changed = {key: value for key, value in changed.items() if value is not None}
        self._put(request, name, changed, before=held.value, collection=held.collection)
        return self._answered(request, name)

    def _cluster_change(self, name: str, sent: Mapping[str, Any]) -> tuple[str, Stored, dict[str, Any]]:
        pool, change = rules.cluster_change(sent)
        name = f"{name}/nodePools/{pool}" if pool else name
        return name, self._must_exist(name), change

    def _delete(self, request: Request) -> dict[str, Any]:
        name = self._named_in_query(request)
        held = self._must_exist(name)
        rules.check_delete(self.stored, name, held.collection, held.value)
        if request.method.name not in self.refusals.failing:
            for part in [part for part in self.stored if part == name or part.startswith(f"{name}/")]:
                del self.stored[part]
            self.policies.pop(name, None)
            stale = 0 if request.method.is_long else STALE_READS
            self._deleted[name] = Stored(held.collection, {}, held.value, stale)
        return self._answered(request, name)

    def _put(
        self,
        request: Request,
        name: str,
        sent: dict[str, Any],
        before: dict[str, Any] | None,
        collection: str | None = None,
    ) -> None:
        if request.method.name in self.refusals.failing:
            return  # its operation will say so
        collection = collection or request.collection
        maker = MADE.get(collection)
        value = {**sent, **(maker(name, sent, self._endpoint) if maker else {})}
        stale = 0 if request.method.is_long else STALE_READS
        self.stored[name] = Stored(collection, value, before, stale)

    def _answered(self, request: Request, name: str) -> dict[str, Any]:
        method, held = request.method, self.stored.get(name)
        value = held.value if held else {}
        if not method.is_long:
            return value
        self._numbers += 1
        failing = self.refusals.failing.get(method.name)
        operation = Operation(method, f"operation-{self._numbers}", name, POLLS, value, failing)
        self._operations[operation.identifier] = operation
        return operation.told()

    def _asked_for(self, identifier: str) -> dict[str, Any]:
        operation = self._operations[identifier]
        operation.polls_left -= 1
        self.counts["running"] += operation.polls_left > 0
        return operation.told()

    def _new_name(self, request: Request) -> str:
        """What it will be called: by the address, by the object itself, or by Google."""
        sent = _inside(request.method, request.body)
        by_query = next((value for key, value in request.query.items() if key.endswith("Id")), None)
        if request.collection == "iam.projects.serviceAccounts":
            project = request.name.split("/")[1]
            by_query = f"{request.body['accountId']}@{project}.iam.gserviceaccount.com"
        if request.collection.startswith("monitoring."):
            self._numbers += 1
            by_query = str(self._numbers)
        return f"{request.name}/{by_query or sent['name']}"

    def _named_in_query(self, request: Request) -> str:
        """A database's user is named behind the question mark."""
        of_user = request.collection == "sql.users"
        return f"{request.name}/{request.query['name']}" if of_user else request.name

    def _must_exist(self, name: str) -> Stored:
        held = self.stored.get(name)
        if held is None:
            if _PLACE.fullmatch(name):
                return Stored("", {})
            raise _missing(name)
        return held

    def _check_mask(self, method: Method, mask: str | None) -> None:
        """A field of a mask is one of the object's, and one that can be written."""
        fields = schema(method.document, _object_schema(method))["properties"] if mask else {}
        wrong = [key for key in (mask or "").split(",") if key and fields.get(key, {"readOnly": True}).get("readOnly")]
        if wrong:
            raise _invalid([Problem("updateMask", f"{key} cannot be changed") for key in wrong])

    # Policies, and what secrets hold

    def _policy(self, request: Request) -> dict[str, Any]:
        self._must_exist(request.name)
        return self.policies.get(request.name, {"etag": "AAAA"})

    def _set_policy(self, request: Request) -> dict[str, Any]:
        self._must_exist(request.name)
        policy, now = request.body["policy"], self.policies.get(request.name, {"etag": "AAAA"})
        if policy.get("etag") != now["etag"]:
            text = "There were concurrent policy changes. Please retry the whole read-modify-write."
            raise GoogleError("ABORTED", text)
        for account in rules.accounts(policy):
            held = next((one for name, one in self.stored.items() if name.endswith(f"/{account}")), None)
            if held is None or held.stale_reads > 0:
                if held is not None:
                    held.stale_reads -= 1
                    self.counts["stale"] += 1
                raise GoogleError("INVALID_ARGUMENT", f"Service account {account} does not exist.")
        self._numbers += 1
        self.policies[request.name] = {**policy, "etag": f"{self._numbers:08}"}
        return self.policies[request.name]

    def _add_version(self, request: Request) -> dict[str, Any]:
        self._must_exist(request.name)
        number = 1 + sum(name.startswith(f"{request.name}/versions/") for name in self.stored)
        name = f"{request.name}/versions/{number}"
        self._put(request, name, {}, before=None, collection=f"{request.collection}.versions")
        self._payloads[name] = request.body["payload"]
        return self.stored[name].value

    def _access(self, request: Request) -> dict[str, Any]:
        held = self._must_exist(request.name)
        if held.value["state"] != "ENABLED":
            raise GoogleError("FAILED_PRECONDITION", f"Secret Version [{request.name}] is in DESTROYED state.")
        return {"name": held.value["name"], "payload": self._payloads[request.name]}

    def _destroy(self, request: Request) -> dict[str, Any]:
        held = self._must_exist(request.name)
        held.value = {**held.value, "state": "DESTROYED"}
        del self._payloads[request.name]
        return held.value

    def _authority(self, request: Request) -> dict[str, Any]:
        return rules.authority(request.name, self._must_exist(request.name).value)


def _object_schema(method: Method) -> str:
    """What the collection holds: what its `get` answers."""
    return methods()[method.document, f"{method.name.rpartition('.')[0]}.get"].response or ""


def _inside(method: Method, body: Any) -> dict[str, Any]:
    """The object that was sent: by itself, or as one field of a request."""
    name = _object_schema(method)
    if method.request in {name, None} or not isinstance(body, dict):
        return dict(body or {})
    fields = schema(method.document, method.request or "")["properties"]
    inside = next((key for key, of in fields.items() if of.get("$ref") == name and key in body), None)
    if inside is None and "update" in body:
        inside = "update"
    return dict(body[inside] if inside else body)


def _parent(name: str) -> str:
    return "/".join(name.split("/")[:-2])


def _missing(name: str) -> GoogleError:
    return GoogleError("NOT_FOUND", f"Resource '{name}' was not found.")


def _invalid(wrong: list[Problem]) -> GoogleError:
    violations = [{"field": problem.path, "description": problem.text} for problem in wrong]
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}
    return GoogleError("INVALID_ARGUMENT", "; ".join(map(str, wrong)), (detail,))


def check_answer(method: Method, answer: dict[str, Any]) -> None:
    """Raises GoogleError where the answer has what its description does not have."""
    found = problems(method.document, method.response or "Empty", answer)
    wrong = [str(problem) for problem in found if problem.text not in {GOOGLES, DEPRECATED}]
    if wrong:
        raise GoogleError("UNIMPLEMENTED", f"the stand-in's answer to {method.name} is wrong: {wrong}")
