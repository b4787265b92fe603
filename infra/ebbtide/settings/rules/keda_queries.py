"""Rules about what a trigger of the user's own is answered: one number for a query, held against a target above 0."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.keda import KedaSettings
from ebbtide.settings.rules.declare import scaling_rule
from ebbtide.settings.rules.keda_scalers import is_number, wrong_values
from ebbtide.settings.rules.keda_triggers import triggers_of

_ASKED_IN_SQL = frozenset({"postgresql", "mysql"})
# What the HPA divides by; `desiredReplicas` of cron is such a number too.
_TARGETS = frozenset(
    (
        *("desiredReplicas", "lagCount", "lagThreshold", "listLength", "messageCount", "pendingEntriesCount"),
        *("queryValue", "queueLength", "streamLength", "subscriptionSize", "targetQueryValue", "targetQueueSize"),
        *("targetValue", "threshold", "value"),
    )
)
_TEXT_OR_COMMENT = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_INNERMOST = re.compile(r"\([^()]*\)")
_SELECTED = re.compile(
    r"\s*SELECT\s+(?:ALL\s+)?(?P<list>.+?)(?:\s+FROM\b(?P<rest>.*))?\s*;?\s*", re.IGNORECASE | re.DOTALL
)
_NULL_OF_NO_ROWS = re.compile(r"\s*(SUM|MIN|MAX|AVG)\s*\(\)", re.IGNORECASE)
_COLUMN = re.compile(r"\s*(DISTINCT\s+)?[\w.\"`*]+(\s+(AS\s+)?[\w\"`]+)?\s*", re.IGNORECASE)
_SEVERAL = re.compile(r"\bGROUP\s+BY\b|\bUNION\b", re.IGNORECASE)
_ONE_ROW = "write SELECT count(*) ..., or the sum of a subquery"


@scaling_rule(
    KedaSettings,
    "KE-45",
    Level.WARNING,
    remedy="Ask for one number that is there with no rows too: SELECT count(*) ..., or coalesce(sum(...), 0).",
    source="KEDA 2.21, getActiveNumber and getQueryResult: the first row of the answer, read as one number; a NULL, no "
    "row or two columns are an error of the trigger.",
)
def check_query(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A query gives one row with one number, whatever is in the table. An answer that KEDA cannot read changes nothing,
    so that pods which are there stay and at zero nobody is woken; of several rows it reads the first. What is more than
    a plain SELECT is not judged."""
    for path, trigger in triggers_of(scaling):
        if trigger.type in _ASKED_IN_SQL and "query" in trigger.metadata:
            for harm, remedy in harms_of_query(trigger.metadata["query"]):
                yield Finding((*path, "metadata", "query"), harm, remedy)


def harms_of_query(query: str) -> Iterator[tuple[str, str]]:
    """What of its answer KEDA cannot read, or passes over, each with what to write instead."""
    plain = _without_what_is_inside(query)
    selected = _SELECTED.fullmatch(plain)
    if selected is None:
        return
    what, rest = selected["list"], selected["rest"] or ""
    of_a_table = rest and not rest.lstrip().startswith("(")
    if "," in what:
        yield "selects more than one column, and KEDA reads one number", "select one"
    elif _SEVERAL.search(rest):
        yield "may give several rows, and KEDA reads the first and passes over the others", _ONE_ROW
    elif of_a_table and _NULL_OF_NO_ROWS.match(what):
        wanted = f"coalesce({what.strip().lower().partition('(')[0]}(...), 0)"
        yield "is NULL of an empty queue, which KEDA cannot read: its last pods would stay", f"write {wanted}"
    elif of_a_table and _COLUMN.fullmatch(what):
        yield "may give several rows or none: KEDA reads the first, and cannot read none", _ONE_ROW


def _without_what_is_inside(query: str) -> str:
    """The query with nothing between its quotes, in its comments and between its brackets."""
    plain = _TEXT_OR_COMMENT.sub(" ", query)
    while (outer := _INNERMOST.sub("\0", plain)) != plain:
        plain = outer
    return plain.replace("\0", "()")


@scaling_rule(
    KedaSettings,
    "KE-46",
    Level.ERROR,
    remedy="Write how many messages one pod is to have.",
    source="Kubernetes' validation of an HPA, `must be positive`: KEDA cannot make its own with such a target.",
)
def check_targets(_: ConsumerSettings, scaling: KedaSettings) -> Iterator[Finding]:
    """A target is above 0: the number of messages is divided by it."""
    for path, trigger in triggers_of(scaling):
        unread = {wrong.parameter for wrong in wrong_values(trigger)}
        for name, value in trigger.metadata.items():
            if name in _TARGETS - unread and is_number(value) and float(value) <= 0:
                remedy = 'write for example "5"'
                yield Finding((*path, "metadata", name), f"must be above 0 (got {value!r})", remedy)
