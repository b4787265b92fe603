"""Previews as JSON: one of each kind, and whatever a stranger may write in their place."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.preview.test_plan import HEAD, changed_plan

from ebbtide.documents.document import to_json
from ebbtide.explain.model import explain_stack
from ebbtide.judgement.findings import Finding, SettingsError
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.document import DeploymentDocument, RefusalDocument, ReviewDocument
from ebbtide.preview.review import TimelineChange, review_change
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import read_stack

ROOT = Path(__file__).parents[2]
STACK = "production"


@cache
def texts() -> dict[str, str]:
    """A review, a deployment and a refusal of stack production, as they are written."""
    loaded = read_stack(STACK, ROOT)
    explanation = explain_stack(loaded)
    timeline = explanation.consumers[0].timeline
    what_if = ("githubevents under loads/githubevents.yaml: 95 % wait at most 3 s",)
    judged = review_change(read_plan(json.dumps(changed_plan())), HEAD, explanation.findings, what_if)
    change = replace(judged, timelines=(TimelineChange("githubevents", timeline, timeline),))
    refusal = SettingsError([Finding(("consumers",), "is no mapping", "write one")], "stacks/Pulumi.production.yaml")
    return {
        "review": to_json(ReviewDocument.of(change)),
        "deployment": to_json(DeploymentDocument.of("ebbtide", explanation, stack_resources(loaded.settings), ("x",))),
        "refusal": to_json(RefusalDocument.of("ebbtide", STACK, refusal)),
    }


def example(kind: str = "review") -> dict[str, Any]:
    """One of them, to be changed."""
    return json.loads(texts()[kind])


def with_every_text(document: Any, text: str) -> Any:
    """A document in which all that is free text says this."""
    if isinstance(document, list):
        return [with_every_text(entry, text) for entry in document]
    if isinstance(document, dict):
        return {key: value if key in _CLOSED else with_every_text(value, text) for key, value in document.items()}
    return text if isinstance(document, str) else document


# What has a list of values, or is what the document is known by.
_CLOSED = {"kind", "stack", "level", "operation", "at"}


def places(value: Any, path: tuple = ()):
    """The path of every value inside a document."""
    yield path
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(entry, (*path, key))


def replaced(document: Any, path: tuple, junk: Any) -> Any:
    """The document with this in one place."""
    if not path:
        return junk
    changed = copy.copy(document)
    changed[path[0]] = replaced(document[path[0]], path[1:], junk)
    return changed


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=20)
    | st.sampled_from([10**400, -1, "x" * 100_000, "[click](https://evil.example)", "\x1b[2J", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
