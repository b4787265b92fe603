"""A rule is one thing: its id, what it says of itself, and what it finds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import forget, nearest, rule, rules_on
from ebbtide.preview.risk import Risk, RiskLevel
from ebbtide.rulebook import all_rules, rules_page

LIBRARY = Path(__file__).parents[2] / "infra" / "ebbtide"
SOURCES = [file for file in LIBRARY.rglob("*.py") if "image" not in file.relative_to(LIBRARY).parts]


class Subject:
    """What the rules of these tests look at."""


@pytest.fixture(autouse=True)
def _no_rule_is_left() -> Iterator[None]:
    yield
    for declared in rules_on(Subject):
        forget(declared.id)


def declare(id: str, *levels, finds):  # noqa: A002
    @rule(id, *levels, subject=Subject, judges="settings", remedy="Mend it.", source="Here.")
    def check(_: Subject) -> Iterator[Finding]:
        """It is whole. Otherwise it is
        broken."""
        yield finds

    return check


def test_a_finding_has_the_id_and_the_level_of_its_rule_whatever_its_function_wrote():
    check = declare("X-01", Level.INFO, finds=Finding((), "is broken", rule="V-21"))
    (found,) = check(Subject())
    assert (found.rule, found.level) == ("X-01", Level.INFO)


def test_two_rules_cannot_share_an_id():
    declare("X-01", Level.INFO, finds=Finding((), ""))
    with pytest.raises(ValueError, match="two rules are called X-01"):
        declare("X-01", Level.ERROR, finds=Finding((), ""))


def test_a_rule_cannot_speak_at_a_level_that_it_does_not_declare():
    check = declare("X-01", RiskLevel.DANGER, RiskLevel.INFO, finds=Risk("a", "b", level=RiskLevel.SCALING))
    with pytest.raises(ValueError, match="X-01 speaks at scaling"):
        list(check(Subject()))


def test_title_and_reason_are_the_docstring():
    text = declare("X-01", Level.INFO, finds=Finding((), "")).text
    assert (text.title, text.why) == ("It is whole.", "Otherwise it is broken.")


@pytest.fixture(scope="module")
def page() -> str:
    return rules_page()


@pytest.mark.parametrize("text", all_rules().values(), ids=lambda text: text.id)
def test_every_rule_says_what_holds_what_to_do_and_where_it_is_known_from(text, page):
    assert text.title.endswith(".")
    assert len(text.title) > 15
    assert text.remedy.endswith(".")
    assert text.source
    assert text.levels
    assert f"### {text.id}\n" in page


@pytest.fixture(scope="module")
def calls() -> list[tuple[Path, ast.Call]]:
    """Every call that is written in the library, and where."""
    nodes = ((file, node) for file in SOURCES for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    return [(file, node) for file, node in nodes if isinstance(node, ast.Call)]


def test_every_id_that_can_be_printed_is_a_rule(calls):
    spoken = {
        str(keyword.value.value)
        for _, call in calls
        for keyword in call.keywords
        if keyword.arg == "rule" and isinstance(keyword.value, ast.Constant)
    } | {str(given.value) for _, given in _refused_under(calls) if isinstance(given, ast.Constant)}
    assert spoken >= {"project", "yaml", "base", "plan"}
    assert spoken - set(all_rules()) == set()


def test_the_id_of_a_refusal_is_written_where_it_is_refused(calls):
    """Nobody would see here that it is a rule's."""
    given = _refused_under(calls)
    assert [f"{file.name}:{one.lineno}" for file, one in given if not isinstance(one, ast.Constant)] == []


def _refused_under(calls: list[tuple[Path, ast.Call]]) -> Iterator[tuple[Path, ast.expr]]:
    """What each refusal gives as the id of its rule, and where."""
    for file, call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == "refused":
            yield file, call.args[0]


def test_every_id_that_a_text_or_a_comment_mentions_is_a_rule():
    texts = {
        (str(file.relative_to(LIBRARY)), id)
        for file in SOURCES
        for id in re.findall(r"\b[A-Z]-\d\d[a-z]?\b", file.read_text(encoding="utf-8"))  # noqa: A001
    }
    assert {mention for mention in texts if mention[1] not in all_rules()} == set()


def test_no_rule_writes_an_id_into_a_finding(calls):
    written = [
        f"{file.name}:{call.lineno}"
        for file, call in calls
        if file.parent.name == "rules" and any(keyword.arg == "rule" for keyword in call.keywords)
    ]
    assert written == []


@pytest.mark.parametrize(("id", "meant"), [("V-99", "V-59"), ("v-17", "V-16"), ("Q-10", ""), ("shema", "")])
def test_a_mistyped_id_is_met_with_the_nearest_of_its_family(id, meant):  # noqa: A002
    assert nearest(id) == meant
