"""One consumer: its image, its worker, how it scales and how it stops, with everything that follows from them."""

from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.judgement.accept import Accepted
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.base import JudgedModel, SettingsModel
from ebbtide.settings.models.metrics import MetricsSettings
from ebbtide.settings.models.namespace import Namespace
from ebbtide.settings.models.observability import GoalSettings
from ebbtide.settings.models.pod import (
    Environment,
    NetworkSettings,
    PlacementSettings,
    ResourcesSettings,
    SecretEnvironment,
    ServiceAccountSettings,
)
from ebbtide.settings.models.pod_parts import PodSettings, check_directories
from ebbtide.settings.models.shutdown import FINISH_ALLOWANCE_SECONDS, ShutdownBudget, ShutdownSettings
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.models.worker import WorkerSettings
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.image import ImageReference
from ebbtide.settings.values.names import ConsumerName, LabelValue, QualifiedName
from ebbtide.settings.values.units import MAX_INT32, Count

_MEBIBYTE = 1024**2
# supervisord, its plugin and a drain hook: 26 MiB PSS measured with 70 processes, and a third again.
SUPERVISOR_MEMORY_BYTES = 36 * _MEBIBYTE
# The one process beside them that uses a network, by what it is there for: 13.3 MiB to recover messages and 19.8 MiB
# with prometheus_client and TLS (measured, PSS), and what it needs while it answers.
RECOVER_MEMORY_BYTES = 14 * _MEBIBYTE
HELPER_MEMORY_BYTES = 24 * _MEBIBYTE
# State directory and /tmp of the pod are counted against its memory when they are memory volumes.
STATE_MEMORY_BYTES = 64 * _MEBIBYTE
# The share of the 490m that the measured set-up meant to request for its 70 processes. A starting point: measure
# yours, because a CPU target is a percentage of it.
CPU_PER_PROCESS_MILLICORES = 7
MIN_CPU_REQUEST_MILLICORES = 100
# A PHP process is up after 0.1 s alone and 70 are after 4.2 s on two cores (measured); a slow node, a cold image
# and a broker that is away at first must not look like a program that cannot start.
START_DEADLINE_SECONDS = 120
# TotalAnnotationSizeLimitB of the API server.
MAX_ANNOTATIONS_BYTES = 256 * 1024


class DisruptionBudgetSettings(SettingsModel):
    """How many pods may be away at once when nodes are drained."""

    max_unavailable: Count | None = Field(default=None, ge=0, le=MAX_INT32)
    """Pods that may be away. Default: 1."""
    min_available: Count | None = Field(default=None, ge=1, le=MAX_INT32)
    """Pods that must stay. Below the smallest number of replicas, or no node can be drained."""

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.max_unavailable is not None and self.min_available is not None:
            context = {"remedy": "keep maxUnavailable: 1"}
            raise PydanticCustomError("budget", "takes one of maxUnavailable and minAvailable (got both)", context)
        return self


class ConsumerSettings(JudgedModel):
    """A queue consumer. The model refuses what could lose a message; see docs/rules.md for each rule."""

    name: ConsumerName = Field(json_schema_extra={"x-injected": True})
    """The consumer's key under `ebbtide:consumers`, and the name of its Kubernetes objects."""
    image: ImageReference
    """The consumer image, built from the application's image by ebbtide's Dockerfile."""
    worker: WorkerSettings
    """What each process runs."""
    autoscaling: AutoscalingSettings
    """Who owns the number of pods."""
    shutdown: ShutdownSettings = ShutdownSettings.model_construct()
    """How long it may need to stop."""
    goal: GoalSettings = GoalSettings.model_construct()
    """What its messages are promised. Alerts and dashboard hold it (`observability` of the stack)."""
    transport: TransportSettings | None = None
    """The broker's redelivery, checked against the shutdown budget."""
    resources: ResourcesSettings = ResourcesSettings.model_construct()
    """CPU and memory of one pod."""
    environment: Environment = {}
    """Variables of the worker. A secret's value does not belong here: see `secretEnvironment`."""
    secret_environment: SecretEnvironment = {}
    """Variables whose values are keys of Secrets."""
    placement: PlacementSettings = PlacementSettings.model_construct()
    """Where pods run."""
    network: NetworkSettings = NetworkSettings.model_construct()
    """What the workers may reach."""
    metrics: MetricsSettings | None = None
    """Serve metrics for Prometheus. Off by default, and on in a stack with `observability`."""
    service_account: ServiceAccountSettings = ServiceAccountSettings.model_construct()
    """The identity of the pods."""
    disruption_budget: DisruptionBudgetSettings = DisruptionBudgetSettings.model_construct()
    """What a node drain may take at once."""
    writable_directories: Annotated[tuple[str, ...], AfterValidator(check_directories)] = ()
    """Directories of the application that must be writable; each becomes an empty volume. The root is read-only."""
    pod: PodSettings = PodSettings.model_construct()
    """What a pod has beside its workers: files, volumes, sidecars, and a patch for what no setting says."""
    namespace: Namespace | None = None
    """A namespace of its own: its name, or `{name: shop, create: false}`. Default: that of the stack."""
    user_id: Count = Field(default=10001, ge=1, le=MAX_INT32)
    """User and group of every process; never root."""
    labels: dict[QualifiedName, LabelValue] = {}
    """Further labels of all objects."""
    annotations: dict[QualifiedName, str] = {}
    """Further annotations of the pods."""
    accept: Accepted = {}
    """Findings that somebody lives with, each with the reason: `V-16: kept to show what it does`. Never an error."""

    @field_validator("annotations")
    @classmethod
    def _small_enough(cls, value: dict[str, str]) -> dict[str, str]:
        size = sum(len(key.encode()) + len(text.encode()) for key, text in value.items())
        if size > MAX_ANNOTATIONS_BYTES:
            context = {"got": f"{size:,} bytes", "remedy": "put it into a ConfigMap"}
            raise PydanticCustomError(
                "annotations", "are more than the 256 KiB that Kubernetes takes (got {got})", context
            )
        return value

    @cached_property
    def shutdown_budget(self) -> ShutdownBudget:
        """The ladder of numbers from the longest message to the grace period."""
        return ShutdownBudget.of(self.shutdown, self.finish_seconds)

    @property
    def finish_seconds(self) -> int:
        """How long after the deletion the last message may still be handled, in seconds.

        A worker that is not told to stop (`drain: stopFile`) takes messages until its time limit, and then has the
        last one in flight.
        """
        untold = self.worker.time_limit or 0 if self.worker.drain == "stopFile" else 0
        return self.shutdown.longest_message + untold

    @property
    def held_seconds(self) -> int:
        """How long a worker may hold a message, in seconds: from when it takes it, with others before it, to its
        acknowledgement."""
        before = 0 if self.transport is None else self.transport.held_before_seconds
        turns = max(1, self.worker.taken(self.transport) // self.worker.at_once)
        return turns * (before + self.shutdown.longest_message + FINISH_ALLOWANCE_SECONDS)

    @property
    def cpu_request_millicores(self) -> int:
        """CPU that the scheduler sets aside for one pod."""
        derived = max(MIN_CPU_REQUEST_MILLICORES, self.worker.slots * CPU_PER_PROCESS_MILLICORES)
        return self.resources.cpu.request or min(derived, self.resources.cpu.limit or derived)

    @property
    def measured_memory_bytes(self) -> int | None:
        """What a pod uses whose processes are as large as the largest that was measured, in whole MiB."""
        measured = self.resources.memory.measured
        if measured is None:
            return None
        processes = measured.shared + self.worker.processes * measured.process
        return _in_mebibytes(processes + self._own_memory_bytes)

    @property
    def derived_memory_limit_bytes(self) -> int:
        """Every process at its own limit, what they share, the supervisor and the memory volumes, in whole MiB.

        A pod that may use more than its limit loses all its messages at once: on cgroup v2 one process over
        the limit has the whole container killed (since Kubernetes 1.28).
        """
        processes = self.worker.processes * self.worker.process_memory_bytes
        # PHP counts what a process has inherited against its limit too: shared is what PHP does not count.
        return _in_mebibytes(processes + self.worker.shared_memory_bytes + self._own_memory_bytes)

    @property
    def _own_memory_bytes(self) -> int:
        """What a pod uses beside its workers."""
        helps = self.metrics is not None or self.shutdown.idle_first is not None
        return own_memory_bytes(helps=helps, recovers=self.recovers)

    @property
    def argv(self) -> tuple[str, ...]:
        """The command of one process."""
        return self.worker.argv_for(self.shutdown.longest_message)

    @property
    def recovers(self) -> bool:
        """Whether the image claims messages of killed workers by itself."""
        return self.transport is not None and self.transport.recovers

    @property
    def memory_limit_bytes(self) -> int:
        """Where the kernel kills the container."""
        return self.resources.memory.limit or max(self.derived_memory_limit_bytes, self.resources.memory.request or 0)

    @property
    def memory_request_bytes(self) -> int:
        """Memory that the scheduler sets aside for one pod."""
        return self.resources.memory.request or min(
            self.measured_memory_bytes or self.memory_limit_bytes, self.memory_limit_bytes
        )

    @property
    def pod_cpu_request_millicores(self) -> int:
        """The same of the whole pod, its sidecars included."""
        return self.cpu_request_millicores + self.pod.sidecar_cpu_millicores

    @property
    def pod_memory_request_bytes(self) -> int:
        """The same of the whole pod, its sidecars included."""
        return self.memory_request_bytes + self.pod.sidecar_memory_bytes

    @property
    def pod_memory_limit_bytes(self) -> int:
        """What the whole pod may use, its sidecars included."""
        return self.memory_limit_bytes + self.pod.sidecar_memory_bytes

    @property
    def service_account_name(self) -> str:
        """The Kubernetes service account of the pods."""
        return self.name

    @property
    def image_environment(self) -> dict[str, str]:
        """What the image reads (see docs/draining.md): every number of the shutdown, from the one budget."""
        budget, worker = self.shutdown_budget, self.worker
        recover_after = self.transport.recover_after_seconds if self.transport is not None else None
        values: dict[str, str | int] = {
            image_contract.WORKER_KIND: worker.image_kind,
            image_contract.PROCESSES: worker.processes,
            image_contract.STOP_SIGNAL: worker.stop_signal,
            image_contract.DRAIN_BY: worker.drain,
            image_contract.LONGEST_MESSAGE_SECONDS: budget.longest_message_seconds,
            image_contract.STOP_WAIT_SECONDS: budget.stop_wait_seconds,
            image_contract.DRAIN_DEADLINE_SECONDS: budget.drain_deadline_seconds,
            image_contract.GRACE_SECONDS: budget.grace_seconds,
            image_contract.START_DEADLINE_SECONDS: START_DEADLINE_SECONDS,
            image_contract.TIME_LIMIT_SECONDS: worker.time_limit or 0,
            image_contract.STATE_DIRECTORY_VARIABLE: image_contract.STATE_DIRECTORY,
            image_contract.RECOVER_AFTER_SECONDS: recover_after or 0,
        }
        if self.metrics is not None:
            values[image_contract.METRICS_PORT] = self.metrics.port
        if self.shutdown.idle_first is not None:
            values[image_contract.IDLE_FIRST] = "on"
        of_transport = self.transport.image_variables if self.transport is not None else {}
        return {name: str(value) for name, value in values.items()} | worker.image_variables | of_transport


def own_memory_bytes(*, helps: bool = False, recovers: bool = False) -> int:
    """What a pod uses beside its workers, by whether a process serves metrics or the deletion cost, or only recovers
    messages."""
    helper = HELPER_MEMORY_BYTES if helps else RECOVER_MEMORY_BYTES if recovers else 0
    return SUPERVISOR_MEMORY_BYTES + helper + STATE_MEMORY_BYTES


def _in_mebibytes(size: int) -> int:
    return -(-size // _MEBIBYTE) * _MEBIBYTE


def inject_names(consumers: Any) -> Any:
    """Give each entry of `consumers` its key as its name, before validation.

    An entry that states a name itself is left alone where it is the same (a model that was dumped) and gets an
    unknown-key error where it is not.
    """
    if not isinstance(consumers, dict):
        return consumers
    return {
        key: {**value, "name": key} if isinstance(value, dict) and value.get("name", key) == key else value
        for key, value in consumers.items()
    }
