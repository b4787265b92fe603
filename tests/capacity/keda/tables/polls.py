"""From active and failed to a number of pods: RequestScale.

Source: KEDA 2.21.0, pkg/scaling/executor/scale_scaledobjects_test.go, test name; the rows below name the branch of
scale_scaledobjects.go that they fix. A poll happens 1,000 s after the object was made, and half a second.

Columns: source, spec, annotations, pods now, seconds since the last active poll (None: never), (active, error),
pods then, whether the last active time is now, conditions (Ready, Active).
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

_IN, _OUT = {"autoscaling.keda.sh/paused-scale-in": "true"}, {"autoscaling.keda.sh/paused-scale-out": "true"}
_FORCE = {"autoscaling.keda.sh/force-activation": "true"}
_MIN0, _MIN5, _IDLE = {"minReplicaCount": 0}, {"minReplicaCount": 5}, {"minReplicaCount": 5, "idleReplicaCount": 0}
_MIN1 = {"minReplicaCount": 1}
_FALL5, _FALL0 = {"fallback": {"failureThreshold": 3, "replicas": 5}}, {"fallback": {"failureThreshold": 3, "replicas": 0}}
_OK, _ERROR, _PARTLY = "ScaledObjectReady", "TriggerError", "PartialTriggerError"
_ON, _OFF, _COOLING = "ScalerActive", "ScalerNotActive", "ScalerCooldown"
_QUIET, _WORK, _FAILED, _BOTH = (False, False), (True, False), (False, True), (True, True)

UPSTREAM: list[tuple[Any, ...]] = [
    ("TestScaleToMinReplicasWhenNotActive", _MIN0, {}, 10, None, _QUIET, 0, False, (_OK, _OFF)),
    ("TestScaleToMinReplicasFromLowerInitialReplicaCount", _MIN5, {}, 1, None, _QUIET, 5, False, (_OK, _OFF)),
    ("TestScaleFromMinReplicasWhenActive", _MIN0, {}, 0, None, _WORK, 1, True, (_OK, _ON)),
    ("TestScaleToIdleReplicasWhenNotActive", _IDLE, {}, 10, None, _QUIET, 0, False, (_OK, _OFF)),
    ("TestScaleFromIdleToMinReplicasWhenActive", _IDLE, {}, 0, None, _WORK, 5, True, (_OK, _ON)),
    ("TestEventWitTriggerInfo", _IDLE, {}, 2, None, _WORK, 5, True, (_OK, _ON)),
    ("TestNoScaleToMinReplicasWhenNotActiveAndPauseScaleInAnnotationSet", _MIN0, _IN, 10, None, _QUIET, 10, False, (_OK, _OFF)),
    ("TestNoScaleToIdleReplicasWhenNotActiveAndPauseScaleInAnnotationSet", _IDLE, _IN, 10, None, _QUIET, 10, False, (_OK, _OFF)),
    ("TestScaleFromMinReplicasWhenActivationForced", _MIN0, _FORCE, 0, None, _QUIET, 1, True, (_OK, _ON)),
    ("TestNoScaleFromMinReplicasWhenActiveAndPausedScaleOutAnnotationSet", _MIN0, _OUT, 0, None, _WORK, 0, False, (_OK, _ON)),
    ("TestNoScaleFromIdleReplicasToMinReplicasWhenActiveAndPausedScaleOutAnnotationSet", {**_IDLE, "maxReplicaCount": 10}, _OUT, 0, None, _WORK, 0, False, (_OK, _ON)),
    ("TestRequestScale_AllHealthy_HPAHealthy", _MIN1, {}, 1, None, _WORK, 1, True, (_OK, _ON)),
    ("TestRequestScale_ScalerError_HPAHealthy", _MIN1, {}, 1, None, _FAILED, 1, False, (_ERROR, _OFF)),
    ("TestRequestScale_PartialError_HPAHealthy", _MIN1, {}, 1, None, _BOTH, 1, False, (_PARTLY, _ON)),
    ("TestRequestScale_ScalerErrorWithFallback_HPAHealthy", {**_MIN1, **_FALL5}, {}, 1, None, _FAILED, 1, False, (_OK, _OFF)),
]
EDGES: list[tuple[Any, ...]] = [
    ("RequestScale, active: one pod is enough, the HPA grows from there", _MIN0, {}, 1, 10, _WORK, 1, True, (_OK, _ON)),
    ("RequestScale, active: an idle target at its minimum stays", _IDLE, {}, 5, 10, _WORK, 5, True, (_OK, _ON)),
    ("RequestScale, active with an error: an idle target at its minimum", _IDLE, {}, 5, 10, _BOTH, 5, False, (_PARTLY, _ON)),
    ("RequestScale, inactive at the idle count, within the cooldown", _IDLE, {}, 0, 10, _QUIET, 0, False, (_OK, _OFF)),
    ("RequestScale, inactive at zero, within the cooldown", _MIN0, {}, 0, 10, _QUIET, 0, False, (_OK, _OFF)),
    ("RequestScale, active: an idle target below its minimum is raised at once", _IDLE, {}, 4, 10, _WORK, 5, True, (_OK, _ON)),
    ("RequestScale, active: below the minimum without an idle count nothing is done", _MIN5, {}, 2, 10, _WORK, 2, True, (_OK, _ON)),
    ("RequestScale, active: zero with a minimum is raised to it", _MIN5, {}, 0, 10, _WORK, 5, True, (_OK, _ON)),
    ("RequestScale, active with an error: zero is left all the same", _MIN0, {}, 0, None, _BOTH, 1, True, (_OK, _ON)),
    ("RequestScale, active with an error: the cooldown does not begin anew", _MIN0, {}, 3, 10, _BOTH, 3, False, (_PARTLY, _ON)),
    ("RequestScale, forced with an error", _MIN0, _FORCE, 3, 10, _FAILED, 3, False, (_PARTLY, _ON)),
    ("RequestScale, forced: pods stay and the cooldown begins anew", _MIN0, _FORCE, 3, 10_000, _QUIET, 3, True, (_OK, _ON)),
    ("RequestScale, error at zero without fallback", _MIN0, {}, 0, 10, _FAILED, 0, False, (_ERROR, _OFF)),
    ("RequestScale, error without fallback: nothing is zeroed", _MIN0, {}, 7, 10_000, _FAILED, 7, False, (_ERROR, _OFF)),
    ("RequestScale, error with fallback: nothing is zeroed", {**_MIN0, **_FALL5}, {}, 7, 10_000, _FAILED, 7, False, (_OK, _OFF)),
    ("RequestScale, error with fallback.replicas 0: zeroed in an outage", {**_MIN0, **_FALL0}, {}, 7, 10_000, _FAILED, 0, False, (_OK, _OFF)),
    ("RequestScale, error with fallback.replicas 0 and idle count", {**_IDLE, **_FALL0}, {}, 7, 10_000, _FAILED, 0, False, (_OK, _OFF)),
    ("RequestScale, error with fallback.replicas 0, minimum above zero", {**_MIN1, **_FALL0}, {}, 7, 10_000, _FAILED, 7, False, (_OK, _OFF)),
    ("RequestScale, inactive at zero", _MIN0, {}, 0, 10_000, _QUIET, 0, False, (_OK, _OFF)),
    ("RequestScale, inactive at the idle count", _IDLE, {}, 0, 10_000, _QUIET, 0, False, (_OK, _OFF)),
    ("RequestScale, inactive, idle count: below the minimum goes down, not up", {**_MIN5, "idleReplicaCount": 2}, {}, 3, 10_000, _QUIET, 2, False, (_OK, _OFF)),
    ("RequestScale, inactive, idle count: below it nothing is raised", {**_MIN5, "idleReplicaCount": 2}, {}, 1, 10_000, _QUIET, 1, False, (_OK, _OFF)),
    ("RequestScale, inactive, minimum above zero: only the HPA shrinks", _MIN1, {}, 9, 10_000, _QUIET, 9, False, (_OK, _OFF)),
    ("RequestScale, inactive at the minimum", _MIN5, {}, 5, 10_000, _QUIET, 5, False, (_OK, _OFF)),
    ("RequestScale, inactive at zero with a minimum: raised to it", _MIN5, {}, 0, 10_000, _QUIET, 5, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: cooling down", _MIN0, {}, 3, 299, _QUIET, 3, False, (_OK, _COOLING)),
    ("scaleToZeroOrIdle: the status keeps whole seconds, so 300.5 s are past 300 s", _MIN0, {}, 3, 300, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: from any number to zero at once", _MIN0, {}, 100, 301, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: from any number to the idle count at once", _IDLE, {}, 100, 301, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: its own cooldown", {**_MIN0, "cooldownPeriod": 20}, {}, 3, 20, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: within its own cooldown", {**_MIN0, "cooldownPeriod": 20}, {}, 3, 19, _QUIET, 3, False, (_OK, _COOLING)),
    ("scaleToZeroOrIdle: a cooldown of 0", {**_MIN0, "cooldownPeriod": 0}, {}, 3, 0, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: never active, within the initial cooldown", {**_MIN0, "initialCooldownPeriod": 1001}, {}, 3, None, _QUIET, 3, False, (_OK, _COOLING)),
    ("scaleToZeroOrIdle: never active, the initial cooldown is just over", {**_MIN0, "initialCooldownPeriod": 1000}, {}, 3, None, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: the initial cooldown counts only who was never active", {**_MIN0, "initialCooldownPeriod": 1001}, {}, 3, 301, _QUIET, 0, False, (_OK, _OFF)),
    ("scaleToZeroOrIdle: an initial cooldown saves nobody from the ordinary one", {**_MIN0, "initialCooldownPeriod": 10}, {}, 3, 299, _QUIET, 3, False, (_OK, _COOLING)),
    ("getScaledObjectState: CPU alone is always active", {"cpu": True, **_MIN1}, {}, 3, 10_000, _QUIET, 3, True, (_OK, _ON)),
    ("handlePaused", _MIN0, {"autoscaling.keda.sh/paused": "true"}, 3, 10_000, _QUIET, 3, False, ("ScaledObjectPaused",)),
    ("TestScaleToPausedReplicasCount", _MIN0, {"autoscaling.keda.sh/paused-replicas": "0"}, 2, None, _WORK, 2, False, ("ScaledObjectPaused",)),
]
