"""What takes capacity, data or the shutdown budget away."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import KNOWN_PACKAGES, Operation, mapping
from ebbtide.preview.fleet import Pods
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.settings.values.units import format_duration

# Kinds whose deletion takes others or data along, and what that means.
_HOLDS = {
    "Cluster": "every pod of the cluster is killed, and what is not in these settings is gone",
    "NodePool": "its nodes are drained, and pods are Pending until others have room",
    "Namespace": "everything in it is deleted, also what others put there",
    "Network": "nothing in it can be reached meanwhile",
    "Subnetwork": "nodes and pods lose their addresses",
    "Repository": "the images in it are deleted, and no new pod can start",
    "Instance": "the data in it is lost: with a broker, every waiting message",
    "PersistentVolumeClaim": "the data in it is lost",
    "StatefulSet": "if it is the broker, consumers stop, and its data depends on its volumes",
    "kubernetes": "every object that was made through this connection is deleted and made anew",
}
_GONE = (Operation.DELETE, Operation.REPLACE)


@change_rule(
    "P-01",
    RiskLevel.DANGER,
    remedy="Protect it, keep the old value, or move the consumers first.",
    source="What Google Cloud and Kubernetes delete with what holds it.",
)
def check_holder_gone(context: Context) -> Iterator[Risk]:
    """A cluster, node pool, namespace, network, image repository or broker is deleted or replaced."""
    for change in context.change.changes:
        # The data of an instance is lost, whoever runs it; what else is called a cluster or a network may be anything.
        known = change.package in KNOWN_PACKAGES or change.kind == "Instance"
        if change.operation in _GONE and change.kind in _HOLDS and known:
            because = ", ".join(".".join(map(str, found.path)) for found in change.properties if found.replaces)
            verb = "replaced" if change.operation is Operation.REPLACE else "deleted"
            reason = f" because of {because}" if because else ""
            yield Risk(
                change.title,
                f"{change.kind} {change.title} is {verb}{reason}: {_HOLDS[change.kind]}",
                "protect it, keep the old value, or move consumers first",
                change.key,
            )


@change_rule(
    "P-02",
    RiskLevel.DANGER,
    remedy="Give the new one another name, and remove the old one in a second step.",
    source="spec.selector of a Deployment cannot be changed (apps/v1).",
)
def check_consumer_gone(context: Context) -> Iterator[Risk]:
    """A consumer's Deployment is deleted, or replaced because a field cannot change in place: all its
    pods drain at once, and nothing consumes meanwhile."""
    for change in context.of("Deployment", *_GONE):
        pods = Pods.of(change.old)
        grace = format_duration(pods.grace_seconds)
        if change.operation is Operation.DELETE and pods.is_consumer:
            what, advice = (
                "is deleted: its pods drain and nobody consumes its queue",
                "make sure its queue is empty, or somebody else's",
            )
        elif change.operation is Operation.DELETE:
            what, advice = "is deleted: all its pods end", "make sure that nothing needs it any more"
        else:
            fields = ", ".join(".".join(map(str, found.path)) for found in change.properties if found.replaces)
            reason = f"{fields or 'a field'} cannot change in place"
            verb = "consumes" if pods.is_consumer else "runs"
            what = f"is deleted and made anew, because {reason}: no pod {verb} meanwhile"
            advice = "give the new one another name, and remove the old one in a second step"
        yield Risk(change.title, f"{change.title} {what}; its pods have {grace}", advice, change.key)


@change_rule(
    "P-03",
    RiskLevel.DANGER,
    remedy="Make sure that no message takes longer any more: its measured maximum, not its average.",
    source="Pods that run keep their old grace; those of the update have the new one.",
)
def check_budget_weakened(context: Context) -> Iterator[Risk]:
    """Pods get less time to finish than before, or lose the hook or the process that drains them."""
    for change in context.of("Deployment", Operation.UPDATE):
        before, after = Pods.of(change.old), Pods.of(change.new)
        if after.grace_seconds < before.grace_seconds:
            longest = before.longest_message_seconds or before.grace_seconds
            yield Risk(
                change.title,
                f"pods of {change.title} get {format_duration(after.grace_seconds)} instead of "
                f"{format_duration(before.grace_seconds)} to finish: a message that still takes "
                f"{format_duration(longest)} is killed",
                "make sure that no message takes longer any more (its measured maximum, not its average)",
                change.key,
            )
        if before.has_hook and not after.has_hook:
            yield Risk(
                change.title,
                f"{change.title} loses its drain hook",
                "keep lifecycle.preStop",
                change.key,
            )


@change_rule(
    "P-04",
    RiskLevel.DANGER,
    remedy="Keep ebbtide:protect; say who owns the field now.",
    source="Pulumi, the options protect and ignoreChanges.",
)
def check_protection_lost(context: Context) -> Iterator[Risk]:
    """`protect` or `ignoreChanges` is taken away: the next change may delete it, or take the number of
    pods away from its autoscaler."""
    for change in context.change.changes:
        for option in change.options if change.operation is Operation.UPDATE else ():
            if option.name == "protect" and option.old and not option.new:
                sentence, advice = "is no longer protected against deletion", "keep ebbtide:protect"
            elif option.name == "ignoreChanges" and set(option.old or ()) - set(option.new or ()):
                lost = ", ".join(sorted(set(option.old or ()) - set(option.new or ())))
                if lost == "spec.replicas":
                    continue  # P-20 says who owns it now.
                sentence, advice = f"no longer leaves {lost} alone", "check who owns it now"
            else:
                continue
            yield Risk(change.title, f"{change.kind} {change.title} {sentence}", advice, change.key)


@change_rule(
    "P-05",
    RiskLevel.DANGER,
    remedy="Make sure that no handler reads it, and keep secrets in a Secret.",
    source="A worker that lacks a variable ends at its start.",
)
def check_secret_removed(context: Context) -> Iterator[Risk]:
    """A variable that came from a Secret is gone: workers that need it do not start."""
    for change in context.of("Deployment", Operation.UPDATE):
        for found in change.properties:
            if not _is_variable(found.path):
                continue
            was, now = _secret_of(found.old), _secret_of(found.new)
            if was and not found.new:
                name = found.path[-1]
                sentence = f"{change.title} no longer gets {name} from Secret {was}"
                yield Risk(change.title, sentence, "make sure that no handler reads it", change.key)
            elif was and not now and found.new:
                sentence = f"{change.title} gets {found.path[-1]} as plain text instead of from Secret {was}"
                yield Risk(change.title, sentence, "keep it in a Secret", change.key)


def _is_variable(path: tuple[str | int, ...]) -> bool:
    return len(path) >= 2 and path[-2] == "env"


def _secret_of(variable: object) -> str:
    reference = mapping(mapping(mapping(variable).get("valueFrom")).get("secretKeyRef"))
    return str(reference.get("name", ""))


@change_rule(
    "P-06",
    RiskLevel.DANGER,
    remedy="Write maxUnavailable: 1: draining loses no message.",
    source="Kubernetes, disruption budgets.",
)
def check_blocking_budget(context: Context) -> Iterator[Risk]:
    """The disruption budget lets no pod go, so no node can be drained or upgraded."""
    for change in context.of("PodDisruptionBudget", Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
        spec = mapping(change.new.get("spec"))
        consumer = context.consumers.get(change.title)
        least = consumer.autoscaling.min_replicas if consumer else None
        keeps = spec.get("minAvailable")
        all_kept = keeps == "100%" or (isinstance(keeps, int) and least is not None and keeps >= least)
        if spec.get("maxUnavailable") in (0, "0%") or all_kept:
            sentence = f"the disruption budget of {change.title} lets no pod go"
            yield Risk(change.title, sentence, "write maxUnavailable: 1", change.key)
