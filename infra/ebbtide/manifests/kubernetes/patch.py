"""A strategic merge patch, as the API server applies one: what no setting says is laid over a manifest last.

Mappings are merged, lists of named things entry by entry, all other lists replaced. `$patch: delete` in an entry takes
it away, `$patch: replace` in a mapping replaces it. A null, which deletes a key in Kubernetes, cannot be written in a
stack file: there it means that the key is left to another file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.rules.pod_parts import DIRECTIVE, MERGE_KEYS


def patched(manifest: Manifest, patch: Mapping[str, Any]) -> Manifest:
    """The manifest with the patch over it; neither is changed."""
    if patch.get(DIRECTIVE) == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    merged = dict(manifest)
    for key, value in patch.items():
        if isinstance(value, Mapping) and value.get(DIRECTIVE) == "delete":
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            merged[key] = patched(before if isinstance(before, dict) else {}, value)
        elif isinstance(value, (list, tuple)) and key in MERGE_KEYS:
            merged[key] = _entries(merged.get(key) or [], value, MERGE_KEYS[key])
        elif key != DIRECTIVE:
            merged[key] = list(value) if isinstance(value, (list, tuple)) else value
    return merged


def _entries(before: list[Manifest], patches: list[Manifest] | tuple[Manifest, ...], key: str) -> list[Manifest]:
    """A list of named things, by the field that tells them apart. New ones come last, in their order."""
    found = {entry[key]: entry for entry in before}
    for patch in patches:
        if patch.get(DIRECTIVE) == "delete":
            found.pop(patch[key], None)
        else:
            found[patch[key]] = patched(found.get(patch[key], {}), patch)
    return list(found.values())
