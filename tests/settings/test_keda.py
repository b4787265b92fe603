"""What KEDA would do wrong, or without a word, is said before anything is deployed: one line, with what to write."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests import quick_yaml
from tests.settings.conftest import CONSUMER

from ebbtide.explain.envelope import build_envelope
from ebbtide.judgement.findings import Level
from ebbtide.judgement.rule import known_rules
from ebbtide.settings.models.demand import Trigger
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack
from ebbtide.settings.rules.keda_queries import harms_of_query
from ebbtide.settings.rules.keda_scalers import scalers, unknown_parameters, wrong_values

PASSWORD = {"secret": "broker-v1", "key": "password"}
REDIS = {"kind": "redis", "redeliverTimeout": "90s", "claimInterval": "5s", "recover": True} | {
    "address": "redis.brokers:6379",
    "stream": "githubevents",
}
DOCTRINE = {"kind": "doctrine", "redeliverTimeout": "2m", "address": "db:5432", "database": "a", "username": "keda"}
RABBITMQ = {"kind": "rabbitmq", "address": "r:15672", "queue": "q", "username": PASSWORD, "password": PASSWORD}
COMMAND = {"kind": "command", "command": ["/app/worker"], "receivers": None}
LIST = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}


def keda(*triggers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    own = {"triggers": list(triggers)} if triggers else {}
    return {"kind": "keda", "maxReplicas": 5, **own, **changes, "replicas": None}


def consumer(scaling: dict[str, Any], transport: Any = REDIS, **changes: Any) -> dict[str, Any]:
    scaling = {key: value for key, value in scaling.items() if key != "replicas"}
    return {**CONSUMER, "autoscaling": scaling, "transport": transport, **changes}


def found(scaling: dict[str, Any], transport: Any = REDIS, **changes: Any) -> dict[str, Any]:
    consumers = {"githubevents": consumer(scaling, transport, **changes)}
    stack = StackSettings.model_validate({"name": "dev", "cluster": {"kind": "existing"}, "consumers": consumers})
    return {finding.rule: finding for finding in check_stack(stack)}


@pytest.fixture
def refuse_consumer(project):
    """Every message about a stack with this one consumer; at least one."""

    def run(scaling: dict[str, Any], transport: Any = REDIS, **changes: Any) -> list[str]:
        consumers = {"githubevents": consumer(scaling, transport, **changes)}
        project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": consumers})
        messages = project.messages()
        assert all("\n" not in message for message in messages)
        return messages

    return run


def test_an_address_and_a_maximum_leave_open_only_whether_keda_is_there():
    egress = {"egress": [{"namespace": "brokers", "ports": [6379]}]}
    findings = found(keda(), network=egress)
    assert [rule for rule in findings if rule.startswith(("KE", "N-"))] == ["KE-43a"]
    assert "the first `pulumi up` fails" in findings["KE-43a"].message
    assert findings["KE-43a"].level is Level.INFO


def test_pods_that_an_outage_would_keep_for_ever_are_foreseen():
    off = {**REDIS, "recover": False}
    assert "recover: true" in str(found(keda(), off)["KE-44"])
    assert "KE-44" not in found(keda(LIST, minReplicas=1), off), "a trigger of one's own counts something else"


AT_LEAST_ONE = {"minReplicas": 1}
REFUSED = {
    "no transport": (keda(), None, "transport: is not given, and KEDA has nothing to count; write for example"),
    "no address": (
        keda(),
        {"kind": "redis", "redeliverTimeout": "90s", "stream": "githubevents"},
        "transport.address: is required for KEDA, and not given (missing: address)",
    ),
    "no stream": (
        keda(),
        {"kind": "redis", "redeliverTimeout": "90s", "address": "redis:6379"},
        "transport.stream: is required for KEDA, and not given (missing: stream)",
    ),
    "no management user": (
        keda(),
        {"kind": "rabbitmq", "address": "r:15672", "queue": "q"},
        "transport.username: is required for KEDA, and not given (missing: username, password)",
    ),
    "an address with its scheme": (keda(), {**REDIS, "address": "redis://redis:6379"}, "is not of the right form"),
    "a port that is none": (keda(), {**REDIS, "address": "redis:70000"}, "has no port between 1 and 65535"),
    "minimum above maximum": (keda(minReplicas=9), REDIS, "minReplicas: is above maxReplicas (got 9 and 5)"),
    "zero with CPU alone": (
        keda({"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}),
        RABBITMQ,
        "minReplicas: is 0, and without pods there is no CPU or memory to measure",
    ),
    "zero with all that pods have": (
        keda(
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}},
            {"type": "memory", "metricType": "Utilization", "metadata": {"value": "60"}},
        ),
        RABBITMQ,
        "minReplicas: is 0, and without pods there is no CPU or memory to measure",
    ),
    "a fallback that ends everything": (
        keda(fallback={"replicas": 0}),
        RABBITMQ,
        "fallback.replicas: is 0, and an outage of the broker would end every pod; write at least 1",
    ),
    "a number without quotes": (
        keda({"type": "redis", "metadata": {"address": "r:6379", "listName": "jobs", "listLength": 5}}, **AT_LEAST_ONE),
        RABBITMQ,
        'triggers[0].metadata.listLength: must be text (got 5); write it in quotes, for example "5"',
    ),
    "a mapping for a text": (
        keda({"type": "redis", "metadata": {"address": {"host": "r"}, "listName": "jobs"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[0].metadata.address: must be text",
    ),
    "a number that is none": (
        keda({**LIST, "metadata": {**LIST["metadata"], "listLength": "five"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[0].metadata.listLength: takes a whole number (got 'five'); write for example \"5\"",
    ),
    "a boolean that is none": (
        keda({**LIST, "metadata": {**LIST["metadata"], "unsafeSsl": "yes"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[0].metadata.unsafeSsl: takes true or false (got 'yes')",
    ),
    "a type that KEDA lacks": (
        keda({"type": "redis-stream", "metadata": {}}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[0].type: is no trigger of KEDA's (got 'redis-stream'); did you mean redis-streams?",
    ),
    "nothing to ask for": (
        keda({"type": "rabbitmq", "metadata": {"host": "http://r:15672/"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[0].metadata.queueName: is required by a rabbitmq trigger; write it",
    ),
    "two triggers of one name": (
        keda({**LIST, "name": "a"}, {**LIST, "name": "a"}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[0].name: is that of two triggers (got 'a'); rename one of them",
    ),
    "a formula of nothing": (
        keda({**LIST, "name": "a"}, scalingModifiers={"formula": "a + b", "target": 3}, **AT_LEAST_ONE),
        RABBITMQ,
        "scalingModifiers.formula: names no trigger (got 'b'); use a",
    ),
    "a formula of the pods' own load": (
        keda(
            {**LIST, "name": "a"},
            {"type": "cpu", "name": "c", "metricType": "Utilization", "metadata": {"value": "60"}},
            scalingModifiers={"formula": "a + c", "target": 3},
            **AT_LEAST_ONE,
        ),
        RABBITMQ,
        "scalingModifiers.formula: names no trigger (got 'c'); use a",
    ),
    **{
        f"{formula} is not of these types": (
            keda(
                *({**LIST, "name": name} for name in "ab"),
                scalingModifiers={"formula": formula, "target": 3},
                **AT_LEAST_ONE,
            ),
            RABBITMQ,
            words,
        )
        for formula, words in (
            ("a % b", "formula: takes % of a trigger, and % is for whole numbers; write for example int(a) % 7"),
            ("int(a) % (b / 2)", "formula: takes % of a trigger, and"),
            ("a + 7 % -(b + 1)", "formula: takes % of a trigger, and"),
            ("a + ceil(b) % 7", "formula: takes % of a trigger, and"),
            ("sum(a, b) + 1", "formula: takes the sum of what is no list; write sum([a, b])"),
        )
    },
    "a trigger that a formula leaves out": (
        keda({**LIST, "name": "a"}, LIST, scalingModifiers={"formula": "a", "target": 3}, **AT_LEAST_ONE),
        RABBITMQ,
        "triggers[1]: is not in the formula, and so never looked at",
    ),
    "a formula without triggers": (
        keda(scalingModifiers={"formula": "a", "target": 3}),
        REDIS,
        "scalingModifiers: is a formula of triggers, and none are given",
    ),
    "the lag of a stream": (
        keda(
            {"type": "redis-streams", "metadata": {"address": "r:6379", "stream": "s", "consumerGroup": "g"}}
            | {"metadata": {"address": "r:6379", "stream": "s", "consumerGroup": "g", "lagCount": "5"}},
            **AT_LEAST_ONE,
        ),
        REDIS,
        "metadata.lagCount: is NULL at times where handled entries are deleted",
    ),
    "nobody counts what is delayed": (
        keda({"type": "redis-streams", "metadata": {"address": "r:6379", "stream": "s", "streamLength": "5"}}),
        REDIS,
        "minReplicas: is 0, and no trigger counts retries and delayed messages",
    ),
    "a stream that only grows": (
        keda(),
        {**REDIS, "symfony": "5.4"},
        "deleteAfterAck: is off, so handled messages stay in the stream and its length never falls",
    ),
    "an absent series": (
        keda(
            {"type": "prometheus", "metadata": {"serverAddress": "http://p", "query": "q", "threshold": "5"}},
            **AT_LEAST_ONE,
        ),
        RABBITMQ,
        "ignoreNullValues: is not false, so that a series which is gone counts as an empty queue",
    ),
    "RabbitMQ's two ways at once": (
        keda(
            {"type": "rabbitmq", "metadata": {"host": "http://r:15672", "queueName": "q"}}
            | {"metadata": {"host": "http://r", "queueName": "q", "queueLength": "5", "mode": "QueueLength"}},
            **AT_LEAST_ONE,
        ),
        RABBITMQ,
        "metadata.queueLength: is refused beside mode and value",
    ),
    "RabbitMQ's mode without its value": (
        keda(
            {"type": "rabbitmq", "metadata": {"host": "http://r", "queueName": "q", "mode": "QueueLength"}},
            **AT_LEAST_ONE,
        ),
        RABBITMQ,
        "metadata.value: is required beside the other; write mode: QueueLength and value",
    ),
    "RabbitMQ's value without its mode": (
        keda({"type": "rabbitmq", "metadata": {"host": "http://r", "queueName": "q", "value": "5"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "metadata.mode: is required beside the other; write mode: QueueLength and value",
    ),
    "a rate over AMQP": (
        keda(
            {
                "type": "rabbitmq",
                "metadata": {"host": "amqp://r", "queueName": "q", "mode": "MessageRate", "value": "5"},
            },
            **AT_LEAST_ONE,
        ),
        RABBITMQ,
        "metadata.mode: MessageRate is known over http only",
    ),
    "MySQL in another zone": (
        keda(),
        {**DOCTRINE, "platform": "mysql", "timeZone": "Europe/Paris"},
        "timeZone: is Europe/Paris, and on MySQL the query compares with UTC",
    ),
    "an authority without encryption": (
        keda(),
        {**REDIS, "ca": PASSWORD},
        "transport.ca: is given and tls is not, so the password would go in clear",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_in_one_line_with_its_remedy(case, refuse_consumer):
    scaling, transport, words = REFUSED[case]
    messages = refuse_consumer(scaling, transport)
    assert len(messages) == 1, messages
    assert words in messages[0]
    assert "; " in messages[0], "no remedy"


def test_symfonys_streams_are_not_what_another_worker_reads(refuse_consumer):
    worker = {"kind": "command", "command": ["/app/worker"]}
    (message,) = refuse_consumer(keda(), {**REDIS, "recover": False}, worker=worker)
    assert "triggers: are not given, and what redis gives counts Symfony's messages" in message
    assert "listName: jobs" in message


@pytest.mark.parametrize(
    "worker",
    [
        {"kind": "symfonyMessenger", "receivers": ["jobs"]},
        {"kind": "celery", "app": "shop", "queues": ["mail", "fast"]},
        {"kind": "bullmq", "command": ["node", "worker.js"]},
        {"kind": "laravelQueue", "queues": ["mail"]},
        {"kind": "sidekiq", "queues": ["mail"]},
        {"kind": "sidekiq"},
        COMMAND,
    ],
    ids=lambda worker: worker["kind"],
)
def test_what_is_written_for_a_missing_transport_is_what_the_worker_reads(worker, refuse_consumer):
    worker = {name: value for name, value in worker.items() if value is not None}
    (message,) = refuse_consumer(keda(), None, worker=worker)
    example, _, triggers = message.partition("write ")[2].removeprefix("for example ").rpartition("write triggers")
    assert "type: ..." in triggers
    assert bool(example) == (worker["kind"] != "command")
    if example:
        transport = quick_yaml.load(example.removesuffix(", or "))
        accepted = {"deleteAfterAck": True} if worker["kind"] == "symfonyMessenger" else {}
        timeouts = {"redis": {"redeliverTimeout": "90s"}, "celeryRedis": {"visibilityTimeout": "5m"}}
        longer = timeouts.get(transport["kind"], {"retryAfter": "90s"} if transport["kind"] == "laravelRedis" else {})
        assert not {"KE-30", "V-55", "V-59"} & set(found(keda(), transport | accepted | longer, worker=worker))


def test_a_password_in_clear_is_refused_and_not_repeated(refuse_consumer):
    (message,) = refuse_consumer(keda(), {**REDIS, "password": "hunter2-Tr0ub4dor"})
    assert "transport.password: must be a mapping" in message
    assert "hunter2" not in message
    metadata = {"address": "r:6379", "listName": "jobs", "password": "hunter2-Tr0ub4dor"}
    (message,) = refuse_consumer(keda({"type": "redis", "metadata": metadata}, minReplicas=1), RABBITMQ)
    assert "metadata.password: looks like a secret in plain text" in message
    assert "name its key under the trigger's secrets" in message
    assert "hunter2" not in message


def test_a_name_that_would_not_fit_kedas_hpa_is_refused_long_before(refuse):
    change = {"autoscaling": {"kind": "fixed"}}
    assert "shorten it to 47 characters" in refuse(change, name="a" * 55)
    assert len("keda-hpa-" + "a" * 47) <= 63


CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
FALLBACK = {"replicas": 3}


@pytest.mark.parametrize(
    ("triggers", "others", "refused"),
    [
        ([CPU], {}, True),
        ([{**LIST, "metricType": "Value"}], {}, True),
        ([CPU, {**LIST, "metricType": "Value"}], {}, True),
        ([LIST], {}, False),
        ([CPU, LIST], {}, False),
        ([{**LIST, "metricType": "Value", "name": "a"}], {"scalingModifiers": {"formula": "a", "target": 1}}, False),
    ],
)
def test_a_fallback_that_kedas_webhook_refuses_is_refused(triggers, others, refused, refuse):
    scaling = keda(*triggers, **AT_LEAST_ONE, fallback=FALLBACK, **others)
    if refused:
        assert "stands in for no trigger here" in refuse({"autoscaling": scaling, "transport": RABBITMQ})
    else:
        assert found(scaling, RABBITMQ) is not None


WARNED = {
    "KE-03": (keda(minReplicas=1, pollingInterval="5s"), REDIS, "does nothing, because there is always 1 pod"),
    "KE-04": (
        keda({**LIST, "metadata": {**LIST["metadata"], "activationListLength": "50"}}),
        RABBITMQ,
        "up to 50 messages wait at zero pods until one more comes",
    ),
    "KE-05": (keda(LIST), RABBITMQ, "up to 5 pods with 350 messages in hand drain at once"),
    "KE-47": (keda(pollingInterval="10m"), REDIS, "lets the first message wait up to 10m for its pod"),
    "KE-06": (keda(initialCooldown="0s"), REDIS, "ends all pods at the first poll that finds nothing"),
    "KE-14": (
        keda(fallback={"replicas": 3, "behavior": "static"}),
        RABBITMQ,
        "is static, and pods above 3 drain in an outage",
    ),
    "KE-16": (keda({**LIST, "metricType": "Value"}, **AT_LEAST_ONE), RABBITMQ, "multiplies by the pods"),
    "KE-30b": (
        keda({"type": "rabbitmq", "metadata": {"host": "amqp://r", "queueName": "q"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "counts what waits, and not what is in hand",
    ),
    "KE-36": (keda(), {**DOCTRINE, "symfony": "5.4"}, "Symfony 5.4 writes PHP's local time"),
    "KE-39": (
        keda({"type": "gcp-pubsub", "metadata": {"subscriptionName": "s"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "is to be removed from KEDA",
    ),
    "KE-41": (
        keda({**LIST, "metadata": {**LIST["metadata"], "listLenght": "5"}}, **AT_LEAST_ONE),
        RABBITMQ,
        "is not known to a redis trigger, and passed over",
    ),
}


@pytest.mark.parametrize("rule", WARNED)
def test_what_works_and_harms_is_a_warning(
    rule,
):
    scaling, transport, words = WARNED[rule]
    finding = found(scaling, transport)[rule]
    assert finding.level is Level.WARNING
    assert words in finding.message
    assert finding.remedy


RABBITMQ_AT = {"host": "http://r", "queueName": "q", "mode": "QueueLength", "value": "5"}
STREAM_AT = {"address": "r:6379", "stream": "s"}
SQS_AT = {"queueURL": "https://sqs.eu-west-1.amazonaws.com/123456789012/mail", "awsRegion": "eu-west-1"}
HALVES = [
    ("rabbitmq", {**RABBITMQ_AT, "excludeUnacknowledged": "true"}, "excludeUnacknowledged", "a busy pod looks idle"),
    ("rabbitmq", {**RABBITMQ_AT, "excludeUnacknowledged": "false"}, "", ""),
    # As Go reads it.
    ("rabbitmq", {**RABBITMQ_AT, "excludeUnacknowledged": "True"}, "excludeUnacknowledged", "a busy pod looks idle"),
    ("rabbitmq", {**RABBITMQ_AT, "excludeUnacknowledged": "1"}, "excludeUnacknowledged", "a busy pod looks idle"),
    ("rabbitmq", {**RABBITMQ_AT, "excludeUnacknowledged": "F"}, "", ""),
    ("rabbitmq", {**RABBITMQ_AT, "protocol": "amqp"}, "protocol", "is AMQP, which counts what waits"),
    ("rabbitmq", {**RABBITMQ_AT, "host": "amqp://r"}, "host", "is AMQP, which counts what waits"),
    ("rabbitmq", {**RABBITMQ_AT, "host": "amqps://r", "protocol": "auto"}, "host", "is AMQP, which counts what waits"),
    ("rabbitmq", RABBITMQ_AT, "", ""),
    *(
        (f"redis{servers}-streams", {**STREAM_AT, **counts}, *said)
        for servers in ("", "-cluster", "-sentinel")
        for counts, said in (
            ({"consumerGroup": "g", "pendingEntriesCount": "5"}, ("consumerGroup", "in hand only")),
            ({"streamLength": "5"}, ("", "")),
        )
    ),
    ("aws-sqs-queue", {**SQS_AT, "scaleOnInFlight": "false"}, "scaleOnInFlight", "a busy pod looks idle"),
    ("aws-sqs-queue", {**SQS_AT, "scaleOnInFlight": "0"}, "scaleOnInFlight", "a busy pod looks idle"),
    ("aws-sqs-queue", {**SQS_AT, "scaleOnInFlight": "TRUE"}, "", ""),
    ("aws-sqs-queue", SQS_AT, "", ""),
]


@pytest.mark.parametrize(("type_", "metadata", "place", "words"), HALVES)
def test_a_trigger_that_counts_half_of_what_there_is_is_said_at_the_parameter(type_, metadata, place, words):
    finding = found(keda({"type": type_, "metadata": metadata}, **AT_LEAST_ONE), RABBITMQ).get("KE-30b")
    assert (finding is not None) == bool(place)
    if finding is not None:
        at = ("consumers", "githubevents", "autoscaling", "triggers", 0, "metadata", place)
        assert (finding.level, finding.path) == (Level.WARNING, at)
        assert words in finding.message


FORMULAS = {
    "KE-15a: may divide by 0": (
        "a / b",
        "int(a) % int(b)",
        "a / (b - 7)",
        "a / (b + c - 3)",
        "a / (b + c)",
        "a / 0",
        "sum([a, b]) / c",
        "a / max(b, 0)",
        "max(a / b, 1)",
    ),
    "KE-15a: may fall below 0": (
        *("a - b", "-a + b", "max(a, b) - 3", "max(0, a) - max(b, 0)", "a - b / 2 + c", "min(a, b) - 1"),
        *("max(a, 2) - min(b, c)", "a + b + c - 100"),
    ),
    "KE-15b: is more than sums": (
        *("a > 5 ? a : b", "a ?? b", "median(a, b)", "a ** b ?? c", "b > 0 ? a / b : 0"),
        *(
            "let x = a + b; x * 2",
            "a == 'b' or a > b ? 1 : 0",
            "sum([a, b], #acc + #)",
            "max([a], b)",
            "max([]) + a - b",
            "let least = a - b; max(least, 0)",
        ),
        *("{'b': b, one: a}.one", "a if b"),
    ),
    "": (
        "a / max(b, 1)",
        "a + max(b - c, 0)",
        "max((a - b) * 2, 5)",
        "1e-3 * a",
        "a + b",
        "(a + 2 * b) / 10",
        "a / 0.5 + b",
        "max(a - b, 0)",
        "max(0, a - b)",
        "min(a, 1) + int(b) % 7 + 8 % 3",
        "max([a, b]) + sum([a, b - min(a, b)])",
        "ceil(1e308 * a * a) - b * 0 + floor(a * 1e308 * a * 0)",
        "ceil(a)",
        # Whatever they say, and each as it was once told to be written.
        *("max(a, b - 0) + b - a", "a - min(a, b)", "max(a - b, c)", "a/(max(b,1))", "max(a - b / 2 + c, 0)"),
        *("max(a - min(b, c), 0)", "max(a - ceil(b) + c, 0)", "max(max(a, 2) - min(b, c), 0)", "a +\n  b // - a"),
    ),
}


@pytest.mark.parametrize("formula", [one for formulas in FORMULAS.values() for one in formulas])
def test_a_formula_that_may_be_no_number_of_messages_is_said(formula):
    triggers = [{**LIST, "name": name} for name in "abc" if re.search(rf"\b{name}\b", formula)]
    modifiers = {"formula": formula, "target": 5}
    rules = found(keda(*triggers, scalingModifiers=modifiers, minReplicas=1), RABBITMQ)
    said = [f"{rule}: {one.message}" for rule, one in rules.items() if rule.startswith("KE-15")]
    (expected,) = [words for words, formulas in FORMULAS.items() if formula in formulas]
    assert [words.startswith(expected) for words in said] == ([True] if expected else []), said


def test_a_receiver_that_no_trigger_counts_is_foreseen():
    two = {**CONSUMER["worker"], "receivers": ["jobs", "mail"]}
    for transport, field in ((REDIS, "stream"), (RABBITMQ, "queue"), (DOCTRINE, "queue")):
        finding = found(keda(), transport, worker=two)["KE-30c"]
        assert (finding.level, finding.path[-1]) == (Level.WARNING, field)
        assert "is 1 of what 2 receivers read (jobs, mail)" in finding.message
        assert "KE-30c" not in found(keda(), {**transport, field: ["jobs", "mail"]}, worker=two)
    assert "KE-30c" not in found(keda(LIST, **AT_LEAST_ONE), worker=two), "triggers of one's own count what they say"


def test_a_fallback_that_never_acts_is_said_with_what_was_seen():
    assert "never acts on redis and redis-streams" in found(keda(fallback={"replicas": 3}))["KE-14"].message
    assert "KE-14" not in found(keda(fallback={"replicas": 3}), RABBITMQ)


def test_a_pause_is_not_forgotten():
    for setting in ({"paused": True}, {"pausedReplicas": 3}, {"pausedScaleIn": True}):
        assert found(keda(**setting))["KE-12"].level is Level.INFO


def test_where_the_trigger_counts_what_is_in_hand_and_delayed_zero_needs_no_warning():
    for transport in (REDIS, DOCTRINE, RABBITMQ):
        assert not {"KE-05", "KE-33", "V-36"} & set(found(keda(), transport))
    assert "V-36" not in found(keda(LIST), RABBITMQ)
    delayed = {"type": "redis", "metadata": {"address": "r:6379", "listName": "githubevents__queue"}}
    stream = {"type": "redis-streams", "metadata": {"address": "r:6379", "stream": "s", "streamLength": "5"}}
    assert "KE-05" in found(keda(stream, delayed)), "whether they count what is in hand is not known"


@pytest.mark.parametrize(
    ("scaling", "transport", "pods"),
    [
        (keda(), REDIS, [5]),
        (keda(LIST), RABBITMQ, [10]),
        (keda(minReplicas=1), REDIS, []),
        (keda(paused=True), REDIS, []),
        (keda(pausedScaleIn=True), REDIS, []),
    ],
    ids=["counts what is in hand", "does not: they drain beside new ones", "never zero", "paused", "only grows"],
)
def test_the_envelope_holds_all_pods_that_go_at_once(scaling, transport, pods):
    consumers = {"githubevents": consumer(scaling, transport)}
    stack = StackSettings.model_validate({"name": "dev", "cluster": {"kind": "existing"}, "consumers": consumers})
    points = build_envelope(stack.consumers["githubevents"])
    assert [point.pods for point in points if point.at == "drop"] == pods


def test_every_line_of_the_facts_that_is_about_keda_is_a_rule():
    of_settings = {"KE-05", "KE-06", "KE-13", "KE-32", "KE-33", "KE-35", "KE-36"}
    assert of_settings <= set(known_rules())


def test_the_table_of_triggers_is_kedas_own():
    assert len(scalers()) >= 75
    assert scalers()["mysql"]["queryValue"] == ("m", True, "number")
    assert scalers()["rabbitmq"]["useRegex"] == ("m", False, "boolean")
    assert scalers()["redis"]["listLength"] == ("m", False, "whole")


NEWER = "look for a newer KEDA, or a newer ebbtide"


@pytest.mark.parametrize(
    ("version", "kubernetes", "complaint", "remedy"),
    [
        ("2.17.0", "1.31", "is older than these rules know", "write 2.18.0 or newer"),
        ("2.18.0", "1.30", "tested with", NEWER),
        ("2.18.0", "1.31", "", ""),
        ("2.18.0", "1.33", "", ""),
        ("2.18.0", "1.34", "tested with", "write 2.19 or 2.20 or 2.21"),
        ("2.19.0", "1.34", "", ""),
        ("2.19.0", "1.35", "tested with", "write 2.20"),
        ("2.20.0", "1.31", "tested with", "write 2.18"),
        ("2.20.0", "1.32", "tested with", "write 2.18 or 2.19"),
        ("2.20.0", "1.33", "", ""),
        ("2.20.0", "1.35", "", ""),
        ("2.20.0", "1.36", "tested with 1.33 to 1.35, and the cluster has 1.36", NEWER),
        ("2.99.0", "1.35", "tested with none that these rules know", "write 2.20"),
    ],
)
def test_a_pair_of_keda_and_kubernetes_that_nobody_tested_is_said(version, kubernetes, complaint, remedy):
    cluster = {"kind": "existing", "kubernetesVersion": kubernetes, "keda": {"version": version}}
    stack = {"name": "dev", "cluster": cluster, "consumers": {"githubevents": consumer(keda())}}
    findings = [one for one in check_stack(StackSettings.model_validate(stack)) if one.rule == "KE-01"]
    assert [(one.level, one.remedy) for one in findings] == ([(Level.WARNING, remedy)] if complaint else [])
    assert all(complaint in one.message for one in findings)


@pytest.mark.parametrize(
    ("scaling", "transport", "is_asked"),
    [
        (keda(minReplicas=1), REDIS, True),
        (keda(LIST, minReplicas=1), REDIS, False),
        (keda(LIST, minReplicas=1), None, False),
    ],
    ids=["what the transport gives", "triggers of one's own", "no transport"],
)
def test_of_a_broker_is_said_that_keda_asks_it_where_keda_does(scaling, transport, is_asked):
    cluster = {"kind": "existing", "keda": "existing"}
    stack = {"name": "dev", "cluster": cluster, "consumers": {"githubevents": consumer(scaling, transport)}}
    findings = [one for one in check_stack(StackSettings.model_validate(stack)) if one.rule == "KE-26"]
    assert [(one.level, one.path[2:]) for one in findings] == ([(Level.INFO, ("transport",))] if is_asked else [])


@pytest.mark.parametrize("value", ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"])
def test_every_boolean_that_go_reads_is_taken(value):
    trigger = {**LIST, "metadata": {**LIST["metadata"], "unsafeSsl": value}}
    assert found(keda(trigger, minReplicas=1)) is not None


QUERIES = {
    "is NULL of an empty queue": [
        "SELECT sum(n) FROM t",
        "select MAX(id) from t;",
        "-- of all, as in (a, b)\nSELECT avg(n)::int FROM t WHERE b = 'x, y'",
    ],
    "may give several rows or none": ["SELECT id FROM t", "SELECT DISTINCT t.id AS n FROM t LIMIT 1"],
    "may give several rows, and": [
        "SELECT count(*) FROM t GROUP BY q",
        "SELECT count(*) FROM a UNION ALL SELECT count(*) FROM b",
    ],
    "more than one column": ["SELECT q, count(*) FROM t GROUP BY q"],
    "": [
        "SELECT count(*) FROM t WHERE queue IN (1, 2) AND name = 'GROUP BY'",
        "SELECT coalesce(sum(n), 0) FROM t",
        "SELECT sum(n) FROM (SELECT count(*) AS n FROM a UNION ALL SELECT count(*) FROM b) AS both",
        "SELECT n FROM (SELECT count(*) AS n FROM t) AS one",
        "SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)",
        "SELECT ceil(count(*) / 5.0) FROM t",
        "WITH due AS (SELECT 1) SELECT id FROM due",
        "SELECT",
        ")(",
    ],
}


@pytest.mark.parametrize(("harm", "query"), [(harm, query) for harm, queries in QUERIES.items() for query in queries])
@pytest.mark.parametrize("type_", ["postgresql", "mysql"])
def test_a_query_that_is_not_answered_with_one_number_is_said(type_, harm, query):
    target = "targetQueryValue" if type_ == "postgresql" else "queryValue"
    asked = {"type": type_, "metadata": {"query": query, target: "5"}, "authentication": {"name": "theirs"}}
    finding = found(keda(asked, **AT_LEAST_ONE), RABBITMQ).get("KE-45")
    if harm:
        assert harm in finding.message
        assert (finding.level, finding.path[-1]) == (Level.WARNING, "query")
    else:
        assert finding is None


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        ("SELECT q, count(*) FROM t", "select one"),
        ("SELECT count(*) FROM t GROUP BY q", "write SELECT count(*) ..., or the sum of a subquery"),
        ("SELECT  MAX(id) FROM t", "write coalesce(max(...), 0)"),
        ("SELECT id FROM t", "write SELECT count(*) ..., or the sum of a subquery"),
    ],
)
def test_what_to_ask_instead_is_said(query: str, remedy: str):
    assert [told for _, told in harms_of_query(query)] == [remedy]


@pytest.mark.parametrize("value", ["0", "-3", "0.0"])
def test_a_target_that_nothing_can_be_divided_by_is_refused(value, refuse_consumer):
    def trigger(value: str) -> dict[str, Any]:
        given = {"serverAddress": "http://p", "query": "sum(a)", "ignoreNullValues": "false", "threshold": value}
        return {"type": "prometheus", "metadata": {**given, "activationThreshold": "0"}}

    (message,) = refuse_consumer(keda(trigger(value), **AT_LEAST_ONE), RABBITMQ)
    assert f"metadata.threshold: must be above 0 (got '{value}')" in message
    assert "KE-46" not in found(keda(trigger("0.5"), **AT_LEAST_ONE), RABBITMQ)


def test_of_a_choice_only_what_keda_reads_is_taken():
    """KEDA would refuse the trigger when it is there, and the number of pods would stay as it is."""
    for policy, is_wrong in (("earliest", False), ("latest", False), ("newest", True)):
        trigger = Trigger(type="apache-kafka", metadata={"offsetResetPolicy": policy})
        assert [one.parameter for one in wrong_values(trigger)] == (["offsetResetPolicy"] if is_wrong else [])


def test_a_parameter_from_the_environment_is_known_and_a_misspelt_one_is_not():
    trigger = Trigger(type="rabbitmq", metadata={"hostFromEnv": "HOST", "hots": "a", "queueName": "q"})
    assert list(unknown_parameters(trigger)) == [("metadata", "hots")]


def test_a_target_is_no_activation_and_one_pod_needs_nothing_but_its_own_load():
    target = {**LIST, "metadata": {**LIST["metadata"], "listLength": "50", "activationListLength": "0"}}
    assert "KE-04" not in found(keda(target), RABBITMQ)
    load = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
    assert found(keda(load, **AT_LEAST_ONE), RABBITMQ, resources={"cpu": {"request": "4"}})


def test_a_formula_that_wakes_late_is_said_as_a_trigger_is():
    scaling = keda(
        {**LIST, "name": "jobs"},
        scalingModifiers={"formula": "jobs", "target": 10, "activationTarget": 5},
    )
    finding = found(scaling, RABBITMQ)["KE-04"]
    assert finding.path[-2:] == ("scalingModifiers", "activationTarget")
    assert "up to 5 messages wait" in finding.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cooldown": "0s"}, ["cooldown"]),
        ({"cooldown": "59s"}, ["cooldown"]),
        ({"cooldown": "60s", "pollingInterval": "60s"}, []),
        ({"pollingInterval": "61s"}, ["pollingInterval"]),
        ({"cooldown": "0s", "pollingInterval": "10m"}, ["pollingInterval", "cooldown"]),
        ({"cooldown": "0s", "pausedScaleIn": True}, []),
        ({"cooldown": "0s", "paused": True, "pollingInterval": "10m"}, []),
        ({**AT_LEAST_ONE, "cooldown": "0s", "pollingInterval": "10m"}, []),
    ],
)
def test_times_that_make_the_first_message_wait_or_end_pods_in_a_short_pause_are_said(changes, said):
    consumers = {"githubevents": consumer(keda(**changes))}
    stack = StackSettings.model_validate({"name": "dev", "cluster": {"kind": "existing"}, "consumers": consumers})
    places = [one.path[-1] for one in check_stack(stack) if one.rule == "KE-47"]
    assert places == said
