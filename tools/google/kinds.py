"""By which requests of Google's API the provider makes, reads, changes and deletes what it manages.

Most are objects of a collection, and their methods are called alike; each that differs is a class that says how. Which
type is which is in `types.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias
from uuid import uuid4

from tools.google import translation
from tools.google.discovery import methods, schema

Properties: TypeAlias = dict[str, Any]
Found: TypeAlias = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - an answer, and no mistake of ours
    """Google, or its provider, does not do it; the text is for whoever runs the engine."""


class Api(Protocol):
    """Google's API as a kind asks it. Raises Refused."""

    def call(
        self, document: str, method: str, name: str, sent: Any = None, query: Mapping[str, str] | None = None
    ) -> Found:
        """Call a method on what is called so, and wait until what it began has ended."""

    def find(self, document: str, method: str, name: str, sent: Any = None) -> Found | None:
        """What is there, or None."""

    def settle(self, is_done: Callable[[], bool]) -> None:
        """Try it again until it is done: what was written is not read at once, and others write too."""


def _dig(found: Any, path: str) -> Any:
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


class _Inputs(dict[str, object]):
    """An input that is not given is an empty part of a name."""

    def __missing__(self, key: str) -> str:
        return ""


def _written(template: str, inputs: Found) -> str:
    """A name of Google's; an input that is a whole name already stays one."""
    text = template.format_map(_Inputs(inputs))
    at = text.rfind("projects/")
    return text[at:] if at > 0 else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An object of a collection, with methods as most of Google's have them."""

    document: str
    collection: str
    """`compute.networks`, as methods are called."""
    schema: str
    """Of the object."""
    name: str = ""
    """Google's name of it, with its inputs in braces; where Google chooses a name, the collection's."""
    identifier: str = ""
    """What the provider calls it, where that is something else."""
    id_parameter: str = ""
    """Where the address of a creation has the last part of the name."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What Google adds, by the provider's property, and where it is in the object."""
    guards: tuple[str, ...] = ()
    """Properties that, while they are true, make the provider refuse to delete it."""
    chooses_name: bool = False
    """Whether Google does."""

    def identify(self, inputs: Found) -> str:
        """What the provider will call it; what Google chooses is not in it."""
        return _written(self.identifier or self.name, inputs)

    def where(self, identifier: str, inputs: Found) -> str:
        """Google's name of what is there."""
        return identifier if self.chooses_name else _written(self.name, inputs)

    def is_same(self, old: Found, new: Found) -> bool:
        """Whether both would have one name, and cannot be there at once."""
        return not self.chooses_name and self.identify(old) == self.identify(new)

    def body(self, inputs: Found) -> dict[str, Any]:
        """The object that is asked for."""
        return translation.body(self.document, self.schema, inputs)

    def create(self, api: Api, inputs: Found) -> tuple[str, Found]:
        """Make it. Returns the provider's name of it, and what is there."""
        name = _written(self.name, inputs)
        query = {self.id_parameter: name.rpartition("/")[2]} if self.id_parameter else {}
        sent = self._wrapped(self._method("create", "insert"), inputs)
        place = name if self.chooses_name else name.rpartition("/")[0]
        made = self._call(api, place, sent, "create", "insert", query=query)
        identifier = str(made["name"]) if self.chooses_name else self.identify(inputs)
        return identifier, self._settled(api, identifier, inputs)

    def read(self, api: Api, identifier: str, inputs: Found) -> Found | None:
        """What is there, or None."""
        return api.find(self.document, self._method("get"), self.where(identifier, inputs))

    def seen(self, api: Api, inputs: Found, found: Found) -> Properties:  # noqa: ARG002
        """The inputs as they are in what was read."""
        return translation.seen(self.document, self.schema, inputs, found)

    def update(self, api: Api, identifier: str, old: Found, new: Found) -> Found:
        """Change it: what has changed is sent."""
        method = self._method("patch", "update")
        before, after = self.body(old), self.body(new)
        changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        if changed:
            takes_all = methods()[self.document, method].http == "PUT" or self.schema == "Dashboard"
            sent = after if takes_all else {key: after.get(key) for key in changed}
            query = {}
            if "updateMask" in methods()[self.document, method].query:
                query, sent = {"updateMask": ",".join(changed)}, {key: sent[key] for key in changed if key in after}
            self._change(api, self.where(identifier, new), sent, query)
        return self._settled(api, identifier, new)

    def delete(self, api: Api, identifier: str, inputs: Found) -> None:
        """Delete it; what is gone already is no error."""
        name = self.where(identifier, inputs)
        if api.find(self.document, self._method("get"), name) is not None:
            self._call(api, name, None, "delete")
            api.settle(lambda: self.read(api, identifier, inputs) is None)

    def added(self, api: Api, identifier: str, found: Found) -> Properties:  # noqa: ARG002
        """What Google has made of it, by the provider's properties."""
        return {output: _dig(found, path) for output, path in self.outputs.items()}

    def _change(self, api: Api, name: str, sent: Any, query: Mapping[str, str]) -> None:
        self._call(api, name, sent, "patch", "update", query=query)

    def _settled(self, api: Api, identifier: str, inputs: Found) -> Found:
        """What is there, once reads tell it."""
        found: list[Found] = []

        def is_there() -> bool:
            there = self.read(api, identifier, inputs)
            if there is None or self.seen(api, inputs, there) != dict(inputs):
                return False
            found.append(there)
            return True

        api.settle(is_there)
        return found[-1]

    def _call(self, api: Api, name: str, sent: Any, *verbs: str, query: Mapping[str, str] | None = None) -> Found:
        return api.call(self.document, self._method(*verbs), name, sent, query)

    def _method(self, *verbs: str) -> str:
        """The first of these that the collection has."""
        names = (f"{self.collection}.{verb}" for verb in verbs)
        return next(name for name in names if (self.document, name) in methods())

    def _wrapped(self, method: str, inputs: Found) -> dict[str, Any]:
        """The object as the method takes it: by itself, or as one field of a request."""
        request = methods()[self.document, method].request or ""
        fields = schema(self.document, request)["properties"]
        inside = next((key for key, of in fields.items() if of.get("$ref") == self.schema), None)
        made = self.body(inputs)
        return {inside: made} if inside and request != self.schema else made


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard(Kind):
    """Its whole content is one property, as JSON."""

    def body(self, inputs: Found) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(str(inputs["dashboardJson"]))
        return found

    def seen(self, api: Api, inputs: Found, found: Found) -> Properties:  # noqa: ARG002
        wanted = self.body(inputs)
        is_same = {key: found.get(key) for key in wanted} == wanted
        return dict(inputs) if is_same else {**inputs, "dashboardJson": json.dumps(found)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Kind):
    """A service account: its id is not in the address, and its changes are in an envelope."""

    def _wrapped(self, method: str, inputs: Found) -> dict[str, Any]:  # noqa: ARG002
        return {"accountId": inputs["accountId"], "serviceAccount": self.body(inputs)}

    def _change(self, api: Api, name: str, sent: Any, query: Mapping[str, str]) -> None:  # noqa: ARG002
        self._call(api, name, {"serviceAccount": sent, "updateMask": ",".join(sent)}, "patch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey(Kind):
    """The endpoints that Google makes are not those that were asked for, which the provider keeps as they were; the
    certificates of its authority are asked for by themselves."""

    def seen(self, api: Api, inputs: Found, found: Found) -> Properties:
        kept = {key: inputs[key] for key in ("desiredAutoCreatedEndpoints",) if key in inputs}
        return {**Kind.seen(self, api, inputs, found), **kept}

    def added(self, api: Api, identifier: str, found: Found) -> Properties:
        told = api.call(self.document, f"{self.collection}.getCertificateAuthority", identifier)
        authority = told.get("managedServerCa")
        return {**Kind.added(self, api, identifier, found), "managedServerCas": [authority] if authority else []}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPart(Kind):
    """GKE changes one thing at a time, each by a field or a method of its own."""

    def maps(self, key: str) -> bool:
        """Whether it is known by which request this field of the object is changed."""
        raise NotImplementedError

    def update(self, api: Api, identifier: str, old: Found, new: Found) -> Found:
        before, after = self.body(old), self.body(new)
        changed = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
        unknown = [key for key in changed if not self.maps(key)]
        if unknown:
            raise Refused(
                f"nobody has said how {', '.join(unknown)} of a {self.schema} changes (tools/google/kinds.py)"
            )
        for key in changed:
            self._change_field(api, self.where(identifier, new), key, after.get(key) or {})
        return self._settled(api, identifier, new)

    def _change_field(self, api: Api, name: str, key: str, value: Any) -> None:
        raise NotImplementedError

    def _change_cluster(self, api: Api, name: str, **desired: Any) -> None:
        api.call(self.document, "container.projects.locations.clusters.update", name, {"update": desired})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster(ClusterPart):
    """A cluster; the field of an update is called as the cluster's, with `desired` before it, but for these."""

    def maps(self, key: str) -> bool:
        return key in _OWN_METHODS["Cluster"] or _desired(key) in schema(self.document, "ClusterUpdate")["properties"]

    def _change_field(self, api: Api, name: str, key: str, value: Any) -> None:
        method = _OWN_METHODS["Cluster"].get(key)
        if method:
            self._call(api, name, {key: value}, method)
        else:
            self._change_cluster(api, name, **{_desired(key): value})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePool(ClusterPart):
    """A pool. Without a name in the program the provider makes one up, so that a new one can be there before the old
    one goes. How far it scales is a field of the cluster's update, as the provider sends it."""

    def where(self, identifier: str, inputs: Found) -> str:
        return Kind.where(self, identifier, inputs) if "name" in inputs else identifier

    def is_same(self, old: Found, new: Found) -> bool:
        return "name" in new and Kind.is_same(self, old, new)

    def create(self, api: Api, inputs: Found) -> tuple[str, Found]:
        made = {} if "name" in inputs else {"name": f"pool-{uuid4().hex[:7]}"}
        return Kind.create(self, api, {**inputs, **made})

    def maps(self, key: str) -> bool:
        fields = schema(self.document, "UpdateNodePoolRequest")["properties"]
        return key == "autoscaling" or key in _OWN_METHODS["NodePool"] or key in fields

    def _change_field(self, api: Api, name: str, key: str, value: Any) -> None:
        cluster, _, pool = name.partition("/nodePools/")
        if key == "autoscaling":
            self._change_cluster(api, cluster, desiredNodePoolId=pool, desiredNodePoolAutoscaling=value)
        else:
            self._call(api, name, {key: value}, _OWN_METHODS["NodePool"].get(key, "update"))


_OWN_METHODS: Mapping[str, Mapping[str, str]] = {
    "Cluster": {"maintenancePolicy": "setMaintenancePolicy", "resourceLabels": "setResourceLabels"},
    "NodePool": {"management": "setManagement"},
}
_DESIRED = {"autoscaling": "desiredClusterAutoscaling", "initialClusterVersion": "desiredMasterVersion"}
UNMAPPED: Mapping[str, tuple[str, ...]] = {
    "Cluster": ("legacyAbac", "masterAuth", "networkConfig", "nodePoolAutoConfig", "nodePoolDefaults"),
    "NodePool": ("config", "networkConfig"),
}
"""Fields that a stack sends and that change in place, by requests that are not here."""


def _desired(key: str) -> str:
    return _DESIRED.get(key, f"desired{key[0].upper()}{key[1:]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Kind):
    """A user of a database: which one a change is of stands in its address, and nobody can read the password."""

    def seen(self, api: Api, inputs: Found, found: Found) -> Properties:
        return Kind.seen(self, api, inputs, {**found, "password": inputs["password"]})

    def update(self, api: Api, identifier: str, old: Found, new: Found) -> Found:  # noqa: ARG002
        users = self.where(identifier, new).rpartition("/")[0]
        self._call(api, users, self.body(new), "update", query={"name": str(new["name"])})
        return self._settled(api, identifier, new)

    def delete(self, api: Api, identifier: str, inputs: Found) -> None:
        if inputs.get("deletionPolicy") != "ABANDON":
            users = self.where(identifier, inputs).rpartition("/")[0]
            self._call(api, users, None, "delete", query={"name": str(inputs["name"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretVersion(Kind):
    """What a secret holds; never changed, and destroyed rather than deleted."""

    def create(self, api: Api, inputs: Found) -> tuple[str, Found]:
        sent = {"payload": self.body(inputs)}
        made = api.call(self.document, f"{self.collection}.addVersion", str(inputs["secret"]), sent)
        identifier = f"{inputs['secret']}/versions/{str(made['name']).rpartition('/')[2]}"
        return identifier, self._settled(api, identifier, inputs)

    def read(self, api: Api, identifier: str, inputs: Found) -> Found | None:  # noqa: ARG002
        found = api.find(self.document, f"{self.collection}.versions.get", identifier)
        return None if found is None or found.get("state") == "DESTROYED" else found

    def seen(self, api: Api, inputs: Found, found: Found) -> Properties:
        name = f"{inputs['secret']}/versions/{str(found['name']).rpartition('/')[2]}"
        held = api.call(self.document, f"{self.collection}.versions.access", name)
        return Kind.seen(self, api, inputs, held["payload"])

    def delete(self, api: Api, identifier: str, inputs: Found) -> None:
        if self.read(api, identifier, inputs) is not None:
            api.call(self.document, f"{self.collection}.versions.destroy", identifier, {})

    def added(self, api: Api, identifier: str, found: Found) -> Properties:
        version = identifier.rpartition("/")[2]
        told = Kind.added(self, api, identifier, found)
        return {**told, "version": version, "enabled": found.get("state") == "ENABLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Kind):
    """Something that is no object of its own: an entry of a list in another one, which is read, changed and written."""

    def create(self, api: Api, inputs: Found) -> tuple[str, Found]:
        self._write(api, inputs, [self.body(inputs)])
        return self.identify(inputs), self._settled(api, self.identify(inputs), inputs)

    def update(self, api: Api, identifier: str, old: Found, new: Found) -> Found:  # noqa: ARG002
        self._write(api, new, [self.body(new)])
        return self._settled(api, identifier, new)

    def delete(self, api: Api, identifier: str, inputs: Found) -> None:
        if self.read(api, identifier, inputs) is not None:
            self._write(api, inputs, [])

    def _write(self, api: Api, inputs: Found, entries: list[Found]) -> None:
        """Have these in the place of the one that the inputs describe."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterNat(Part):
    """An entry of a router's `nats`."""

    def read(self, api: Api, identifier: str, inputs: Found) -> Found | None:  # noqa: ARG002
        router = api.find(self.document, self._method("get"), _written(self.name, inputs))
        found = (nat for nat in (router or {}).get("nats", []) if nat["name"] == inputs["name"])
        return next(found, None)

    def _write(self, api: Api, inputs: Found, entries: list[Found]) -> None:
        router = api.call(self.document, self._method("get"), _written(self.name, inputs))
        others = [nat for nat in router.get("nats", []) if nat["name"] != inputs["name"]]
        self._call(api, _written(self.name, inputs), {"nats": [*others, *entries]}, "patch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Part):
    """Somebody in a binding of a policy. Two that write at once are told apart by the policy's etag."""

    schema: str = "Binding"

    def body(self, inputs: Found) -> dict[str, Any]:
        return {"role": inputs["role"], "members": [inputs["member"]]}

    def identify(self, inputs: Found) -> str:
        return f"{_written(self.name, inputs)}/{inputs['role']}/{inputs['member']}"

    def read(self, api: Api, identifier: str, inputs: Found) -> Found | None:  # noqa: ARG002
        policy = self._policy(api, inputs)
        granted = (binding for binding in policy.get("bindings", []) if binding["role"] == inputs["role"])
        return next((binding for binding in granted if inputs["member"] in binding["members"]), None)

    def seen(self, api: Api, inputs: Found, found: Found) -> Properties:  # noqa: ARG002
        return dict(inputs)

    def _policy(self, api: Api, inputs: Found) -> Found:
        method = self._method("getIamPolicy")
        sent = {} if methods()[self.document, method].request else None
        return api.find(self.document, method, _written(self.name, inputs), sent) or {}

    def _write(self, api: Api, inputs: Found, entries: list[Found]) -> None:
        def is_written() -> bool:
            policy = self._policy(api, inputs)
            by_role = {binding["role"]: binding["members"] for binding in policy.get("bindings", [])}
            others = [member for member in by_role.get(inputs["role"], []) if member != inputs["member"]]
            by_role[inputs["role"]] = others + [member for entry in entries for member in entry["members"]]
            bindings = [{"role": role, "members": members} for role, members in by_role.items() if members]
            sent = {"policy": {**policy, "bindings": bindings}}
            return bool(self._call(api, _written(self.name, inputs), sent, "setIamPolicy"))

        api.settle(is_written)
