"""One life of examples/whole-system under the real engine: made, unchanged, changed as on a second day, taken away.

Google Cloud is a stand-in of its APIs here (google_api): what that cannot show, the tier's summary says
(scripts/tiers.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.conftest import WholeSystemFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.project import Project, Run

pytestmark = pytest.mark.engine

VALKEY, CLUSTER = "memorystore.projects.locations.instances", "container.projects.locations.clusters"
KEEPING = {"broker-instance", "broker-subnetwork", "cluster-gke", "cluster-network", "cluster-subnetwork"}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "mail", "namespace": "consumers"}}
_KEY = "projects/acme-production/locations/{}/keyRings/gke/cryptoKeys/secrets"
DAY_TWO: dict[str, tuple[tuple[str, ...], object, dict[str, str]]] = {
    "a larger node pool": (
        ("ebbtide:cluster", "nodePools", "consumers", "maxNodes"),
        9,
        {"cluster-consumers-node-pool": "update"},
    ),
    "another release channel": (("ebbtide:cluster", "releaseChannel"), "REGULAR", {"cluster-gke": "update"}),
    "a key for the cluster's secrets": (
        ("ebbtide:cluster", "secretEncryptionKey"),
        _KEY.format("europe-west1"),
        {"cluster-gke": "update"},
    ),
    "that key in another region": (
        ("ebbtide:cluster", "secretEncryptionKey"),
        _KEY.format("europe"),
        {"cluster-gke": "update"},
    ),
    "a larger broker": (("ebbtide:broker", "nodeType"), "HIGHMEM_MEDIUM", {"broker-instance": "update"}),
    "a newer KEDA": (("ebbtide:cluster", "keda", "version"), "2.21.0", {"keda-release": "update"}),
}


@dataclass
class Life:
    """What each command of it did."""

    preview: Run
    up: Run
    cloud: dict[str, str]
    second_up: Run
    refresh: Run
    day_two: dict[str, Run]
    another_key: Run
    rotation: Run
    rotated_pods: tuple[set[str], set[str], dict[str, Any]]
    after_rotation: Run
    state: str
    open_state: str
    refused: Run
    refused_cloud: tuple[dict[str, str], dict[str, str]]
    unpreviewed: Run
    unpreviewed_types: set[str]
    made_again: Run
    unprotected: Run
    destroy: Run
    left_over: object


@pytest.fixture(scope="module")
def life(whole_system: WholeSystemFactory, control_plane: ControlPlane) -> Life:
    """Lived once; the tests look at it."""
    project, cloud = whole_system()
    lived: dict[str, Any] = {"preview": project.preview(), "up": project.up(), "cloud": cloud.names}
    lived |= {"second_up": project.up(), "refresh": project.refresh()}
    lived["day_two"] = dict(_day_two(project))
    project.edit("ebbtide:broker", "encryptionKey", value=_KEY.format("europe-west1"))
    lived["another_key"] = project.up(check=False)
    project.edit("ebbtide:broker", "encryptionKey", value=None)
    old = control_plane.pod_names("consumers")
    project.edit("ebbtide:broker", "secret", value={"version": 2})
    lived["rotation"] = project.up()
    lived["rotated_pods"] = (old, control_plane.pod_names("consumers"), control_plane.api.get(DEPLOYMENT))
    lived["after_rotation"] = project.up()
    lived |= {"state": project.state_text(), "open_state": _opened(project)}
    before = cloud.names
    lived |= {"refused": project.destroy(check=False, previewed=True), "refused_cloud": (before, cloud.names)}
    lived["unpreviewed"] = project.destroy(check=False)
    lived["unpreviewed_types"] = set(cloud.names.values())
    lived["made_again"] = project.up()
    project.edit("ebbtide:protect", value=False)
    project.edit("ebbtide:broker", "protect", value=False)
    lived |= {"unprotected": project.up(), "destroy": project.destroy()}
    lived["left_over"] = control_plane.api.get(DEPLOYMENT) or cloud.names or project.resources()
    return Life(**lived)


def _day_two(project: Project) -> Iterator[tuple[str, Run]]:
    for name, (path, value, _) in DAY_TWO.items():
        project.edit(*path, value=value)
        yield name, project.up()


def _opened(project: Project) -> str:
    return project.run("stack", "export", "--show-secrets", check=True).output


def test_up_makes_what_the_preview_said(life: Life) -> None:
    assert life.up.summary == life.preview.summary
    assert life.up.operations.keys() == life.preview.operations.keys()
    assert set(life.up.operations.values()) == {"create"}
    assert VALKEY in life.cloud.values()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cluster-consumers-node-pool", "consumers-namespace"),
        ("broker-connection-policy", "broker-instance"),
        ("broker-instance", "broker-secret-dsn-version"),
        ("broker-secret-dsn-version", "broker-secret-sync"),
        ("broker-secret-dsn-reader", "broker-secret-sync"),
        ("broker-secret-sync", "mail-deployment"),
        ("mail-deployment", "mail-scaled-object"),
        ("keda-release", "mail-scaled-object"),
    ],
)
def test_what_is_needed_is_there_before(life: Life, first: str, second: str) -> None:
    assert life.up.is_before(first, second), f"{second} is made before {first}, without which it does not work"


def test_a_second_up_changes_nothing(life: Life) -> None:
    assert not life.second_up.operations
    assert set(life.second_up.summary) == {"same"}


def test_a_refresh_finds_what_was_made(life: Life) -> None:
    assert not life.refresh.changed_paths
    assert set(life.refresh.summary) <= {"same"}


@pytest.mark.parametrize("change", DAY_TWO)
def test_a_change_of_the_second_day_touches_one_resource_in_place(life: Life, change: str) -> None:
    assert life.day_two[change].operations == DAY_TWO[change][2]


def test_another_key_for_the_broker_is_refused_and_empties_nothing(life: Life) -> None:
    """A key cannot be changed in place: it would be another broker, without the messages."""
    assert life.another_key.status != 0
    assert any("broker-instance" in message and "protect" in message for message in life.another_key.errors)


def test_a_rotation_rolls_the_pods_onto_the_new_secret(life: Life) -> None:
    before, after, deployment = life.rotated_pods
    assert before
    assert not before & after, "pods go on with what is no longer valid after the next rotation"
    environment = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    references = [entry["valueFrom"]["secretKeyRef"]["name"] for entry in environment if "valueFrom" in entry]
    assert "broker-v2" in references
    assert "broker-v1" not in references


def test_a_rotation_keeps_the_old_secret_until_the_new_pods_are_there(life: Life) -> None:
    made, gone = "create-replacement broker-secret-dsn-version", "delete-replaced broker-secret-dsn"
    assert life.rotation.is_before(made, "mail-deployment"), "pods start before their Secret has a value"
    assert life.rotation.is_before("mail-deployment", gone), "old pods that start anew find no Secret"
    assert "broker-instance" not in life.rotation.operations, "to rotate is to empty the broker"
    assert not life.after_rotation.operations


def test_nothing_of_the_address_lies_open_in_the_state(life: Life) -> None:
    """Secret Manager's copy. The broker's own outputs say where it is, as the cluster's do."""
    assert "redis://10.128.240.5" in life.open_state, "the search would find nothing anyway"
    assert "redis://10.128.240.5" not in life.state


def test_a_destroy_is_refused_before_anything_is_gone(life: Life) -> None:
    before, after = life.refused_cloud
    assert life.refused.status != 0
    assert after == before, "what is not protected went before the engine came to what is"
    for kept in ("broker-instance", "cluster-consumers-node-pool"):
        assert any(kept in message and "protect" in message for message in life.refused.errors)


def test_a_destroy_without_its_preview_takes_consumers_and_leaves_messages(life: Life) -> None:
    """As the Automation API does it: the engine asks about protection only when it comes to the resource."""
    assert life.unpreviewed.status != 0
    assert life.unpreviewed.operations.get("mail-deployment") == "delete"
    assert {VALKEY, CLUSTER} <= life.unpreviewed_types, "the broker went, and the messages with it"
    assert not KEEPING & set(life.made_again.operations), "what was protected was made a second time"
    assert life.made_again.operations.get("mail-deployment") == "create"


def test_once_unprotected_the_consumers_go_before_the_broker_and_the_nodes(life: Life) -> None:
    assert set(life.destroy.summary) == {"delete"}
    for later in ("broker-instance", "cluster-consumers-node-pool"):
        assert life.destroy.is_before("mail-deployment", later), "workers cannot acknowledge what they finish"
    assert life.destroy.is_before("mail-scaled-object", "keda-release"), "nobody is left to end the ScaledObject"
    assert not life.left_over


def test_alerts_come_after_the_metrics_that_they_ask_for(life: Life) -> None:
    assert life.up.is_before("observability-drains-ended", "observability-pod-cut-off")
