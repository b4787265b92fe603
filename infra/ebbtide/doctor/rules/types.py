"""Rules about values that are refused where they stand: a text for a number, a number for a text."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.doctor.data import Map
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.kubernetes import pod_of
from ebbtide.doctor.rules.declare import object_rule, setup_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import ManifestObject


@object_rule(
    "D-6b",
    Harm.BREAKS,
    remedy="Write numbers without quotes, and variables, annotations and KEDA's metadata in quotes.",
    source="The API server refuses the whole object: `cannot unmarshal string into Go struct field "
    "PodSpec.terminationGracePeriodSeconds of type int64`.",
)
def check_types(one: ManifestObject) -> Iterator[Diagnosis]:
    """A number is a number, and a text is a text. The API server refuses the object otherwise, and what was there
    before goes on."""
    spec, pod = one.data.map("spec"), pod_of(one)
    numbers = ("replicas", "minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount", "cooldownPeriod")
    wanted = [(spec, key) for key in numbers]
    for data, key in (*wanted, (spec, "pollingInterval"), (pod, "terminationGracePeriodSeconds")):
        value = data.get(key)
        if isinstance(value, str) and value.isdecimal():  # what envsubst fills in is no number yet
            yield Diagnosis(one.at(data, key), one.title, f"{key} is a text, and a number is wanted", f"write {value}")
    for data, key, what in _texts(one, pod):
        value = data.get(key)
        if isinstance(value, (bool, int, float)):
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            text = f"{what} is {'true or false' if isinstance(value, bool) else 'a number'}, and a text is wanted"
            yield Diagnosis(one.at(data, key), one.title, text, f'write "{shown}"')


def _texts(one: ManifestObject, pod: Map) -> Iterator[tuple[Map, str, str]]:
    """Where only a text may stand, with the key, and what to call it."""
    for container in (*pod.items_of("containers"), *pod.items_of("initContainers")):
        for entry in container.items_of("env"):
            yield entry, "value", f"the value of {entry.text('name')}"
    for metadata in (one.data.map("metadata"), one.data.map("spec", "template", "metadata")):
        for key in (annotations := metadata.map("annotations")):
            yield annotations, key, key
    if one.group == "keda.sh":
        for trigger in one.data.items_of("spec", "triggers"):
            for key in (metadata := trigger.map("metadata")):
                yield metadata, key, key


@setup_rule(
    "D-6c",
    Harm.BREAKS,
    remedy="Write stop_grace_period and stop_signal into the service itself.",
    source="Compose's schema: `deploy` allows no other properties, and the file is refused.",
)
def check_compose(setup: SetUp) -> Iterator[Diagnosis]:
    """A compose service says itself how it is stopped, and not its `deploy`."""
    for workload in setup.workloads:
        deploy = workload.data.map("deploy") if workload.kind == "service" else Map()
        for key in ("stop_grace_period", "stop_signal"):
            if key in deploy:
                text = f"{key} is no field of deploy: the file is refused"
                yield Diagnosis(workload.at(deploy, key), workload.title, text, "move it to the service itself")
