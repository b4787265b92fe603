"""KEDA owns the number of pods: it follows what the broker holds, down to zero and back.

Two loops do it, and explain most of the settings (KEDA 2.21, pkg/scaling): KEDA's operator takes the first pod up and
the last ones down, every `pollingInterval`; in between a HorizontalPodAutoscaler that KEDA makes asks KEDA for the
number every 15 s.
"""

from typing import Annotated, Literal

from pydantic import Field

from ebbtide.kubernetes.quantity import milli_value, parse_quantity
from ebbtide.settings.models.autoscaling import MAX_REPLICAS, AutoscalingSettings
from ebbtide.settings.models.base import SettingsModel, Why
from ebbtide.settings.models.behavior import Behavior, ScalingRules
from ebbtide.settings.models.demand import Demand, ScalingModifiers, Trigger
from ebbtide.settings.models.scaling_metric import PodTarget
from ebbtide.settings.models.transport import DELAYED_SUFFIX, TransportSettings
from ebbtide.settings.models.worker import WorkerSettings
from ebbtide.settings.values.names import CONTAINER_NAME, DnsLabel
from ebbtide.settings.values.units import MAX_INT32, Count, Seconds

MAX_MESSAGES_PER_WORKER = 100_000
OF_PODS = frozenset({"cpu", "memory"})
"""Triggers that measure pods, which KEDA leaves to the HPA."""
_OF_REDIS_KEYS = frozenset({"redis", "redis-cluster", "redis-sentinel"})


class Fallback(SettingsModel):
    """What KEDA tells the HPA while a trigger fails. Without one nothing moves, which is what an outage wants."""

    failure_threshold: Annotated[Count, Why("two polls in a row are no outage")] = Field(default=3, ge=0, le=MAX_INT32)
    """After how many failed polls."""
    replicas: Count = Field(ge=0, le=MAX_REPLICAS)
    """How many pods it asks for then. Never 0: KEDA would end every pod in an outage."""
    behavior: Annotated[
        Literal["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"],
        Why("static lowered five busy pods to three 15 s into an outage"),
    ] = "currentReplicasIfHigher"
    """How that number meets the one that runs."""


class KedaSettings(AutoscalingSettings):
    """KEDA follows the queue: what waits and what is in hand, with one message for each process by default. Needs KEDA
    2.18 to 2.21 in the cluster; the Deployment then states no number."""

    kind: Literal["keda"]
    """KEDA."""
    min_replicas: Annotated[Count, Why("an empty queue needs no pod; the first message wakes one")] = Field(
        default=0, ge=0, le=MAX_REPLICAS
    )
    """The smallest number of pods."""
    max_replicas: Count = Field(ge=1, le=MAX_REPLICAS)
    """The largest number of pods."""
    messages_per_worker: Count | None = Field(default=None, ge=1, le=MAX_MESSAGES_PER_WORKER)
    """How many messages, waiting or in hand, there may be for each that a pod handles at the same time before another
    pod is asked for. Default: as many as it takes from the broker at once, which is one for each everywhere but on
    SQS."""
    behavior: Behavior | None = None
    """How fast it scales between one pod and the maximum. The step to zero knows no such limit: it is all pods that
    are left, at once."""
    polling_interval: Annotated[
        Seconds, Why("a third of KEDA's 30s: the first message waits that long at most, and a poll is one short query")
    ] = Field(default=10, ge=1, le=MAX_INT32)
    """How often KEDA looks whether the first pod is needed, or the last ones are not. Only from and to zero: above, an
    HPA asks every 15 s, whatever is written here, unless a trigger has `useCachedMetrics`."""
    cooldown: Annotated[Seconds, Why("as long as an HPA remembers, so that a short pause ends no pod")] = Field(
        default=300, ge=0, le=MAX_INT32
    )
    """How long nothing must wait or be in hand before all pods go. Counted from the last poll that saw anything."""
    initial_cooldown: Seconds | None = Field(default=None, ge=0, le=MAX_INT32)
    """The same for one that has never seen anything, because it is new or was scaled by hand. Default: `cooldown`;
    KEDA's own is 0, which ends the pods of a new one at its first poll."""
    fallback: Fallback | None = None
    """What to do while the broker cannot be asked. Without it the number of pods stays as it is."""
    triggers: tuple[Trigger, ...] = ()
    """Triggers of your own, instead of the one that the transport gives. With several, the one that asks for most pods
    wins, unless `scalingModifiers` makes one number of them."""
    scaling_modifiers: ScalingModifiers | None = None
    """One number made of `triggers`."""
    paused: Annotated[bool, Why("a number that nothing moves is for an emergency")] = False
    """Leave the number where it is: neither KEDA nor its HPA moves it."""
    paused_replicas: Count | None = Field(default=None, ge=0, le=MAX_REPLICAS)
    """Bring the number here, and leave it there. Also the first step towards `kind: fixed`."""
    paused_scale_in: Annotated[bool, Why("idle pods cost, and those that go drain first")] = False
    """Let it grow only: for the time of an upgrade of the nodes, for example."""
    takes_over: DnsLabel | None = None
    """The name of an HPA that scales this Deployment already and that KEDA shall take over instead of making one."""

    @property
    def directions(self) -> dict[str, ScalingRules]:
        """Those of `behavior`."""
        return {} if self.behavior is None else self.behavior.directions

    @property
    def needs_keda(self) -> bool:
        """A ScaledObject is."""
        return True

    @property
    def asks_transport(self) -> bool:
        """KEDA's operator does, unless it watches something else."""
        return not self.triggers

    @property
    def is_paused(self) -> bool:
        """Whether nothing moves the number."""
        return self.paused or self.paused_replicas is not None

    @property
    def polls(self) -> bool:
        """Whether KEDA's own poll does something: at zero, or for an HPA that gets the number of the last poll."""
        return self.min_replicas == 0 or any(trigger.use_cached_metrics for trigger in self.triggers)

    @property
    def pod_targets(self) -> tuple[PodTarget, ...]:
        """Of its own triggers on CPU and memory, as far as their values can be read."""
        return tuple(
            _target_of(trigger, index) for index, trigger in enumerate(self.triggers) if trigger.type in OF_PODS
        )

    @property
    def counts_work(self) -> bool:
        """Any trigger does that is not on CPU or memory."""
        return any(trigger.type not in OF_PODS for trigger in self.triggers)

    @property
    def initial_cooldown_seconds(self) -> int:
        """That of a new one, in seconds."""
        return self.cooldown if self.initial_cooldown is None else self.initial_cooldown

    def target(self, transport: TransportSettings | None, worker: WorkerSettings) -> int:
        """How many messages of the transport's triggers one pod is for."""
        if self.messages_per_worker is not None:
            return worker.slots * self.messages_per_worker
        return worker.processes * worker.taken(transport)

    def demand(self, transport: TransportSettings | None, worker: WorkerSettings) -> Demand:
        """What KEDA watches: `triggers`, or else what the transport gives; nothing where neither says any."""
        if self.triggers:
            delayed = set() if transport is None else set(transport.delayed_keys)
            lists = {one.metadata.get("listName", "") for one in self.triggers if one.type in _OF_REDIS_KEYS}
            counts_delayed = delayed <= lists if delayed else any(name.endswith(DELAYED_SUFFIX) for name in lists)
            return Demand(self.triggers, self.scaling_modifiers, counts_delayed=counts_delayed)
        if transport is None or transport.unsaid or not worker.reads(transport):
            return Demand(())
        return transport.demand(self.target(transport, worker), from_zero=self.min_replicas == 0)

    def pods_in_drop(self, transport: TransportSettings | None, worker: WorkerSettings) -> int:
        """All of them, past every policy (KE-05). They are gone in a second where what is in hand is counted, since
        then they have nothing; else they drain for as long as their messages take, and a burst brings as many again."""
        if self.min_replicas > 0 or self.is_paused or self.paused_scale_in:
            return 0
        return self.max_replicas if self.demand(transport, worker).counts_in_hand else 2 * self.max_replicas

    def counts_delayed(self, transport: TransportSettings | None, worker: WorkerSettings) -> bool:
        """As its triggers do."""
        return self.demand(transport, worker).counts_delayed


def _target_of(trigger: Trigger, index: int) -> PodTarget:
    written, percent, amount = trigger.metadata.get("value", "").strip(), None, None
    if trigger.metric_type == "Utilization" and written.isascii() and written.isdecimal():
        percent = int(written)
    elif trigger.metric_type == "AverageValue":
        try:
            amount = milli_value(written) if trigger.type == "cpu" else int(parse_quantity(written))
        except ValueError:
            amount = None
    return PodTarget(
        ("autoscaling", "triggers", index),
        trigger.type,
        trigger.metadata.get("containerName"),
        percent,
        amount,
        container_at=("metadata", "containerName"),
        alone_at=("metadata", "containerName"),
        alone=f"containerName: {CONTAINER_NAME}",
    )
