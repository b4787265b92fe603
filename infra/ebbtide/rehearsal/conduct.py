"""A rehearsal from its first object to its last: set up, rounds of load, empty the queue, take away."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ebbtide.manifests.kubernetes.labels import selector_labels
from ebbtide.rehearsal.access import Access
from ebbtide.rehearsal.baseline import baseline_manifests
from ebbtide.rehearsal.broker import POD as BROKER_POD
from ebbtide.rehearsal.broker import broker_pod, messages_held
from ebbtide.rehearsal.cluster import Cluster, Manifest, is_ready, refuse_image
from ebbtide.rehearsal.interruption import undisturbed
from ebbtide.rehearsal.ledger import Ledger
from ebbtide.rehearsal.load import POD as SENDER_POD
from ebbtide.rehearsal.load import Kind, Load, sender_pod
from ebbtide.rehearsal.problem import one_line, refusal
from ebbtide.rehearsal.project import Project
from ebbtide.rehearsal.scenario import ROUNDS, Disturbance, Kinds, Options, Round, cpu_target
from ebbtide.rehearsal.watch import Watch
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings

SECRET = "rehearsal-broker"  # noqa: S105 - its name
"""How the broker is reached: a key for each variable."""
CONTAINER = "consumer"
_LEDGER = "php://stdout"
SCALE_SECONDS = 240
"""For the way up or down: two sync periods, two metric periods, the stabilisation window and the pods' start."""
HOLD_SECONDS = 10
_EVICTION_SECONDS = 120
_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Mark:
    """Something the rehearsal did."""

    at: float
    what: str
    short: str = ""
    """For the chart of the pods; empty where the pods have nothing to do with it."""


@dataclass
class Record:
    """All that was seen, before anything is judged."""

    options: Options
    access: Access
    stack: StackSettings
    consumer: ConsumerSettings
    pulumi: str
    ledger: Ledger
    watch: Watch
    sent: dict[str, float] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    removed: dict[str, Disturbance] = field(default_factory=dict)
    """Pods that the rehearsal itself ended."""
    problems: list[str] = field(default_factory=list)
    held_at_the_end: int | None = None
    """Messages that the broker still had."""


class Rehearsal:
    """One run. `say` reports progress."""

    def __init__(self, options: Options, access: Access, say: Callable[[str], None]) -> None:
        self._options = options
        self._access = access
        self._cluster = Cluster(access)
        self._say = say
        self._brokers = f"{options.namespace}-broker"
        self._own = (self._brokers, options.namespace)
        self.left_behind = "nothing was made"
        """Half a sentence about what is in the cluster after `run`."""
        self._made_something = self._left_something = False

    def run(self) -> Record:
        """Rehearse, and leave nothing behind. Raises SettingsError for what makes a rehearsal impossible."""
        with tempfile.TemporaryDirectory(prefix="ebbtide-rehearse-") as directory:
            project, consumer = self._prepare_project(Path(directory))
            with self._namespaces():
                self._start_sender(consumer, self._start_broker())
                with self._watched(project) as record:
                    self._deploy(project, record)
                    self._perform(project, record)
            if self._left_something:
                record.problems.append(self.left_behind)
            return record

    def _prepare_project(self, directory: Path) -> tuple[Project, ConsumerSettings]:
        options = self._options
        project = Project.copy(options.root, directory, options.stack, self._consumer_name())
        stack_values = {
            "ebbtide:namespace": options.namespace,
            "ebbtide:cluster": {
                "kind": "existing",
                "kubernetesVersion": self._access.minor_version,
                "context": self._access.context,
            },
        }
        secrets = {f"secretEnvironment.{name}": {"secret": SECRET, "key": name} for name in options.broker.variables}
        consumer_values: dict[str, object] = {
            "environment.LEDGER_FILE": _LEDGER,
            **secrets,
            "transport": dict(options.broker.transport),
            "network.egress": [{"namespace": self._brokers, "ports": [options.broker.port]}],
            **options.values,
        }
        if options.image is not None:
            consumer_values["image"] = options.image
        project.set(stack_values | consumer_values)
        return project, project.settings().consumers[project.consumer]

    def _consumer_name(self) -> str:
        from ebbtide.settings.loading.loader import load_stack  # noqa: PLC0415 - only here

        consumers = load_stack(self._options.stack, self._options.root).consumers
        name = self._options.consumer or next(iter(consumers), "")
        if name not in consumers:
            known = ", ".join(consumers) or "none"
            raise refusal("--consumer", f"is not in stack {self._options.stack} (got {name!r})", f"use one of: {known}")
        if not cpu_target(consumers[name].autoscaling):
            message = f"{name} does not scale on the CPU's utilization, which is what the load of a rehearsal drives"
            raise refusal("--stack", message, "rehearse with --set autoscaling.kind=hpa and a cpu metric")
        return name

    @contextlib.contextmanager
    def _namespaces(self) -> Iterator[None]:
        """Both namespaces; gone when the rehearsal is over, however it ends."""
        try:
            for name in self._own:
                self._say(f"Making namespace {name} in {self._access.context} ...")
                self._cluster.make_namespace(name)
                self._made_something = True
            yield
        finally:
            with undisturbed():
                self._take_away()

    def _take_away(self) -> None:
        """Remove the namespaces, and put down in `left_behind` what became of them.

        Raises nothing: what ended the rehearsal, or what it has seen, matters more than that they cannot be removed.
        """
        with contextlib.suppress(OSError):  # nobody reads the progress any more
            self._say("Taking the namespaces away ...")
        reasons = []
        for name in reversed(self._own):
            try:
                self._cluster.remove_namespace(name)
            except Exception as error:  # noqa: BLE001 - whatever it is, it does not keep the other one
                reasons.append(one_line(error))
        try:
            left = [name for name in self._own if self._cluster.has_namespace(name)]
        except Exception as error:  # noqa: BLE001 - an API server that has gone away
            self._left_something = True
            self.left_behind = (
                f"whether {' and '.join(self._own)} are left cannot be asked ({one_line(error)}); a second run takes "
                "them over"
            )
            return
        if left:
            self._left_something = True
            why = f" ({'; '.join(reasons)})" if reasons else ""
            self.left_behind = f"left in the cluster: {' and '.join(left)}{why}, which a second run takes over"
        elif self._made_something:
            self.left_behind = "what was made is taken away again"

    def _start_broker(self) -> dict[str, str]:
        """Returns the variables by which it is reached."""
        broker = self._options.broker
        self._say(f"Starting {broker.name} ...")
        self._cluster.create(broker_pod(broker, self._options.broker_image), self._brokers)
        pod = self._cluster.wait_until_ready(self._brokers, BROKER_POD, "--broker-image")
        variables = broker.environment(pod["status"]["podIP"], broker.port)
        secret: Manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": variables,
        }
        self._cluster.create(secret, self._options.namespace)
        return variables

    def _start_sender(self, consumer: ConsumerSettings, variables: dict[str, str]) -> None:
        environment = dict(consumer.environment) | variables | {"LEDGER_FILE": ""}
        listed = [{"name": name, "value": value} for name, value in environment.items()]
        pod = sender_pod(consumer.image, listed, consumer.worker.working_directory)
        self._cluster.create(pod, self._brokers)
        self._cluster.wait_until_ready(self._brokers, SENDER_POD, "--image")
        self._cluster.execute(self._brokers, SENDER_POD, self._options.setup_command)

    @contextlib.contextmanager
    def _watched(self, project: Project) -> Iterator[Record]:
        stack = project.settings()
        consumer = stack.consumers[project.consumer]
        selector = ",".join(f"{key}={value}" for key, value in selector_labels(stack, consumer).items())
        ledger = Ledger()
        watch = Watch(self._cluster, stack.namespace.name, selector, CONTAINER, ledger)
        watch.start()
        try:
            yield Record(self._options, self._access, stack, consumer, project.version(), ledger, watch)
        finally:
            watch.stop()

    def _deploy(self, project: Project, record: Record) -> None:
        if self._options.baseline:
            self._say("Deploying supervisord without hook and with its defaults ...")
            for manifest in baseline_manifests(record.stack):
                self._cluster.create(manifest, record.stack.namespace.name)
            self._wait(lambda: any(map(is_ready, record.watch.last_pods)), SCALE_SECONDS, record)
            return
        self._say("pulumi up ...")
        seconds = project.up(lambda: _refuse_images(record))
        self._mark(record, f"pulumi up done in {seconds:.0f} s")

    def _perform(self, project: Project, record: Record) -> None:
        load = Load(self._cluster, self._brokers, self._options.send_command, lambda: record.ledger.begun)
        record.sent = load.sent
        load.start()
        try:
            for number, one in enumerate(ROUNDS[self._options.scenario], 1):
                self._round(number, one, load, project, record)
            self._fill_up(Kinds.of(record.consumer).busy, load, record)
        finally:
            load.stop()
        self._empty_the_queue(load, record)

    def _round(self, number: int, one: Round, load: Load, project: Project, record: Record) -> None:
        kinds = Kinds.of(record.consumer)
        scaling = record.consumer.autoscaling
        self._mark(record, f"round {number}, {one.name}: load", f"{number}: load")
        load.keep(kinds.longest_busy if one.longest else kinds.busy)
        self._reach(scaling.max_replicas, load, record)
        self._wait(lambda: False, HOLD_SECONDS, record, load)
        for disturbance in one.disturbances:
            self._mark(record, disturbance, disturbance)
            self._disturb(disturbance, number, load, project, record)
        self._mark(record, f"round {number}: quiet", "quiet")
        load.keep(kinds.longest_quiet if one.longest else kinds.quiet)
        self._reach(scaling.min_replicas, load, record)

    def _reach(self, replicas: int, load: Load, record: Record) -> None:
        """Wait until the autoscaler has brought the pods to that number."""

        def reached() -> bool:
            record.watch.sent = len(load.sent)
            last = record.watch.moments[-1]
            return last.desired == last.ready == last.pods == replicas and last.draining == 0

        began = time.monotonic()
        if self._wait(reached, SCALE_SECONDS, record, load):
            self._say(f"  {replicas} pods after {time.monotonic() - began:.0f} s, {record.ledger.finished} messages")
        else:
            last = record.watch.moments[-1]
            record.problems.append(
                f"{replicas} pods were not reached within {SCALE_SECONDS} s: {last.ready} ready, {last.draining} "
                f"draining, the autoscaler asks for {last.desired} at {last.utilization} % CPU"
            )
            self._say(f"  {record.problems[-1]}")

    def _disturb(self, what: Disturbance, number: int, load: Load, project: Project, record: Record) -> None:
        namespace = record.stack.namespace.name
        if what == "rolling update":
            self._roll(number, load, project, record)
            return
        pods = [pod for pod in record.watch.last_pods if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]
        names = sorted(pod["metadata"]["name"] for pod in pods if pod["metadata"]["name"] not in record.removed)
        if not names:
            record.problems.append(f"{what}: no pod was ready")
            return
        record.removed[names[0]] = what
        if what == "deletion":
            self._cluster.delete_pod(namespace, names[0])
        elif not self._wait(lambda: self._cluster.evict(namespace, names[0]), _EVICTION_SECONDS, record, load):
            record.problems.append(
                f"the disruption budget forbade the eviction of {names[0]} for {_EVICTION_SECONDS} s"
            )

    def _roll(self, number: int, load: Load, project: Project, record: Record) -> None:
        """A new template, by `pulumi up`, while the load goes on."""
        if self._options.baseline:
            variable = {"name": "REHEARSAL_ROUND", "value": str(number)}
            template = {"spec": {"containers": [{"name": CONTAINER, "env": [variable]}]}}
            self._cluster.patch_deployment(
                record.stack.namespace.name, record.consumer.name, {"spec": {"template": template}}
            )
            self._wait(lambda: _is_rolled(record), SCALE_SECONDS, record, load)
            return
        project.set({"environment.REHEARSAL_ROUND": str(number)})

        def look() -> None:
            record.watch.sent = len(load.sent)
            _check(load)

        self._mark(record, f"rolled out in {project.up(look):.0f} s")

    def _fill_up(self, kind: Kind, load: Load, record: Record) -> None:
        """Send what is missing of the number asked for."""
        missing = self._options.messages - len(load.sent)
        if missing > 0:
            self._mark(record, f"{missing} more messages")
            load.keep(kind)
            self._wait(lambda: len(load.sent) >= self._options.messages, SCALE_SECONDS, record, load)
        load.keep(None)

    def _empty_the_queue(self, load: Load, record: Record) -> None:
        """Wait until every message is finished; as long as it takes while messages still finish."""
        self._mark(record, "no more messages")
        transport = record.consumer.transport
        redelivery = transport.redelivery_seconds if transport else 0
        patience = 2 * record.consumer.shutdown.longest_message + redelivery + 15
        finished, since = -1, time.monotonic()
        while record.ledger.finished < len(load.sent) and time.monotonic() - since < patience:
            if record.ledger.finished > finished:
                finished, since = record.ledger.finished, time.monotonic()
            self._wait(lambda: False, 1, record, load)
        # A message is finished before it is acknowledged.
        self._wait(lambda: False, 3, record, load)
        record.held_at_the_end = messages_held(self._cluster, self._brokers, self._options.broker)
        self._say(f"  {record.ledger.finished} of {len(load.sent)} finished; the broker holds {record.held_at_the_end}")

    def _wait(self, done: Callable[[], bool], seconds: float, record: Record, load: Load | None = None) -> bool:
        """Whether it happened in time. Raises what the load met."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if load is not None:
                record.watch.sent = len(load.sent)
                _check(load)
            if record.watch.moments and done():
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _mark(self, record: Record, what: str, short: str = "") -> None:
        record.marks.append(Mark(time.time(), what, short))
        self._say(what)


def _check(load: Load) -> None:
    if load.failure is not None:
        message = f"the application could not queue its messages: {load.failure}"
        raise refusal("--send-command", message, "try the command in a container of the image")


def _refuse_images(record: Record) -> None:
    for pod in record.watch.last_pods:
        refuse_image(pod, "--image")


def _is_rolled(record: Record) -> bool:
    """Whether only pods of the newest template are there."""
    pods = record.watch.last_pods
    newest = max(record.watch.pods.values(), key=lambda pod: pod.created_at)
    return all(pod["metadata"]["labels"].get("pod-template-hash") == newest.template for pod in pods)
