"""Who reaches the control plane of a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import Operation
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_change, show_path

_NAMED = 3


@change_rule(
    "P-37",
    RiskLevel.DANGER,
    remedy="Name the networks that need it; keep a way in for whoever deploys.",
    source="GKE, access to the control plane: DNS and IP endpoints, authorized networks.",
    tells={
        "Cluster": (
            "privateClusterConfig.enablePrivateEndpoint",
            "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic",
            "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled",
            "masterAuthorizedNetworksConfig.cidrBlocks.*.cidrBlock",
            "masterAuthorizedNetworksConfig.cidrBlocks.*.displayName",
            "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled",
            "masterAuthorizedNetworksConfig.privateEndpointEnforcementEnabled",
        )
    },
)
def check_control_plane(context: Context) -> Iterator[Risk]:
    """Who reaches the control plane stays the same: nobody more, and whoever deploys still does."""
    places = ("privateClusterConfig", "controlPlaneEndpointsConfig", "masterAuthorizedNetworksConfig")
    for change in context.of("Cluster", Operation.UPDATE):
        touched = [found for found in change.properties if found.path[0] in places]
        if touched:
            words = "; ".join(f"{show_path(found.path)} {show_change(found)}" for found in touched[:_NAMED])
            more = f" and {len(touched) - _NAMED} more" if len(touched) > _NAMED else ""
            sentence = f"the control plane of {change.title} is reached otherwise: {words}{more}"
            yield Risk(change.title, sentence, "make sure that nobody more gets in, and that you still do", change.key)
