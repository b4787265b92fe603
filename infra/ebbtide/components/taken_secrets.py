"""Whether Secret Manager has a secret already that a stack is about to make: asked in a preview, and only then.

Without it an `up` finds out when cluster and broker are there. What is new is told by the engine, which knows its
state: labels would not say it, because stacks of two projects may have one name. So nothing is asked where nothing is
new, and whoever may preview needs no further right for it.

It is no lock: what somebody makes between preview and `up` is refused by Google there. With `--skip-preview` nothing is
asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pulumi

from ebbtide.components.register import Registered, plugin_version
from ebbtide.judgement.findings import refused
from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Resource
from ebbtide.settings.models.broker import MadeBroker
from ebbtide.settings.models.brokered import broker_name, made_broker
from ebbtide.settings.models.stack import StackSettings

# The least role that has the permission.
PERMISSION, ROLE = "secretmanager.secrets.list", "roles/secretmanager.viewer"


async def refuse_taken_secrets(
    stack: StackSettings, component: pulumi.Resource, parts: Iterable[Resource], registered: Registered
) -> None:
    """Hold the names of new secrets against those that are there. Raises pulumi.RunError for those that are taken;
    warns where nobody may look."""
    broker = made_broker(stack)
    if broker is None or not pulumi.runtime.is_dry_run():
        return
    secrets = {part.properties["secretId"]: registered[part.key] for part in parts if part.token == names.SECRET}
    # In a preview the engine knows the ids of what is in its state, and of nothing that it would make.
    new = [name for name, secret in secrets.items() if not await secret.id.is_known()]
    if not new:
        return
    project = names.google(stack).project
    # The filter lets pass what has this in its name; which has exactly a name is seen here.
    asked = {"project": project, "filter": f"name:{broker_name(stack, broker)}-v{broker.secret.version}"}
    options = pulumi.InvokeOptions(parent=component, version=plugin_version("gcp"))
    try:
        answer = await pulumi.runtime.invoke_async(names.GET_SECRETS, asked, options)
        there = {found["secretId"]: found.get("effectiveLabels") or {} for found in answer["secrets"]}
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being judged must not keep it from being previewed
        pulumi.log.warn(_not_judged(stack, new, error))
        return
    taken = {name: there[name] for name in new if name in there}
    if taken:
        raise pulumi.RunError(str(_refusal(stack, broker, project, taken)))


def _refusal(
    stack: StackSettings, broker: MadeBroker, project: str, taken: Mapping[str, Mapping[str, str]]
) -> Exception:
    owners = sorted({_owner(stack, labels) for labels in taken.values()})
    message = f"would make {_listed(taken)}, which Secret Manager of {project} has already: {'; '.join(owners)}"
    remedy = (
        f"raise broker.secret.version to {broker.secret.version + 1} or, before the broker is made, write another "
        "broker.name; what is this stack's own, and only its state has lost it, comes back with pulumi import"
    )
    return refused("BR-50", message, remedy, ("broker", "secret"), f"stack {stack.name}")


def _owner(stack: StackSettings, labels: Mapping[str, str]) -> str:
    """Whose it is, as far as its labels say so."""
    if labels.get("managed-by") == "ebbtide":
        made_by = labels.get("stack", "")
        same = "of this name, in another project or with another state" if made_by == stack.name else made_by
        return f"made by ebbtide for a stack {same}"
    said = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return f"labelled {said}" if said else "without labels, so nobody knows whose it is"


def _not_judged(stack: StackSettings, new: Iterable[str], error: Exception) -> str:
    # What went wrong comes last: before it stands who was asked by whom.
    *_, last = str(error).strip().splitlines() or ["no answer"]
    reason = last.strip(" \t*")
    return (
        f"stack {stack.name}: broker.secret: was not judged: whether Secret Manager has {_listed(new)} already "
        f"({reason}); {PERMISSION} ({ROLE}) lets a preview see it"
    )


def _listed(found: Iterable[str]) -> str:
    return " and ".join(sorted(found))
