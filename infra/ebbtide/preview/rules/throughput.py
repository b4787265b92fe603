"""What a pod carries: a pod template says it, and it moves what autoscaling does without touching an autoscaler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ebbtide.kubernetes.quantity import milli_value, parse_quantity
from ebbtide.preview.autoscalers import autoscalers, identity_of, target_of
from ebbtide.preview.change import ResourceChange, entries, mapping, text_of
from ebbtide.preview.fleet import Pods, pod_of
from ebbtide.preview.reads import concurrency_of, is_known
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_memory, plural

_CONTAINER = "spec.template.spec.containers.*"
_FORMAT: dict[str, Callable[[int], str]] = {"cpu": lambda millicores: f"{millicores}m", "memory": format_memory}


@change_rule(
    "P-21a",
    RiskLevel.NOT_JUDGED,
    RiskLevel.SCALING,
    remedy="Compare with `ebbtide simulate --base`; change the number of pods with it.",
    source="Workers of a pod x what each takes at once. Celery, -c: the number of CPUs where nothing is said; Sidekiq: "
    "its configuration, RAILS_MAX_THREADS, or 5.",
    reads={
        "Deployment": (
            f"{_CONTAINER}.args.*",
            *(f"{_CONTAINER}.env.{name}.value" for name in (image_contract.PROCESSES, image_contract.CONCURRENCY)),
        )
    },
)
def check_at_once(context: Context) -> Iterator[Risk]:
    """A pod handles as many messages at once as before: the same number of pods is worth more or less otherwise. Where
    only one side says how many a worker takes, nobody knows which it is."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            # What a worker is told from a ConfigMap nobody knows here, which P-40 says; of another program P-08c does.
            if not all(_tells(pods) for pods in (before, after)) or is_known(before.command) != is_known(after.command):
                continue
            pod = f"a pod of {whose}" if whose == successor.title else whose
            old, new = (_each(pods) for pods in (before, after))
            processes = before.processes, after.processes
            level, advice = RiskLevel.SCALING, "compare with `ebbtide simulate --base`"
            if old is not None and new is not None:
                was, now = (count * each for count, each in zip(processes, (old, new), strict=True))
                if was == now:
                    continue
                sentence = f"{pod} handles {plural(now, 'message')} at once instead of {was}"
                consumer = context.consumers.get(successor.title)
                if consumer is not None and whose == successor.title:
                    most = consumer.autoscaling.max_replicas
                    sentence += f": at most {most * now} instead of {most * was} with {plural(most, 'pod')}"
            elif old is not None or new is not None:
                level, advice = RiskLevel.NOT_JUDGED, "say how many, and compare with what it runs with"
                sentence = f"a worker of {whose} {_half_told(old, new)}: whether that is as many is not judged"
            elif processes[0] != processes[1]:
                # What each takes is as little known as before.
                sentence = f"{pod} runs {plural(processes[1], 'worker')} instead of {processes[0]}"
            else:
                continue
            yield Risk(successor.title, sentence, advice, successor.change.key, level)


def _tells(pods: Pods) -> bool:
    """Whether its workers, and what each takes, are of a known program or of ebbtide's image, and no variable of these
    is from elsewhere."""
    told = [pods.environment.get(name, "") for name in (image_contract.PROCESSES, image_contract.CONCURRENCY)]
    return (pods.is_consumer or is_known(pods.command)) and all(isinstance(one, str) for one in told)


def _each(pods: Pods) -> int | None:
    """How many messages one worker takes at once."""
    told = str(pods.environment.get(image_contract.CONCURRENCY, ""))
    return int(told) if told.isdecimal() else concurrency_of(pods.command)


def _half_told(old: int | None, new: int | None) -> str:
    if new is None:
        return f"took {plural(old or 0, 'message')} at once, and its command no longer says how many"
    return f"takes {plural(new, 'message')} at once, and its command did not say how many before"


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
