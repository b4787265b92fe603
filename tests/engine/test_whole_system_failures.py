"""What Google Cloud refuses while examples/whole-system is made or changed: it is said in one line, nothing starts that
would need it, and the next `up` goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.conftest import WholeSystemFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.google_api.answers import GoogleError
from tests.engine.project import Run
from tests.engine.test_whole_system import DEPLOYMENT, VALKEY

pytestmark = pytest.mark.engine

NETWORK = "compute.networks"
SECRETS = "secretmanager.projects.secrets"
TAKEN = "projects/acme-production/secrets/ebbtide-production-v1-dsn"
OUT_OF_STOCK = "The zone does not have enough resources available to fulfill the request."


@dataclass
class Recovery:
    """What each command did."""

    fifth: Run
    made_before_the_fifth: dict[str, str]
    taken: Run
    secret_forbidden: Run
    nowhere: Run
    half_made: Run
    deployed_without_broker: object
    made_without_broker: set[str]
    there: set[str]
    recovered: Run
    after_recovery: Run
    forbidden: Run
    half_way: Run
    after_half_way: Run
    lost: Run
    made_again: Run


@pytest.fixture(scope="module")
def recovery(whole_system: WholeSystemFactory, control_plane: ControlPlane) -> Iterator[Recovery]:
    """Lived once; the tests look at it."""
    project, cloud = whole_system()
    refusals = cloud.refusals
    refusals.creations_left = 4
    lived: dict[str, Any] = {"fifth": project.up(check=False), "made_before_the_fifth": cloud.names}
    refusals.creations_left = None
    cloud.take(SECRETS, TAKEN)
    lived["taken"] = project.up(check=False)
    del cloud.stored[TAKEN]
    refusals.permissions.add("secretmanager.secrets.create")
    lived["secret_forbidden"] = project.up(check=False)
    refusals.permissions.clear()
    refusals.missing.add(("memorystore", "europe-west1"))
    lived["nowhere"] = project.up(check=False)
    refusals.missing.clear()
    refusals.failing[f"{VALKEY}.create"] = GoogleError("RESOURCE_EXHAUSTED", OUT_OF_STOCK)
    lived |= {"half_made": project.up(check=False), "deployed_without_broker": control_plane.api.get(DEPLOYMENT)}
    lived |= {"made_without_broker": set(cloud.names.values()), "there": set(project.resources())}
    refusals.failing.clear()
    lived |= {"recovered": project.up(), "after_recovery": project.up()}
    refusals.permissions.add("container.clusters.update")
    project.edit("ebbtide:cluster", "nodePools", "consumers", "maxNodes", value=9)
    project.edit("ebbtide:broker", "nodeType", value="HIGHMEM_MEDIUM")
    lived["forbidden"] = project.up(check=False)
    refusals.permissions.clear()
    lived |= {"half_way": project.up(), "after_half_way": project.up()}
    cloud.lose(VALKEY)
    lived |= {"lost": project.refresh(), "made_again": project.up()}
    yield Recovery(**lived)
    project.edit("ebbtide:protect", value=False)
    project.edit("ebbtide:broker", "protect", value=False)
    project.up()
    project.destroy()


def _said_once(run: Run, *words: str) -> bool:
    """Whether it failed, and one error has all of these words."""
    about = [message for message in run.errors if all(word in message for word in words)]
    return run.status != 0 and len(about) == 1 and "Traceback" not in run.output


def test_a_quota_that_ends_at_the_fifth_object_is_said_and_the_four_are_not_made_again(recovery: Recovery) -> None:
    assert recovery.fifth.status != 0
    assert any("Error 429" in message and "Quota exceeded" in message for message in recovery.fifth.errors)
    assert "Traceback" not in recovery.fifth.output
    assert len(recovery.made_before_the_fifth) == 4
    made = {name for name, operation in recovery.fifth.operations.items() if operation == "create"}
    assert made, "nothing was begun"
    assert "already exists" not in recovery.taken.output.replace(f"Resource '{TAKEN}' already exists", "")


def test_a_secret_that_nobody_may_make_is_said_with_the_permission_that_is_missing(recovery: Recovery) -> None:
    assert recovery.secret_forbidden.status != 0
    about = [message for message in recovery.secret_forbidden.errors if "secretmanager.secrets.create" in message]
    assert about, "nobody is told which permission is missing"
    assert all("Error 403" in message for message in about)


def test_a_region_that_has_no_memorystore_is_named(recovery: Recovery) -> None:
    assert _said_once(recovery.nowhere, "Error 403", "locations/europe-west1")


def test_a_broker_whose_creation_fails_half_way_starts_no_consumer(recovery: Recovery) -> None:
    """The request was taken, and what it began has failed: Google says so only when it is asked how far it is."""
    assert _said_once(recovery.half_made, OUT_OF_STOCK)
    assert recovery.deployed_without_broker is None, "pods start, and wait for a Secret that nobody writes"
    # Without which there is no broker. How far the cluster came beside it is the machine's business.
    assert NETWORK in recovery.made_without_broker, "nothing was half-way"
    assert VALKEY not in recovery.made_without_broker


def test_a_secret_of_that_name_that_another_owner_has_is_named_in_one_line(recovery: Recovery) -> None:
    assert _said_once(recovery.taken, TAKEN, "already exists")


def test_the_next_up_makes_the_rest_and_only_that(recovery: Recovery) -> None:
    operations = recovery.recovered.operations
    assert set(operations.values()) <= {"create", "update"}
    assert operations["broker-instance"] == operations["mail-deployment"] == "create"
    assert "cluster-network" in recovery.there
    made_again = {name for name, operation in operations.items() if operation == "create"} & recovery.there
    assert not made_again, "what the first ones made was made a second time"
    kept = {"cluster-gke", "cluster-network", "cluster-consumers-node-pool"} & recovery.there
    assert not kept & set(operations)
    assert not recovery.after_recovery.operations


def test_a_permission_that_is_missing_half_way_through_a_change_is_made_good_by_the_next_up(
    recovery: Recovery,
) -> None:
    assert _said_once(recovery.forbidden, "Error 403", "container.clusters.update")
    assert recovery.half_way.operations["cluster-consumers-node-pool"] == "update"
    assert set(recovery.half_way.operations) <= {"cluster-consumers-node-pool", "broker-instance"}
    assert not recovery.after_half_way.operations


def test_a_broker_that_somebody_deleted_by_hand_is_missed_and_made_again(recovery: Recovery) -> None:
    assert recovery.lost.summary["delete"] == 1
    assert recovery.made_again.operations["broker-instance"] == "create"
    assert not {"cluster-gke", "mail-deployment"} & set(recovery.made_again.operations)
