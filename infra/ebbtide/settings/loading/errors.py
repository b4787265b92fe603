"""From pydantic's errors to findings: where in the file, what was got, why not, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ebbtide.judgement.findings import Finding, Path
from ebbtide.judgement.secrets import NOT_SHOWN, holds_secret, is_like_password
from ebbtide.settings.loading.unknown import meant_by
from ebbtide.settings.models.keda_operator import DEFAULT_VERSION
from ebbtide.settings.models.lookup import examples_at, format_at, keys_of, kinds_at, model_at, value_below, what_at
from ebbtide.settings.models.pod import SecretReference

_PRINTED_LENGTH = 60
# The last is a program's infinity; in a file the YAML reader refuses it.
_TYPE_ERRORS = ("_type", "_parsing", "int_from_float", "finite_number")
_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_LENGTHS = {"min_length": "at least", "max_length": "at most"}
_EXAMPLES = {
    "image": "europe-west1-docker.pkg.dev/acme/consumers/githubevents@sha256:...",
    "worker": "{kind: symfonyMessenger, receivers: [githubevents], processes: 70}",
    "autoscaling": "{kind: fixed, replicas: 2}",
    "cluster": "{kind: gkeStandard}",
    "autoscaling.metrics": "[{kind: cpu, targetUtilization: 70}]",
    "keda": f"{{version: {DEFAULT_VERSION}}}, or existing",
}
"""By the last key of a place, or its last two."""


def findings_of(error: ValidationError, model: type[BaseModel], raw: object) -> list[Finding]:
    """Every error of a validation of `raw` against `model`, in the order of the file."""
    found: list[Finding] = []
    for details in error.errors(include_url=False):
        if _follows_from_others(details):
            continue
        place = _Place(_path_of(details["loc"]), model, raw)
        nested = details.get("ctx", {}).get("findings")
        if nested:
            found.extend(finding.below(place.path) for finding in nested)
        else:
            found.append(_finding(details, place))
    return found


@dataclass(frozen=True)
class _Place:
    """Where an error is, and what the models say about it."""

    path: Path
    model: type[BaseModel]
    raw: object

    @property
    def what(self) -> str:
        """`a list`, `a whole number`: what is written here."""
        what = what_at(self.path, self.model, self.raw)
        return "text" if self.examples and what in {"", "a whole number"} else what

    @property
    def examples(self) -> list[str]:
        model = model_at(self.path, self.model, self.raw)
        if model is SecretReference:
            return ["{secret: mail-broker-v1, key: password}"]
        key, of_owner = (".".join(map(str, self.path[-count:])) for count in (1, 2))
        known = _EXAMPLES.get(of_owner, _EXAMPLES.get(key))
        return [known] if known else examples_at(self.path, self.model, self.raw)

    @property
    def remedy(self) -> str:
        """What to write here."""
        here, kinds = _at(self.path, self.raw), kinds_at(self.path, self.model, self.raw)
        if here in kinds:
            # Whoever wrote a kind's name alone meant that kind.
            return f"write {{kind: {here}}}, or another of {', '.join(kinds)}"
        if self.examples:
            return f"write for example {self.examples[0]}"
        owner = model_at(self.path, self.model, self.raw)
        if owner is not None:
            return f"write keys below it: {', '.join(keys_of(owner))}"
        if kinds:
            return f"write {{kind: {kinds[0]}}}, or another of {', '.join(kinds)}"
        return _how_to_write(self.what, _at(self.path, self.raw))

    def written(self, value: object) -> str:
        """A value in the unit of this place; text is written already."""
        return repr(value) if isinstance(value, str) else format_at(self.path, self.model, self.raw)(value)


def _how_to_write(what: str, value: object) -> str:
    if what == "a list":
        text = str(value) if isinstance(value, (str, int)) else ""
        # A text of several lines would make several of the message; a command in one line is a list of its words.
        is_shown = text.isprintable() and 0 < len(text) <= _PRINTED_LENGTH
        return f"write a list: [{', '.join(text.split()) if is_shown else '...'}]"
    if what == "a mapping":
        return "write `key: value`, one a line, below it"
    if what == "a whole number":
        digits = value.strip("% ") if isinstance(value, str) else ""
        return f"write it without quotes or signs: {digits}" if digits.isdecimal() else "write for example 3"
    return f"write {what}" if what else "write it as docs/settings.md says"


def _finding(details: ErrorDetails, place: _Place) -> Finding:
    kind, context = details["type"], details.get("ctx", {})
    explain = _EXPLAINED.get(kind)
    if explain is not None:
        return explain(details, place)
    limit = next((name for name in (*_LIMITS, *_LENGTHS) if name in context), None)
    if limit is not None:
        return _outside(details, place, limit)
    got = _got(details, place.path)
    if any(part in kind for part in _TYPE_ERRORS):
        return Finding(place.path, f"must be {place.what or 'another type'} (got {got})", place.remedy)
    if "remedy" in context:
        return _own(details, place)
    if kind == "value_error":
        # A model's own sentence, with its remedy behind a semicolon.
        message, _, remedy = details["msg"].removeprefix("Value error, ").partition("; ")
        return Finding(place.path, message, remedy or place.remedy)
    return Finding(place.path, f"cannot be used: {details['msg']} (got {got})", place.remedy)


def _own(details: ErrorDetails, place: _Place) -> Finding:
    """A model's own refusal, with its remedy."""
    context = details.get("ctx", {})
    if not _is_private(details["input"], place.path):
        return Finding(place.path, details["msg"], str(context["remedy"] or place.remedy))
    return _not_shown(details, place)


def _not_shown(details: ErrorDetails, place: _Place) -> Finding:
    """A refusal that repeats neither what was got nor what was made of it; where a key is refused, not the key."""
    what = str(details.get("ctx", {}).get("what") or "cannot be used")
    is_key = bool(place.path) and place.path[-1] == details["input"]
    path = (*place.path[:-1], NOT_SHOWN) if is_key else place.path
    return Finding(path, f"{what}; its text is not shown, because it may be a secret", "write the name of one")


def _missing(_: ErrorDetails, place: _Place) -> Finding:
    return Finding(place.path, "is required and not given", place.remedy)


def _unknown_kind(details: ErrorDetails, place: _Place) -> Finding:
    got = repr(details["ctx"]["tag"]) if "tag" in details.get("ctx", {}) else "nothing"
    choices = ", ".join(kinds_at(place.path, place.model, place.raw))
    return Finding((*place.path, "kind"), f"is none of the known kinds (got {got})", f"write one of {choices}")


def _no_choice(details: ErrorDetails, place: _Place) -> Finding:
    return Finding(place.path, f"is none of the possible values (got {_got(details, place.path)})", place.remedy)


def _wrong_form(details: ErrorDetails, place: _Place) -> Finding:
    remedy = place.remedy if place.examples else f"write text that matches {details['ctx']['pattern']}"
    return Finding(place.path, f"is not of the right form (got {_got(details, place.path)})", remedy)


def _not_text(details: ErrorDetails, place: _Place) -> Finding:
    """YAML reads `1.30` as a number, and so as 1.3: an example says more than what is left of it."""
    value, remedy = details["input"], place.remedy
    if isinstance(value, (int, float)):
        text = str(value).lower() if isinstance(value, bool) else value
        remedy = f'write it in quotes, for example "{place.examples[0] if place.examples else text}"'
    return Finding(place.path, f"must be text (got {_got(details, place.path)})", remedy)


def _outside(details: ErrorDetails, place: _Place, limit: str) -> Finding:
    """A number or a length outside of its bounds."""
    bound = details["ctx"][limit]
    if limit in _LENGTHS:
        given = details["input"]
        unit = "characters" if isinstance(given, str) else "entries"
        size = len(given) if isinstance(given, Sized) else 0
        return Finding(place.path, f"has {size} {unit}", f"write {_LENGTHS[limit]} {bound}")
    word = f"{_LIMITS[limit]} {place.written(bound)}"
    return Finding(place.path, f"must be {word} (got {_cut(place.written(details['input']))})", f"write {word}")


def _unknown_key(_: ErrorDetails, place: _Place) -> Finding:
    return Finding(place.path, "is not a setting", meant_by(place.path, place.model, place.raw))


_EXPLAINED: dict[str, Callable[[ErrorDetails, _Place], Finding]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _unknown_kind,
    "literal_error": _no_choice,
    "string_pattern_mismatch": _wrong_form,
    "string_type": _not_text,
    "string_unicode": _not_text,
}


def _follows_from_others(details: ErrorDetails) -> bool:
    """pydantic calls a list too short when it has dropped its entries for errors of their own."""
    given, context = details["input"], details.get("ctx", {})
    return details["type"] == "too_short" and isinstance(given, Sized) and len(given) > context["actual_length"]


def _path_of(location: Sequence[str | int]) -> Path:
    """The location without the `[key]` that pydantic adds to it.

    A consumer's name is its key: what is wrong with it is said of the key.
    """
    path = tuple(part for part in location if part != "[key]")
    injected = len(path) == 3 and path[0] == "consumers" and path[-1] == "name"
    return path[:-1] if injected else path


def _at(path: Path, raw: object) -> object:
    for part in path:
        raw = value_below(raw, part)
    return raw


_KINDS = {
    dict: "mapping",
    list: "list",
    bool: "boolean",
    int: "number",
    float: "number",
    bytes: "binary value",
}


def _got(details: ErrorDetails, path: Path) -> str:
    value = details["input"]
    if value is None:
        return "nothing"
    if not isinstance(value, (str, int, float)) or _is_private(value, path):
        return "text" if isinstance(value, str) else f"a {_KINDS.get(type(value), type(value).__name__)}"
    return _cut(repr(value))


def _is_private(value: object, path: Path) -> bool:
    """Whether a value is not repeated: one of a variable, or one that may be a secret that somebody pasted."""
    if {"environment", "secretEnvironment"} & set(path):
        # A variable's own name is shown, unless it looks like the password.
        return path[-1] != value or is_like_password(str(value))
    name = str(path[-1]) if path else ""
    return isinstance(value, str) and (holds_secret(value, name) or is_like_password(value))


def _cut(text: str) -> str:
    return text if len(text) <= _PRINTED_LENGTH else f"{text[:_PRINTED_LENGTH]}..."
