"""The search behind `ebbtide advise`: the cheapest setting that meets every goal, found without trying them all."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.capacity.conftest import summary_of

from ebbtide.capacity.advice import FAMILIES, FIXED, KEDA, MOST_REPLICAS, ON_CPU, Advisor, Candidate, Shape, shapes
from ebbtide.capacity.summary import Summary
from ebbtide.capacity.sweep import Goal

P95, BUDGET, CONNECTIONS = Goal("p95", 60), Goal("podHours", 100), Goal("connections", 400)
Model = Callable[[Candidate], Summary]


def _served(candidate: Candidate) -> Summary:
    """A day in which 12 pods are needed at the peak: waits fall with the maximum, what is paid grows with it."""
    shape, most = candidate.shape, candidate.most
    reached = 1 if shape.family == ON_CPU else min(most, 12)
    wait = 600.0 / reached * (shape.parameter or 1)
    hours = 24.0 * most if shape.family == FIXED else 24.0 * max(shape.least, 0.1) + 2.0 * reached
    return summary_of(
        wait_p95_seconds=wait, pod_hours=hours, peak_replicas=most if shape.family == FIXED else reached,
        peak_broker_connections=70 * reached, share_at_maximum=1.0 if reached == most else 0.0,
    )  # fmt: skip


def ask(model: Model, goals: tuple[Goal, ...], first: int = 5, ways: tuple[Shape, ...] = shapes()) -> Advisor:
    advisor = Advisor(goals, first, ways)
    while candidates := advisor.next_round():
        advisor.learn({candidate: [model(candidate)] for candidate in candidates})
    return advisor


def test_the_cheapest_of_all_families_is_chosen_and_what_binds_is_said():
    advisor = ask(_served, (P95,))
    chosen = advisor.chosen()
    assert chosen is not None
    assert chosen.candidate == Candidate(Shape(KEDA, 0, 1), 11), "600 / 11 s is below a minute, 600 / 10 is not"
    assert advisor.binds(chosen).startswith("With 10 at most, p95 is 60.0 s; the maximum binds, 100% of the time")
    assert len(advisor.outcomes) < 60, "it tries nearly everything"


def test_a_family_that_cannot_meet_it_has_its_nearest_and_no_choice():
    advisor = ask(_served, (P95,))
    assert advisor.chosen(ON_CPU) is None
    nearest = advisor.nearest(ON_CPU)
    assert nearest is not None
    assert "the maximum hardly binds" in nearest.why_not((P95,)), "another maximum would change nothing"
    tried = [candidate for candidate in advisor.outcomes if candidate.shape.family == ON_CPU]
    assert len(tried) == len({one.shape for one in tried}), "whoever never reaches the maximum is asked once"


def test_every_goal_counts_and_a_budget_may_leave_nothing():
    assert ask(_served, (P95, BUDGET)).chosen() is not None
    assert ask(_served, (P95, CONNECTIONS)).chosen() is None, "eleven pods have 770 connections"
    fixed = ask(_served, (P95, BUDGET), ways=(Shape(FIXED),))
    assert fixed.chosen() is None
    missed = fixed.nearest(FIXED)
    assert missed is not None
    assert "podHours is 264" in missed.why_not((P95, BUDGET)) or "p95 is" in missed.why_not((P95, BUDGET))


def test_what_leaves_messages_undone_is_no_choice_however_cheap():
    def leaves(candidate: Candidate) -> Summary:
        return summary_of(pod_hours=1.0, left=3, peak_replicas=candidate.most)

    advisor = ask(leaves, (P95,), ways=(Shape(KEDA, 0, 1),))
    assert advisor.chosen() is None
    assert max(candidate.most for candidate in advisor.outcomes) == MOST_REPLICAS


def test_a_goal_is_met_by_the_worst_seed():
    advisor = Advisor((P95,), 1, (Shape(FIXED),))
    while candidates := advisor.next_round():
        advisor.learn(
            {
                one: [summary_of(wait_p95_seconds=wait / one.most, pod_hours=one.most, peak_replicas=one.most)]
                * (wait == 100)
                + [summary_of(wait_p95_seconds=300 / one.most, pod_hours=one.most, peak_replicas=one.most)]
                for one in candidates
                for wait in (100,)
            }
        )
    chosen = advisor.chosen()
    assert chosen is not None
    assert chosen.candidate.most == 6


def test_a_setting_is_what_a_stack_file_says():
    assert Shape(FIXED).autoscaling(3) == {"kind": "fixed", "replicas": 3}
    assert Shape(KEDA, 0, 2).autoscaling(4) == {
        "kind": "keda", "minReplicas": 0, "maxReplicas": 4, "messagesPerWorker": 2
    }  # fmt: skip
    assert Shape(ON_CPU, 1, 80).autoscaling(4)["metrics"] == [{"kind": "cpu", "targetUtilization": 80}]
    assert {shape.family for shape in shapes()} == set(FAMILIES)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 60))
def test_the_smallest_maximum_is_found_wherever_it_lies(needed, first, per_pod):
    """By a model whose waits fall with the pods: against trying every one of them."""

    def model(candidate: Candidate) -> Summary:
        enough = candidate.most >= needed
        wait = 1.0 if enough else 100.0
        hours = float(per_pod * candidate.most)
        return summary_of(wait_p95_seconds=wait, pod_hours=hours, peak_replicas=candidate.most)

    advisor = ask(model, (P95,), first, (Shape(FIXED),))
    chosen = advisor.chosen()
    assert chosen is not None
    assert chosen.candidate.most == needed
    assert len(advisor.outcomes) <= 20


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 64))
def test_a_maximum_that_is_not_reached_is_lowered_to_what_was_used(needed, first):
    def model(candidate: Candidate) -> Summary:
        used = min(candidate.most, needed)
        return summary_of(wait_p95_seconds=1.0 if used == needed else 100.0, pod_hours=float(used), peak_replicas=used)

    chosen = ask(model, (P95,), first, (Shape(KEDA, 0, 1),)).chosen()
    assert chosen is not None
    assert chosen.candidate.most == needed, "the fragment asks for no more pods than there ever were"


def test_an_autoscaler_that_could_not_move_is_never_advised():
    """`minReplicas: 1` with `maxReplicas: 1` is a fixed number with KEDA's cost on top."""

    def enough(candidate: Candidate) -> Summary:
        return summary_of(wait_p95_seconds=1.0, pod_hours=24.0, peak_replicas=1)

    advisor = ask(enough, (P95,))
    assert all(one.most > one.shape.least for one in advisor.outcomes)
    chosen = advisor.chosen()
    assert chosen is not None
    assert chosen.candidate.most == 1
    assert chosen.candidate.shape.least == 0
