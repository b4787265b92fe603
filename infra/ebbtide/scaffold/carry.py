"""From a set-up that was read to consumers: what can be carried over, and by name what cannot."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Final

from pydantic.alias_generators import to_camel

from ebbtide.doctor.data import Map
from ebbtide.doctor.image import Command
from ebbtide.doctor.of_image import BY_SHELL, Verdict, known_program
from ebbtide.doctor.times import longest_of
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.doctor.workload import ManifestObject
from ebbtide.judgement.secrets import MASK, secret_words
from ebbtide.scaffold.answers import NODE_SCALE_DOWN_SECONDS
from ebbtide.scaffold.broker import BrokerDsn, followed
from ebbtide.scaffold.carried import NAMESPACE, Carried
from ebbtide.scaffold.environment import carry_environment, carry_identity, names_broker
from ebbtide.scaffold.frameworks import framework_settings
from ebbtide.scaffold.said import broker_places, redelivery_of, run_before
from ebbtide.scaffold.scaling import bounds_of, bullmq_queue, transport_of
from ebbtide.settings.models.celery import CeleryRedisTransport
from ebbtide.settings.models.rabbitmq import RabbitmqTransport
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.models.worker import WorkerSettings
from ebbtide.settings.values.units import parse_duration

_ALLOWANCE_SECONDS: Final = 30
_DEFAULT_LONGEST_SECONDS: Final = 60
_NODE_UPGRADE_SECONDS: Final = 3570
_LAUNCHERS: Final = (("bundle", "exec"), ("poetry", "run"), ("pipenv", "run"), ("uv", "run"))
# Of the workload, its pod and its container: what becomes of it in ebbtide is said, or that nothing does.
_CARRIED_POD: Final = frozenset(
    {"containers", "terminationGracePeriodSeconds", "restartPolicy", "dnsPolicy", "schedulerName"}
    | {"serviceAccountName", "serviceAccount", "imagePullSecrets"}
)
_CARRIED_CONTAINER: Final = frozenset(
    {"name", "image", "command", "args", "env", "envFrom", "resources", "lifecycle", "imagePullPolicy", "livenessProbe"}
    | {"workingDir"}
)
_CARRIED_SPEC: Final = frozenset(
    {"replicas", "selector", "template", "strategy", "revisionHistoryLimit", "progressDeadlineSeconds"}
)
# ebbtide's own stand in their place.
_DERIVED: Final = frozenset(
    {"securityContext", "readinessProbe", "startupProbe", "terminationMessagePath", "terminationMessagePolicy"}
)
_REDELIVERY: Final[dict[str, tuple[type[TransportSettings], str, int]]] = {
    "celeryRedis": (
        CeleryRedisTransport,
        "visibility_timeout",
        CeleryRedisTransport.model_fields["longest_delay"].default,
    ),
    "rabbitmq": (RabbitmqTransport, "consumer_timeout", 0),
}
"""Of a transport the setting that says how long a message may be in hand, and how long one is held before it begins."""
_DIRECTORY: Final = WorkerSettings.model_fields["working_directory"].default


def carry(units: list[Unit], dsn: BrokerDsn | None = None) -> list[Carried]:
    """A consumer for each kind of worker of each unit; of Symfony's those that no trigger tells of a queue follow the
    one of a DSN, if there is one. A program that nobody here knows stays the command that it is;
    one that is behind npm or a shell gives none, because its own command is not known."""
    found: list[Carried] = []
    # In one namespace a second Deployment of the old one's name would be the old one.
    there = {unit.workload.name for unit in units if unit.workload and unit.workload.namespace == NAMESPACE}
    for unit in units:
        direct = [_without_npm(worker, unit) for worker in unit.workers]
        workers = [worker for worker in direct if worker.program is not None or _is_whole(worker)]
        for worker in workers:
            found.append(
                _consumer(unit, worker, alone=len(workers) == 1, taken={one.name for one in found} | there, dsn=dsn)
            )
    return found


def not_carried(units: list[Unit]) -> str:
    """Which workers stand behind a program whose own command nobody here knows."""
    behind = {unit.title: worker.title for unit in units for worker in unit.workers}
    return "; ".join(f"{unit} runs its worker under {name}: write the worker's own" for unit, name in behind.items())


def _without_npm(worker: Worker, unit: Unit) -> Worker:
    """A worker that npm starts, as what its script in package.json is, if that is one plain command: npm keeps the
    stop signal to itself."""
    names = [word for word in worker.words[1:] if word and word not in ("run", "run-script") and word[0] != "-"]
    said = unit.setup.npm_scripts.get(names[0]) if names and worker.title in BY_SHELL else None
    if said is None or not re.fullmatch(r"[\w./=:@ -]+", said.value):
        return worker
    words = tuple(said.value.split())
    return replace(
        worker,
        command=Command(words, said.place),
        verdict=Verdict(programs=(words,)),
        program=known_program(words),
        words=words,
        words_place=said.place,
    )


def _is_whole(worker: Worker) -> bool:
    """Whether the command of a program that nobody knows is known, whatever script or shell becomes it."""
    is_one = len(worker.verdict.programs) == 1 and None not in worker.verdict.programs[0]
    return is_one and not (worker.verdict.refused or worker.verdict.doubts)


def _consumer(unit: Unit, worker: Worker, *, alone: bool, taken: set[str], dsn: BrokerDsn | None) -> Carried:
    base = unit.workload.name if unit.workload else (worker.supervised.name if worker.supervised else "worker")
    name = _name(base if alone or worker.supervised is None else f"{base}-{worker.supervised.name}", taken)
    carried = Carried(name, unit, worker, {})
    settings = carried.settings
    settings["image"] = f"registry.example/consumers/{name}:1"
    settings["worker"] = _worker(worker, carried) | _directory(unit, worker, carried)
    settings["shutdown"] = _shutdown(unit, worker, carried)
    carried.is_schedule = worker.is_scheduler
    if carried.is_schedule:
        _keep_schedule(carried)
    elif dsn is not None and settings["worker"]["kind"] == "symfonyMessenger":
        _follow(unit, carried, dsn)
    else:
        _autoscaling(unit, carried)
    carry_environment(unit, carried)
    carry_identity(unit, carried)
    _rest(unit, carried)
    return carried


def _name(text: str, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:40] or "worker"
    return next(one for one in (name, *(f"{name}-{n}" for n in range(2, 1000))) if one not in taken)


def _worker(worker: Worker, carried: Carried) -> dict[str, Any]:
    its = worker.words if worker.program is not None else worker.verdict.programs[0]
    words = _without_secrets(_launcher(worker) + [word if word is not None else "" for word in its], carried)
    processes = worker.copies if isinstance(worker.copies, int) else 1
    if not isinstance(worker.copies, int):
        carried.left.append("the number of processes, which only the container knows: `worker.processes` is 1")
    if "" in words:
        carried.left.append(
            "words of the worker's command that only its script knows: they are missing in `worker.command`"
        )
    command = [word for word in words if word]
    queues = sorted({name for one in carried.unit.autoscalers for name in _bullmq_queues(one)})
    if worker.program is None and queues:
        carried.left.append("how many jobs a process handles at once: `worker.concurrency` is 1")
        carried.left.append("that the program closes its Worker on SIGTERM: nothing that was read says it; try it")
        return {"kind": "bullmq", "command": command, "queues": queues, "processes": processes}
    own = framework_settings(_program(worker), command, carried.unit.setup, carried.left)
    if own is not None:
        return {**own, "processes": processes}
    found = {"kind": "command", "command": command, "processes": processes, "memoryLimit": "256M"}
    carried.left.append("how much memory a process needs: `worker.memoryLimit` is 256M; measure it")
    if worker.program is None and not worker.is_scheduler:
        carried.left.append(f"whether {command[0]} finishes its message on SIGTERM, which nobody here knows; try it")
    if worker.program is not None and worker.program.finishes_on and "TERM" not in worker.program.finishes_on:
        found["stopSignal"] = worker.program.finishes_on[0]
    return found


def _program(worker: Worker) -> str:
    """What the command runs; empty where nobody here knows."""
    if worker.program is not None:
        return worker.program.name
    return "celery beat" if re.search(r"(?:^| )celery .*\bbeat\b", worker.shown_words()) else ""


def _without_secrets(words: list[str], carried: Carried) -> list[str]:
    hidden = set(secret_words(words))
    if hidden:
        carried.left.append(
            f"a secret in the worker's command: {MASK} stands in its place; put it into a Secret, and read it from a "
            "variable"
        )
    return [_masked(word) if place in hidden else word for place, word in enumerate(words)]


def _masked(word: str) -> str:
    """Without what is secret; an option keeps its name: `--token=[secret]`."""
    option = re.match(r"--[A-Za-z][\w-]*=", word)
    return f"{option[0]}{MASK}" if option else MASK


def _directory(unit: Unit, worker: Worker, carried: Carried) -> dict[str, str]:
    """Where the worker starts: by supervisord, the container or the image, in this order."""
    said = (
        worker.supervised.text("directory") if worker.supervised else "",
        unit.container.data.text("workingDir") if unit.container else "",
        unit.image.workdir if unit.image else "",
    )
    found = next((path for path in said if re.fullmatch(r"/[^\s%]+", path)), "")
    if not found:
        carried.left.append("the directory of the image in which workers start: `worker.workingDirectory` is /app")
    return {"workingDirectory": found} if found not in ("", _DIRECTORY) else {}


def _bullmq_queues(one: ManifestObject) -> list[str]:
    queues = map(bullmq_queue, one.data.items_of("spec", "triggers"))
    return [queue for queue in queues if queue]


def _launcher(worker: Worker) -> list[str]:
    """`bundle exec` and its like, which find the program, where they stand right before it."""
    whole = worker.command.words
    before = whole[: len(whole) - len(worker.words)]
    is_direct = whole[len(before) :] == worker.words
    return list(before[-2:]) if is_direct and before[-2:] in _LAUNCHERS else []


def _shutdown(unit: Unit, worker: Worker, carried: Carried) -> dict[str, Any]:
    longest, wait = longest_of(unit, worker), _supervisor_s_wait(worker)
    grace = unit.workload.grace.value if unit.workload and unit.workload.grace else 0
    if longest is not None and longest.value > 0:
        seconds = longest.value
    elif wait > max(grace - _ALLOWANCE_SECONDS, 0):
        seconds = wait
        carried.left.append(
            f"how long a message takes: `longestMessage` is {seconds}s because supervisord waits {wait} s for its "
            f"program{f', which the pod cut off after {grace} s' if 0 < grace < wait else ''}; measure it"
        )
    elif unit.workload and unit.workload.grace and unit.workload.grace.value > _ALLOWANCE_SECONDS:
        seconds = unit.workload.grace.value - _ALLOWANCE_SECONDS
        carried.left.append(
            f"how long a message takes: `longestMessage` is {seconds}s because the grace period was "
            f"{unit.workload.grace.value} s; measure it"
        )
    else:
        seconds = _DEFAULT_LONGEST_SECONDS
        carried.left.append(f"how long a message takes, which nothing says: `longestMessage` is {seconds}s; measure it")
    if seconds > _NODE_UPGRADE_SECONDS:
        carried.left.append(
            f"messages of {seconds} s: a node upgrade waits an hour and kills; `longestMessage` is "
            f"{_NODE_UPGRADE_SECONDS}s, and longer ones have to be split"
        )
        seconds = _NODE_UPGRADE_SECONDS
    found: dict[str, Any] = {"longestMessage": f"{seconds}s"}
    if seconds > NODE_SCALE_DOWN_SECONDS:
        found["nodeScaleDown"] = "protect"
    return found


def _supervisor_s_wait(worker: Worker) -> int:
    """How long somebody has told supervisord to wait; its own ten seconds say nothing of a message."""
    if worker.supervised is None or "stopwaitsecs" not in worker.supervised.options:
        return 0
    wait = worker.supervised.number("stopwaitsecs", 0)
    return wait if isinstance(wait, int) else 0


def _keep_schedule(carried: Carried) -> None:
    """One process: each further one sends all of the schedule again, and none sends nothing."""
    worker = carried.settings["worker"]
    if worker["processes"] > 1:
        carried.left.append(f"{worker['processes']} processes, each of which sends the whole schedule: there is one")
    worker["processes"] = 1
    carried.settings["autoscaling"] = {"kind": "singleton"}


def _autoscaling(unit: Unit, carried: Carried) -> None:
    replicas = unit.workload.replicas.value if unit.workload and unit.workload.replicas else 1
    if not unit.autoscalers:
        carried.settings["autoscaling"] = {"kind": "fixed", "replicas": max(replicas, 1)}
        return
    one = unit.autoscalers[0]
    least, most = bounds_of(one, replicas)
    transport = transport_of(one, carried.settings["worker"]["kind"])
    carried.settings["autoscaling"] = {"kind": "fixed", "replicas": most}
    then = f"`autoscaling` with `kind: keda`, `minReplicas: {least}`, `maxReplicas: {most}` (docs/scaling.md)"
    if transport is None:
        what = "its metric is not taken over"
    else:
        carried.settings["transport"] = transport
        _fit_redelivery(transport, carried)
        what = "`transport` has its queue; say there how KEDA gets in (address, user and password, each from a Secret)"
        if transport["kind"] == "rabbitmq":
            what += ", which on RabbitMQ is the management plugin's port, 15672"
    carried.left.append(
        f"{one.title} ({one.at()}): {what}; `fixed` at {most} pods, its maximum, until you write {then}"
    )
    carried.left += [f"{other.title} ({other.at()}), a second autoscaler" for other in unit.autoscalers[1:]]


def _follow(unit: Unit, carried: Carried, dsn: BrokerDsn) -> None:
    """KEDA within the bounds of the old autoscaler, or with no more pods than there were."""
    replicas = unit.workload.replicas.value if unit.workload and unit.workload.replicas else 1
    bounds = bounds_of(unit.autoscalers[0], replicas) if unit.autoscalers else (0, max(replicas, 1))
    carried.settings |= followed(carried.settings, carried.name, dsn, bounds)
    for one in unit.autoscalers:
        carried.left.append(
            f"{one.title} ({one.at()}): KEDA follows the queue instead, with {bounds[0]} to {bounds[1]} pods"
        )
    transport = carried.settings["transport"]
    if said := transport.get("redeliverTimeout"):
        carried.left.append(
            f"`transport.redeliverTimeout` is {said}: write the same to the transport in messenger.yaml, "
            f"`redeliver_timeout: {parse_duration(said)}`{redelivery_of(unit, carried.settings['worker'])}"
        )


def _fit_redelivery(transport: dict[str, Any], carried: Carried) -> None:
    """A message that is in hand for longer than the broker waits is another worker's as well."""
    longest = int(carried.settings["shutdown"]["longestMessage"].rstrip("s"))
    model, setting, held = _REDELIVERY.get(transport["kind"], (None, "", 0))
    least = longest + held + _ALLOWANCE_SECONDS
    if model is not None and least > model.model_fields[setting].default:
        name = to_camel(setting)
        transport[name] = f"{least}s"
        carried.left.append(
            f"`transport.{name}` is {least}s for messages of {longest} s: whatever else says it, the broker's policy "
            "or the application, has to say the same"
        )


def _template(unit: Unit) -> Map:
    return unit.workload.data.map("spec", "template") if unit.workload else Map()


def _rest(unit: Unit, carried: Carried) -> None:
    places = broker_places(unit, carried.settings["worker"])
    said = f" ({'; '.join(places)})" if places else ""
    if "network" not in carried.settings:
        carried.left.append(f"where the broker is{said}: write `network.egress`, or workers reach nothing but DNS")
    if not names_broker(unit, carried):
        who = (
            f"{'; '.join(places)}, and no variable of the old pods; a password in it belongs into a Secret"
            if places
            else "no variable of the old pods says it, so the image does (.env), or a Secret that was not handed over"
        )
        carried.left.append(f"how the workers find the broker: {who}; name that in `secretEnvironment`")
    carried.left += run_before(unit, carried.worker)
    if "transport" not in carried.settings and not carried.is_schedule:
        carried.left.append("what the broker does with a killed worker's message: write `transport`")
    workers = {one.supervised.name for one in unit.workers if one.supervised is not None}
    carried.left += [
        f"program {one.name} of supervisord, which is no worker that init knows: it needs a place of its own"
        for one in unit.supervised_programs()
        if one.name not in workers
    ]
    if unit.container is None or unit.workload is None or not unit.is_kubernetes:
        return
    for level, data, known in (
        ("pod", unit.workload.pod, _CARRIED_POD),
        ("container", unit.container.data, _CARRIED_CONTAINER),
        ("workload", unit.workload.data.map("spec"), _CARRIED_SPEC),
        ("pod's metadata", _template(unit).map("metadata"), frozenset({"labels", "name"})),
    ):
        carried.left += [f"`{key}` of the {level}" for key in sorted(data) if key not in known | _DERIVED]
    others = [one.name for one in unit.workload.containers if one is not unit.container]
    carried.left += [f"container {name}, which runs beside the workers (docs/pods.md)" for name in others]
