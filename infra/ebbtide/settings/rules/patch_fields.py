"""Rules M-07 and M-07a: a patch names fields that Kubernetes knows, with values that they take."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path as File
from typing import Any

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.rules.pod_parts import DIRECTIVE
from ebbtide.settings.values.names import is_label_value, is_qualified_name
from ebbtide.settings.values.rollout import MIN_READY_SECONDS, PROGRESS_DEADLINE_SECONDS

_ROOT = "Deployment"
_LABELS = {"labels", "matchLabels", "nodeSelector"}
_KEYED = {*_LABELS, "annotations"}
_WORDS = {
    "text": "a text",
    "boolean": "true or false",
    "textOrNumber": "a text or a whole number",
    "int32": "a whole number of 32 bits",
    "int64": "a whole number of 64 bits",
}


@cache
def deployment_types() -> Mapping[str, Mapping[str, str]]:
    """What each field of a Deployment takes, by its type; `scripts/deployment-fields` says in which form."""
    text = File(__file__).with_name("deployment_fields.json").read_text(encoding="utf-8")
    types: Mapping[str, Mapping[str, str]] = json.loads(text)["types"]
    return types


@consumer_rule(
    "M-07",
    Level.ERROR,
    remedy="Write the field where the message says, with a value that it takes.",
    source="Kubernetes 1.37's own schema of a Deployment. Whether a value of the right type is a good one is the API "
    "server's to say, and not judged here.",
)
def check_patch_names_fields(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A patch has only fields that a Deployment has, with values of their types: the API server refuses the others
    where it is asked strictly, and drops them without a word where it is not."""
    for path, problem, remedy in _problems(consumer.pod.patch, _ROOT, ()):
        yield Finding(("pod", "patch", *path), problem, remedy)


@consumer_rule(
    "M-07a",
    Level.ERROR,
    remedy="Write a progressDeadlineSeconds above minReadySeconds.",
    source="ValidateDeploymentSpec in the API server.",
)
def check_patch_lets_updates_end(consumer: ConsumerSettings) -> Iterator[Finding]:
    """An update is given more time than a pod needs to count as ready: the API server refuses the Deployment
    otherwise, and a number below 0."""
    spec = consumer.pod.patch.get("spec")
    said = spec if isinstance(spec, Mapping) else {}
    # What a patch takes away is Kubernetes' own default.
    defaults = {"minReadySeconds": (MIN_READY_SECONDS, 0), "progressDeadlineSeconds": (PROGRESS_DEADLINE_SECONDS,) * 2}
    seconds = {}
    for name, (ours, kubernetes) in defaults.items():
        value = said.get(name, ours)
        seconds[name] = kubernetes if value is None else value
        if isinstance(seconds[name], bool) or not isinstance(seconds[name], int):
            return  # M-07 speaks.
    ready, deadline = seconds["minReadySeconds"], seconds["progressDeadlineSeconds"]
    if ready < 0:
        yield Finding(("pod", "patch", "spec", "minReadySeconds"), f"is below 0 (got {ready})", "write 0 or more")
        return
    if deadline <= ready:
        name = "progressDeadlineSeconds" if "progressDeadlineSeconds" in said else "minReadySeconds"
        yield Finding(
            ("pod", "patch", "spec", name),
            f"gives an update {deadline} s to go on, and a pod counts as ready after {ready} s",
            f"write progressDeadlineSeconds above {ready}",
        )


def _problems(value: Any, form: str, path: Path) -> Iterator[tuple[Path, str, str]]:
    if value is None:
        return
    if form.endswith("[]"):
        if not isinstance(value, (list, tuple)):
            yield path, f"is a list (got {_shown(value)})", "write a list"
            return
        for at, entry in enumerate(value):
            yield from _problems(entry, form.removesuffix("[]"), (*path, at))
    elif form.endswith("{}") or form in deployment_types():
        if not isinstance(value, Mapping):
            yield path, f"is a mapping (got {_shown(value)})", "write a mapping"
            return
        yield from _of_labels(value, path)
        for key, entry in value.items():
            if key != DIRECTIVE:
                yield from _of_entry(str(key), entry, form, (*path, str(key)))
    elif form != "any" and not _fits(value, form):
        yield path, f"takes {_WORDS[form]} (got {_shown(value)})", _write(value, form)


def _of_labels(value: Mapping[Any, Any], path: Path) -> Iterator[tuple[Path, str, str]]:
    """Labels and annotations have keys of one form, and labels values of another."""
    field = path[-1] if path else ""
    if field not in _KEYED:
        return
    for key, entry in value.items():
        if key == DIRECTIVE:
            continue
        if not is_qualified_name(str(key)):
            yield (*path, str(key)), "is not a label or annotation key", "write for example team or example.com/team"
        elif field in _LABELS and isinstance(entry, str) and not is_label_value(entry):
            remedy = "use at most 63 letters, digits, '-', '_' and '.'"
            yield (*path, str(key)), f"is not a label value (got {entry!r})", remedy


def _of_entry(key: str, entry: Any, form: str, path: Path) -> Iterator[tuple[Path, str, str]]:
    fields = deployment_types().get(form)
    if fields is None:
        yield from _problems(entry, form.removesuffix("{}"), path)
    elif key in fields:
        yield from _problems(entry, fields[key], path)
    else:
        close = difflib.get_close_matches(key, fields, 1, 0.7)
        yield path, f"is no field of {form} (got {key!r})", f"write {close[0]}" if close else "remove it"


def _fits(value: Any, form: str) -> bool:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    match form:
        case "text":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "textOrNumber":
            return isinstance(value, (str, float)) or is_number
        case _:
            bound = 2 ** (int(form.removeprefix("int")) - 1)
            return is_number and -bound <= value < bound


def _shown(value: Any) -> str:
    return (
        repr(value) if isinstance(value, (str, int, float)) else "a mapping" if isinstance(value, Mapping) else "a list"
    )


def _write(value: Any, form: str) -> str:
    quoted = form == "text" and isinstance(value, (int, float))
    return (
        f'write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"' if quoted else "correct it"
    )
