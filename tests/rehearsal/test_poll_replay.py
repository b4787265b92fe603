"""The operator's decisions in a rehearsal, made again by the simulator's. The record here is made up, second by second,
from what the real operator did (polling every 5 s, cooldown 20 s)."""

from __future__ import annotations

from dataclasses import replace

from tests.capacity.keda.checks import manifest

from ebbtide.capacity.keda import ScaledObject
from ebbtide.capacity.keda.manifest import read_scaled_object
from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.poll_replay import replay_polls

_STREAM = {"type": "redis-streams", "metadata": {"stream": "s", "streamLength": "5"}}


def _spec(cooldown: int = 20) -> ScaledObject:
    stated = {"pollingInterval": 5, "cooldownPeriod": cooldown, "initialCooldownPeriod": 300, "triggers": [_STREAM]}
    return read_scaled_object(manifest(stated), 34)


def _look(
    at: float, replicas: int, *, active: bool, last: float | None = None, ready: str = "ScaledObjectReady"
) -> KedaLook:
    return KedaLook(
        at, at - 0.5, replicas, replicas, 100.0, replicas, replicas, (), "ValidMetricFound", ready,
        ready == "ScaledObjectReady", active, False, False, last, (0,),
    )  # fmt: skip


ROUND = [
    _look(100.4, 0, active=False),
    _look(125.4, 1, active=True, last=125),
    _look(140.6, 5, active=True, last=140),
    _look(170.4, 5, active=False, last=165),
    _look(185.4, 0, active=False, last=165),
]


def test_a_round_from_zero_to_zero_is_decided_alike():
    compared = replay_polls(_spec(), ROUND)
    assert [(one.current, one.real, one.ours) for one in compared] == [(0, 1, 1), (5, 0, 0)]
    assert all(one.agrees for one in compared)
    assert replay_polls(_spec(), []) == [], "a rehearsal that broke off has no record"


def test_the_steps_between_one_pod_and_the_maximum_are_the_hpas():
    assert 5 not in {one.real for one in replay_polls(_spec(), ROUND)}


def test_a_step_from_zero_that_the_hpa_went_on_from_before_anybody_looked_is_explained():
    """PostgreSQL, 2026-11-29: 0, and 0.8 s later 4."""
    looks = [ROUND[0], replace(ROUND[1], replicas=4, desired_replicas=4)]
    (one,) = replay_polls(_spec(), looks)
    assert (one.real, one.ours) == (4, 1)
    assert one.explanation is not None
    assert one.explanation.cause == "order"
    (one,) = replay_polls(_spec(), [looks[0], replace(looks[1], desired_replicas=1)])
    assert one.is_unexplained, "nobody asked for four"


def test_another_cooldown_than_the_real_one_is_found_out():
    """Ours would have ended the pods sooner, or not yet: the comparison can fail."""
    for cooldown in (10, 60):
        assert not all(one.agrees for one in replay_polls(_spec(cooldown), ROUND))


def test_a_broker_that_is_away_changes_nothing_in_either():
    away = [
        *ROUND[:3],
        _look(150.4, 5, active=False, last=140, ready="TriggerError"),
        _look(220.4, 5, active=True, last=220),
    ]
    compared = replay_polls(_spec(), away)
    assert [(one.current, one.real, one.ours) for one in compared] == [(0, 1, 1)]
    lost = [*away[:4], replace(away[4], replicas=0, is_active=False)]
    assert [one.agrees for one in replay_polls(_spec(), lost)][-1] is False, "pods that an outage took are a difference"


def _explained(looks: list[KedaLook]) -> list[tuple[int, int, str | None]]:
    return [
        (one.real, one.ours, one.explanation.cause if one.explanation else None)
        for one in replay_polls(_spec(), looks)
        if not one.agrees
    ]


def test_a_poll_at_the_end_of_the_cooldown_is_explained_by_its_time():
    """The cooldown that began at 165 s is over after 185; the poll was between 184.9 and 185.4."""
    held = [*ROUND[:4], replace(ROUND[4], at=185.4, since=184.9, replicas=5), _look(190.4, 0, active=False, last=165)]
    assert _explained(held) == [(5, 0, "time")]
    late = [*ROUND[:4], replace(ROUND[4], at=186.4, since=185.9, replicas=5), _look(197, 0, active=False, last=165)]
    assert _explained(late)[0] == (5, 0, None), "a poll within the interval had to end them"


def test_a_look_between_two_polls_is_explained_by_the_next_one():
    """The HPA's change shows at 187 s, KEDA polled at 184.9 and polls at 189.9."""
    between = [*ROUND[:4], _look(187, 4, active=False, last=165), _look(189.9, 0, active=False, last=165)]
    assert _explained(between) == [(5, 0, "poll")]


def test_what_is_written_one_after_the_other_is_explained_by_the_next_look():
    scaled_first = [ROUND[0], _look(125.4, 1, active=False), _look(125.9, 1, active=True, last=125)]
    assert _explained(scaled_first) == [(1, 0, "order")]
    read_first = [ROUND[0], _look(125.4, 0, active=True, last=125), _look(125.9, 1, active=True, last=125)]
    assert _explained(read_first) == [(0, 1, "order")]
    woken_by_nothing = [ROUND[0], _look(125.4, 1, active=False), _look(130.4, 1, active=False)]
    assert _explained(woken_by_nothing)[0] == (1, 0, None)
