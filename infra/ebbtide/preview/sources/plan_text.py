"""The plan in the text that somebody gives us: one document, or a stream of events, between lines of the CLI's own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.judgement.secrets import redact
from ebbtide.preview.change import mapping

_REMEDY = "write it with `pulumi preview --json > plan.json`"


def refuse_plan(name: str, what: str, remedy: str = _REMEDY) -> SettingsError:
    """Why a text is no plan, in one sentence."""
    return refused("plan", f"{name} {what}", remedy, ("--plan",))


def find_plan(text: str, name: str) -> tuple[Mapping[str, Any], list[str]]:
    """The plan in a text, and what to say of the rest of it.

    The CLI writes lines of its own to standard output as well: of policy packs, of plugins that it installs, of a newer
    version. A document begins in a line of its own, and so does each event of a stream.
    """
    if not text.strip():
        raise refuse_plan(name, "is empty")
    documents, around = _documents(text, name)
    plans = [found for found in documents if _is_plan(found)]
    events = [found for found in documents if _is_event(found)]
    notes = [f"left out of the plan's text: {_listed(around)}"] if around else []
    if len(plans) > 1:
        raise refuse_plan(name, f"holds {len(plans)} plans", "keep one: what they do together is in neither")
    if plans:
        return plans[0], notes
    if events:
        return _from_events(events, notes)
    if len(documents) > 1:
        raise refuse_plan(name, "holds lines of JSON, but none is an event of the engine")
    raise refuse_plan(name, "is JSON, but no plan of `pulumi preview --json`")


def _documents(text: str, name: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Every JSON object that begins in a line of its own, and the other lines."""
    found: list[Mapping[str, Any]] = []
    around: list[str] = []
    decoder, place = json.JSONDecoder(), 0
    while place < len(text):
        end = text.find("\n", place) + 1 or len(text)
        line = text[place:end]
        if line.lstrip()[:1] not in {"{", "["} and (found or around or not _is_json(line)):
            if line.strip():
                around.append(line.strip())
            place = end
            continue
        try:
            document, stop = decoder.raw_decode(text, place + len(line) - len(line.lstrip()))
        except RecursionError:
            raise refuse_plan(
                name, "is nested too deeply to be a plan", "write it with `pulumi preview --json`"
            ) from None
        except ValueError:
            if not any(map(_is_event, found)):
                number = text.count("\n", 0, place) + 1
                what = f"is not JSON, or is cut off (line {number})"
                raise refuse_plan(name, what, f"{_REMEDY}, and wait for its end") from None
            # A stream that is cut off while it was written: what came before still counts.
            message = "the plan is cut off in its last line"
            found.append({"diagnosticEvent": {"severity": "error", "message": message}})
            return found, around
        place = stop
        if isinstance(document, Mapping):
            found.append(document)
        elif not found:
            raise refuse_plan(name, "is JSON, but no plan")
    if not found:
        raise refuse_plan(name, "is not JSON (line 1)")
    return found, around


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _listed(lines: list[str]) -> str:
    """The first of them, shortened."""
    shown = "; ".join(redact(line)[:120] for line in lines[:3])
    return shown + (f"; and {len(lines) - 3} more lines" if len(lines) > 3 else "")


def _is_plan(document: Mapping[str, Any]) -> bool:
    return "steps" in document or "changeSummary" in document or "diagnostics" in document


def _is_event(document: Mapping[str, Any]) -> bool:
    return any(name.endswith("Event") for name in document)


# What a step of a document calls otherwise than an event (apitype.StepEventMetadata, display.PreviewStep).
_IN_A_STEP = {"oldState": "old", "newState": "new", "replaceReasons": "keys", "diffReasons": "diffs"}
_FAILED = frozenset({"errorEvent", "resOpFailedEvent"})


def _from_events(events: Iterable[Mapping[str, Any]], notes: list[str]) -> tuple[Mapping[str, Any], list[str]]:
    """The events of a stream in the form of a document."""
    steps: list[dict[str, Any]] = []
    looks: dict[str, int] = {}
    diagnostics, summary, notes = [], None, list(notes)
    for event in events:
        before = mapping(event.get("resourcePreEvent"))
        metadata = before.get("metadata")
        if isinstance(metadata, Mapping):
            if metadata.get("op") == "refresh":
                looks[str(metadata.get("urn"))] = len(steps)
            steps.append(_step_of(metadata))
        after = mapping(mapping(event.get("resOutputsEvent")).get("metadata"))
        place = looks.pop(str(after.get("urn")), None)
        if place is not None:
            # What it has found: before it looks, both sides are what the engine remembers.
            steps[place] = {**_step_of(after), "op": "refresh"}
        if isinstance(event.get("diagnosticEvent"), Mapping):
            diagnostics.append(event["diagnosticEvent"])
        if isinstance(event.get("summaryEvent"), Mapping):
            summary = event["summaryEvent"].get("resourceChanges")
        errors, advice = _said_by(event)
        diagnostics += [{"severity": "error", "message": error} for error in errors]
        notes += advice
    if summary is None:
        diagnostics.append({"severity": "error", "message": "the stream ends before its summary"})
    return {"steps": steps, "diagnostics": diagnostics, "changeSummary": summary}, notes


def _said_by(event: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Why the preview failed, and what is to be noted, where an event says so."""
    errors, notes = [], []
    if _FAILED & event.keys():
        errors.append(str(mapping(event.get("errorEvent")).get("error", "a step of it failed")))
    if (ended := mapping(event.get("summaryEvent")).get("result")) in ("failed", "canceled"):
        errors.append(f"the engine calls the preview {ended}")
    policy, remedy = mapping(event.get("policyEvent")), mapping(event.get("policyRemediationEvent"))
    if policy and policy.get("enforcementLevel") != "disabled":
        words = " ".join(str(policy.get(part, "")) for part in ("policyName", "message")).strip()
        if policy.get("enforcementLevel") == "advisory":
            notes.append(f"a policy advises: {_shown(words)}")
        else:
            errors.append(f"a policy is violated: {words}")
    if remedy:
        what = f"{str(remedy.get('resourceUrn', '')).rpartition('::')[2]} ({remedy.get('policyName', '')})"
        notes.append(f"a policy says of a resource otherwise than the program: {_shown(what)}")
    return errors, notes


def _step_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {**metadata, **{name: metadata.get(key) for name, key in _IN_A_STEP.items()}}


def _shown(words: str) -> str:
    return redact(" ".join(words.split()))[:240]
