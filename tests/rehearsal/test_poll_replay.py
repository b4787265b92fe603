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
        at, replicas, replicas, replicas, (), "ValidMetricFound", ready, ready == "ScaledObjectReady", active,
        False, False, last, (0,),
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
