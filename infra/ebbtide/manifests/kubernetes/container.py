"""The one container of a consumer's pod: the image's entrypoint, hook and health check, and what they read."""

from __future__ import annotations

from ebbtide.manifests.kubernetes.broker_access import broker_environment
from ebbtide.manifests.kubernetes.image import image_pull_policy
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.kubernetes.pod_parts import build_part_mounts, environment, environment_from
from ebbtide.manifests.kubernetes.security_context import container_security
from ebbtide.manifests.kubernetes.volumes import build_volume_mounts
from ebbtide.settings.models.consumer import START_DEADLINE_SECONDS, ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.image_contract import DRAIN, HEALTH_CHECK
from ebbtide.settings.values.names import CONTAINER_NAME
from ebbtide.settings.values.units import format_cpu, format_memory

METRICS_PORT_NAME = "metrics"

# The check takes milliseconds; on a node under pressure the runtime alone needs seconds to start it.
PROBE_TIMEOUT_SECONDS = 10
STARTUP_PERIOD_SECONDS = 2
# The container ends by itself at its start deadline and says why; the kubelet's kill, which does not, comes later.
STARTUP_FAILURES = (START_DEADLINE_SECONDS + 30) // STARTUP_PERIOD_SECONDS
READINESS_PERIOD_SECONDS = 10
READINESS_FAILURES = 3
# Three minutes without a sign of PID 1. A restart never mends a broker and costs every message in flight its time.
LIVENESS_PERIOD_SECONDS = 30
LIVENESS_FAILURES = 6

# What Autopilot asks for anyway. When a node's disk is full the kubelet evicts, at once, those above their request.
EPHEMERAL_STORAGE_REQUEST = "1Gi"


def build_container(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """The container `consumer`. Its `args` are the command of one worker process."""
    return {
        "name": CONTAINER_NAME,
        "image": consumer.image,
        "imagePullPolicy": image_pull_policy(consumer.image),
        "workingDir": consumer.worker.working_directory,
        "args": list(consumer.argv),
        **({"envFrom": environment_from(consumer.pod.environment_from)} if consumer.pod.environment_from else {}),
        "env": _environment(stack, consumer),
        **_ports(consumer),
        "resources": _resources(consumer),
        "lifecycle": {"preStop": {"exec": {"command": [DRAIN]}}},
        "startupProbe": _probe("startup", STARTUP_PERIOD_SECONDS, STARTUP_FAILURES),
        "readinessProbe": _probe("readiness", READINESS_PERIOD_SECONDS, READINESS_FAILURES),
        "livenessProbe": _probe("liveness", LIVENESS_PERIOD_SECONDS, LIVENESS_FAILURES),
        "securityContext": container_security(consumer.user_id),
        # A self-check that refuses says why on stderr; so does `kubectl describe pod` then.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [*build_volume_mounts(stack, consumer), *build_part_mounts(consumer)],
    }


def _ports(consumer: ConsumerSettings) -> Manifest:
    if consumer.metrics is None:
        return {}
    return {"ports": [{"name": METRICS_PORT_NAME, "containerPort": consumer.metrics.port, "protocol": "TCP"}]}


def _environment(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    """What the image reads, then where the stack's broker is, then the worker's own variables: `$(NAME)` in a value is
    replaced only by a variable that stands before it."""
    of_image = [{"name": name, "value": value} for name, value in consumer.image_environment.items()]
    return [
        *of_image,
        *broker_environment(stack, consumer),
        *environment(consumer.environment, consumer.secret_environment),
    ]


def _resources(consumer: ConsumerSettings) -> Manifest:
    limits = {"memory": format_memory(consumer.memory_limit_bytes)}
    if consumer.resources.cpu.limit is not None:
        limits = {"cpu": format_cpu(consumer.resources.cpu.limit), **limits}
    return {
        "requests": {
            "cpu": format_cpu(consumer.cpu_request_millicores),
            "memory": format_memory(consumer.memory_request_bytes),
            "ephemeral-storage": EPHEMERAL_STORAGE_REQUEST,
        },
        "limits": limits,
    }


def _probe(kind: str, period_seconds: int, failures: int) -> Manifest:
    return {
        "exec": {"command": [HEALTH_CHECK, kind]},
        "periodSeconds": period_seconds,
        "timeoutSeconds": PROBE_TIMEOUT_SECONDS,
        "failureThreshold": failures,
    }
