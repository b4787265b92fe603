"""What a pod carries: a pod template says it, and it moves what autoscaling does without touching an autoscaler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ebbtide.kubernetes.quantity import milli_value, parse_quantity
from ebbtide.preview.autoscalers import autoscalers, identity_of, target_of
from ebbtide.preview.change import Operation, ResourceChange, entries, mapping, text_of
from ebbtide.preview.fleet import Pods, pod_of
from ebbtide.preview.reads import concurrency_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_memory, plural

_CONTAINER = "spec.template.spec.containers.*"
_FORMAT: dict[str, Callable[[int], str]] = {"cpu": lambda millicores: f"{millicores}m", "memory": format_memory}


@change_rule(
    "P-21a",
    RiskLevel.SCALING,
    remedy="Compare with `ebbtide simulate --base`; change the number of pods with it.",
    source="Workers of a pod x what each takes at once.",
    reads={"Deployment": (f"{_CONTAINER}.args.*", f"{_CONTAINER}.env.{image_contract.PROCESSES}.value")},
)
def check_at_once(context: Context) -> Iterator[Risk]:
    """A pod handles as many messages at once as before: the same number of pods is worth more or less otherwise."""
    for change in context.of("Deployment", Operation.UPDATE):
        before, after = Pods.of(change.old), Pods.of(change.new)
        old, new = (pods.processes * concurrency_of(pods.command) for pods in (before, after))
        stated = [pods.environment.get(image_contract.PROCESSES, "") for pods in (before, after)]
        # From a ConfigMap nobody knows it here, which P-40 says.
        if old == new or not (before.is_consumer and after.is_consumer and all(isinstance(one, str) for one in stated)):
            continue
        sentence = f"a pod of {change.title} handles {plural(new, 'message')} at once instead of {old}"
        consumer = context.consumers.get(change.title)
        if consumer is not None:
            most = consumer.autoscaling.max_replicas
            sentence += f": at most {most * new} instead of {most * old} with {plural(most, 'pod')}"
        yield Risk(change.title, sentence, "compare with `ebbtide simulate --base`", change.key)


@change_rule(
    "P-23a",
    RiskLevel.SCALING,
    remedy="Write the target that means the same use, or compare with `ebbtide simulate --base`.",
    source="Kubernetes, averageUtilization: a percentage of what the containers of a pod request together.",
    reads={
        "Deployment": tuple(
            f"{_CONTAINER}.resources.{amount}.{resource}"
            for amount in ("requests", "limits")
            for resource in ("cpu", "memory")
        )
    },
)
def check_what_a_percentage_is_of(context: Context) -> Iterator[Risk]:
    """A target in per cent is of the same request as before. With another one an autoscaler moves the number of pods at
    another use, though nobody touched it."""
    for successor in successors(context):
        change = successor.change
        for resource, percent, container in _percentages(context, change):
            if any(_is_unread(side, resource) for side in (successor.old, successor.new)):
                continue  # Of what is no quantity P-07b speaks.
            old, new = (_requested(side, resource, container) for side in (successor.old, successor.new))
            if old is None or old == new:
                continue
            name = "CPU" if resource == "cpu" else resource
            show = _FORMAT[resource]
            if new is None:
                of = f"container {container}" if container else change.title
                sentence = f"{of} requests no {name} any more, and the target of {percent} % is of nothing"
                yield Risk(change.title, f"{sentence}: the number of pods stays", "keep a request", change.key)
                continue
            was, now = (show(amount * percent // 100) for amount in (old, new))
            yield Risk(
                change.title,
                f"the {name} target of {change.title}, {percent} %, is of {show(new)} instead of {show(old)}: it "
                f"scales at {now} a pod instead of {was}",
                "write the target that means the same use, or compare with `ebbtide simulate --base`",
                change.key,
            )


def _percentages(context: Context, deployment: ResourceChange) -> Iterator[tuple[str, int, str | None]]:
    """Resource, per cent and, where only one counts, container of every such target of its autoscaler: by the settings
    where that is in no step, as in a plan where it stays as it is."""
    found = list(_percentages_seen(context, deployment))
    consumer = context.consumers.get(deployment.title)
    yield from found or (consumer.autoscaling.percentages if consumer else ())


def _percentages_seen(context: Context, deployment: ResourceChange) -> Iterator[tuple[str, int, str | None]]:
    for kind in autoscalers():
        for change in context.after(kind):
            if target_of(change.new) != identity_of(deployment):
                continue
            spec = mapping(change.new.get("spec"))
            for metric in entries(spec.get("metrics")):
                source = mapping(metric.get("resource")) or mapping(metric.get("containerResource"))
                percent = mapping(source.get("target")).get("averageUtilization")
                yield from _percentage(source.get("name"), percent, source.get("container"))
            for trigger in entries(spec.get("triggers")):
                if trigger.get("metricType", "Utilization") == "Utilization":
                    metadata = mapping(trigger.get("metadata"))
                    yield from _percentage(trigger.get("type"), metadata.get("value"), metadata.get("containerName"))


def _percentage(resource: object, percent: object, container: object) -> Iterator[tuple[str, int, str | None]]:
    if text_of(resource) in _FORMAT and str(percent).isdecimal():
        yield str(resource), int(str(percent)), str(container) if container else None


def _requested(deployment: Mapping[str, Any], resource: str, container: str | None) -> int | None:
    """What the containers of a pod request together; None where one of them requests nothing, or none is counted."""
    amounts = list(_amounts(deployment, resource, container))
    parse: Callable[[str], int] = milli_value if resource == "cpu" else lambda text: int(parse_quantity(text))
    return None if not amounts or None in amounts else sum(parse(str(amount)) for amount in amounts)


def _is_unread(deployment: Mapping[str, Any], resource: str) -> bool:
    for amount in _amounts(deployment, resource, None):
        try:
            parse_quantity(str(0 if amount is None else amount))
        except ValueError:
            return True
    return False


def _amounts(deployment: Mapping[str, Any], resource: str, container: str | None) -> Iterator[object]:
    for found in entries(pod_of(deployment).get("containers")):
        if container in (None, found.get("name")):
            resources = mapping(found.get("resources"))
            # Kubernetes takes the limit where only that is stated.
            stated = (mapping(resources.get(part)).get(resource) for part in ("requests", "limits"))
            yield next((value for value in stated if value), None)
