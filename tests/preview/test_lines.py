"""A reader of a review is told each cause once, with everybody whom it hits, and nothing is left out for that."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebbtide.preview.lines import lines_of, named
from ebbtide.preview.risk import Risk, RiskLevel

NAMES = ("mail", "mail-2", "push", "search")


def risk(subject: str, sentence: str, cause: str = "", rule: str = "P-11", advice: str = "") -> Risk:
    return Risk(subject, sentence, advice, f"Deployment::{subject}", RiskLevel.INFO, rule, cause)


def test_the_same_of_several_is_one_line_with_their_names():
    (line,) = lines_of([risk(name, f"{name} changes its image from 1 to 2") for name in ("mail", "push", "stock")])
    assert line.sentence == "3 alike (mail, push and stock): each changes its image from 1 to 2"
    assert line.details == (), "the line says all of it"


def test_figures_of_one_s_own_are_kept_beside_the_line():
    risks = [risk(name, f"{name} restarts (image): {n} pods drain", f"{name} restarts (image)") for n, name in
             enumerate(("mail", "push"))]  # fmt: skip
    (line,) = lines_of(risks)
    assert line.sentence == "2 alike (mail and push): each restarts (image)"
    assert [detail.sentence for detail in line.details] == [
        "mail restarts (image): 0 pods drain",
        "push restarts (image): 1 pods drain",
    ]


def test_another_cause_level_rule_or_advice_is_a_line_of_its_own():
    several = [
        risk("mail", "mail is new"),
        risk("push", "push is old"),
        risk("stock", "stock is new", rule="P-12"),
        risk("feeds", "feeds is new", advice="look"),
    ]
    assert [line.sentence for line in lines_of(several)] == [found.sentence for found in several]


def test_a_name_inside_of_another_is_left_alone():
    risks = [risk(name, f"{name} reads consumers.{name}.image of mail-2") for name in ("mail", "push")]
    (line,) = lines_of([risks[0]])
    assert line.sentence == "mail reads consumers.mail.image of mail-2"
    first, second = lines_of(risks)
    assert (first.sentence, second.sentence) == tuple(found.sentence for found in risks)


def test_of_a_large_fleet_twenty_are_named_and_the_others_counted():
    assert named([f"c{number}" for number in range(25)]).endswith("c19 and 5 more")
    assert named(["a"]) == "a"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            lambda name, what, figure: risk(name, f"{name} {what}: {figure}", f"{name} {what}"),
            st.sampled_from(NAMES),
            st.sampled_from(["restarts", "is new"]),
            st.integers(0, 1),
        ),
        max_size=12,
    )
)
def test_nothing_is_lost_by_putting_it_together(risks):
    """Every risk is a line of its own, or in a line with its name and, where figures differ, with its own sentence."""
    told = lines_of(risks)
    for found in risks:
        what = found.sentence.removeprefix(found.subject)
        assert any(
            found.sentence in line.sentence
            or found in line.details
            or (found.subject in line.sentence and f"each{what}" in line.sentence)
            for line in told
        )
