"""Secrets that a plan holds in plain text, because nobody has told the engine that they are any.

What connects to a cloud or a cluster, and what is called or looks like a secret, is compared and then masked: that it
changed is all there is to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ebbtide.judgement.secrets import mask_value
from ebbtide.manifests.resource import PROVIDER_PACKAGE, kind_of
from ebbtide.preview.change import SECRET, PropertyChange, ResourceChange

# What a provider's inputs say of where, rather than of who. All others are masked.
_OF_A_PROVIDER = frozenset(
    {"version", "project", "region", "zone", "clusterIdentifier", "context", "cluster", "namespace"}
)
_SECRET_DATA = frozenset({"data", "stringData"})


def masked(change: ResourceChange) -> ResourceChange:
    """The change without its secrets."""
    return replace(
        change,
        old=_inputs(change.token, change.old),
        new=_inputs(change.token, change.new),
        properties=tuple(_property(change.token, found) for found in change.properties),
    )


def _inputs(token: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _all(entry) if _is_secret(token, key) else mask_value(entry, (key,)) for key, entry in inputs.items()}


def _property(token: str, found: PropertyChange) -> PropertyChange:
    names = [str(part) for part in found.path]
    is_secret = bool(names) and _is_secret(token, names[0])
    old, new = (_all(side) if is_secret else mask_value(side, names) for side in (found.old, found.new))
    return replace(found, old=old, new=new)


def _is_secret(token: str, key: str) -> bool:
    """Whether all is that stands at the top under this key."""
    if token.startswith(PROVIDER_PACKAGE):
        return key not in _OF_A_PROVIDER
    return kind_of(token) == "Secret" and key in _SECRET_DATA


def _all(value: Any) -> Any:
    """Every text in it masked; switches and numbers are no secrets."""
    if isinstance(value, Mapping):
        return {key: _all(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_all(entry) for entry in value]
    return SECRET if isinstance(value, str) else value
