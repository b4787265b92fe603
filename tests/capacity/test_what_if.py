"""The line of simulation under a review: what a change does, and never a good word for work that is not done."""

from __future__ import annotations

import pytest
from tests.capacity.conftest import CONSUMER, stack_of

from ebbtide.capacity import runs
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.what_if import committed_runs, mean_pods, what_if

_PROFILE = "messagesPerDay: 30\ndurations: {p50: 5s, max: 20s}\nsignals: {mail_backlog: backlog}\n"
_FIXED = {"autoscaling": {"kind": "fixed", "replicas": 1}, "worker": {**CONSUMER["worker"], "processes": 1}}


@pytest.fixture
def project(tmp_path):
    """A project with a load of the consumer `mail`."""
    (tmp_path / "loads").mkdir()
    (tmp_path / "loads" / "mail.yaml").write_text(_PROFILE)
    return tmp_path


def test_one_run_says_what_a_load_meets_and_how_many_pods_it_costs(project, monkeypatch):
    made = []
    monkeypatch.setattr(runs, "simulate", lambda *given: made.append(given) or simulate(*given))
    of_loads = committed_runs(project, stack_of())
    assert list(mean_pods(of_loads)) == ["mail"]
    assert len(list(what_if(of_loads))) == 1
    assert len(made) == 1, "0.3 s for 150,000 messages, each time"


def test_a_review_is_told_what_the_load_meets(project):
    (line,) = what_if(committed_runs(project, stack_of()))
    assert line.startswith("mail under loads/mail.yaml (simulated): 95 % of the messages wait at most ")
    assert "left undone" not in line


@pytest.fixture
def dying(project):
    """The same with messages of a minute or more, and workers that die a few times in each."""
    text = _PROFILE.replace("p50: 5s, max: 20s", "p50: 4m, max: 20m") + "measured: {crashesPerWorkerHour: 1800}\n"
    (project / "loads" / "mail.yaml").write_text(text)
    return project


def test_work_that_is_left_is_the_first_thing_that_is_said(dying):
    (line,) = what_if(committed_runs(dying, stack_of(**_FIXED)))
    assert "(simulated): none of " in line
    assert " messages is handled, most pods 1" in line
    assert "wait" not in line, "nobody has waited 0.0 s for what never began"


@pytest.mark.slow
def test_a_change_is_not_praised_for_waits_that_never_end(dying):
    (line,) = what_if(committed_runs(dying, stack_of(**_FIXED)), stack_of(autoscaling={"kind": "fixed", "replicas": 2}))
    assert " messages is handled, most pods 2 → 1" in line
