"""From a component's arguments to validated settings: the same models and rules as for a stack file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pulumi
from pulumi.runtime.rpc import UNKNOWN

from ebbtide.judgement.findings import Finding, Path, SettingsError, refused
from ebbtide.settings.loading.loader import read_values
from ebbtide.settings.models.stack import StackSettings

_SETTINGS = "settings"


def consumer_settings(name: str, args: Mapping[str, Any]) -> StackSettings:
    """A stack with this one consumer, in a namespace that exists. Raises SettingsError, with paths into `args`."""
    namespace = {"name": args["namespace"], "create": False} if "namespace" in args else {"create": False}
    values = {"cluster": args["cluster"], "namespace": namespace, "consumers": {name: args[_SETTINGS]}}
    return _read(args, values, {("consumers", name): _SETTINGS, ("namespace", "name"): "namespace"})


def cluster_settings(args: Mapping[str, Any]) -> StackSettings:
    """A stack with this cluster and nothing in it. Raises SettingsError, with paths into `args`."""
    return _read(args, {"cluster": args[_SETTINGS]}, {("cluster",): _SETTINGS})


def stack_settings(args: Mapping[str, Any]) -> StackSettings:
    """The whole stack. Raises SettingsError, with paths into `args`."""
    given = args[_SETTINGS]
    if "google" in given or "name" in given:
        key = "google" if "google" in given else "name"
        remedy = "pass `google` beside `settings`" if key == "google" else "it is the name of the Pulumi stack"
        raise refused("wiring", "is no setting of a stack file", remedy, (_SETTINGS, key))
    return _read(args, given, {(key,): f"{_SETTINGS}.{key}" for key in given})


def _read(args: Mapping[str, Any], values: Mapping[str, Any], shown: Mapping[Path, str]) -> StackSettings:
    google = args.get("google") or _configured_google()
    stack = {**_whole(values), "name": pulumi.get_stack(), **({"google": google} if google else {})}
    try:
        _refuse_unknown(values)
        return read_values(stack)
    except SettingsError as error:
        raise SettingsError([replace(one, path=_shown(one.path, shown)) for one in error.findings]) from None


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    """Raise SettingsError for every value that only a deployment knows: no rule could look at it before."""
    found = [Finding(path, *_NOT_PLAIN, rule="wiring") for path in _not_plain(values)]
    if found:
        raise SettingsError(found)


_NOT_PLAIN = (
    "is known only while deploying, and every rule needs it before",
    "write it as plain data; an image that the program builds goes into `image` or `images`",
)


def _not_plain(value: object, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, pulumi.Output) or value is UNKNOWN or isinstance(value, pulumi.Resource):
        yield path
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _not_plain(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _not_plain(entry, (*path, index))


def _whole(value: Any) -> Any:
    """Numbers are floats on the wire; a stack file has 5 replicas and not 5.0."""
    if isinstance(value, Mapping):
        return {key: _whole(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _configured_google() -> dict[str, str]:
    config = pulumi.Config("gcp")
    found = {key: config.get(key) for key in ("project", "region")}
    return {key: value for key, value in found.items() if value}


def _shown(path: Path, shown: Mapping[Path, str]) -> Path:
    """The path as the caller wrote it: `consumers.mail.image` is `settings.image` of component mail."""
    for prefix, argument in shown.items():
        if path[: len(prefix)] == prefix:
            return (*argument.split("."), *path[len(prefix) :])
    return path
