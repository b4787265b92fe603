"""Living with a finding: which may be accepted, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import nearest, rule_text

ACCEPTED_IN_VAIN = "A-01"
"""The rule about acceptances themselves."""


def _check_rule(id: str) -> str:  # noqa: A002
    text = rule_text(id)
    if text is None or text.judges != "settings":
        close = nearest(id)
        remedy = f"did you mean {close}?" if close and close != id else "`ebbtide check` prints what can be accepted"
        raise PydanticCustomError("accept", "no rule about settings is called {id}", {"id": repr(id), "remedy": remedy})
    if id == ACCEPTED_IN_VAIN:
        context = {"id": id, "remedy": "remove it, and each that it names"}
        raise PydanticCustomError(
            "accept", "{id} finds acceptances that are no longer needed, and would accept itself", context
        )
    if Level.ERROR in text.levels:
        context = {"id": id, "title": text.title, "remedy": f"remove it and mend the settings: {text.remedy}"}
        raise PydanticCustomError(
            "accept", "{id} is an error, and no reason makes it one that can be deployed", context
        )
    return id


def _check_reason(reason: str) -> str:
    if not reason.strip():
        context = {"remedy": "write why, in the words that the next reader needs"}
        raise PydanticCustomError("accept", "is an empty reason", context)
    return " ".join(reason.split())


AcceptableRule = Annotated[str, AfterValidator(_check_rule)]
"""The id of a rule about settings whose findings are warnings or information."""
Reason = Annotated[str, AfterValidator(_check_reason)]
"""Why somebody lives with a finding; shown wherever the finding is."""
Accepted = dict[AcceptableRule, Reason]


def accept(finding: Finding, accepted: Mapping[str, str]) -> Finding:
    """The finding with the reason, where somebody accepted its rule. Never an error."""
    if finding.level is Level.ERROR or finding.rule not in accepted:
        return finding
    return replace(finding, accepted=accepted[finding.rule])
