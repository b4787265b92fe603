"""What goes with what holds it: clusters, nodes, namespaces, and the Deployments of consumers."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import GONE, UNKNOWN, Operation, ResourceChange, mapping
from ebbtide.preview.fleet import Pods
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.broker import BROKERS
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import Heirs, is_made_over_itself, object_of
from ebbtide.settings.values.units import format_duration

# Kinds whose deletion takes others or data along, and what that means.
_HOLDS = {
    "Cluster": "every pod of the cluster is killed, and what is not in these settings is gone",
    "NodePool": "its nodes are drained, and pods are Pending until others have room",
    "Namespace": "everything in it is deleted, also what others put there",
    "Network": "nothing in it can be reached meanwhile",
    "Subnetwork": "nodes and pods lose their addresses",
    "Router": "nodes reach nothing outside of their network meanwhile: no image, no broker that is not in it",
    "RouterNat": "nodes reach nothing outside of their network meanwhile: no image, no broker that is not in it",
    "Account": "whoever acts as it has no rights any more",
    "ServiceAccount": "pods that name it cannot be made while it is gone",
    "Repository": "the images in it are deleted, and no new pod can start",
    "Instance": "the data in it is lost: with a broker, every waiting message",
    "PersistentVolumeClaim": "the data in it is lost",
    "StatefulSet": "if it is the broker, consumers stop, and its data depends on its volumes",
    "kubernetes": "every object that was made through this connection is deleted and made anew",
}


@change_rule(
    "P-01",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Protect it, keep the old value, or move the consumers first.",
    source="What Google Cloud and Kubernetes delete with what holds it.",
    tells=dict.fromkeys((*_HOLDS, "*:Instance"), (DELETED, REPLACED)),
)
def check_holder_gone(context: Context) -> Iterator[Risk]:
    """A cluster, node pool, namespace, network, identity, image repository or broker is deleted or replaced."""
    consumers = {change.title for change in context.of("Deployment", *GONE)}
    for change in context.change.changes:
        # The data of an instance is lost, whoever runs it; what else is called a cluster or a network may be anything.
        known = (is_of(change, change.kind) or change.kind == "Instance") and change.token not in BROKERS
        if change.operation not in GONE or change.kind not in _HOLDS or not known or _is_left_over(change):
            continue
        if change.is_retained:
            continue  # P-01a speaks.
        if change.kind == "ServiceAccount" and change.title in consumers and not _goes_first(change):
            continue  # It goes with its consumer, of which P-02 speaks, or after the new one has come.
        verb = "replaced" if change.operation is Operation.REPLACE else "deleted"
        yield Risk(
            change.title,
            f"{change.kind} {change.title} is {verb}{_because(change)}: {_HOLDS[change.kind]}",
            "protect it, keep the old value, or move consumers first",
            change.key,
        )


def _goes_first(change: ResourceChange) -> bool:
    """Whether it is missed: it is replaced, and the old one goes before the new one comes."""
    return change.operation is Operation.REPLACE and not _is_made_first(change)


def _is_left_over(change: ResourceChange) -> bool:
    """A default provider of an older plugin: its resources have a newer one by then, or are steps of their own."""
    return change.package == "pulumi" and change.operation is Operation.DELETE and change.name.startswith("default")


def _because(change: ResourceChange) -> str:
    words = ", ".join(".".join(map(str, found.path)) for found in change.properties if found.replaces)
    return f" because of {words}" if words else ""


@change_rule(
    "P-01a",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Make sure that somebody looks after what stays.",
    source="Pulumi, the option retainOnDelete: the engine forgets the resource and calls no provider.",
    sees_all=True,
)
def check_left_to_others(context: Context) -> Iterator[Risk]:
    """What the program lets go of is gone. With `retainOnDelete` it stays as it is and nobody looks after it; beside
    one that is made anew the old one goes on, a broker with the messages in it."""
    for change in context.change.changes:
        what = f"{change.kind} {_old_title(change)}"
        if change.is_let_go:
            sentence = f"{what} stays as it is and is left to others (retainOnDelete)"
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)
        elif change.is_retained and change.operation is Operation.REPLACE:
            sentence = f"{what} is made anew and the old one stays (retainOnDelete): what is in it, nobody looks after"
            advice = "move what is in it, or empty it first"
            yield Risk(change.title, sentence, advice, change.key)


@change_rule(
    "P-02",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    remedy="Give the new one another name, and remove the old one in a second step.",
    source="spec.selector of a Deployment cannot be changed (apps/v1); pulumi-kubernetes deletes an object first only "
    "where the new one must have its name (provider.go, deleteBeforeReplace).",
    tells={"Deployment": (DELETED, REPLACED)},
)
def check_consumer_gone(context: Context) -> Iterator[Risk]:
    """A consumer's Deployment is deleted, or replaced because a field cannot change in place: all its
    pods drain at once, and nothing consumes meanwhile, unless another of another name is there first."""
    again = {change.key for change, _ in _deleted_by_its_new_name(context)}
    again |= {change.key for change in context.change.changes if is_made_over_itself(change)}
    heirs = Heirs(context)
    for change in context.of("Deployment", *GONE):
        if change.key in again or change.is_retained:
            continue  # P-42 speaks, or P-01a.
        pods = Pods.of(change.old)
        grace = "" if pods.grace_seconds is None else f"; its pods have {format_duration(pods.grace_seconds)}"
        level = RiskLevel.DANGER
        heir = heirs.of(change)
        if heir is not None:
            place = mapping(heir.new.get("metadata")).get("namespace")
            moved = f"is renamed to {heir.title}" if heir.title != change.title else f"moves to namespace {place}"
            what = f"{moved}, which runs the same command: the new one starts first, then its pods drain"
            advice, level = "", RiskLevel.DISRUPTIVE
        elif change.operation is Operation.DELETE and pods.is_consumer:
            what, advice = (
                "is deleted: its pods drain and nobody consumes its queue",
                "make sure its queue is empty, or somebody else's",
            )
        elif change.operation is Operation.DELETE:
            what, advice = "is deleted: all its pods end", "make sure that nothing needs it any more"
        elif _is_made_first(change):
            what = f"is replaced{_because(change)} by {change.title}, which is made first: then its pods drain"
            advice, level = "", RiskLevel.DISRUPTIVE
        else:
            fields = ", ".join(".".join(map(str, found.path)) for found in change.properties if found.replaces)
            reason = "the engine is told to" if change.is_forced else f"{fields or 'a field'} cannot change in place"
            verb = "consumes" if pods.is_consumer else "runs"
            what = f"is deleted and made anew, because {reason}: no pod {verb} meanwhile"
            advice = "give the new one another name, and remove the old one in a second step"
        yield Risk(change.title, f"{_old_title(change)} {what}{grace}", advice, change.key, level)


@change_rule(
    "P-42",
    RiskLevel.DANGER,
    remedy="Give the new one an alias: aliases=[Alias(name=...)].",
    source="Pulumi makes what is new first and deletes last; pulumi-kubernetes applies it over what is there, and has "
    "the old one deleted first only where it asks for the replacement itself (provider.go, deleteBeforeReplace).",
    sees_all=True,
)
def check_same_object(context: Context) -> Iterator[Risk]:
    """An object has one name in the program. Under another one the engine makes it first, over the object that is
    there, and deletes the old one last: the same object, so that it is gone. The same happens through another provider
    of one cluster (whether it is another cluster no plan says), and where the engine replaces by itself
    (`--target-replace`, a taint, `replaceWith`, `replaceOnChanges`)."""
    for change, new in _deleted_by_its_new_name(context):
        sentence = (
            f"{change.kind} {change.title} is made as {new.name} and then deleted as {change.name}, which is the same "
            "object: it is gone afterwards, or the update fails"
        )
        yield Risk(change.title, sentence, f"give {new.name} the alias {change.name}", change.key)
    for change in context.change.changes:
        if is_made_over_itself(change):
            # One cause for all that is made so, whatever kinds they are.
            cause, advice = _MOVED if change.moves else _FORCED
            yield Risk(change.title, f"{change.kind} {change.title} {cause}", advice, change.key, cause=cause)


_MOVED = (
    (
        "is made through another provider and then deleted through the old one: if both are of one cluster that is the "
        "same object, and it is gone afterwards, or the update fails"
    ),
    "keep the provider, or give the new one the alias of the old; of another cluster, move in two steps",
)
_FORCED = (
    (
        "is replaced because the engine is told to (--target-replace, a taint, replaceWith, replaceOnChanges): unless "
        "the program says deleteBeforeReplace, it is made over the object that is there, which is then deleted: it is "
        "gone afterwards, or the update fails"
    ),
    "write deleteBeforeReplace; for new pods alone, `kubectl rollout restart`",
)


def _deleted_by_its_new_name(context: Context) -> Iterator[tuple[ResourceChange, ResourceChange]]:
    """What is deleted, and what is made under another name of the program and is the same object."""
    made = {
        found: change
        for change in context.change.changes
        if change.operation is Operation.CREATE and (found := object_of(change)) is not None
    }
    for change in context.change.changes:
        if change.operation is Operation.DELETE and not change.is_retained and (new := made.get(object_of(change))):  # type: ignore[arg-type]
            yield change, new


def _old_title(change: ResourceChange) -> str:
    return str(mapping(change.old.get("metadata")).get("name", change.title))


def _is_made_first(change: ResourceChange) -> bool:
    """As pulumi-kubernetes does where the new object has another name or namespace. Of an autonamed one the plan knows
    the new name already."""
    old, new = mapping(change.old.get("metadata")), mapping(change.new.get("metadata"))
    if change.deletes_before is False:
        return True  # The source says so, as where it is made in another cluster.
    differs = [old.get(part) != new.get(part) for part in ("name", "namespace")]
    is_known = all(new.get(part) is not UNKNOWN for part in ("name", "namespace"))
    return any(differs) and is_known and change.deletes_before is not True
