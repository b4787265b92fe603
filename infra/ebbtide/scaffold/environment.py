"""What workers are told and who they are: variables, the Secrets and ConfigMaps they are from, the account."""

from __future__ import annotations

import re
from typing import Any, Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.unit import Unit
from ebbtide.judgement.secrets import holds_secret
from ebbtide.scaffold.carried import NAMESPACE, Carried
from ebbtide.settings.values.names import is_object_name, is_secret_key, variable_problem

_GOOGLE_ACCOUNT: Final = "iam.gke.io/gcp-service-account"
# What a stack may not have beside what no name may be.
_REFUSED: Final = {"REMAP_SIGTERM": "makes the image's own way to stop a worker another"}
_BROKER_VARIABLE: Final = re.compile(r"(?i)dsn|broker|redis|amqp|rabbit|queue|sqs|valkey|database_url")


def carry_environment(unit: Unit, carried: Carried) -> None:
    """Variables, texts apart from secrets, and what they come from."""
    plain: dict[str, str] = {}
    secret: dict[str, dict[str, str]] = {}
    data = unit.container.data if unit.container and unit.is_kubernetes else Map()
    for entry in data.items_of("env"):
        name, reference = entry.text("name"), entry.map("valueFrom", "secretKeyRef")
        if is_object_name(reference.text("name")) and is_secret_key(reference.text("key")):
            secret[name] = {"secret": reference.text("name"), "key": reference.text("key")}
        elif "value" not in entry:
            carried.left.append(f"variable {name}, which comes from elsewhere than a Secret or a text")
        elif holds_secret(entry.text("value"), name):
            carried.left.append(f"variable {name}: its value looks like a secret; put it into a Secret, and name that")
        else:
            plain[name] = entry.text("value")
    plain |= _of_service(unit, carried)
    for found in (plain, secret):
        for name in tuple(found):
            if problem := _REFUSED.get(name) or variable_problem(name):
                del found[name]
                carried.left.append(f"variable {name}: it {problem}")
    # What a broker's DSN has brought (scaffold/broker.py) gives way to what the old pods have.
    own = {**carried.settings.pop("environment", {}), **plain}
    secrets = {**carried.settings.pop("secretEnvironment", {}), **secret}
    carried.settings |= {"environment": own} if own else {}
    carried.settings |= {"secretEnvironment": named} if (named := _without(secrets, plain)) else {}
    _refer(unit, {one["secret"] for one in secret.values()}, data.items_of("envFrom"), carried)


def _without(secrets: dict[str, dict[str, str]], names: dict[str, str]) -> dict[str, dict[str, str]]:
    return {name: said for name, said in secrets.items() if name not in names}


def _of_service(unit: Unit, carried: Carried) -> dict[str, str]:
    """The variables of a compose service that are the same in a cluster: no secret, no name of another service, and
    nothing that compose fills in."""
    if unit.is_kubernetes or unit.container is None:
        return {}
    found = {}
    for name, said in unit.container.environment.items():
        if said.value and "$" not in said.value and "://" not in said.value and not holds_secret(said.value, name):
            found[name] = said.value
        else:
            carried.left.append(f"variable {name} of {unit.title}")
    return found


def _refer(unit: Unit, secrets: set[str], sources: list[Map], carried: Carried) -> None:
    """What variables come from by the key or as a whole: each has to be where the pods are."""
    pulls = [one.text("name") for one in unit.workload.pod.items_of("imagePullSecrets")] if unit.workload else []
    pulled = [name for name in pulls if is_object_name(name)]
    whole = [one for one in map(_whole, sources) if one]
    if (len(pulled), len(whole)) != (len(pulls), len(sources)):
        carried.left.append("a Secret or ConfigMap in imagePullSecrets or envFrom, whose name or prefix cannot be one")
    pod: dict[str, Any] = {"imagePullSecrets": pulled} if pulled else {}
    if whole:
        pod["environmentFrom"] = whole
    if pod:
        carried.settings["pod"] = pod
    named = {kind: sorted({one[kind] for one in whole if kind in one}) for kind in ("secret", "configMap")}
    named["secret"] = sorted({*named["secret"], *secrets, *pulled})
    for kind, names in named.items():
        _name_what_is_referred_to(unit, kind[0].upper() + kind[1:], names, carried)


def _whole(entry: Map) -> dict[str, str]:
    """A Secret or ConfigMap, each of whose keys is a variable; nothing where no object and no variable is called so."""
    kind = "secret" if "secretRef" in entry else "configMap"
    name, prefix = entry.map(f"{kind}Ref").text("name"), entry.text("prefix")
    if not is_object_name(name) or variable_problem(f"{prefix}A"):
        return {}
    return {kind: name, **({"prefix": prefix} if prefix else {})}


def _name_what_is_referred_to(unit: Unit, kind: str, names: list[str], carried: Carried) -> None:
    """A pod finds it in its own namespace only, and the new one is in another unless it is said."""
    within = unit.workload.namespace if unit.workload else ""
    if names and within != NAMESPACE:
        there = f"namespace: {{name: {within or '<where it is>'}, create: false}}"
        carried.left.append(
            f"{kind} {', '.join(names)}: the new pods look for it in namespace {NAMESPACE}; make it there as well, "
            f"or write `{there}` and give the consumer another name"
        )


def _variables(unit: Unit) -> list[str]:
    entries = unit.container.data.items_of("env") if unit.container and unit.is_kubernetes else []
    return [entry.text("name") for entry in entries] + list(unit.container.environment if unit.container else ())


def names_broker(unit: Unit, carried: Carried) -> bool:
    """Whether a variable may say where the broker is, or comes with all that a Secret or a ConfigMap has."""
    is_whole = "environmentFrom" in carried.settings.get("pod", {})
    names = [*_variables(unit), *carried.settings.get("secretEnvironment", {})]
    return is_whole or any(_BROKER_VARIABLE.search(name) for name in names)


def carry_identity(unit: Unit, carried: Carried) -> None:
    """What the pods may do on Google: an account that a ServiceAccount names, or that only the cluster knows."""
    name = unit.workload.pod.text("serviceAccountName") if unit.workload else ""
    account = next((one for one in unit.setup.objects if one.kind == "ServiceAccount" and one.name == name), None)
    google = account.data.map("metadata", "annotations").text(_GOOGLE_ACCOUNT) if account else ""
    if not name:
        return
    own = f"ServiceAccount {name}: the new pods have one of their own, {carried.name}"
    if google:
        # Not written: a stack that grants something on Google names project and region first, which nobody said.
        carried.left.append(
            f"{own}; write {google} to `serviceAccount.googleServiceAccount`, with `gcp:project` and `gcp:region` in "
            "the stack: it is granted roles/iam.workloadIdentityUser then"
        )
    else:
        carried.left.append(
            f"{own}; what the old one may do on Google (`serviceAccount.googleServiceAccount`) or in the cluster is "
            "not known here"
        )
