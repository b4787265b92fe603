"""A broker that the stack makes keeps what it has taken, is reached by its consumers alone, and goes after them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.google.cases import REDIS, STACKS, TABLE, stack
from tests.readable import readable

from ebbtide.in_process import run_in_process
from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.manifests.resource import Join, Ref, Resource, Secret, inside, references, to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.settings.models.stack import StackSettings

VALKEY, POSTGRES = STACKS["valkey"], STACKS["cloud sql"]
BOTH = pytest.mark.parametrize("settings", [VALKEY, POSTGRES], ids=["valkey", "cloud sql"])
SHARED = {"network": "projects/acme-shop/global/networks/queues", "addresses": "10.9.0.0/28"}


def made(settings: StackSettings, kind: str) -> Resource:
    (found,) = (resource for resource in stack_resources(settings) if resource.token.endswith(f":{kind}"))
    return found


def manifest(settings: StackSettings, kind: str, name: str = "githubevents") -> dict[str, Any]:
    found = (m for m in stack_manifests(settings) if m["kind"] == kind and m["metadata"]["name"] == name)
    return next(found)


def container(settings: StackSettings) -> dict[str, Any]:
    return manifest(settings, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def environment(settings: StackSettings) -> dict[str, Any]:
    return {entry["name"]: entry for entry in container(settings)["env"]}


def test_valkey_is_on_disk_before_it_acknowledges_and_drops_nothing():
    instance = made(VALKEY, "Instance").properties
    assert instance["persistenceConfig"] == {"mode": "AOF", "aofConfig": {"appendFsync": "ALWAYS"}}
    assert instance["engineConfigs"] == {"maxmemory-policy": "noeviction"}
    assert instance["replicaCount"] == 1
    assert instance["mode"] == "CLUSTER_DISABLED"


def test_postgresql_is_backed_up_and_has_a_copy_and_a_stated_edition():
    settings = made(POSTGRES, "DatabaseInstance").properties["settings"]
    assert settings["edition"] == "ENTERPRISE"
    assert settings["availabilityType"] == "REGIONAL"
    assert settings["backupConfiguration"]["enabled"]
    assert settings["backupConfiguration"]["pointInTimeRecoveryEnabled"]
    assert settings["databaseFlags"] == [{"name": "max_connections", "value": "400"}]
    assert made(POSTGRES, "DatabaseInstance").ignore_changes == ("settings.diskSize",)


def test_postgresql_has_no_public_address_and_takes_no_plain_connection():
    network = made(POSTGRES, "DatabaseInstance").properties["settings"]["ipConfiguration"]
    assert (network["ipv4Enabled"], network["sslMode"]) == (False, "ENCRYPTED_ONLY")


@BOTH
def test_outside_of_development_neither_pulumi_nor_google_deletes_it(settings):
    holder = next(r for r in stack_resources(settings) if r.name == "broker-instance")
    assert holder.protect
    switches = holder.properties.get("deletionProtectionEnabled"), holder.properties.get("deletionProtection")
    assert True in switches
    inner = holder.properties.get("settings", {}).get("deletionProtectionEnabled", True)
    assert inner is True


@BOTH
def test_a_developers_broker_can_be_thrown_away_and_has_no_copy(settings):
    written = settings.model_dump(mode="json", by_alias=True) | {"name": "dev"}
    holder = next(r for r in stack_resources(StackSettings.model_validate(written)) if r.name == "broker-instance")
    assert not holder.protect
    assert holder.properties.get("replicaCount", 0) == 0


def waits_for(key: str, by_key: dict[str, Resource]) -> set[str]:
    """Everything that has to be there before this resource."""
    resource = by_key.get(key)
    direct = {ref.resource for ref in references(resource.properties)} | set(resource.depends_on) if resource else set()
    return direct.union(*(waits_for(one, by_key) for one in direct)) if direct else set()


@BOTH
def test_consumers_come_after_all_of_it_and_so_drain_before_any_of_it_goes(settings):
    by_key = {resource.key: resource for resource in stack_resources(settings)}
    before = waits_for("kubernetes:apps/v1:Deployment::githubevents-deployment", by_key)
    own = {key for key, one in by_key.items() if one.parent == "ebbtide:index:Broker::broker"}
    assert own <= before


def test_no_secret_is_readable_in_what_is_shown_or_stored():
    shown = str([to_json(resource) for resource in stack_resources(POSTGRES)])
    assert "postgresql://" not in shown
    versions = [r for r in stack_resources(POSTGRES) if r.token.endswith(":SecretVersion")]
    assert versions
    assert all(isinstance(version.properties["secretData"], Secret) for version in versions)
    assert isinstance(made(POSTGRES, "User").properties["password"], Secret)


@BOTH
def test_one_service_account_may_read_the_secrets_and_it_runs_nothing(settings):
    members = [r.properties for r in stack_resources(settings) if r.token.endswith(":SecretIamMember")]
    assert {member["role"] for member in members} == {"roles/secretmanager.secretAccessor"}
    assert all(str(member["member"]).endswith("/subject/ns/consumers/sa/broker-secret") for member in members)
    pods = [m["spec"]["template"]["spec"] for m in stack_manifests(settings) if m["kind"] == "Deployment"]
    assert all(pod["serviceAccountName"] != "broker-secret" for pod in pods)


def test_every_key_of_the_secret_is_written_and_read_from_its_own_secret():
    for name, settings in STACKS.items():
        if settings.broker is None:
            continue
        sync = manifest(settings, "SecretSync", settings.broker.secret_name)
        keys = [entry["targetKey"] for entry in sync["spec"]["secretObject"]["data"]]
        read = manifest(settings, "SecretProviderClass", settings.broker.secret_name)["spec"]["parameters"]["secrets"]
        identifiers = {r.properties["secretId"] for r in stack_resources(settings) if r.token.endswith(":Secret")}
        assert keys == list(settings.broker.keys), name
        assert {line.split("/secrets/")[1].split("/")[0] for line in read.splitlines() if "/secrets/" in line} == (
            identifiers
        )


def test_a_rotation_gives_every_secret_and_the_pods_a_new_name():
    old = POSTGRES
    written = old.model_dump(mode="json", by_alias=True)
    written["broker"]["secret"] = {"version": 2}
    new = StackSettings.model_validate(written)
    assert environment(old)["DATABASE_URL"] != environment(new)["DATABASE_URL"]
    before, after = (
        {r.properties["secretId"] for r in stack_resources(s) if r.token.endswith(":Secret")} for s in (old, new)
    )
    assert not before & after
    keepers = [made(s, "RandomPassword").properties["keepers"] for s in (old, new)]
    assert keepers[0] != keepers[1]


def test_consumers_may_reach_the_brokers_addresses_and_no_node():
    policy = manifest(VALKEY, "NetworkPolicy")
    opened = [rule for rule in policy["spec"]["egress"] if rule["ports"][0]["port"] == 6379]
    assert opened == [{"to": [{"ipBlock": {"cidr": "10.64.82.0/28"}}], "ports": [{"protocol": "TCP", "port": 6379}]}]


def test_a_consumer_that_reads_from_elsewhere_is_given_nothing():
    settings = stack(
        {"kind": "gkeStandard"},
        broker={"kind": "memorystoreValkey"},
        consumers={"githubevents": REDIS, "jobs": {**REDIS, "transport": {"kind": "sqs", "visibilityTimeout": "5m"}}},
    )
    jobs = manifest(settings, "Deployment", "jobs")["spec"]["template"]["spec"]["containers"][0]
    assert not [entry for entry in jobs["env"] if "valueFrom" in entry]
    assert len(manifest(settings, "NetworkPolicy", "jobs")["spec"]["egress"]) == 1


def test_the_authority_of_an_encrypted_broker_is_a_file_that_openssl_reads():
    settings = STACKS["valkey, everything"]
    pod = manifest(settings, "Deployment")["spec"]["template"]["spec"]
    assert {"name": "broker", "secret": {"secretName": "queues-v3", "items": [{"key": "ca", "path": "ca"}]}} in (
        pod["volumes"]
    )
    assert environment(settings)["SSL_CERT_FILE"]["value"] == "/etc/ebbtide/broker/ca"


def test_the_cluster_writes_secrets_only_where_a_broker_asks_for_it():
    assert made(VALKEY, "Cluster").properties["secretSyncConfig"]["enabled"]
    assert "secretSyncConfig" not in made(STACKS["standard"], "Cluster").properties


def test_a_broker_in_a_network_of_others_is_in_the_range_that_is_named():
    settings = STACKS["cloud sql, everything"]
    assert made(settings, "Address").properties["address"] == "10.9.0.4"
    assert made(settings, "ForwardingRule").properties["network"] == SHARED["network"]


def in_shared_network(**more: Any) -> StackSettings:
    """A Valkey in a network that others made, with a cluster that exists."""
    cluster = {"kind": "existing", "platform": "gkeStandard", "kubernetesVersion": "1.34"}
    broker = {"kind": "memorystoreValkey", "network": {**SHARED, **more}}
    return stack(cluster, broker=broker, consumers={"githubevents": REDIS})


def test_where_the_network_has_a_policy_for_memorystore_neither_it_nor_its_subnet_is_made_again():
    """A network can have one in a region: a second broker in it could not be made at all."""
    own, shared = in_shared_network(), in_shared_network(connectionPolicy="existing")
    left_out = {one.key for one in stack_resources(own)} - {one.key for one in stack_resources(shared)}
    assert {key.rpartition(":")[0].rpartition(":")[0].rpartition(":")[2] for key in left_out} == {
        "Subnetwork",
        "ServiceConnectionPolicy",
    }
    assert made(shared, "Instance").properties["desiredAutoCreatedEndpoints"][0]["network"] == SHARED["network"]
    opened = [manifest(one, "NetworkPolicy")["spec"]["egress"] for one in (own, shared)]
    assert opened[0] == opened[1], "workers do not reach the broker"
    run_in_process(shared)


def test_in_the_network_of_another_project_the_subnet_and_its_policy_are_made_there():
    """A Shared VPC's subnets are its own project's."""
    settings = in_shared_network(network="projects/acme-network/global/networks/queues")
    assert made(settings, "Subnetwork").properties["project"] == "acme-network"
    assert made(settings, "ServiceConnectionPolicy").properties["project"] == "acme-network"
    assert made(settings, "Instance").properties["project"] == "acme-shop"


def test_a_broker_that_exists_makes_nothing_and_is_wired_the_same():
    existing = {"kind": "existing", "protocol": "redis", "address": "redis.brokers:6379", "secret": "shared-v1"}
    settings = stack({"kind": "gkeStandard"}, broker=existing, consumers={"githubevents": REDIS})
    assert not [r for r in stack_resources(settings) if "broker" in r.name]
    assert environment(settings)["MESSENGER_TRANSPORT_DSN"]["valueFrom"]["secretKeyRef"] == {
        "name": "shared-v1",
        "key": "dsn",
    }
    (opened,) = [r for r in manifest(settings, "NetworkPolicy")["spec"]["egress"] if r["ports"][0]["port"] == 6379]
    assert opened["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "brokers"}


def test_the_address_of_the_node_that_writes_is_taken_and_not_that_of_its_copies():
    connections = [
        {"pscAutoConnection": {"connectionType": "CONNECTION_TYPE_READER", "ipAddress": "10.0.0.3"}},
        {"pscAutoConnection": {"connectionType": "CONNECTION_TYPE_PRIMARY", "ipAddress": "10.0.0.2"}},
    ]
    chosen = inside(
        {"connections": connections}, "connections[pscAutoConnection/connectionType=CONNECTION_TYPE_PRIMARY]"
    )
    assert chosen["pscAutoConnection"]["ipAddress"] == "10.0.0.2"
    with pytest.raises(LookupError):
        inside(
            {"connections": connections[:1]}, "connections[pscAutoConnection/connectionType=CONNECTION_TYPE_PRIMARY]"
        )


@BOTH
def test_what_is_shown_is_what_arrives_at_the_engine(settings):
    shown = sorted((readable(resource) for resource in stack_resources(settings)), key=lambda r: r.key)
    arrived = run_in_process(settings).resources
    assert [(r.key, r.properties, r.protect) for r in arrived] == [(r.key, r.properties, r.protect) for r in shown]


def test_values_are_put_together_from_what_the_provider_makes_up():
    data = next(r for r in stack_resources(VALKEY) if r.name == "broker-secret-dsn-version").properties["secretData"]
    assert isinstance(data.value, Join)
    assert isinstance(data.value.parts[1], Ref)


WITH_KEDA = {"kind": "gkeStandard", "keda": {"version": "2.20.2"}}
KEDA = {"kind": "keda", "minReplicas": 0, "maxReplicas": 5}
STREAM = {**REDIS, "autoscaling": KEDA, "transport": {**REDIS["transport"], "stream": "mail"}}


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        (
            stack(WITH_KEDA, broker={"kind": "memorystoreValkey"}, consumers={"githubevents": STREAM}),
            {"address": "address"},
        ),
        (
            stack(
                WITH_KEDA,
                broker={"kind": "cloudSqlPostgres"},
                consumers={"githubevents": {**TABLE, "autoscaling": KEDA}},
            ),
            {"connection": "dsn"},
        ),
    ],
    ids=["valkey", "cloud sql"],
)
def test_keda_counts_in_the_same_broker_with_the_same_secret(settings, parameters):
    read = manifest(settings, "TriggerAuthentication")["spec"]["secretTargetRef"]
    assert {entry["parameter"]: entry["key"] for entry in read} == parameters
    assert {entry["name"] for entry in read} == {settings.broker.secret_name}
    assert manifest(settings, "ScaledObject")["spec"]["triggers"]


def test_a_stream_is_written_once_for_workers_and_keda():
    settings = stack(WITH_KEDA, broker={"kind": "memorystoreValkey"}, consumers={"githubevents": STREAM})
    assert environment(settings)["MESSENGER_TRANSPORT_DSN"] == {
        "name": "MESSENGER_TRANSPORT_DSN",
        "value": "$(BROKER_DSN)/mail",
    }
    names = [entry["name"] for entry in container(settings)["env"]]
    assert names.index("BROKER_DSN") < names.index("MESSENGER_TRANSPORT_DSN"), "Kubernetes would not replace it"
    assert manifest(settings, "ScaledObject")["spec"]["triggers"][0]["metadata"]["stream"] == "mail"


@pytest.mark.parametrize(
    ("worker", "transport"),
    [
        ({"kind": "celery", "app": "shop", "queues": "mail"}, {"kind": "celeryRedis", "visibilityTimeout": "250s"}),
        ({"kind": "laravelQueue", "queues": "mail"}, {"kind": "laravelRedis", "retryAfter": "250s"}),
        ({"kind": "sidekiq", "queues": "mail"}, {"kind": "sidekiqRedis"}),
        ({"kind": "bullmq", "command": ["node", "worker.js"], "queues": "mail"}, {"kind": "bullmqRedis"}),
    ],
    ids=lambda part: part["kind"],
)
def test_a_queue_s_name_is_put_behind_the_address_for_symfony_only(worker, transport):
    """To the others that is the number of a database, and Celery ends on one that is no number."""
    consumer = {**REDIS, "worker": worker, "transport": {**transport, "queue": "mail"}}
    settings = stack(WITH_KEDA, broker={"kind": "memorystoreValkey"}, consumers={"githubevents": consumer})
    told = [entry for name, entry in environment(settings).items() if name.endswith("DSN")]
    assert told
    assert [entry for entry in told if "value" in entry] == []


def test_keda_may_reach_the_stacks_broker():
    settings = stack(WITH_KEDA, broker={"kind": "memorystoreValkey"}, consumers={"githubevents": STREAM})
    policies = [r.properties for r in stack_resources(settings) if r.token.endswith(":NetworkPolicy")]
    (operator,) = [p for p in policies if p["metadata"]["name"] == "keda-operator-only"]
    opened = [rule for rule in operator["spec"]["egress"] if rule["ports"][0]["port"] == 6379]
    assert opened == [{"to": [{"ipBlock": {"cidr": "10.64.82.0/28"}}], "ports": [{"protocol": "TCP", "port": 6379}]}]
