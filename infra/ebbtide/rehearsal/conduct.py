"""A rehearsal from its first object to its last: set up, rounds of load, empty the queue, take away."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.manifests.kubernetes.labels import selector_labels
from ebbtide.manifests.stack import stack_resources
from ebbtide.rehearsal.access import Access, require
from ebbtide.rehearsal.broker import POD as BROKER_POD
from ebbtide.rehearsal.broker import QUEUE, broker_pod
from ebbtide.rehearsal.cluster import Cluster, Manifest
from ebbtide.rehearsal.interruption import undisturbed
from ebbtide.rehearsal.ledger import Ledger
from ebbtide.rehearsal.load import POD as SENDER_POD
from ebbtide.rehearsal.load import sender_pod
from ebbtide.rehearsal.performance import Performance
from ebbtide.rehearsal.problem import one_line, refusal
from ebbtide.rehearsal.project import Project
from ebbtide.rehearsal.record import Record
from ebbtide.rehearsal.result import Result, judge
from ebbtide.rehearsal.scenario import Options
from ebbtide.rehearsal.signal import Signal
from ebbtide.rehearsal.signals import read_signal
from ebbtide.rehearsal.watch import Watch
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.names import CONTAINER_NAME

SECRET = "rehearsal-broker"  # noqa: S105 - its name
"""How the broker is reached: a key for each variable."""
_LEDGER = "php://stdout"
_NO_HOST = "192.0.2.1"
"""Of no host in the world (RFC 5737): settings are judged before there is a broker."""


class Rehearsal:
    """One run. `say` reports progress."""

    def __init__(self, options: Options, access: Access, say: Callable[[str], None]) -> None:
        self._options = options
        self._access = access
        self._cluster = Cluster(access)
        self._say = say
        self._brokers = options.broker_namespace
        self._own = (self._brokers, options.namespace)
        self._outside: list[Manifest] = []
        """What the stack makes outside of its namespace, which does not go with it."""
        self.left_behind = "nothing was made"
        """Half a sentence about what is in the cluster after `run`."""
        self._made_something = self._left_something = False

    def run(self) -> Result:
        """Rehearse, and leave nothing behind. Raises SettingsError for what makes a rehearsal impossible."""
        with tempfile.TemporaryDirectory(prefix="ebbtide-rehearse-") as directory:
            project, consumer = self._prepare_project(Path(directory))
            signal = read_signal(consumer.autoscaling, consumer)
            if self._options.scenario not in signal.rounds:
                known = ", ".join(signal.rounds)
                message = f"is for an autoscaler that wakes from zero (got {self._options.scenario})"
                raise refusal("--scenario", message, f"use one of: {known}")
            require(self._access, signal.needs)
            signal.require_watched(self._cluster, self._options.namespace)
            with self._namespaces():
                self._start_sender(consumer, self._start_broker(project))
                with self._watched(project, signal) as record:
                    performance = Performance(self._cluster, project, signal, record, self._say)
                    performance.deploy()
                    performance.perform()
            if self._left_something:
                record.problems.append(self.left_behind)
            return judge(record, signal)

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
            # One of its own is where the real one runs.
            "namespace": None,
            "environment.LEDGER_FILE": _LEDGER,
            **secrets,
            "transport": {**options.broker.transport, **options.broker.counted(_NO_HOST, QUEUE, SECRET)},
            "network.egress": [{"namespace": self._brokers, "ports": [options.broker.port]}],
            **options.values,
        }
        if options.image is not None:
            consumer_values["image"] = options.image
        project.set(stack_values | consumer_values)
        settings = project.settings()
        _require_within_cluster(settings)
        objects = (one for one in stack_manifests(settings) if one["kind"] != "Namespace")
        self._outside = [one for one in objects if "namespace" not in one["metadata"]]
        return project, settings.consumers[project.consumer]

    def _consumer_name(self) -> str:
        from ebbtide.settings.loading.loader import load_stack  # noqa: PLC0415 - only here

        consumers = load_stack(self._options.stack, self._options.root).consumers
        name = self._options.consumer or next(iter(consumers), "")
        if name not in consumers:
            known = ", ".join(consumers) or "none"
            raise refusal("--consumer", f"is not in stack {self._options.stack} (got {name!r})", f"use one of: {known}")
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
        reasons, left = [], []
        for name in reversed(self._own):
            try:
                self._cluster.remove_namespace(name)
            except Exception as error:  # noqa: BLE001 - whatever it is, it does not keep the other one
                reasons.append(one_line(error))
        for manifest in self._outside if self._made_something else ():
            try:
                self._cluster.remove(manifest)
            except Exception as error:  # noqa: BLE001 - as above
                reasons.append(one_line(error))
                left.append(f"{manifest['kind']} {manifest['metadata']['name']}")
        try:
            left += [name for name in self._own if self._cluster.has_namespace(name)]
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

    def _start_broker(self, project: Project) -> dict[str, str]:
        """Returns the variables by which it is reached, and tells the stack where KEDA finds it."""
        broker = self._options.broker
        self._say(f"Starting {broker.name} ...")
        self._cluster.create(broker_pod(broker, self._options.broker_image), self._brokers)
        pod = self._cluster.wait_until_ready(self._brokers, BROKER_POD, "--broker-image")
        address = pod["status"]["podIP"]
        variables = broker.environment(address, broker.port)
        counted = broker.counted(address, QUEUE, SECRET)
        project.set({f"transport.{name}": value for name, value in counted.items()})
        secret: Manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": {**variables, **broker.credentials},
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
    def _watched(self, project: Project, signal: Signal) -> Iterator[Record]:
        settings = project.settings()
        consumer = settings.consumers[project.consumer]
        stack = settings.seen_by(consumer)
        selector = ",".join(f"{key}={value}" for key, value in selector_labels(stack, consumer).items())
        ledger = Ledger()
        namespace = stack.namespace.name
        watch = Watch(
            self._cluster,
            namespace,
            selector,
            CONTAINER_NAME,
            ledger,
            lambda pods: signal.look(self._cluster, namespace, pods),
        )
        watch.start()
        try:
            yield Record(self._options, self._access, stack, consumer, project.version(), ledger, watch)
        finally:
            watch.stop()


def _require_within_cluster(stack: StackSettings) -> None:
    """Raises SettingsError for what goes away with no namespace: the state that knows it goes with the rehearsal."""
    made = dict.fromkeys(one.token.rpartition(":")[2] for one in stack_resources(stack) if one.token.startswith("gcp:"))
    if made:
        message = f"makes {', '.join(made)} in Google Cloud, which no rehearsal takes away"
        raise refusal("--stack", message, "rehearse a stack that has the consumer only")
