"""The API server's schemas as kubernetes-validate ships them, each compiled once: 30 times faster than its own
function, which reads the files anew for every object. For KEDA's objects those of its definitions (`tests/keda`)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from kubernetes_validate import latest_version
from kubernetes_validate.utils import all_versions, major_minor
from referencing import Registry, Resource
from tests import quick_yaml

# Kinds that GKE brings, of which Google publishes no schema: nobody here can say what of them is wrong.
UNPUBLISHED_GROUPS = ("secrets-store.csi.x-k8s.io", "secret-sync.gke.io")
OLDEST_VERSION = "1.34"
NEWEST_VERSION = major_minor(latest_version())


def check_schema(manifest: dict[str, Any], version: str) -> None:
    """Raise jsonschema's ValidationError unless the object passes the strict schema of this version, where its kind
    has one (`UNPUBLISHED_GROUPS`)."""
    if is_unpublished(manifest):
        return
    _validator(version, manifest["kind"], manifest["apiVersion"]).validate(manifest)


def is_unpublished(manifest: dict[str, Any]) -> bool:
    """Whether nobody outside of Google has the object's schema."""
    return str(manifest["apiVersion"]).partition("/")[0] in UNPUBLISHED_GROUPS


@cache
def _validator(version: str, kind: str, api_version: str) -> Draft202012Validator:
    group, _, rest = api_version.rpartition("/")
    if group == "keda.sh":
        return Draft202012Validator(definition_of_keda(kind))
    name = "-".join(filter(None, [kind.lower(), group.partition(".")[0], rest]))
    schema = _read(version, f"{name}.json")
    registry: Registry[Any] = Resource.from_contents(schema) @ (_definitions(version) @ Registry())
    return Draft202012Validator(schema, registry=registry)


def definition_of_keda(kind: str) -> Any:
    """A kind of KEDA's, strict: a field that it does not have is an error, as with `fieldValidation: Strict`."""
    file = Path(__file__).parent / "keda" / f"keda.sh_{kind.lower()}s.yaml"
    (version,) = quick_yaml.load(file.read_text())["spec"]["versions"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    # What every object has, and a definition does not repeat.
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema.get("type"), str):
        closed.setdefault("additionalProperties", False)
    return closed


def read_definitions(version: str) -> Any:
    """Every type of the API by its name, as this version's strict schema has it."""
    return _read(version, "_definitions.json")["$defs"]


@cache
def _definitions(version: str) -> Resource[Any]:
    return Resource.from_contents(_read(version, "_definitions.json"))


def _read(version: str, name: str) -> Any:
    (exact,) = {full for full in all_versions() if major_minor(full) == version}
    return json.loads(
        (files("kubernetes_validate") / "kubernetes-json-schema" / f"v{exact}-local-strict" / name).read_text()
    )
