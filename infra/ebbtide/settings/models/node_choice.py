"""Which of the stack's node pools take the pods of a consumer, as far as taints and labels are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ebbtide.kubernetes.spot import SPOT_KEY, SPOT_LABELS
from ebbtide.settings.models.node_pool import NodePoolSettings, Taint

if TYPE_CHECKING:
    from ebbtide.settings.models.pod import PlacementSettings, Toleration

NODE_POOL_LABEL = "ebbtide.dev/node-pool"
"""Which pool of the stack a node is of."""
_OF_SPOT = Taint.model_construct(key=SPOT_KEY, value="true", effect="NoSchedule")


def refusals(placement: PlacementSettings, pools: Mapping[str, NodePoolSettings]) -> dict[str, str]:
    """Why each pool takes no pod that is placed like this; empty for one that does, as far as anybody knows.

    Kubernetes, clouds and others label nodes too: a label with a prefix is judged only where a pool here has it.
    """
    labels = {name: _labels(name, pool) for name, pool in pools.items()}
    known = {key for one in labels.values() for key in one} | {SPOT_KEY, NODE_POOL_LABEL}
    wanted = placement.node_selector | ({SPOT_KEY: "true"} if placement.spot else {})
    judged = {key: value for key, value in wanted.items() if key in known or "/" not in key}
    return {name: next(_refusals(placement, pool, judged, labels[name]), "") for name, pool in pools.items()}


def takers(placement: PlacementSettings, pools: Mapping[str, NodePoolSettings]) -> dict[str, NodePoolSettings]:
    """The pools that take a pod that is placed like this, by name."""
    refused = refusals(placement, pools)
    return {name: pool for name, pool in pools.items() if not refused[name]}


def tolerates_spot(toleration: Toleration) -> bool:
    """Whether pods with it go onto nodes that are taken back at any time."""
    label = SPOT_LABELS.get(toleration.key)
    return label is not None and any(
        _tolerates(toleration, Taint.model_construct(key=toleration.key, value=value, effect="NoSchedule"))
        for value in label.values
    )


def _refusals(
    placement: PlacementSettings, pool: NodePoolSettings, wanted: Mapping[str, str], labels: Mapping[str, str]
) -> Iterator[str]:
    for taint in (*pool.taints, *((_OF_SPOT,) if pool.spot and not placement.spot else ())):
        if taint.effect != "PreferNoSchedule" and not any(_tolerates(one, taint) for one in placement.tolerations):
            yield f"has the taint {taint.key}={taint.value}"
    for key, value in wanted.items():
        if labels.get(key) != value:
            yield f"lacks the label {key}={value}"


def _labels(name: str, pool: NodePoolSettings) -> dict[str, str]:
    return {NODE_POOL_LABEL: name, **({SPOT_KEY: "true"} if pool.spot else {}), **pool.labels}


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    is_same = toleration.operator == "Exists" or toleration.value == taint.value
    return toleration.key == taint.key and is_same and toleration.effect in {None, taint.effect}
