"""What a reader of a plan must know beside its changes: what it could not see, leaves out, or warns of, and why it is
not all of the plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ebbtide.judgement.secrets import redact
from ebbtide.preview.change import mapping
from ebbtide.preview.sources.plan_steps import SILENT, only_groups, parts_of
from ebbtide.settings.values.units import plural

HIDES = (
    "the plan does not show what stays as it is ({}): a risk that lies between that and what changes is not seen; "
    "write it with `pulumi preview --json --show-sames`"
)
# A warning of the preview, and an error of the update (pkg/resource/deploy/step.go, ImportStep).
_WILL_FAIL = "importing this resource will fail"
_NAMED = 6


def drifted(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a refresh has found otherwise than the engine remembers it: no step of the plan has done that."""
    found: dict[str, list[str]] = {"gone": [], "changed by others": []}
    for step in steps:
        urn, was, now = parts_of(step.get("urn")), step.get("oldState"), step.get("newState")
        if step.get("op") != "refresh" or urn is None or only_groups(urn[2], step):
            continue
        if not now:
            found["gone"].append(f"{urn[2].rpartition(':')[2]} {urn[3]}")
        elif any(mapping(was).get(side) != mapping(now).get(side) for side in ("inputs", "outputs")):
            found["changed by others"].append(f"{urn[2].rpartition(':')[2]} {urn[3]}")
    return [
        f"a refresh found {', '.join(names)} {what}; the plan only takes note of it"
        for what, names in found.items()
        if names
    ]


def left_out(steps: Iterable[Mapping[str, Any]]) -> list[str]:
    """What the program makes and this preview does not. There may be more that it leaves alone, which nothing tells."""
    names = [f"{urn[2].rpartition(':')[2]} {urn[3]}" for step in steps if (urn := parts_of(step.get("urn")))]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    what = f"the plan leaves out {', '.join(names[:_NAMED])}{more}, which the program makes (--target or --exclude)"
    return [f"{what}: an update without that option does more than is judged here"]


def missing_steps(steps: Iterable[Mapping[str, Any]], summary: object) -> str:
    """Why a plan cannot be all of it: the engine counts more than it shows."""
    shown = Counter(str(step.get("op")) for step in steps)
    missing = [
        f"{count - shown[operation]} {operation}"
        for operation, count in mapping(summary).items()
        if operation not in SILENT and isinstance(count, int) and count > shown[operation]
    ]
    return f"its summary counts steps that are not in it: {', '.join(missing)}" if missing else ""


def unreadable(steps: int) -> str:
    """Why a plan cannot be judged: nobody knows what these steps are of."""
    return f"{plural(steps, 'step')} of it cannot be read: without the name of a resource" if steps else ""


def failure(document: Mapping[str, Any]) -> str:
    """The first error of a preview that did not come to its end. Secrets are masked by the engine already."""
    if document.get("maybeCorrupt") is True:
        return "the engine says that it may be corrupt"
    for found in _diagnostics(document):
        if found.get("severity") == "error" or _WILL_FAIL in str(found.get("message")):
            return _said(found) or "an error without a message"
    return ""


def warnings(document: Mapping[str, Any]) -> list[str]:
    """What the preview warned of, each once: also what the program could not look at (a cluster, names in Google)."""
    said = (_said(found) for found in _diagnostics(document) if found.get("severity") == "warning")
    return [f"the preview warns: {line}" for line in dict.fromkeys(said) if line]


def _diagnostics(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = document.get("diagnostics")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _said(diagnostic: Mapping[str, Any]) -> str:
    """Its first line, without the engine's colours."""
    lines = re.sub(r"<\{%.*?%\}>", "", str(diagnostic.get("message", ""))).strip().splitlines()
    return redact(lines[0]) if lines else ""
