"""What scalers make of their metadata, and what becomes of a number or an error. Source: KEDA 2.21.0, pkg/scalers and
pkg/fallback, test or function name."""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

# Columns: source, value, milli-units.
_INF, _NAN = float("inf"), float("nan")
MILLI: list[tuple[Any, ...]] = [
    ("TestGenerateMetricInMili: small value", 42.5, 42_500),
    ("TestGenerateMetricInMili: large value in quintillion range", 1e18, 10**21),
    ("TestGenerateMetricInMili: value just above int64 milli overflow threshold", 9.3e15, 93 * 10**17),
    ("TestGenerateMetricInMili: NaN treated as zero", _NAN, 0),
    ("TestGenerateMetricInMili: positive Inf treated as zero", _INF, 0),
    ("TestGenerateMetricInMili: negative value treated as zero", -1.0, 0),
    ("TestGenerateMetricInMili: large negative value treated as zero", -9.3e15, 0),
    ("TestGetMetricTargetMili: small value", 100.5, 100_500),
    ("quantityFromFloat64: rounded to thousandths", 0.0004, 0),
    ("quantityFromFloat64: rounded up", 0.0016, 2),
    ("quantityFromFloat64: nothing", 0.0, 0),
]
# Columns: source (calculateScalingModifiersFormula), value, milli-units.
TRUNCATED: list[tuple[Any, ...]] = [
    ("SetMilli(int64(out * 1000))", 7.0, 7_000),
    ("toward zero", 1.9999, 1_999),
    ("toward zero from below", -1.9999, -1_999),
    ("NaN is the smallest integer on amd64", _NAN, -(2**63)),
    ("infinity is the smallest integer on amd64", _INF, -(2**63)),
    ("too large is the smallest integer on amd64", 9.3e15, -(2**63)),
    ("just below", 9.2e15, 92 * 10**17),
    ("just above the smallest", -9.2e15, -92 * 10**17),
    ("the largest power of two is too large", 2.0**63 / 1000, -(2**63)),
]

# Columns: source, trigger, its place, metric's name, target in milli-units, activation, counts, age in seconds,
# connects.
def _trigger(kind: str, **metadata: str) -> dict[str, Any]:
    return {"type": kind, "metadata": metadata}


_QUERY = "SELECT count(*) FROM messenger_messages WHERE queue_name = 'default'"
_HTTP = {"protocol": "http"}
READ: list[tuple[Any, ...]] = [
    ("TestRedisStreamsGetMetricSpecForScaling: index 0", _trigger("redis-streams", stream="my-stream", consumerGroup="my-stream-consumer-group", pendingEntriesCount="5"), 0, "s0-redis-streams-my-stream", 5_000, 0, "inFlight", 0, True),
    ("TestRedisStreamsGetMetricSpecForScaling: index 1", _trigger("redis-streams", stream="my-stream", consumerGroup="my-stream-consumer-group", pendingEntriesCount="5"), 1, "s1-redis-streams-my-stream", 5_000, 0, "inFlight", 0, True),
    ("TestParseRedisStreamsMetadata: lag with address", _trigger("redis-streams", stream="my-stream", consumerGroup="g", lagCount="5", activationLagCount="3"), 0, "s0-redis-streams-my-stream", 5_000, 3, "backlog", 0, True),
    ("TestParseRedisStreamsMetadata: lag with host and port", _trigger("redis-streams", stream="my-stream", consumerGroup="g", lagCount="2", activationLagCount="3"), 0, "s0-redis-streams-my-stream", 2_000, 3, "backlog", 0, True),
    ("redisStreamsMetadata.Validate: without a group the length counts, 5 of it", _trigger("redis-streams", stream="s"), 0, "s0-redis-streams-s", 5_000, 0, "backlogAndInFlight", 0, True),
    ("redisStreamsMetadata.Validate: lagCount without a group is not looked at", _trigger("redis-streams", stream="s", lagCount="9", streamLength="70"), 0, "s0-redis-streams-s", 70_000, 0, "backlogAndInFlight", 0, True),
    ("redisStreamsMetadata.Validate: a lagCount of 0 is none", _trigger("redis-streams", stream="s", consumerGroup="g", lagCount="0"), 0, "s0-redis-streams-s", 5_000, 0, "inFlight", 0, True),
    ("buildScaler: redis-cluster-streams", _trigger("redis-cluster-streams", stream="s"), 0, "s0-redis-streams-s", 5_000, 0, "backlogAndInFlight", 0, True),
    ("testRedisMetadata[1]", _trigger("redis", listName="mylist", listLength="10"), 0, "s0-redis-mylist", 10_000, 0, "backlog", 0, True),
    ("redisMetricIdentifiers[1]", _trigger("redis", listName="mylist", listLength="10"), 1, "s1-redis-mylist", 10_000, 0, "backlog", 0, True),
    ("redisScaler: Symfony's set of delayed messages", _trigger("redis", listName="github.events__queue", activationListLength="2"), 1, "s1-redis-github-events__queue", 5_000, 2, "delayed", 0, True),
    ("redisScaler: Laravel's delayed", _trigger("redis", listName="queues:mail:delayed"), 0, "s0-redis-queues-mail-delayed", 5_000, 0, "delayed", 0, True),
    ("redisScaler: Laravel's reserved", _trigger("redis", listName="queues:mail:reserved"), 0, "s0-redis-queues-mail-reserved", 5_000, 0, "inFlight", 0, True),
    ("testRabbitMQMetadata[1]: queueLength", _trigger("rabbitmq", queueLength="10", queueName="sample", host="amqp://user:sercet@somehost.com:5236/vhost"), 0, "s0-rabbitmq-sample", 10_000, 0, "backlog", 0, True),
    ("testRabbitMQMetadata[7]: namespace/name", _trigger("rabbitmq", queueLength="10", queueName="namespace/name", host="amqps://h"), 1, "s1-rabbitmq-namespace-2Fname", 10_000, 0, "backlog", 0, True),
    ("rabbitMQMetadata.validateTrigger: nothing given", _trigger("rabbitmq", queueName="sample", **_HTTP), 0, "s0-rabbitmq-sample", 20_000, 0, "backlogAndInFlight", 5, False),
    ("rabbitMQMetadata.Validate: protocol auto goes by the scheme", _trigger("rabbitmq", queueName="sample", mode="QueueLength", value="20", host="https://h"), 0, "s0-rabbitmq-sample", 20_000, 0, "backlogAndInFlight", 5, False),
    ("rabbitMQScaler: excludeUnacknowledged", _trigger("rabbitmq", queueName="sample", mode="QueueLength", value="2.5", excludeUnacknowledged="true", activationValue="10", **_HTTP), 0, "s0-rabbitmq-sample", 2_500, 10, "backlog", 5, False),
    ("testPostgreSQLMetadata[0]", _trigger("postgresql", query="test_query", targetQueryValue="5"), 0, "s0-postgresql", 5_000, 0, "backlogAndInFlight", 0, True),
    ("testPostgreSQLMetadata[2]: activation", _trigger("postgresql", query="test_query", targetQueryValue="5.5", activationTargetQueryValue="3"), 1, "s1-postgresql", 5_500, 3, "backlogAndInFlight", 0, True),
    ("postgreSQLScaler: a query of what nobody has", _trigger("postgresql", query=_QUERY + " AND delivered_at IS  null", targetQueryValue="70"), 0, "s0-postgresql", 70_000, 0, "backlog", 0, True),
    ("testMySQLMetadata[1]", _trigger("mysql", query=_QUERY, queryValue="12", activationQueryValue="1", dbName="stats_db"), 0, "s0-mysql-stats_db", 12_000, 1, "backlogAndInFlight", 0, True),
    ("awsSQSMetricIdentifiers[0]", _trigger("aws-sqs-queue", queueURL="https://sqs.eu-west-1.amazonaws.com/account_id/DeleteArtifactQ", queueLength="1"), 0, "s0-aws-sqs-DeleteArtifactQ", 1_000, 0, "backlogAndInFlight", 60, False),
    ("testAWSSQSMetadata: a queue's name in place of its URL", _trigger("aws-sqs-queue", queueURL="my-queue", scaleOnInFlight="false", activationQueueLength="1"), 0, "s0-aws-sqs-my-queue", 5_000, 1, "backlog", 60, False),
    ("rabbitMQMetadata.Validate: a stated protocol counts, not the scheme", _trigger("rabbitmq", queueName="sample", mode="QueueLength", value="20", host="https://h", protocol="amqp"), 0, "s0-rabbitmq-sample", 20_000, 0, "backlog", 0, True),
    ("prometheusScaler: no activation", _trigger("prometheus", query="q", threshold="100"), 0, "s0-prometheus", 100_000, 0, "unknown", 30, False),
    ("prometheusScaler", _trigger("prometheus", query="q", threshold="100", activationThreshold="50"), 0, "s0-prometheus", 100_000, 50, "unknown", 30, False),
]
# Columns: source, trigger, the problem's beginning.
UNREADABLE: list[tuple[Any, ...]] = [
    ("TestParseRedisStreamsMetadataForInvalidCases: missing stream", _trigger("redis-streams", pendingEntriesCount="5"), "spec.triggers[0].metadata.stream: is needed"),
    ("TestParseRedisStreamsMetadataForInvalidCases: invalid lag", _trigger("redis-streams", stream="s", consumerGroup="g", lagCount="junk"), "spec.triggers[0].metadata.lagCount: must be a whole number"),
    ("TestParseRedisStreamsMetadataForInvalidCases: invalid pendingEntriesCount", _trigger("redis-streams", stream="s", consumerGroup="g", pendingEntriesCount="junk"), "spec.triggers[0].metadata.pendingEntriesCount: must be a whole number"),
    ("TestParseRedisStreamsMetadataForInvalidCases: invalid streamLength", _trigger("redis-streams", stream="s", streamLength="junk"), "spec.triggers[0].metadata.streamLength: must be a whole number"),
    ("redisStreamsMetadata: an int64 takes no fraction", _trigger("redis-streams", stream="s", streamLength="2.5"), "spec.triggers[0].metadata.streamLength: must be a whole number"),
    ("redisStreamsMetadata: nor does activationLagCount", _trigger("redis-streams", stream="s", activationLagCount="2.5"), "spec.triggers[0].metadata.activationLagCount: must be a whole number"),
    ("awsSqsQueueMetadata: nor does queueLength", _trigger("aws-sqs-queue", queueURL="q", queueLength="2.5"), "spec.triggers[0].metadata.queueLength: must be a whole number"),
    ("parseUtilization: nor does a utilization", {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50.5"}}, "spec.triggers[0].metadata.value: must be a whole number"),
    ("testRedisMetadata[0]: nothing passed", _trigger("redis"), "spec.triggers[0].metadata.listName: is needed"),
    ("testRedisMetadata: improperly formed listLength", _trigger("redis", listName="mylist", listLength="AA"), "spec.triggers[0].metadata.listLength: must be a whole number"),
    ("testRedisMetadata: improperly formed activationListLength", _trigger("redis", listName="mylist", activationListLength="AA"), "spec.triggers[0].metadata.activationListLength: must be a whole number"),
    ("HPA validation: a target of 0", _trigger("redis", listName="mylist", listLength="0"), "spec.triggers[0].metadata.listLength: must be greater than 0"),
    ("testRabbitMQMetadata: malformed queueLength", _trigger("rabbitmq", queueLength="AA", queueName="sample", **_HTTP), "spec.triggers[0].metadata.queueLength: must be a number"),
    ("testRabbitMQMetadata: missing queueName", _trigger("rabbitmq", queueLength="10", **_HTTP), "spec.triggers[0].metadata.queueName: is needed"),
    ("testRabbitMQMetadata: queueLength and mode", _trigger("rabbitmq", queueLength="10", mode="QueueLength", queueName="sample", **_HTTP), "spec.triggers[0].metadata.queueLength: is deprecated"),
    ("testRabbitMQMetadata: queueLength and value", _trigger("rabbitmq", queueLength="10", value="20", queueName="sample", **_HTTP), "spec.triggers[0].metadata.queueLength: is deprecated"),
    ("testRabbitMQMetadata: only mode", _trigger("rabbitmq", mode="QueueLength", queueName="sample", **_HTTP), "spec.triggers[0].metadata.value: is needed"),
    ("testRabbitMQMetadata: only value", _trigger("rabbitmq", value="20", queueName="sample", **_HTTP), "spec.triggers[0].metadata.mode: must be specified"),
    ("testRabbitMQMetadata: invalid mode", _trigger("rabbitmq", mode="Feelings", value="20", queueName="sample", **_HTTP), "spec.triggers[0].metadata.mode: cannot be simulated"),
    ("testRabbitMQMetadata: invalid value", _trigger("rabbitmq", mode="QueueLength", value="lots", queueName="sample", **_HTTP), "spec.triggers[0].metadata.value: must be a number"),
    ("testRabbitMQMetadata: malformed activationValue", _trigger("rabbitmq", activationValue="AA", queueLength="10", queueName="sample", **_HTTP), "spec.triggers[0].metadata.activationValue: must be a number"),
    ("rabbitMQMetadata: a boolean", _trigger("rabbitmq", queueName="sample", excludeUnacknowledged="maybe", **_HTTP), "spec.triggers[0].metadata.excludeUnacknowledged: must be true or false"),
    ("NewPostgreSQLScaler: no targetQueryValue given", _trigger("postgresql", query="test_query"), "spec.triggers[0].metadata.targetQueryValue: is needed"),
    ("postgreSQLMetadata: no query", _trigger("postgresql", targetQueryValue="5"), "spec.triggers[0].metadata.query: is needed"),
    ("testAWSSQSMetadata: invalid integer value for activationQueueLength", _trigger("aws-sqs-queue", queueURL="q", activationQueueLength="a"), "spec.triggers[0].metadata.activationQueueLength: must be a whole number"),
    ("CRD: metadata holds strings, also for numbers", {"type": "redis", "metadata": {"listName": "l", "listLength": 5}}, "spec.triggers[0].metadata.listLength: must be a string"),
    ("testCPUMemoryMetadata: no metric type", {"type": "cpu", "metadata": {"value": "50"}}, "spec.triggers[0]: metricType must be Utilization or AverageValue"),
    ("testCPUMemoryMetadata: Value", {"type": "cpu", "metricType": "Value", "metadata": {"value": "50"}}, "spec.triggers[0]: metricType must be Utilization or AverageValue"),
    ("testCPUMemoryMetadata: nothing given", {"type": "memory", "metricType": "Utilization", "metadata": {}}, "spec.triggers[0].metadata.value: is needed"),
    ("parseResourceMetadata: no quantity", {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "much"}}, "spec.triggers[0]: a quantity is a number"),
]

# A look at one trigger with a target of 10 and what the fallback makes of it. Columns: source, fallback (threshold,
# replicas, behavior) or None, what else the spec has, failures before (None: no entry), reading ("failed" for none),
# (pods, of them ready), (milli, active, fallback, error) then, failures then.
_MODIFIED = {"target": "2"}
_ERR, _FB = "away", "error performing fallback"
FALLBACKS: list[tuple[Any, ...]] = [
    ("fallback: should return the expected metric when fallback is disabled", None, {}, None, 5.0, (1, 1), (5_000, True, False, ""), None),
    ("fallback: should initialise the health status on success", (3, 10, "static"), {}, None, 6.0, (1, 1), (6_000, True, False, ""), 0),
    ("fallback: should reset the health status when scaler metrics are available", (3, 10, "static"), {}, 5, 6.0, (1, 1), (6_000, True, False, ""), 0),
    ("fallback: should not reset the health status when fallback is not enabled", None, {}, 5, 6.0, (1, 1), (6_000, True, False, ""), 5),
    ("fallback: should propagate the error when fallback is disabled", None, {}, None, "failed", (1, 1), (None, False, False, _ERR), None),
    ("fallback: should bump the number of failures when metrics call fails", (3, 10, "static"), {}, 0, "failed", (1, 1), (None, False, False, _ERR), 1),
    ("fallback: should return a normalised metric when number of failures are beyond threshold", (3, 10, "static"), {}, 3, "failed", (5, 5), (100_000, False, True, ""), 4),
    ("fallback: should use fallback replicas when current replicas is lower, 'currentReplicasIfHigher'", (3, 10, "currentReplicasIfHigher"), {}, 3, "failed", (4, 4), (100_000, False, True, ""), 4),
    ("fallback: should use current replicas when behavior is 'currentReplicas'", (3, 10, "currentReplicas"), {}, 3, "failed", (6, 6), (60_000, False, True, ""), 4),
    ("fallback: should ignore current replicas when behavior is 'static'", (3, 10, "static"), {}, 3, "failed", (15, 15), (100_000, False, True, ""), 4),
    ("doFallback: currentReplicasIfHigher takes more than the fallback", (3, 10, "currentReplicasIfHigher"), {}, 3, "failed", (15, 1), (150_000, False, True, ""), 4),
    ("doFallback: currentReplicasIfLower takes fewer than the fallback", (3, 10, "currentReplicasIfLower"), {}, 3, "failed", (4, 1), (40_000, False, True, ""), 4),
    ("doFallback: currentReplicasIfLower takes no more than the fallback", (3, 10, "currentReplicasIfLower"), {}, 3, "failed", (40, 1), (100_000, False, True, ""), 4),
    ("GetMetricsWithFallback: at the threshold is not above it", (3, 10, "static"), {}, 2, "failed", (5, 5), (None, False, False, _ERR), 3),
    ("GetMetricsWithFallback: a threshold of 0 falls back at once", (0, 10, "static"), {}, None, "failed", (5, 5), (100_000, False, True, ""), 1),
    ("doFallback, Value: divided by the ready pods", (3, 10, "static"), {"value": True}, 3, "failed", (5, 4), (25_000, False, True, ""), 4),
    ("doFallback, Value: readyReplicas is zero", (3, 10, "static"), {"value": True}, 3, "failed", (5, 0), (None, False, False, _FB), 4),
    ("doFallback, AverageValue: readiness plays no part", (3, 10, "static"), {}, 3, "failed", (5, 0), (100_000, False, True, ""), 4),
    ("doFallback, modifiers: their target counts", (3, 10, "static"), {"modifiers": {"target": "2"}}, 3, "failed", (5, 5), (20_000, False, True, ""), 4),
    ("doFallback, modifiers of type Value: divided by the ready pods", (3, 10, "static"), {"modifiers": {"target": "2", "metricType": "Value"}}, 3, "failed", (5, 4), (5_000, False, True, ""), 4),
    ("doFallback, modifiers: the trigger's own type plays no part", (3, 10, "static"), {"value": True, "modifiers": {"target": "2"}}, 3, "failed", (5, 0), (20_000, False, True, ""), 4),
    ("HasValidFallback, modifiers: a target that is no whole number disables it", (3, 10, "static"), {"modifiers": {"target": "2.5"}}, 3, "failed", (5, 5), (None, False, False, _ERR), 3),
    ("HasValidFallback, modifiers: 2.0 is no whole number to ParseInt", (3, 10, "static"), {"modifiers": {"target": "2.0"}}, None, "failed", (5, 5), (None, False, False, _ERR), None),
    ("HasValidFallback, modifiers: 1 is the smallest", (3, 10, "static"), {"modifiers": {"target": "1"}}, 3, "failed", (5, 5), (10_000, False, True, ""), 4),
    ("HasValidFallback, modifiers: the largest int64", (3, 10, "static"), {"modifiers": {"target": "9223372036854775807"}}, 2, "failed", (5, 5), (None, False, False, _ERR), 3),
    ("HasValidFallback, modifiers: one above it is no int64", (3, 10, "static"), {"modifiers": {"target": "9223372036854775808"}}, 2, "failed", (5, 5), (None, False, False, _ERR), 2),
    ("HasValidFallback, modifiers: a sign is one", (3, 10, "static"), {"modifiers": {"target": "+2"}}, 3, "failed", (5, 5), (20_000, False, True, ""), 4),
    ("GetMetricsWithFallback, scalingModifiers: a placeholder for the formula", (3, 10, "scalingModifiers"), {"modifiers": {"target": "2"}}, 3, "failed", (5, 5), (-1_000, False, False, ""), 4),
    ("GetMetricsWithFallback, scalingModifiers: below the threshold an error", (3, 10, "scalingModifiers"), {"modifiers": {"target": "2"}}, 2, "failed", (5, 5), (None, False, False, _ERR), 3),
    ("GetMetricsAndActivity: what is 0 is not active", None, {}, None, 0.0, (1, 1), (0, False, False, ""), None),
    ("TestActivityCount: active is what is above", None, {"activation": 3}, None, 4.0, (1, 1), (4_000, True, False, ""), None),
    ("TestActivityCount: and not what is just there", None, {"activation": 3}, None, 3.0, (1, 1), (3_000, False, False, ""), None),
    ("XInfoGroups: a lag of NULL is -1, which is 0 and inactive", None, {}, None, -1.0, (1, 1), (0, False, False, ""), None),
    ("GetMetricsAndActivity: activity is of the number before it is rounded", None, {}, None, 0.0001, (1, 1), (0, True, False, ""), None),
]
