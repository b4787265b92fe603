"""The JSON Schema of each command's `--format json`, as committed in docs/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ebbtide.capacity.document import AdviceDocument, SimulateDocument
from ebbtide.doctor.document import DoctorDocument
from ebbtide.documents.check import CheckDocument
from ebbtide.documents.dashboard import DashboardDocument
from ebbtide.documents.document import json_schema_text
from ebbtide.documents.rules import RulesDocument
from ebbtide.explain.document import ExplanationDocument
from ebbtide.manifests.document import ResourcesDocument
from ebbtide.preview.document import PreviewDocument
from ebbtide.rehearsal.document import RehearsalDocument

DOCUMENTS: Mapping[str, Any] = {
    "advise": AdviceDocument,
    "check": CheckDocument,
    "dashboard": DashboardDocument,
    "doctor": DoctorDocument,
    "explain": ExplanationDocument,
    "preview": PreviewDocument,
    "rehearse": RehearsalDocument,
    "render --resources": ResourcesDocument,
    "rules": RulesDocument,
    "simulate": SimulateDocument,
}
"""What each command prints."""


SCHEMA_FILES: Mapping[str, Callable[[], str]] = {
    f"{command.split()[0]}.schema.json": partial(json_schema_text, kind, f"ebbtide {command} --format json")
    for command, kind in DOCUMENTS.items()
}
"""The text of each schema by the name of its file below docs/; made when it is asked for, in 50 ms of a processor."""
