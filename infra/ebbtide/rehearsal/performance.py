"""What happens in a rehearsal, between the first deployment and the last message."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from ebbtide.rehearsal.baseline import baseline_manifests
from ebbtide.rehearsal.broker import FREEZE, THAW, messages_held
from ebbtide.rehearsal.broker import POD as BROKER_POD
from ebbtide.rehearsal.cluster import Cluster, is_ready, refuse_image
from ebbtide.rehearsal.load import Kind, Load
from ebbtide.rehearsal.problem import refusal
from ebbtide.rehearsal.project import Project
from ebbtide.rehearsal.record import Mark, Outage, Record
from ebbtide.rehearsal.scenario import Disturbance, Round
from ebbtide.rehearsal.signal import Signal
from ebbtide.settings.values.names import CONTAINER_NAME

HOLD_SECONDS = 10
OUTAGE_SECONDS = 60
_READY_SECONDS = 240
_EVICTION_SECONDS = 120
_POLL_SECONDS = 0.5


class Performance:
    """One. `say` reports progress."""

    def __init__(
        self, cluster: Cluster, project: Project, signal: Signal, record: Record, say: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._project = project
        self._signal = signal
        self._record = record
        self._say = say
        self._options = record.options
        self._brokers = record.options.broker_namespace
        self._load = Load(
            cluster,
            self._brokers,
            record.options.send_command,
            lambda: record.ledger.begun,
            lambda: record.ledger.finished,
            record.sent,
            record.batches,
        )

    def deploy(self) -> None:
        """The stack; or what it is compared with."""
        record = self._record
        if self._options.baseline:
            self._say("Deploying supervisord without hook and with its defaults ...")
            for manifest in baseline_manifests(record.stack):
                self._cluster.create(manifest, record.stack.namespace.name)
            self._wait(lambda: any(map(is_ready, record.watch.last_pods)), _READY_SECONDS)
            return
        self._say("pulumi up ...")
        self._mark(f"pulumi up done in {self._project.up(lambda: _refuse_images(record)):.0f} s")

    def perform(self) -> None:
        """Every round; then the queue is emptied."""
        rounds = self._signal.rounds[self._options.scenario]
        self._load.start()
        try:
            if self._signal.begins_at_rest:
                self._reach(self._record.consumer.autoscaling.min_replicas)
            for number, one in enumerate(rounds, 1):
                self._mark(f"round {number}, {one.name}: load", f"{number}: load")
                if one.at_rest:
                    self._wait(lambda: False, self._signal.phase_seconds(number))
                    self._send_at_rest(self._signal.load(one))
                else:
                    self._climb(number, one)
                self._mark(f"round {number}: quiet", "quiet")
                for kind, replicas in self._signal.descent(one):
                    self._load.keep(kind)
                    self._reach(replicas)
            self._fill_up(self._signal.load(rounds[0]))
        finally:
            self._load.stop()
        self._empty_the_queue()

    def _climb(self, number: int, one: Round) -> None:
        """Up to the maximum, and what disturbs there."""
        self._load.keep(self._signal.load(one))
        self._reach(self._record.consumer.autoscaling.max_replicas)
        self._wait(lambda: False, HOLD_SECONDS)
        for disturbance in one.disturbances:
            self._mark(disturbance, disturbance)
            self._disturb(disturbance, number)
            self._load.keep(self._signal.load(one))

    def _send_at_rest(self, kind: Kind) -> None:
        """One batch, until it is handled."""
        self._load.rest()
        self._load.send(kind)
        patience = self._signal.reach_seconds + kind.delay_seconds
        if not self._wait(lambda: self._record.ledger.finished >= len(self._load.sent), patience):
            self._record.problems.append(f"{kind.name}: sent at rest, and not handled within {patience:.0f} s")

    def _reach(self, replicas: int) -> None:
        """Wait until the autoscaler has brought the pods to that number."""
        watch, limit = self._record.watch, self._signal.reach_seconds

        def reached() -> bool:
            last = watch.moments[-1]
            return last.desired == last.ready == last.pods == replicas and last.draining == 0

        began = time.monotonic()
        if self._wait(reached, limit):
            seconds = time.monotonic() - began
            self._say(f"  {replicas} pods after {seconds:.0f} s, {self._record.ledger.finished} messages")
            return
        last = watch.moments[-1]
        problem = (
            f"{replicas} pods were not reached within {limit:.0f} s: {last.ready} ready, {last.draining} draining, the "
            f"autoscaler asks for {last.desired} {last.seen}"
        )
        self._record.problems.append(problem)
        self._say(f"  {problem}")

    def _disturb(self, what: Disturbance, number: int) -> None:
        match what:
            case "rolling update":
                self._roll(number)
            case "broker away":
                self._take_the_broker_away()
            case "deletion" | "eviction":
                self._end_a_pod(what)

    def _end_a_pod(self, how: Literal["deletion", "eviction"]) -> None:
        record, namespace = self._record, self._record.stack.namespace.name
        pods = [pod for pod in record.watch.last_pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
        names = sorted(pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] not in record.removed)
        if not names:
            record.problems.append(f"{how}: no pod was ready")
            return
        record.removed[names[0]] = how
        if how == "deletion":
            self._cluster.delete_pod(namespace, names[0])
        elif not self._wait(lambda: self._cluster.evict(namespace, names[0]), _EVICTION_SECONDS):
            record.problems.append(
                f"the disruption budget forbade the eviction of {names[0]} for {_EVICTION_SECONDS} s"
            )

    def _roll(self, number: int) -> None:
        """A new template, by `pulumi up`, while the load goes on."""
        record = self._record
        if self._options.baseline:
            variable = {"name": "REHEARSAL_ROUND", "value": str(number)}
            template = {"spec": {"containers": [{"name": CONTAINER_NAME, "env": [variable]}]}}
            self._cluster.patch_deployment(
                record.stack.namespace.name, record.consumer.name, {"spec": {"template": template}}
            )
            self._wait(lambda: _is_rolled(record), _READY_SECONDS)
            return
        self._project.set({"environment.REHEARSAL_ROUND": str(number)})
        self._mark(f"rolled out in {self._project.up(self._look_at_the_load):.0f} s")

    def _take_the_broker_away(self) -> None:
        """Its server stands still: connections stay, and nobody gets an answer, as when its node hangs or a network
        loses every packet. One that ended instead would make messages in hand come again, which is right, and would
        hide one that comes again for another reason."""
        record = self._record
        self._load.rest()
        self._cluster.execute(self._brokers, BROKER_POD, FREEZE)
        began = time.time()
        self._wait(lambda: False, OUTAGE_SECONDS)
        self._cluster.execute(self._brokers, BROKER_POD, THAW)
        record.outages.append(Outage(began, time.time()))
        self._mark("the broker answers again", "back")
        finished = record.ledger.finished
        if not self._wait(lambda: record.ledger.finished > finished, _READY_SECONDS):
            record.problems.append(f"no message was handled for {_READY_SECONDS} s after the outage")

    def _fill_up(self, kind: Kind) -> None:
        """Send what is missing of the number asked for."""
        missing = self._options.messages - len(self._load.sent)
        if missing > 0:
            self._mark(f"{missing} more messages")
            self._load.keep(kind)
            self._wait(lambda: len(self._load.sent) >= self._options.messages, _READY_SECONDS)
        self._load.keep(None)

    def _empty_the_queue(self) -> None:
        """Wait until every message is finished; as long as it takes while messages still finish."""
        self._mark("no more messages")
        ledger, consumer, sent = self._record.ledger, self._record.consumer, self._load.sent
        redelivery = consumer.transport.redelivery_seconds if consumer.transport else 0
        patience = 2 * consumer.shutdown.longest_message + redelivery + 15
        finished, since = -1, time.monotonic()
        while ledger.finished < len(sent) and time.monotonic() - since < patience:
            if ledger.finished > finished:
                finished, since = ledger.finished, time.monotonic()
            self._wait(lambda: False, 1)
        # A message is finished before it is acknowledged.
        self._wait(lambda: False, 3)
        held = messages_held(self._cluster, self._brokers, self._options.broker)
        self._record.held_at_the_end = held
        self._say(f"  {ledger.finished} of {len(sent)} finished; the broker holds {held}")

    def _wait(self, done: Callable[[], bool], seconds: float) -> bool:
        """Whether it happened in time. Raises what the load met."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._look_at_the_load()
            if self._record.watch.moments and done():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _look_at_the_load(self) -> None:
        self._record.watch.sent = len(self._load.sent)
        if self._load.failure is not None:
            message = f"the application could not queue its messages: {self._load.failure}"
            raise refusal("--send-command", message, "try the command in a container of the image")

    def _mark(self, what: str, short: str = "") -> None:
        self._record.marks.append(Mark(time.time(), what, short))
        self._say(what)


def _refuse_images(record: Record) -> None:
    for pod in record.watch.last_pods:
        refuse_image(pod, "--image")


def _is_rolled(record: Record) -> bool:
    """Whether only pods of the newest template are there."""
    pods = record.watch.last_pods
    newest = max(record.watch.pods.values(), key=lambda pod: pod.created_at)
    return all(pod["metadata"]["labels"].get("pod-template-hash") == newest.template for pod in pods)
