"""A review as JSON, stable and described by docs/preview.schema.json."""

from __future__ import annotations

import json
from typing import Any

from ebbtide.judgement.findings import as_json
from ebbtide.preview.change import Operation
from ebbtide.preview.review import Review
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.show import show_option, show_path, show_value


def review_json(review: Review) -> dict[str, Any]:
    """Every value as text, secrets masked."""
    change = review.change
    return {
        "version": 1,
        "project": change.project,
        "stack": change.stack,
        "verdict": review.verdict,
        "level": review.worst.value if review.worst else None,
        "source": change.source,
        "incomplete": change.incomplete,
        "notes": list(change.notes),
        "unchanged": change.unchanged,
        "risks": [
            {
                "rule": risk.rule,
                "level": risk.level.value,
                "subject": risk.subject,
                "sentence": risk.sentence,
                "advice": risk.advice,
                "resource": risk.resource,
            }
            for risk in review.risks
        ],
        "changes": [
            {
                "type": found.token,
                "name": found.name,
                "title": found.title,
                "operation": found.operation.value,
                "properties": [
                    {
                        "path": show_path(entry.path),
                        "old": show_value(entry.old, entry.path),
                        "new": show_value(entry.new, entry.path),
                        "replaces": entry.replaces,
                    }
                    for entry in found.properties
                ],
                "options": [
                    {"name": option.name, "old": show_option(option.old), "new": show_option(option.new)}
                    for option in found.options
                ],
            }
            for found in review.changes
        ],
        "findings": [as_json(finding) for finding in review.findings],
        "whatIf": list(review.what_if),
    }


def render_review_json(review: Review) -> str:
    """The JSON text."""
    return json.dumps(review_json(review), indent=2, ensure_ascii=False) + "\n"


def review_schema() -> dict[str, Any]:
    """The JSON Schema of `ebbtide preview --base|--plan --format json`."""
    text = {"type": "string"}

    def record(**properties: Any) -> dict[str, Any]:
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

    def listed(items: dict[str, Any]) -> dict[str, Any]:
        return {"type": "array", "items": items}

    level = {"enum": [level.value for level in RiskLevel]}
    risk = record(rule=text, level=level, subject=text, sentence=text, advice=text, resource=text)
    entry = record(path=text, old=text, new=text, replaces={"type": "boolean"})
    change = record(
        type=text,
        name=text,
        title=text,
        operation={"enum": [operation.value for operation in Operation]},
        properties=listed(entry),
        options=listed(record(name=text, old=text, new=text)),
    )
    finding = record(level=text, rule=text, source=text, path=text, message=text, remedy=text)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A review of a change: ebbtide preview --format json with --base or --plan",
        **record(
            version={"const": 1},
            project=text,
            stack=text,
            verdict=text,
            level={"anyOf": [level, {"type": "null"}]},
            source=text,
            incomplete=text,
            notes=listed(text),
            unchanged={"type": "integer", "description": "-1 where the source does not say"},
            risks=listed(risk),
            changes=listed(change),
            findings=listed(finding),
            whatIf=listed(text),
        ),
    }
