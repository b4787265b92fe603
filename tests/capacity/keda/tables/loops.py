"""Both loops together: what one leaves for the other, errors, scalers that are built anew.

Source: KEDA 2.21.0, pkg/scaling/scale_handler_test.go, test name; rows named after a function fix a branch of
scale_handler.go, modifiers/formula.go or cache/scalers_cache.go; rows named `measured` are what the real operator did
beside Kubernetes 1.34.4 and real brokers.

Columns: source, spec, steps. A step is ("poll", seconds, (pods, ready), readings, what the poll says) or
("hpa", metric, (pods, ready), readings, milli-units or the beginning of the error). A reading is a number or "away".
"""

# ruff: noqa: E501  one step a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

_ANY = {"type": "prometheus", "metadata": {"threshold": "10", "query": "q"}}
_CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
_STREAM = {"type": "redis-streams", "name": "stream", "metadata": {"stream": "s", "streamLength": "5"}}
_DELAYED = {"type": "redis", "name": "delayed", "metadata": {"listName": "s__queue"}}
_RABBIT = {"type": "rabbitmq", "metadata": {"queueName": "q", "mode": "QueueLength", "value": "5", "protocol": "http"}}
_TABLE = {"type": "postgresql", "metadata": {"query": "q", "targetQueryValue": "5"}}
_FALLBACK = {"failureThreshold": 2, "replicas": 3}
_SUM = {"scalingModifiers": {"formula": "stream + delayed", "target": "5", "activationTarget": "0", "metricType": "AverageValue"}}
_EITHER = {"scalingModifiers": {"formula": "stream ?? delayed", "target": "2"}}
_S, _D, _R, _T, _P = "s0-redis-streams-s", "s1-redis-s__queue", "s0-rabbitmq-q", "s0-postgresql", "s0-prometheus"
_COMPOSITE = "composite-metric"
_ONE, _FIVE = (1, 1), (5, 5)
_MIN1 = {"minReplicaCount": 1, "triggers": [_ANY]}

SCRIPTS: list[tuple[Any, ...]] = [
    ("TestGetScaledObjectMetrics_DirectCall", {"pollingInterval": 300, "triggers": [_ANY]}, [
        ("poll", 1, _ONE, [10], {"active": True, "active_metrics": (_P,)}),
        ("hpa", _P, _ONE, [12], (12_000,)),
    ]),
    ("TestGetScaledObjectMetrics_FromCache", {"pollingInterval": 300, "triggers": [{**_ANY, "useCachedMetrics": True}]}, [
        ("hpa", _P, _ONE, [9], (9_000,)),
        ("poll", 1, _ONE, [10], {"active": True}),
        ("hpa", _P, _ONE, [12], (10_000,)),
    ]),
    ("TestCheckScaledObjectScalersWithError", {"triggers": [_ANY]}, [
        ("poll", 1, _ONE, ["away"], {"active": False, "failed": True, "active_metrics": (), "desired": 1}),
    ]),
    ("TestCheckScaledObjectFindFirstActiveNotIgnoreOthers", {"triggers": [_ANY, _ANY]}, [
        ("poll", 1, _ONE, [10, "away"], {"active": True, "failed": True, "active_metrics": (_P,)}),
    ]),
    ("TestGetScaledObjectMetrics_ErrorDoesNotClearOtherTriggersCachedRecord", {"triggers": [{**_ANY, "useCachedMetrics": True}, _ANY]}, [
        ("poll", 1, _ONE, [10, 1], {"active": True}),
        ("hpa", "s1-prometheus", _ONE, [12, "away"], "metric:s1-prometheus encountered error"),
        ("hpa", _P, _ONE, [12, "away"], (10_000,)),
    ]),
    ("TestGetScaledObjectStateRecordsResourceScalerActiveMetric", {"minReplicaCount": 1, "triggers": [_CPU]}, [
        ("poll", 1, _ONE, [0], {"active": True, "active_metrics": (), "failed": False}),
    ]),
    ("TestGetScaledObjectState_UsesFreshHPAObservations: active observation", _MIN1, [
        ("hpa", _P, _ONE, [10], (10_000,)),
        ("poll", 1, _ONE, ["away"], {"active": True, "active_metrics": (_P,), "failed": False}),
    ]),
    ("TestGetScaledObjectState_UsesFreshHPAObservations: inactive observation", _MIN1, [
        ("hpa", _P, _ONE, [0], (0,)),
        ("poll", 1, _ONE, [10], {"active": False, "active_metrics": ()}),
    ]),
    ("TestGetScaledObjectState_UsesFreshHPAObservations: observation with scaler error", _MIN1, [
        ("hpa", _P, _ONE, ["away"], f"metric:{_P} encountered error"),
        ("poll", 1, _ONE, [10], {"active": False, "failed": True}),
    ]),
    ("TestGetScaledObjectState_UsesFreshHPAObservations: observation with active fallback", {**_MIN1, "fallback": {"failureThreshold": 0, "replicas": 3}}, [
        ("hpa", _P, _ONE, ["away"], (30_000,)),
        ("poll", 1, _ONE, [0], {"active": True, "fallback": True, "active_metrics": (_P,), "failed": False, "failures": {_P: 1}}),
    ]),
    ("hpaObservedRecord: an observation lasts from poll to poll", _MIN1, [
        ("hpa", _P, _ONE, [10], (10_000,)),
        ("poll", 1, _ONE, ["away"], {"active": True}),
        ("poll", 2, _ONE, ["away"], {"active": True, "failed": False}),
        ("hpa", _P, _ONE, [12], (12_000,)),
    ]),
    ("getScaledObjectState: CPU beside another trigger does not make it active", {"minReplicaCount": 1, "triggers": [_CPU, _ANY]}, [
        ("poll", 1, _ONE, [0, 0], {"active": False}),
    ]),
    ("GetScaledObjectMetrics: a fallback of one trigger covers another's error", {"triggers": [{**_RABBIT, "name": "one"}, {**_ANY, "name": "two"}], "fallback": {"failureThreshold": 1, "replicas": 3}, "advanced": {"scalingModifiers": {"formula": "one + two", "target": "5"}}}, [
        ("hpa", _COMPOSITE, _FIVE, ["away", 5], f"metric:{_COMPOSITE} encountered error"),
        ("hpa", _COMPOSITE, _FIVE, ["away", "away"], (15_000,)),
    ]),
    ("scalingModifiersFallbackTarget: a formula that is nil without a fallback", {"triggers": [_STREAM], "advanced": {"scalingModifiers": {"formula": "stream > 5 ? (nil ?? nil) : stream", "target": "2"}}}, [
        ("hpa", _COMPOSITE, _ONE, [5], (5_000,)),
        ("hpa", _COMPOSITE, _ONE, [6], f"no matching metrics found for {_COMPOSITE}"),
    ]),
    ("TestGetScaledObjectState_PollsWithoutUsableHPAObservation: missing record", _MIN1, [
        ("poll", 1, _ONE, [10], {"active": True, "active_metrics": (_P,)}),
    ]),
    ("TestGetScaledObjectState_PollsWithoutUsableHPAObservation: HPA not actively scaling", _MIN1, [
        ("hpa", _P, _ONE, [0], (0,)),
        ("poll", 1, _ONE, [10], {"active": True, "hpa_queries": False}),
    ]),
    ("TestGetScaledObjectState_PollsWhenPollingIsRelevant", {"triggers": [_ANY]}, [
        ("hpa", _P, _ONE, [10], (10_000,)),
        ("poll", 1, _ONE, [0], {"active": False, "records": {}}),
    ]),
    ("getScaledObjectState: a formula asks again, also above zero", {"minReplicaCount": 1, "triggers": [_STREAM, _DELAYED], "advanced": _SUM}, [
        ("hpa", _COMPOSITE, _ONE, [7, 2], (9_000,)),
        ("poll", 1, _ONE, [0, 0], {"active": False, "records": {}}),
    ]),
    ("getScaledObjectState: an error without a formula leaves the others active", {"triggers": [_STREAM, _DELAYED]}, [
        ("poll", 1, _ONE, ["away", 3], {"active": True, "failed": True, "active_metrics": (_D,)}),
    ]),
    ("getScaledObjectState: an error with a formula makes it inactive", {"triggers": [_STREAM, _DELAYED], "advanced": _SUM}, [
        ("poll", 1, _ONE, ["away", 3], {"active": False, "failed": True, "active_metrics": (), "desired": 1}),
    ]),
    ("getScaledObjectState: activation of a formula is strict", {"triggers": [_STREAM, _DELAYED], "advanced": {"scalingModifiers": {**_SUM["scalingModifiers"], "activationTarget": "5"}}}, [
        ("poll", 1, (0, 0), [3, 2], {"active": False, "desired": 0}),
        ("poll", 2, (0, 0), [3, 3], {"active": True, "desired": 1, "active_metrics": (_COMPOSITE,)}),
    ]),
    ("getScaledObjectState: triggers' own activation is no matter with a formula", {"triggers": [{**_STREAM, "metadata": {"stream": "s", "activationLagCount": "50"}}, _DELAYED], "advanced": _SUM}, [
        ("poll", 1, (0, 0), [1, 0], {"active": True, "desired": 1}),
    ]),
    ("activation beats the target: threshold 10, activation 50, 40 messages", {"triggers": [{"type": "prometheus", "metadata": {"query": "q", "threshold": "10", "activationThreshold": "50"}}]}, [
        ("poll", 1, (0, 0), [40], {"active": False, "desired": 0}),
        ("poll", 2, (0, 0), [50], {"active": False, "desired": 0}),
        ("poll", 3, (0, 0), [51], {"active": True, "desired": 1}),
    ]),
    ("GetScaledObjectMetrics: only the asked metric is looked at", {"triggers": [_STREAM, _DELAYED]}, [
        ("hpa", _S, _ONE, [7, "away"], (7_000,)),
        ("hpa", _D.upper(), _ONE, [7, 4], (4_000,)),
        ("hpa", "s2-nothing", _ONE, [7, 4], "no matching metrics found for s2-nothing"),
    ]),
    ("GetScaledObjectMetrics: with a formula all are", {"triggers": [_STREAM, _CPU, {**_DELAYED}], "advanced": _SUM}, [
        ("hpa", _COMPOSITE, _ONE, [7, 0, 4], (11_000,)),
        ("hpa", _COMPOSITE, _ONE, [7, 0, "away"], f"metric:{_COMPOSITE} encountered error"),
    ]),
    ("applyScalingModifiersFormula: NaN is the smallest integer, which the HPA takes for the largest", {"triggers": [_STREAM, _DELAYED], "advanced": {"scalingModifiers": {"formula": "stream / delayed", "target": "5"}}}, [
        ("hpa", _COMPOSITE, _ONE, [0, 0], (-(2**63),)),
        ("hpa", _COMPOSITE, _ONE, [7, 2], (3_500,)),
    ]),
    ("performGetScalersCache: an error throws away the scalers, also those of others", {"triggers": [_ANY, {**_STREAM}]}, [
        ("hpa", _P, _ONE, ["away", 7], f"metric:{_P} encountered error"),
        ("hpa", "s1-redis-streams-s", _ONE, ["away", "away"], "no scaler could be built: away"),
        ("hpa", "s1-redis-streams-s", _ONE, ["away", 7], (7_000,)),
    ]),
    ("performGetScalersCache: while they stand one trigger's error is no other's", {"triggers": [_STREAM, _ANY]}, [
        ("hpa", "s1-prometheus", _ONE, ["away", 7], (7_000,)),
    ]),
    ("buildScalers: what does not connect is built while its broker is away", {"triggers": [_ANY, _RABBIT]}, [
        ("poll", 1, _ONE, ["away", "away"], {"failed": True, "error": ""}),
        ("poll", 2, _ONE, ["away", "away"], {"failed": True, "error": "", "desired": 1}),
    ]),
    ("checkScalers: without scalers a poll does nothing, not even what it must", {"minReplicaCount": 3, "idleReplicaCount": 0, "triggers": [_TABLE]}, [
        ("poll", 1, (3, 3), [4], {"active": True, "desired": 3}),
        ("poll", 2, (3, 3), ["away"], {"failed": True, "error": ""}),
        ("poll", 1000, (3, 3), ["away"], {"failed": True, "error": "no scaler could be built: away", "desired": 3, "conditions": (), "active": False, "fallback": False}),
        ("poll", 1001, (3, 3), [0], {"failed": False, "desired": 0}),
    ]),
    ("UpdateHealthStatus: a cached fallback is a success to the HPA's side", {"triggers": [{**_RABBIT, "useCachedMetrics": True}], "fallback": {"failureThreshold": 1, "replicas": 3}}, [
        ("poll", 1, _FIVE, ["away"], {"failed": True, "failures": {_R: 1}}),
        ("hpa", _R, _FIVE, ["away"], (15_000,)),
        ("poll", 2, _FIVE, ["away"], {"failed": False, "fallback": True, "failures": {_R: 3}}),
        ("hpa", _R, _FIVE, ["away"], (15_000,)),
        ("poll", 3, _FIVE, ["away"], {"failed": True, "fallback": False, "failures": {_R: 1}}),
    ]),
    ("HandleScalingModifiers: a fallback takes the formula's place, the first of several", {"triggers": [_RABBIT, {**_STREAM, "name": "stream"}], "fallback": {"failureThreshold": 0, "replicas": 3}, "advanced": {"scalingModifiers": {"formula": "stream * 100", "target": "5"}}}, [
        ("hpa", _COMPOSITE, _FIVE, ["away", 2], (15_000,)),
        ("poll", 1, _FIVE, ["away", 2], {"active": True, "fallback": True, "active_metrics": (_COMPOSITE,), "failed": False}),
        ("hpa", _COMPOSITE, _FIVE, ["away", "away"], (15_000,)),
        ("hpa", _COMPOSITE, _FIVE, [1, 2], (200_000,)),
    ]),
    ("TestScalingModifierTriggerValue: nil from one over the threshold on", {"triggers": [_STREAM, _DELAYED], "fallback": {"failureThreshold": 0, "replicas": 7, "behavior": "scalingModifiers"}, "advanced": _EITHER}, [
        ("hpa", _COMPOSITE, _ONE, [6, 9], (6_000,)),
        ("hpa", _COMPOSITE, _ONE, ["away", 9], (9_000,)),
        ("hpa", _COMPOSITE, _ONE, [6, 9], (6_000,)),
    ]),
    ("TestCalculateScalingModifiersFormulaFallbackReplicas: all nil is the fallback's pods", {"triggers": [_STREAM, _DELAYED], "fallback": {"failureThreshold": 0, "replicas": 7, "behavior": "scalingModifiers"}, "advanced": _EITHER}, [
        ("hpa", _COMPOSITE, _ONE, ["away", "away"], (14_000,)),
        ("poll", 1, _ONE, ["away", "away"], {"active": True, "fallback": False, "failed": False}),
    ]),
    ("scalingModifiersFallbackTarget: without a fallback a nil is an error", {"triggers": [_STREAM], "advanced": {"scalingModifiers": {"formula": "stream ?? nil", "target": "2"}}}, [
        ("hpa", _COMPOSITE, _ONE, [4], (4_000,)),
        ("hpa", _COMPOSITE, _ONE, ["away"], f"metric:{_COMPOSITE} encountered error"),
    ]),
    ("calculateScalingModifiersFormula: a formula that fails gives no metric", {"triggers": [_STREAM, _DELAYED], "fallback": {"failureThreshold": 0, "replicas": 7, "behavior": "scalingModifiers"}, "advanced": _SUM}, [
        ("hpa", _COMPOSITE, _ONE, ["away", 9], f"no matching metrics found for {_COMPOSITE}"),
        ("poll", 1, _ONE, ["away", 9], {"active": False, "failed": False}),
    ]),
    ("measured: RabbitMQ over http falls back at the third failure, and drains what is above", {"triggers": [_RABBIT], "fallback": _FALLBACK}, [
        ("poll", 5, _FIVE, [23], {"active": True, "failures": {_R: 0}}),
        ("poll", 10, _FIVE, ["away"], {"failed": True, "failures": {_R: 1}, "desired": 5}),
        ("hpa", _R, _FIVE, ["away"], f"metric:{_R} encountered error"),
        ("poll", 15, _FIVE, ["away"], {"fallback": True, "active": True, "failed": False, "failures": {_R: 3}}),
        ("hpa", _R, _FIVE, ["away"], (15_000,)),
        ("hpa", _R, _FIVE, [23], (23_000,)),
    ]),
    ("measured: redis-streams never falls back, since its scaler cannot be built", {"triggers": [_STREAM], "fallback": _FALLBACK}, [
        ("poll", 5, _FIVE, [23], {"active": True, "failures": {_S: 0}}),
        ("poll", 10, _FIVE, ["away"], {"failed": True, "error": "", "failures": {_S: 1}}),
        ("hpa", _S, _FIVE, ["away"], "no scaler could be built: away"),
        ("poll", 60, _FIVE, ["away"], {"failed": True, "error": "no scaler could be built: away", "fallback": False, "failures": {_S: 1}, "desired": 5}),
        ("hpa", _S, _FIVE, ["away"], "no scaler could be built: away"),
        ("poll", 65, _FIVE, [23], {"active": True, "failures": {_S: 0}}),
        ("hpa", _S, _FIVE, ["away"], f"metric:{_S} encountered error"),
    ]),
    ("measured: postgresql never falls back either", {"triggers": [_TABLE], "fallback": _FALLBACK}, [
        ("hpa", _T, _FIVE, ["away"], f"metric:{_T} encountered error"),
        ("poll", 5, _FIVE, ["away"], {"failed": True, "error": "no scaler could be built: away", "failures": {_T: 1}}),
    ]),
    ("observeMetric: a threshold of 0 never throws the scalers away, so Redis falls back too", {"triggers": [_STREAM], "fallback": {"failureThreshold": 0, "replicas": 3}}, [
        ("hpa", _S, _FIVE, ["away"], (15_000,)),
        ("poll", 5, _FIVE, ["away"], {"fallback": True, "active": True, "failures": {_S: 2}}),
        ("hpa", _S, _FIVE, ["away"], (15_000,)),
    ]),
    ("measured: without a fallback the pods stay while the broker is away", {"cooldownPeriod": 20, "triggers": [_STREAM]}, [
        ("poll", 5, _FIVE, [23], {"active": True, "desired": 5}),
        ("poll", 10, _FIVE, ["away"], {"failed": True, "desired": 5}),
        ("poll", 80, _FIVE, ["away"], {"failed": True, "desired": 5}),
        ("poll", 85, _FIVE, [23], {"active": True, "desired": 5}),
    ]),
    ("measured: the composite of stream and delayed, and zero 20 s after the last active poll", {"pollingInterval": 5, "cooldownPeriod": 20, "triggers": [_STREAM, _DELAYED], "advanced": _SUM}, [
        ("poll", 5, (0, 0), [0, 0], {"active": False, "desired": 0}),
        ("poll", 10, (0, 0), [0, 1], {"active": True, "desired": 1}),
        ("poll", 15, _ONE, [0, 1], {"active": True, "desired": 1}),
        ("poll", 20, _ONE, [0, 0], {"active": False, "desired": 1}),
        ("poll", 30, _ONE, [0, 0], {"active": False, "desired": 1}),
        ("poll", 35, _ONE, [0, 0], {"active": False, "desired": 0}),
        ("hpa", _COMPOSITE, _ONE, [23, 0], (23_000,)),
    ]),
    ("measured: RabbitMQ, from 5 pods to zero in one step", {"pollingInterval": 5, "cooldownPeriod": 20, "triggers": [_RABBIT]}, [
        ("poll", 5, _FIVE, [1], {"active": True, "desired": 5}),
        ("poll", 20, _FIVE, [0], {"active": False, "desired": 5}),
        ("poll", 25, _FIVE, [0], {"active": False, "desired": 0}),
    ]),
]
