"""What takes capacity, data or the shutdown budget away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import (
    UNKNOWN,
    Operation,
    PropertyChange,
    ResourceChange,
    mapping,
)
from ebbtide.preview.fleet import Pods, falling_rungs
from ebbtide.preview.kinds import is_of
from ebbtide.preview.patterns import DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.broker import BROKERS
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import heir_of, object_of, successors
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_duration, format_memory, parse_duration

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
_GONE = (Operation.DELETE, Operation.REPLACE)
_CONTAINER = "spec.template.spec.containers.*"


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
    consumers = {change.title for change in context.of("Deployment", *_GONE)}
    for change in context.change.changes:
        # The data of an instance is lost, whoever runs it; what else is called a cluster or a network may be anything.
        known = (is_of(change, change.kind) or change.kind == "Instance") and change.token not in BROKERS
        if change.operation not in _GONE or change.kind not in _HOLDS or not known or _is_left_over(change):
            continue
        if change.kind == "ServiceAccount" and change.title in consumers and not _goes_first(change):
            continue  # It goes with its consumer, of which P-02 speaks, or after the new one has come.
        if change.is_retained:
            sentence = f"{change.kind} {_old_title(change)} stays as it is and is left to others (retainOnDelete)"
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)
            continue
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
    for change in context.of("Deployment", *_GONE):
        if change.key in again:
            continue  # P-42 speaks.
        pods = Pods.of(change.old)
        grace = "" if pods.grace_seconds is None else f"; its pods have {format_duration(pods.grace_seconds)}"
        level = RiskLevel.DANGER
        heir = heir_of(change, context)
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
            reason = f"{fields or 'a field'} cannot change in place"
            verb = "consumes" if pods.is_consumer else "runs"
            what = f"is deleted and made anew, because {reason}: no pod {verb} meanwhile"
            advice = "give the new one another name, and remove the old one in a second step"
        yield Risk(change.title, f"{_old_title(change)} {what}{grace}", advice, change.key, level)


@change_rule(
    "P-42",
    RiskLevel.DANGER,
    remedy="Give the new one an alias: aliases=[Alias(name=...)].",
    source="Pulumi makes what is new first and deletes last; pulumi-kubernetes applies it over what is there.",
)
def check_same_object(context: Context) -> Iterator[Risk]:
    """An object has one name in the program. Under another one the engine makes it first, over the object that is
    there, and deletes the old one last: the same object, so that it is gone."""
    for change, new in _deleted_by_its_new_name(context):
        sentence = (
            f"{change.kind} {change.title} is made as {new.name} and then deleted as {change.name}, which is the same "
            "object: it is gone afterwards, or the update fails"
        )
        yield Risk(change.title, sentence, f"give {new.name} the alias {change.name}", change.key)


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
    differs = [old.get(part) != new.get(part) for part in ("name", "namespace")]
    is_known = all(new.get(part) is not UNKNOWN for part in ("name", "namespace"))
    return any(differs) and is_known and change.deletes_before is not True


@change_rule(
    "P-03",
    RiskLevel.DANGER,
    remedy="Make sure that no message takes longer any more: its measured maximum, not its average.",
    source="Pods that run keep their old grace; those of the update have the new one.",
    reads={
        "Deployment": (
            "spec.template.spec.terminationGracePeriodSeconds",
            f"{_CONTAINER}.env.{image_contract.LONGEST_MESSAGE_SECONDS}.value",
            f"{_CONTAINER}.env.{image_contract.STOP_WAIT_SECONDS}.value",
            f"{_CONTAINER}.env.{image_contract.DRAIN_DEADLINE_SECONDS}.value",
            f"{_CONTAINER}.lifecycle.preStop.exec.command.*",
        )
    },
)
def check_budget_weakened(context: Context) -> Iterator[Risk]:
    """Pods get less time to finish than before, or lose the hook or the process that drains them; or the budget no
    longer fits the longest message."""
    for successor in successors(context):
        title, key = successor.title, successor.change.key
        said = set()
        for whose, before, after in successor.containers():
            for words, old, new in list(falling_rungs(before, after))[:1]:
                longest = before.longest_message_seconds or old
                said.add(
                    f"pods of {title} get {format_duration(new)} instead of {format_duration(old)} {words}: "
                    f"a message that still takes {format_duration(longest)} is killed"
                )
                advice = "make sure that no message takes longer any more (its measured maximum, not its average)"
            if before.hook != after.hook and before.hook:
                sentence = f"{whose} loses its drain hook"
                if after.hook:
                    sentence = (
                        f"{whose} runs {' '.join(after.hook)} before it stops, instead of {' '.join(before.hook)}"
                    )
                yield Risk(title, sentence, "keep lifecycle.preStop", key)
            elif before.drains_in_time and not after.drains_in_time and not said:
                sentence = f"the shutdown budget of {whose} no longer fits its longest message: {_ladder(after)}"
                yield Risk(title, sentence, "derive it from the settings again", key)
        for sentence in sorted(said):
            yield Risk(title, sentence, advice, key)


def _ladder(pods: Pods) -> str:
    rungs = {
        "the longest message": pods.longest_message_seconds,
        "a worker is killed after": pods.stop_wait_seconds,
        "the hook gives up after": pods.drain_deadline_seconds,
        "the pod after": pods.grace_seconds,
    }
    return ", ".join(
        f"{words} {'not stated' if seconds is None else format_duration(seconds)}" for words, seconds in rungs.items()
    )


@change_rule(
    "P-07",
    RiskLevel.DANGER,
    remedy="Measure what a worker needs at most, and leave room above it.",
    source="Linux, cgroup v2 memory.max: what is above it is killed, with the message in flight.",
    reads={
        "Deployment": (f"{_CONTAINER}.resources.limits.memory", f"{_CONTAINER}.env.{image_contract.PROCESSES}.value"),
    },
)
def check_memory_limit(context: Context) -> Iterator[Risk]:
    """Each worker process has as much memory as before: what needs more than its limit is killed, with the message
    that it has in flight."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            if after.memory_limit_bytes is None:
                continue
            each = after.memory_limit_bytes // after.processes
            limit = before.memory_limit_bytes
            was = None if limit is None else limit // before.processes
            # A hundredth is what rounding to whole MiB, and the supervisor's own share, make.
            if was is None or each < was * 0.99:
                old = "no limit" if was is None else f"{format_memory(was // 2**20 * 2**20)} each"
                sentence = (
                    f"{after.processes} process{'' if after.processes == 1 else 'es'} of {whose} share "
                    f"{format_memory(after.memory_limit_bytes)} of memory, {format_memory(each // 2**20 * 2**20)} each "
                    f"instead of {old}: what needs more is killed with its message"
                )
                advice = "compare with the most that a worker was seen to need"
                yield Risk(successor.title, sentence, advice, successor.change.key)


@change_rule(
    "P-09",
    RiskLevel.DANGER,
    remedy="Keep them above every consumer's grace period.",
    source="GKE, nodeDrainConfig: what a node's drain waits for a pod at most.",
    reads={
        "NodePool": (
            "nodeDrainConfigs.*.graceTerminationDuration",
            "nodeDrainConfigs.*.pdbTimeoutDuration",
            "nodeDrainConfigs.*.respectPdbDuringNodePoolDeletion",
        )
    },
)
def check_node_drain(context: Context) -> Iterator[Risk]:
    """Nodes wait as long as before for their pods to leave: a pod that needs longer is killed with its messages."""
    for change in context.of("NodePool", Operation.UPDATE):
        for found in change.properties:
            if "nodeDrainConfigs" in found.path[:1] and _waits_less(found):
                words = ".".join(map(str, found.path))
                sentence = f"nodes of {change.title} wait less for their pods: {words} {found.old} → {found.new}"
                yield Risk(change.title, sentence, "keep it above every consumer's grace period", change.key)


def _waits_less(found: PropertyChange) -> bool:
    try:
        return parse_duration(found.new) < parse_duration(found.old)
    except ValueError:
        # A list that comes or goes as a whole, or a switch: on is what waits.
        return found.new is not True


@change_rule(
    "P-04",
    RiskLevel.DANGER,
    remedy="Keep ebbtide:protect; say who owns the field now.",
    source="Pulumi, the options protect and ignoreChanges; Google Cloud, deletionProtection.",
    reads={"Cluster": ("deletionProtection",)},
)
def check_protection_lost(context: Context) -> Iterator[Risk]:
    """`protect`, `retainOnDelete` or `ignoreChanges` is taken away: the next change may delete it, or take the number
    of pods away from its autoscaler."""
    for change in context.change.changes:
        for option in change.options if change.operation is Operation.UPDATE else ():
            if option.name == "protect" and option.old and not option.new:
                sentence, advice = "is no longer protected against deletion", "keep ebbtide:protect"
            elif option.name == "retainOnDelete" and option.old and not option.new:
                sentence, advice = "no longer stays when the program lets go of it", "keep retainOnDelete"
            elif option.name == "ignoreChanges" and set(option.old or ()) - set(option.new or ()):
                lost = ", ".join(sorted(set(option.old or ()) - set(option.new or ())))
                if lost == "spec.replicas":
                    continue  # P-20 says who owns it now.
                sentence, advice = f"no longer leaves {lost} alone", "check who owns it now"
            else:
                continue
            yield Risk(change.title, f"{change.kind} {change.title} {sentence}", advice, change.key)
    for change in context.of("Cluster", Operation.UPDATE):
        on = change.old.get("deletionProtection", True)
        if on and change.new.get("deletionProtection", True) is not True and not _says_so(change):
            sentence = f"Cluster {change.title} is no longer protected against deletion"
            yield Risk(change.title, sentence, "keep ebbtide:protect", change.key)


def _says_so(change: ResourceChange) -> bool:
    return any(option.name == "protect" and option.old and not option.new for option in change.options)


@change_rule(
    "P-06",
    RiskLevel.DANGER,
    remedy="Write maxUnavailable: 1: draining loses no message.",
    source="Kubernetes, disruption budgets.",
    reads={"PodDisruptionBudget": ("spec.maxUnavailable", "spec.minAvailable")},
)
def check_blocking_budget(context: Context) -> Iterator[Risk]:
    """The disruption budget lets no pod go, so no node can be drained or upgraded."""
    for change in context.of("PodDisruptionBudget", Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
        spec = mapping(change.new.get("spec"))
        consumer = context.consumers.get(change.title)
        least = consumer.autoscaling.min_replicas if consumer else None
        keeps = spec.get("minAvailable")
        all_kept = keeps == "100%" or (isinstance(keeps, int) and least is not None and keeps >= least)
        # The disruption controller expects no pod where neither is stated, and then allows no disruption.
        states_nothing = keeps is None and spec.get("maxUnavailable") is None
        if spec.get("maxUnavailable") in (0, "0%") or all_kept or states_nothing:
            sentence = f"the disruption budget of {change.title} lets no pod go"
            yield Risk(change.title, sentence, "write maxUnavailable: 1", change.key)


@change_rule(
    "P-18",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Keep a budget for every consumer; ebbtide writes maxUnavailable: 1.",
    source="Kubernetes, disruption budgets: without one a node's drain evicts all of its pods at once.",
    tells={"PodDisruptionBudget": (DELETED, REPLACED)},
    reads={"PodDisruptionBudget": ("spec.maxUnavailable", "spec.minAvailable")},
)
def check_budget_changes(context: Context) -> Iterator[Risk]:
    """A node's drain may take as many pods at once as before, and there is a budget."""
    deployments = {change.title for change in context.of("Deployment", Operation.DELETE)}
    for change in context.of("PodDisruptionBudget", Operation.UPDATE, *_GONE):
        if change.operation is Operation.DELETE:
            if change.title not in deployments:
                sentence = (
                    f"{change.title} has no disruption budget any more: a node's drain may take all its pods at once"
                )
                yield Risk(change.title, sentence, "keep it", change.key, RiskLevel.DANGER)
            continue
        old, new = (_allowed(side) for side in (change.old, change.new))
        words = f"drains of nodes leave {change.title} {new} instead of {old}" if old != new else ""
        level = RiskLevel.INFO
        if words and new == _NONE:
            words, level = f"{words}: a node's drain may take all its pods at once", RiskLevel.DANGER
        if change.operation is Operation.REPLACE:
            words = f"{change.title} has no disruption budget for a moment, while it is made anew"
        if words:
            yield Risk(change.title, words, "keep it" if level is RiskLevel.DANGER else "", change.key, level)


_NONE = "no pod"


def _allowed(budget: Mapping[str, Any]) -> str:
    """What a drain must leave."""
    spec = mapping(budget.get("spec"))
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if most is None:
        return _NONE if least in (0, "0%") else "every pod" if least is None else f"at least {least} pods"
    return _NONE if most == "100%" else f"all but {most} pods"
