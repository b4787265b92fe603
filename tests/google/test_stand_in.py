"""The stand-in of Google's APIs answers as Google documents: what it lets pass would pass in every test with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.engine.google_api.answers import GoogleError
from tests.engine.google_api.api import STALE_READS, Api, check_answer
from tests.engine.google_api.server import route, served
from tools.google.client import Client, address
from tools.google.discovery import Method, methods
from tools.google.functions import secrets
from tools.google.kinds import Refused
from tools.google.types import TYPES

PLACE = "projects/acme/locations/europe-west1"
SECRETS, CLUSTERS = "secretmanager.projects.secrets", "container.projects.locations.clusters"
POLICIES = "networkconnectivity.projects.locations.serviceConnectionPolicies"
SECRET = "projects/acme/secrets/dsn"
NETWORK, SUBNETWORK = TYPES["gcp:compute/network:Network"], TYPES["gcp:compute/subnetwork:Subnetwork"]
A_NETWORK = {"project": "acme", "name": "ebbtide", "autoCreateSubnetworks": False}
A_SUBNETWORK = {
    "project": "acme",
    "region": "europe-west1",
    "name": "nodes",
    "network": "projects/acme/global/networks/ebbtide",
    "ipCidrRange": "10.0.0.0/20",
}
Ask = Callable[..., tuple[int, Any]]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def endpoint(api: Api) -> Iterator[str]:
    with served(api) as at:
        yield at


@pytest.fixture
def client(endpoint: str) -> Client:
    return Client(endpoint)


@pytest.fixture
def ask(endpoint: str) -> Ask:
    """One request, without what a client makes of its answer."""

    def send(document: str, name: str, of: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        method = methods()[document, name]
        connection = HTTPConnection(urlsplit(endpoint).netloc)
        connection.request(method.http, f"/{address(method, of)}{query}", json.dumps(body or {}))
        answer = connection.getresponse()
        told = json.loads(answer.read())
        connection.close()
        return answer.status, told

    return send


@pytest.mark.parametrize("method", methods().values(), ids=lambda method: f"{method.document}:{method.name}")
def test_the_address_of_every_method_leads_to_it(method: Method) -> None:
    _, _, rest = method.path.partition("projects/")
    named = re.sub(r"\{\w+\}", "x", f"projects/{rest}")
    path = f"/{address(method, named.partition(':')[0])}"
    assert route(method.http, path)[0] == method


def test_what_was_asked_for_is_made_only_when_its_operation_has_ended(api: Api, client: Client, ask: Ask) -> None:
    _, told = ask("compute.beta", "compute.networks.insert", "projects/acme/global/networks", {"name": "ebbtide"})
    assert told["status"] == "RUNNING"
    where = f"projects/acme/global/operations/{told['name']}"
    states = [ask("compute.beta", "compute.globalOperations.get", where)[1]["status"] for _ in range(3)]
    assert states == ["RUNNING", "DONE", "DONE"]
    client.call("compute.beta", "compute.networks.insert", "projects/acme/global/networks", {"name": "another"})
    assert api.counts["running"] == 2


def test_a_read_after_a_write_is_stale_for_a_while(ask: Ask) -> None:
    ask("secretmanager.v1", f"{SECRETS}.create", "projects/acme/secrets", _A_SECRET, "?secretId=dsn")
    reads = [ask("secretmanager.v1", f"{SECRETS}.get", SECRET)[0] for _ in range(STALE_READS + 1)]
    assert reads == [404] * STALE_READS + [200]
    ask("secretmanager.v1", f"{SECRETS}.patch", SECRET, {"labels": {"a": "b"}}, "?updateMask=labels")
    told = [ask("secretmanager.v1", f"{SECRETS}.get", SECRET)[1].get("labels") for _ in range(STALE_READS + 1)]
    assert told == [None] * STALE_READS + [{"a": "b"}]
    ask("secretmanager.v1", f"{SECRETS}.delete", SECRET)
    reads = [ask("secretmanager.v1", f"{SECRETS}.get", SECRET)[0] for _ in range(STALE_READS + 1)]
    assert reads == [200] * STALE_READS + [404]


def test_a_list_has_the_names_that_a_filter_lets_pass_from_all_pages(api: Api, client: Client) -> None:
    assert secrets(client, {"project": "acme"}) == []
    for name in ("a-v1-dsn", "b", "other-a-v1-dsn", "a-v1-address", "a-v2-dsn"):
        api.take(SECRETS, f"projects/acme/secrets/{name}", {"labels": {"team": name}})
    api.take(SECRETS, "projects/acme-two/secrets/a-v1-dsn", {})
    found = secrets(client, {"project": "acme", "filter": "name:a-v1"})
    assert [one["secretId"] for one in found] == ["a-v1-address", "a-v1-dsn", "other-a-v1-dsn"]
    assert found[0]["effectiveLabels"] == {"team": "a-v1-address"}
    assert len(secrets(client, {"project": "acme"})) == 5
    assert api.counts[f"{SECRETS}.list"] == 6, "no page was turned"


def test_a_filter_that_the_stand_in_does_not_know_is_refused(client: Client) -> None:
    with pytest.raises(Refused, match="does not know the filter"):
        secrets(client, {"project": "acme", "filter": "labels.team=shop"})


_A_SECRET = {"replication": {"automatic": {}}}
REFUSED: dict[str, tuple[str, str, str, Any, str, int, str]] = {
    "a field that is none": (
        "compute.beta", "compute.networks.insert", "projects/acme/global/networks",
        {"name": "a", "mtus": 1500}, "", 400, "mtus",
    ),
    "a value that is none of an enum's": (
        "compute.beta", "compute.networks.insert", "projects/acme/global/networks",
        {"name": "a", "routingConfig": {"routingMode": "LOCAL"}}, "", 400, "routingConfig.routingMode",
    ),
    "a field that Google writes": (
        "compute.beta", "compute.networks.insert", "projects/acme/global/networks",
        {"name": "a", "creationTimestamp": "now"}, "", 400, "creationTimestamp",
    ),
    "a text where a number is": (
        "memorystore.v1beta", "memorystore.projects.locations.instances.create", f"{PLACE}/instances",
        {"shardCount": "one"}, "?instanceId=a", 400, "shardCount",
    ),
    "a parameter that is none": (
        "secretmanager.v1", f"{SECRETS}.create", "projects/acme/secrets", _A_SECRET, "?secretName=a", 400, "secretName",
    ),
    "a parameter that is missing": (
        "memorystore.v1beta", "memorystore.projects.locations.instances.create", f"{PLACE}/instances", {}, "", 400,
        "instanceId",
    ),
    "something that is not there": ("secretmanager.v1", f"{SECRETS}.get", SECRET, None, "", 404, SECRET),
    "something in what is not there": (
        "container.v1beta1", f"{CLUSTERS}.nodePools.create", f"{PLACE}/clusters/none/nodePools",
        {"nodePool": {"name": "a"}}, "", 404, f"{PLACE}/clusters/none",
    ),
    "a network that is not there": (
        "compute.beta", "compute.subnetworks.insert", "projects/acme/regions/europe-west1/subnetworks",
        {"name": "a", "network": "projects/acme/global/networks/none", "ipCidrRange": "10.0.0.0/20"}, "", 404,
        "networks/none",
    ),
    "a broker without its policy": (
        "memorystore.v1beta", "memorystore.projects.locations.instances.create", f"{PLACE}/instances",
        {"shardCount": 1}, "?instanceId=a", 400, "service connection policy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(case: str, ask: Ask) -> None:
    document, method, of, body, query, status, word = REFUSED[case]
    answered, told = ask(document, method, of, body, query)
    assert (answered, told["error"]["code"]) == (status, status)
    assert word in told["error"]["message"]


def test_every_field_that_is_wrong_is_named_at_once(ask: Ask) -> None:
    sent = {"name": "a", "mtu": "large", "routingConfig": {"routingMode": "LOCAL"}}
    _, told = ask("compute.beta", "compute.networks.insert", "projects/acme/global/networks", sent)
    violations = told["error"]["details"][0]["fieldViolations"]
    assert {violation["field"] for violation in violations} == {"mtu", "routingConfig.routingMode"}


def test_a_permission_that_is_missing_is_named(api: Api, ask: Ask) -> None:
    api.refusals.permissions.add("container.clusters.update")
    pool = f"{PLACE}/clusters/a/nodePools/b"
    status, told = ask("container.v1beta1", f"{CLUSTERS}.nodePools.setManagement", pool, {"management": {}})
    assert (status, told["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert told["error"]["details"][0]["metadata"] == {"permission": "container.clusters.update"}


def test_a_quota_is_counted_by_what_is_made(api: Api, client: Client) -> None:
    api.refusals.creations_left = 1
    NETWORK.create(client, A_NETWORK)
    with pytest.raises(Refused, match="Error 429: Quota exceeded"):
        NETWORK.create(client, {**A_NETWORK, "name": "another"})


def test_a_region_without_the_service_is_refused_and_the_others_are_not(api: Api, ask: Ask) -> None:
    api.refusals.missing.add(("memorystore", "europe-west1"))
    name = "memorystore.projects.locations.instances.get"
    statuses = [ask("memorystore.v1beta", name, f"projects/acme/locations/{place}/instances/a")[0]
                for place in ("europe-west1", "europe-west4")]  # fmt: skip
    assert statuses == [403, 404]


def test_an_operation_that_fails_says_so_at_its_end_and_has_made_nothing(api: Api, client: Client) -> None:
    api.refusals.failing["compute.networks.insert"] = GoogleError("RESOURCE_EXHAUSTED", "no more networks")
    with pytest.raises(Refused, match=r"waiting for insert of projects/acme/global/networks: .*no more networks"):
        NETWORK.create(client, A_NETWORK)
    assert not api.stored


def test_a_name_that_is_taken_is_refused_and_what_is_in_use_stays(client: Client) -> None:
    network, _ = NETWORK.create(client, A_NETWORK)
    with pytest.raises(Refused, match=f"Error 409: Resource '{network}' already exists"):
        NETWORK.create(client, A_NETWORK)
    subnetwork, _ = SUBNETWORK.create(client, A_SUBNETWORK)
    with pytest.raises(Refused, match=f"already being used by '{subnetwork}'"):
        NETWORK.delete(client, network, A_NETWORK)


def test_a_network_has_one_connection_policy_of_a_region(api: Api, client: Client) -> None:
    document, method = "networkconnectivity.v1", f"{POLICIES}.create"
    for network in ("queues", "other"):
        api.take("compute.networks", f"projects/acme/global/networks/{network}")

    def make(name: str, network: str, place: str = PLACE) -> None:
        body = {"network": f"projects/acme/global/networks/{network}", "serviceClass": "gcp-memorystore"}
        client.call(document, method, f"{place}/serviceConnectionPolicies", body, {"serviceConnectionPolicyId": name})

    make("one", "queues")
    make("two", "other")
    make("three", "queues", PLACE.replace("west1", "north1"))
    with pytest.raises(Refused, match="is there already"):
        make("four", "queues")


def test_a_policy_that_somebody_has_written_in_between_is_read_again(api: Api, client: Client, ask: Ask) -> None:
    """Without the etag the second of two grants that are made at once takes the first one away."""
    stale = {"policy": {"bindings": [{"role": "roles/viewer", "members": ["user:a@acme.example"]}], "etag": "before"}}
    status, told = ask("cloudresourcemanager.v1", "cloudresourcemanager.projects.setIamPolicy", "projects/acme", stale)
    assert (status, told["error"]["errors"][0]["reason"]) == (409, "aborted")
    member = TYPES["gcp:projects/iAMMember:IAMMember"]
    for name in ("a", "b"):
        member.create(client, {"project": "acme", "role": "roles/viewer", "member": f"user:{name}@acme.example"})
    (binding,) = api.policies["projects/acme"]["bindings"]
    assert binding["members"] == ["user:a@acme.example", "user:b@acme.example"]


def test_a_grant_to_an_account_that_is_not_seen_yet_is_tried_again(api: Api, client: Client) -> None:
    account = "nodes@acme.iam.gserviceaccount.com"
    sent = {"accountId": "nodes", "serviceAccount": {}}
    client.call("iam.v1", "iam.projects.serviceAccounts.create", "projects/acme/serviceAccounts", sent)
    granted = {"project": "acme", "role": "roles/viewer", "member": f"serviceAccount:{account}"}
    TYPES["gcp:projects/iAMMember:IAMMember"].create(client, granted)
    assert api.counts["stale"] == STALE_READS


def test_a_cluster_takes_one_change_at_a_time(api: Api, ask: Ask) -> None:
    api.take(CLUSTERS, f"{PLACE}/clusters/a")
    both = {"update": {"desiredReleaseChannel": {"channel": "STABLE"}, "desiredShieldedNodes": {"enabled": True}}}
    status, told = ask("container.v1beta1", f"{CLUSTERS}.update", f"{PLACE}/clusters/a", both)
    assert status == 400
    assert "exactly one field" in told["error"]["message"]


def test_an_answer_that_no_description_has_is_a_fault_of_the_stand_in() -> None:
    method = methods()["compute.beta", "compute.networks.get"]
    with pytest.raises(GoogleError, match="selfLinks: Google has no such field"):
        check_answer(method, {"selfLinks": "a"})


def test_such_an_answer_is_not_given(api: Api, ask: Ask) -> None:
    api.take("compute.networks", "projects/acme/global/networks/a")
    api.stored["projects/acme/global/networks/a"].value["selfLinks"] = "a"
    status, told = ask("compute.beta", "compute.networks.get", "projects/acme/global/networks/a")
    assert (status, "selfLinks" in told["error"]["message"]) == (501, True)


def test_a_mask_names_only_what_can_be_changed(api: Api, ask: Ask) -> None:
    api.take(SECRETS, SECRET)
    status, told = ask("secretmanager.v1", f"{SECRETS}.patch", SECRET, {}, "?updateMask=createTime")
    assert (status, "createTime" in told["error"]["message"]) == (400, True)


def test_nodes_need_their_service_account(api: Api, ask: Ask) -> None:
    api.take(CLUSTERS, f"{PLACE}/clusters/a")
    pool = {"nodePool": {"name": "b", "config": {"serviceAccount": "nodes@acme.iam.gserviceaccount.com"}}}
    status, told = ask("container.v1beta1", f"{CLUSTERS}.nodePools.create", f"{PLACE}/clusters/a/nodePools", pool)
    assert (status, "nodes@acme" in told["error"]["message"]) == (400, True)


def test_who_may_read_a_secret_goes_with_it(api: Api, client: Client) -> None:
    secret, reader = (
        TYPES["gcp:secretmanager/secret:Secret"],
        TYPES["gcp:secretmanager/secretIamMember:SecretIamMember"],
    )
    inputs = {"project": "acme", "secretId": "dsn", "replication": {"auto": {}}}
    granted = {"project": "acme", "secretId": "dsn", "role": "roles/viewer", "member": "user:a@acme.example"}
    secret.create(client, inputs)
    reader.create(client, granted)
    secret.delete(client, SECRET, inputs)
    assert not api.policies


def test_a_second_gateway_leaves_the_first_one(client: Client) -> None:
    router, nat = TYPES["gcp:compute/router:Router"], TYPES["gcp:compute/routerNat:RouterNat"]
    where = {"project": "acme", "region": "europe-west1"}
    NETWORK.create(client, A_NETWORK)
    router.create(client, {**where, "name": "r", "network": A_SUBNETWORK["network"]})
    for name in ("a", "b"):
        nat.create(client, {**where, "router": "r", "name": name})
    found = client.call("compute.beta", "compute.routers.get", "projects/acme/regions/europe-west1/routers/r")
    assert [one["name"] for one in found["nats"]] == ["a", "b"]
