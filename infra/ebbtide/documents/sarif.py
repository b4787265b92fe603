"""SARIF 2.1.0, which code scanning of GitHub, GitLab and editors reads: each finding at its file and line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from ebbtide.documents.annotation import Annotation
from ebbtide.judgement.rule import RuleText, known_rules
from ebbtide.version import __version__

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(command: str, annotations: Iterable[Annotation], not_judged: Iterable[Annotation] = ()) -> str:
    """The text of a .sarif file of one run of a command. What is not judged is a notification of the run, and no
    result; what is accepted is suppressed, with its reason."""
    found = list(dict.fromkeys(annotations))
    texts = known_rules()
    ids = sorted({one.rule for one in found})
    driver = {"name": f"ebbtide {command}", "version": __version__, "rules": [_rule(id_, texts) for id_ in ids]}
    notes = [
        {"level": one.mark, "message": {"text": one.message}, "locations": [_location(one)]}
        for one in dict.fromkeys(not_judged)
    ]
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": [_result(one, ids) for one in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(id_: str, texts: dict[str, RuleText]) -> dict[str, Any]:
    text = texts.get(id_)
    if text is None:
        return {"id": id_}
    return {
        "id": id_,
        "shortDescription": {"text": text.title},
        "fullDescription": {"text": f"{text.title} {text.why}".strip()},
        "help": {"text": f"{text.remedy} Source: {text.source}"},
    }


def _result(one: Annotation, ids: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": ids.index(one.rule),
        "level": one.mark,
        "message": {"text": one.message},
        "locations": [_location(one)],
    }
    if one.accepted:
        result["suppressions"] = [{"kind": "inSource", "justification": one.accepted}]
    return result


def _location(one: Annotation) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(one.file.removeprefix("./"))},
            "region": {"startLine": max(one.line, 1)},
        }
    }
