"""What KEDA is told: for each broker the trigger that counts what waits and what is in hand, and its credentials."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jsonschema import ValidationError as SchemaError
from tests.kubernetes_schema import OLDEST_VERSION, check_schema
from tests.manifests.kubernetes.examples import make_object, make_stack

from ebbtide.manifests.kubernetes import Manifest, build_consumer, hpa_name

PASSWORD = {"secret": "broker-v1", "key": "password"}
USER = {"secret": "broker-v1", "key": "user"}
REDIS = {"kind": "redis", "redeliverTimeout": "5m", "address": "redis.brokers:6379", "stream": "events"}
RABBITMQ = {"kind": "rabbitmq", "address": "rabbitmq.brokers:15672", "queue": "events"} | {
    "username": USER,
    "password": PASSWORD,
}
DOCTRINE = {"kind": "doctrine", "redeliverTimeout": "5m", "address": "db.internal:5432"} | {
    "database": "app",
    "username": "keda",
    "password": PASSWORD,
}
SQS = {
    "kind": "sqs",
    "visibilityTimeout": "1h",
    "queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
    "region": "eu-west-1",
}


def consumer(transport: dict[str, Any] | None = None, **scaling: Any) -> dict[str, Any]:
    return {
        "transport": transport or REDIS,
        "autoscaling": {"kind": "keda", "maxReplicas": 5, **scaling},
        "shutdown": {"longestMessage": "20s"},
    }


def scaled_object(transport: dict[str, Any] | None = None, **scaling: Any) -> Manifest:
    """The one ScaledObject, which KEDA's own definition takes."""
    found = make_object("ScaledObject", consumer(transport, **scaling))
    check_schema(found, OLDEST_VERSION)
    return found


def triggers(transport: dict[str, Any], **scaling: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scaled_object(transport, **scaling)["spec"]["triggers"]
    return found


def authentications(transport: dict[str, Any], **scaling: Any) -> list[Manifest]:
    stack = make_stack(consumer(transport, **scaling))
    objects = build_consumer(stack, stack.consumers["events"])
    found = [one for one in objects if one["kind"] == "TriggerAuthentication"]
    for one in found:
        check_schema(one, OLDEST_VERSION)
    return found


def test_an_address_is_all_that_it_takes():
    spec = scaled_object()["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "events"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 5)
    assert "replicas" not in make_object("Deployment", consumer())["spec"]


def test_redis_counts_the_length_of_the_stream_and_keeps_one_pod_for_what_is_delayed():
    """Waiting and in hand: the length, without a group. The delayed set wakes one pod however long it is: what is in it
    may be due tomorrow."""
    spec = scaled_object()["spec"]
    stream, delayed = spec["triggers"]
    assert stream == {
        "type": "redis-streams",
        "name": "stream",
        "metadata": {"address": "redis.brokers:6379", "stream": "events", "streamLength": "3"},
    }
    assert delayed["type"] == "redis"
    assert delayed["metadata"]["listName"] == "events__queue"
    assert delayed["metadata"]["activationListLength"] == "0"
    assert spec["advanced"]["scalingModifiers"] == {
        "formula": "stream + min(delayed, 1)",
        "target": "3",
        "activationTarget": "0",
        "metricType": "AverageValue",
    }


def test_above_zero_a_running_consumer_moves_what_is_delayed_and_the_stream_alone_counts():
    spec = scaled_object(minReplicas=1)["spec"]
    assert [one["name"] for one in spec["triggers"]] == ["stream"]
    assert "advanced" not in spec


def test_several_queues_of_the_same_workers_are_added_up():
    """An HPA would take the largest of several triggers, and leave the others waiting."""
    modifiers = scaled_object({**REDIS, "stream": ["high", "low"]})["spec"]["advanced"]["scalingModifiers"]
    assert modifiers["formula"] == "stream1 + stream2 + min(delayed1 + delayed2, 1)"
    spec = scaled_object({**RABBITMQ, "queue": ["high", "low"]})["spec"]
    assert spec["advanced"]["scalingModifiers"]["formula"] == "queue1 + queue2"
    assert [one["metadata"]["queueName"] for one in spec["triggers"]] == ["high", "low"]
    (rows,) = triggers({**DOCTRINE, "queue": ["high", "low"]})
    assert "queue_name IN ('high', 'low')" in rows["metadata"]["query"]


def test_redis_logs_in_over_tls_with_user_password_and_an_authority_of_its_own():
    ca = {"secret": "broker-v1", "key": "ca.crt"}
    transport = {**REDIS, "username": "keda", "password": PASSWORD, "tls": True, "ca": ca, "database": 2}
    for trigger in triggers(transport):
        assert trigger["metadata"]["username"] == "keda"
        assert trigger["metadata"]["enableTLS"] == "true"
        assert trigger["metadata"]["databaseIndex"] == "2"
        assert trigger["authenticationRef"] == {"name": "events"}
    (authentication,) = authentications(transport)
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "ca", "name": "broker-v1", "key": "ca.crt"},
        {"parameter": "password", "name": "broker-v1", "key": "password"},
    ]


def test_rabbitmq_is_asked_over_http_because_amqp_does_not_know_what_is_in_hand():
    (queue,) = triggers({**RABBITMQ, "virtualHost": "shop", "tls": True})
    assert queue["metadata"] == {
        "host": "https://rabbitmq.brokers:15672/",
        "protocol": "http",
        "vhostName": "shop",
        "queueName": "events",
        "mode": "QueueLength",
        "value": "3",
        "activationValue": "0",
    }
    (authentication,) = authentications(RABBITMQ)
    assert {one["parameter"] for one in authentication["spec"]["secretTargetRef"]} == {"username", "password"}


def test_postgresql_counts_rows_that_are_due_in_the_time_zone_in_which_they_were_written():
    (rows,) = triggers(DOCTRINE)
    assert rows["type"] == "postgresql"
    assert rows["metadata"] == {
        "host": "db.internal",
        "port": "5432",
        "dbName": "app",
        "userName": "keda",
        "sslmode": "require",
        "query": "SELECT count(*) FROM messenger_messages WHERE queue_name IN ('default') "
        "AND available_at <= (now() AT TIME ZONE 'UTC')",
        "targetQueryValue": "3",
        "activationTargetQueryValue": "0",
    }
    (rows,) = triggers({**DOCTRINE, "symfony": "5.4", "timeZone": "Europe/Paris", "table": "shop.jobs"})
    assert rows["metadata"]["query"].endswith("AT TIME ZONE 'Europe/Paris')")
    assert "FROM shop.jobs" in rows["metadata"]["query"]


def test_mysql_has_its_own_words_for_the_same():
    (rows,) = triggers({**DOCTRINE, "platform": "mysql", "address": "[fd00::7]:3306"})
    assert rows["type"] == "mysql"
    assert rows["metadata"]["host"] == "fd00::7"
    assert rows["metadata"]["query"].endswith("available_at <= UTC_TIMESTAMP()")
    assert rows["metadata"]["queryValue"] == "3"


def test_sqs_counts_what_is_in_flight_and_a_pod_for_as_many_as_its_workers_take_at_once():
    (queue,) = triggers(SQS)
    assert queue["metadata"]["scaleOnInFlight"] == "true"
    assert queue["metadata"]["queueLength"] == "27"
    (authentication,) = authentications(SQS)
    assert authentication["spec"] == {"podIdentity": {"provider": "aws"}}
    keys = {**SQS, "accessKeyId": USER, "secretAccessKey": PASSWORD}
    (authentication,) = authentications(keys)
    names = [one["parameter"] for one in authentication["spec"]["secretTargetRef"]]
    assert names == ["awsAccessKeyID", "awsSecretAccessKey"]


def test_more_messages_for_each_process_ask_for_fewer_pods():
    (stream, _) = triggers(REDIS, messagesPerWorker=10)
    assert stream["metadata"]["streamLength"] == "30"


def test_what_is_only_about_zero_is_told_only_where_there_may_be_none():
    """KEDA warns of it elsewhere, and the warning would stand under every update."""
    times = ("pollingInterval", "cooldownPeriod", "initialCooldownPeriod")
    assert [scaled_object()["spec"][name] for name in times] == [10, 300, 300]
    assert not set(times) & set(scaled_object(minReplicas=1)["spec"])
    kept = {"type": "redis", "useCachedMetrics": True, "metadata": {"address": "r:6379", "listName": "jobs"}}
    spec = scaled_object(minReplicas=1, triggers=[kept], pollingInterval="5m")["spec"]
    assert [spec.get(name) for name in times] == [300, None, None], "an HPA would get a number of the last 30 s"


def test_a_new_one_is_left_alone_as_long_as_any_other():
    spec = scaled_object(cooldown="10m")["spec"]
    assert spec["initialCooldownPeriod"] == 600


def test_behavior_is_that_of_an_hpa_and_an_empty_one_is_kept():
    down = {"scaleDown": {"stabilizationWindow": "60s", "policies": [{"kind": "pods", "value": 1, "period": "60s"}]}}
    hpa = scaled_object(minReplicas=1, behavior=down)["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    assert hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 60
    hpa = scaled_object(minReplicas=1, behavior={})["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    assert hpa == {"behavior": {}}


@pytest.mark.parametrize(
    ("setting", "annotation"),
    [
        ({"paused": True}, {"autoscaling.keda.sh/paused": "true"}),
        ({"pausedReplicas": 3}, {"autoscaling.keda.sh/paused-replicas": "3"}),
        ({"pausedScaleIn": True}, {"autoscaling.keda.sh/paused-scale-in": "true"}),
        ({}, None),
    ],
)
def test_a_pause_is_an_annotation_and_none_is_left_when_it_is_over(setting, annotation):
    assert scaled_object(**setting)["metadata"].get("annotations") == annotation


def test_an_hpa_that_is_there_is_taken_over_by_its_name():
    found = scaled_object(takesOver="old-hpa")
    assert found["metadata"]["annotations"] == {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
    assert hpa_name(found) == "old-hpa"
    assert hpa_name(scaled_object()) == "keda-hpa-events"


def test_a_fallback_never_lowers_the_number_unless_somebody_asks_for_it():
    fallback = scaled_object(RABBITMQ, fallback={"replicas": 3})["spec"]["fallback"]
    assert fallback == {"failureThreshold": 3, "replicas": 3, "behavior": "currentReplicasIfHigher"}


def test_triggers_of_ones_own_stand_as_they_are_with_their_credentials():
    own = [
        {"type": "kafka", "name": "topic", "metadata": {"bootstrapServers": "kafka:9092", "consumerGroup": "a"}}
        | {"secrets": {"password": PASSWORD}},
        {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}, "secrets": {"password": USER}},
        {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
        {"type": "rabbitmq", "metadata": {"host": "http://r:15672/", "queueName": "q"}}
        | {"authentication": {"name": "shared", "kind": "ClusterTriggerAuthentication"}},
    ]
    found = triggers(RABBITMQ, minReplicas=1, triggers=own)
    assert [one.get("authenticationRef") for one in found] == [
        {"name": "events"},
        {"name": "events.2"},
        None,
        {"name": "shared", "kind": "ClusterTriggerAuthentication"},
    ]
    assert found[2] == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
    assert [one["metadata"]["name"] for one in authentications(RABBITMQ, minReplicas=1, triggers=own)] == [
        "events",
        "events.2",
    ]


def test_credentials_are_only_ever_keys_of_secrets():
    stack = make_stack(consumer(RABBITMQ))
    text = yaml.safe_dump_all(build_consumer(stack, stack.consumers["events"]))
    assert "secretTargetRef" in text
    assert "valueFrom" not in text


def test_kedas_definition_sees_a_field_that_does_not_exist():
    found = scaled_object()
    found["spec"]["cooldown"] = 300
    with pytest.raises(SchemaError, match="cooldown"):
        check_schema(found, OLDEST_VERSION)
