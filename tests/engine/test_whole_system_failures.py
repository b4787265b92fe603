"""What Google Cloud refuses while examples/whole-system is made or changed: it is said in one line, nothing starts that
would need it, and the next `up` goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.conftest import WholeSystemFactory
from tests.engine.control_plane import ControlPlane
from tests.engine.project import Run
from tests.engine.test_whole_system import CLUSTER, DEPLOYMENT, VALKEY

pytestmark = pytest.mark.engine

SECRET, NODE_POOL = "gcp:secretmanager/secret:Secret", "gcp:container/nodePool:NodePool"
# In Google's words, as its API documents them.
QUOTA = "googleapi: Error 429: Quota limit 'InstancesPerLocation' has been exceeded. Limit: 0, rateLimitExceeded"
PERMISSION = 'googleapi: Error 403: Required "container.clusters.update" permission(s), forbidden'
TAKEN = "projects/acme-production/secrets/ebbtide-production-v1-dsn"


@dataclass
class Recovery:
    """What each command did."""

    taken: Run
    quota: Run
    deployed_without_broker: object
    made_without_broker: set[str]
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
    cloud.take(TAKEN, SECRET, {"labels": {"team": "another"}})
    lived: dict[str, Any] = {"taken": project.up(check=False)}
    cloud.lose_one(TAKEN)
    cloud.refuse(VALKEY, "create", QUOTA)
    lived |= {"quota": project.up(check=False), "deployed_without_broker": control_plane.api.get(DEPLOYMENT)}
    lived["made_without_broker"] = cloud.types
    cloud.allow_everything()
    lived |= {"recovered": project.up(), "after_recovery": project.up()}
    cloud.refuse(NODE_POOL, "update", PERMISSION)
    project.edit("ebbtide:cluster", "nodePools", "consumers", "maxNodes", value=9)
    project.edit("ebbtide:broker", "nodeType", value="HIGHMEM_MEDIUM")
    lived["forbidden"] = project.up(check=False)
    cloud.allow_everything()
    lived |= {"half_way": project.up(), "after_half_way": project.up()}
    cloud.lose(VALKEY)
    lived |= {"lost": project.refresh(), "made_again": project.up()}
    yield Recovery(**lived)
    project.edit("ebbtide:protect", value=False)
    project.edit("ebbtide:broker", "protect", value=False)
    project.up()
    project.destroy()


def test_a_secret_of_that_name_that_another_owner_has_is_named_in_one_line(recovery: Recovery) -> None:
    assert recovery.taken.status != 0
    about = [message for message in recovery.taken.errors if TAKEN in message]
    assert len(about) == 1
    assert "already exists" in about[0]
    assert "Traceback" not in recovery.taken.output


def test_a_quota_that_is_used_up_is_said_and_no_consumer_starts_without_its_broker(recovery: Recovery) -> None:
    assert recovery.quota.status != 0
    assert sum(QUOTA in message for message in recovery.quota.errors) == 1
    assert "Traceback" not in recovery.quota.output
    assert recovery.deployed_without_broker is None, "pods start, and wait for a Secret that nobody writes"
    assert CLUSTER in recovery.made_without_broker, "nothing was half-way"


def test_after_the_quota_is_raised_up_makes_the_rest_and_only_that(recovery: Recovery) -> None:
    operations = recovery.recovered.operations
    assert set(operations.values()) <= {"create", "update"}
    assert operations["broker-instance"] == operations["mail-deployment"] == "create"
    assert not {"cluster-gke", "cluster-network", "cluster-consumers-node-pool"} & set(operations)
    assert not recovery.after_recovery.operations


def test_a_permission_that_is_missing_half_way_through_a_change_is_made_good_by_the_next_up(
    recovery: Recovery,
) -> None:
    assert recovery.forbidden.status != 0
    assert sum(PERMISSION in message for message in recovery.forbidden.errors) == 1
    assert recovery.half_way.operations["cluster-consumers-node-pool"] == "update"
    assert set(recovery.half_way.operations) <= {"cluster-consumers-node-pool", "broker-instance"}
    assert not recovery.after_half_way.operations


def test_a_broker_that_somebody_deleted_by_hand_is_missed_and_made_again(recovery: Recovery) -> None:
    assert recovery.lost.summary["delete"] == 1
    assert recovery.made_again.operations["broker-instance"] == "create"
    assert not {"cluster-gke", "mail-deployment"} & set(recovery.made_again.operations)
