"""A change of the second day is one request that Google's description of its API has, and is read back: one of each
type that changes in place. Without an engine, against the stand-in of the APIs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
from tests.contracts.test_discovery import EVERYTHING, of_google
from tests.engine.google_api.api import Api
from tests.engine.google_api.server import served
from tests.google.deployment import Made, make
from tools.google.client import Client
from tools.google.kinds import Refused

from ebbtide.manifests.google import names

KEY = "projects/acme-shop/locations/europe/keyRings/gke/cryptoKeys/secrets"
WINDOW = {"weeklyMaintenanceWindows": [{"day": "MONDAY", "startTime": {"hours": 1}}]}
CHANGES: dict[str, tuple[str, str, str, Mapping[str, Any]]] = {
    "a larger node pool": (
        "standard", names.NODE_POOL, "clusters.update",
        {"autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": 9, "locationPolicy": "BALANCED"}},
    ),
    "nodes that are not repaired": (
        "standard", names.NODE_POOL, "setManagement", {"management": {"autoRepair": False, "autoUpgrade": True}},
    ),
    "nodes that wait less for their pods": (
        "standard", names.NODE_POOL, "nodePools.update", {"nodeDrainConfigs": [{"graceTerminationDuration": "60s"}]},
    ),
    "another channel": ("standard", names.CLUSTER, "clusters.update", {"releaseChannel": {"channel": "RAPID"}}),
    "a key in another region": (
        "standard", names.CLUSTER, "clusters.update", {"databaseEncryption": {"state": "ENCRYPTED", "keyName": KEY}},
    ),
    "other labels of the cluster": (
        "standard", names.CLUSTER, "setResourceLabels", {"resourceLabels": {"team": "shop"}},
    ),
    "a window of another hour": (
        "standard", names.CLUSTER, "setMaintenancePolicy",
        {"maintenancePolicy": {"recurringWindow": {
            "startTime": "2026-01-05T01:00:00Z", "endTime": "2026-01-05T07:00:00Z", "recurrence": "FREQ=DAILY"}}},
    ),
    "more ports for each node": ("standard", names.ROUTER_NAT, "routers.patch", {"minPortsPerVm": 512}),
    "a subnetwork without flow logs": ("standard", names.SUBNETWORK, "patch", {"privateIpGoogleAccess": False}),
    "another name to show": ("standard", names.SERVICE_ACCOUNT, "patch", {"displayName": "Nodes"}),
    "images that may change": ("standard", names.REPOSITORY, "patch", {"dockerConfig": {"immutableTags": False}}),
    "a larger broker": ("valkey", names.VALKEY_INSTANCE, "patch", {"nodeType": "HIGHMEM_XLARGE"}),
    "a broker that is maintained on another day": (
        "valkey", names.VALKEY_INSTANCE, "patch", {"maintenancePolicy": WINDOW},
    ),
    "labels of a secret": ("valkey", names.SECRET, "patch", {"labels": {"team": "shop"}}),
    "a larger database": (
        "cloud sql", names.DATABASE_INSTANCE, "patch", {"settings": {"tier": "db-custom-4-15360"}},
    ),
    "a password that was rotated": ("cloud sql", names.DATABASE_USER, "update", {"password": "another"}),
    "an alert that waits longer": (
        "watched by Google", names.ALERT_POLICY, "patch", {"displayName": "another"},
    ),
    "a metric of something else": ("watched by Google", names.LOG_METRIC, "update", {"filter": "severity=ERROR"}),
    "a dashboard of another name": (
        "watched by Google", names.DASHBOARD, "patch", {"dashboardJson": '{"displayName": "another"}'},
    ),
}  # fmt: skip


Deployed = Callable[[str, str], tuple[Api, Client, Made]]


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    """The first resource of a type that a stack has; each stack is made once, and in a Google Cloud of its own."""
    with ExitStack() as clouds:

        @cache
        def all_of(name: str) -> tuple[Api, Client, list[Made]]:
            api = Api()
            client = Client(clouds.enter_context(served(api)))
            return api, client, make(client, of_google(EVERYTHING[name]))

        def one(name: str, token: str) -> tuple[Api, Client, Made]:
            api, client, made = all_of(name)
            return api, client, next(one for one in made if one.resource.token == token)

        yield one


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_one_request_and_is_read_back_and_so_is_the_way_back(change: str, deployed: Deployed) -> None:
    name, token, method, properties = CHANGES[change]
    api, client, made = deployed(name, token)
    before = api.counts.copy()
    new = made.changed(client, **{key: _deep(made.inputs.get(key), value) for key, value in properties.items()})
    writes = {called: count for called, count in (api.counts - before).items() if _writes(called)}
    assert new.seen(client) == new.inputs
    new.kind.update(client, new.identifier, new.inputs, made.inputs)
    assert made.seen(client) == made.inputs
    assert list(writes.values()) == [1]
    assert next(iter(writes)).endswith(method)


def _deep(old: Any, new: Any) -> Any:
    return {**old, **new} if isinstance(old, Mapping) and isinstance(new, Mapping) else new


def _writes(called: str) -> bool:
    return called not in {"stale", "running"} and called.rpartition(".")[2] not in {"get", "getCertificateAuthority"}


def test_what_nobody_has_mapped_is_refused_by_name(deployed: Deployed) -> None:
    _, client, made = deployed("standard", names.CLUSTER)
    with pytest.raises(Refused, match="nobody has said how networkConfig of a Cluster changes"):
        made.changed(client, enableIntranodeVisibility=False)
