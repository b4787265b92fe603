"""The judgement: pure functions from a change to risks. One module a topic; importing this room declares every rule."""

from __future__ import annotations

from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.preview.risk import Context, Risk, RiskLevel

# In the order in which risks of one level are shown: what is lost comes first.
# isort: off
from ebbtide.preview.rules import broker, credentials, gone, budget, memory, room, safeguards, disruption, queues
from ebbtide.preview.rules import (
    handed_secrets,
    environment,
    restart,
    beside,
    labels,
    rollout,
    singletons,
    node_drain,
    nodes,
    owners,
    autoscaling,
)
from ebbtide.preview.rules import vertical, throughput, keda, network, roles, isolation, identity, control_plane
from ebbtide.preview.rules import watching, acceptance, unjudged

# isort: on

__all__ = [
    "acceptance",
    "autoscaling",
    "beside",
    "broker",
    "budget",
    "control_plane",
    "credentials",
    "disruption",
    "environment",
    "gone",
    "handed_secrets",
    "identity",
    "isolation",
    "judge",
    "keda",
    "labels",
    "memory",
    "network",
    "node_drain",
    "nodes",
    "owners",
    "queues",
    "restart",
    "roles",
    "rollout",
    "room",
    "safeguards",
    "singletons",
    "throughput",
    "unjudged",
    "vertical",
    "watching",
]

_ORDER = list(RiskLevel)


def judge(context: Context) -> tuple[Risk, ...]:
    """Every risk of a change, worst first, otherwise in the order of the rules."""
    return tuple(sorted(run_rules(rules_on(Context), context), key=lambda risk: _ORDER.index(risk.level)))
