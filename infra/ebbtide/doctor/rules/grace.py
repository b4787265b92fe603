"""Rules about time: each step of a shutdown ends before the next one kills."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from ebbtide.doctor.data import Map, Place
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.broker import harm_of_a_kill
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.rules.meshes import injected
from ebbtide.doctor.times import SUPERVISOR_SECONDS, hook_sleep, longest_of, needed
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import Container, Workload
from ebbtide.kubernetes.spot import SPOT_LABELS, SpotLabel

_MARGIN_SECONDS: Final = 2
_NODE_SCALE_DOWN_SECONDS: Final = 600
_S6_MILLISECONDS: Final = 3000
_PROXY: Final = re.compile(
    r"(?i)(?:cloud[-_]?sql[-_]?proxy|gce-proxy|pgbouncer|twemproxy|envoy|linkerd[\w.-]*/proxy|stunnel|socat|autossh)"
)
# istio's agent ends Envoy after terminationDrainDuration, 5 s where nothing is said (istio/istio#34855).
_MESH: Final = re.compile(r"(?:^|/)(?:proxyv2|istio-proxy)(?:[:@]|$)")
_OUTLASTS: Final = re.compile(
    r"sigterm-delay|term_timeout|drain-time|SIGTERM_DELAY|EXIT_ON_ZERO_ACTIVE_CONNECTIONS\W+true"
)


@unit_rule(
    "D-20",
    Harm.LOSES,
    remedy="Write stopwaitsecs some seconds below the pod's grace period.",
    source="supervisor's default is 10; with a grace of 240 s it killed 18 to 31 of 70 messages in flight (measured).",
)
def check_stop_wait(unit: Unit) -> Iterator[Diagnosis]:
    """supervisord waits as long for its workers as the pod does. It kills them after `stopwaitsecs`, 10 where nothing
    is written, however long the grace period is."""
    grace = unit.workload.grace_seconds - hook_sleep(unit) if unit.workload else None
    for worker in unit.workers:
        if worker.supervised is None:
            continue
        wait = worker.supervised.number("stopwaitsecs", SUPERVISOR_SECONDS)
        if not isinstance(wait, int):
            continue
        longest = longest_of(unit, worker)
        is_written = "stopwaitsecs" in worker.supervised.options
        said = f"{wait} s" if is_written else f"{wait} s, the default,"
        place = worker.supervised.line_of("stopwaitsecs")
        subject = f"{unit.title}, {worker.title}"
        if longest is not None and wait < longest.value:
            yield Diagnosis(
                place,
                subject,
                f"is killed {said} after it was asked to stop, and a job may take {longest.value} s ({longest.place})",
                f"write stopwaitsecs={longest.value + 5}",
            )
        elif longest is None and grace is not None and unit.workload and unit.workload.grace and wait < grace * 0.75:
            yield Diagnosis(
                place,
                subject,
                f"is killed {said} after it was asked to stop, although the pod has {grace} s "
                f"({unit.workload.grace_place})",
                f"write stopwaitsecs={max(grace - 10, 1)}",
            )
        elif longest is None and not is_written:
            yield Diagnosis(
                place,
                subject,
                f"is killed {said} after it was asked to stop: every message that takes longer is cut off",
                "write stopwaitsecs above the longest message, and the grace period above that",
            )


@unit_rule(
    "D-21",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Raise the grace period above what workers may take, and above the hook.",
    source="The grace period begins before the hook, and at its end the kubelet kills (Kubernetes, pod lifecycle).",
)
def check_grace(unit: Unit) -> Iterator[Diagnosis]:
    """The grace period holds the hook, and then what the workers are given to finish. Where nothing is written it is
    30 s, and 10 s in a compose file."""
    workload = unit.workload
    if workload is None or (workload.grace is None and workload.may_be_patched):
        return
    sleep = hook_sleep(unit)
    for said, why in needed(unit):
        if sleep + said.value <= workload.grace_seconds:
            continue
        hook = f", after a hook of {sleep} s" if sleep else ""
        written = "" if workload.grace else ", the default"
        key = "terminationGracePeriodSeconds" if unit.is_kubernetes else "stop_grace_period"
        unit_word = "" if unit.is_kubernetes else "s"
        yield Diagnosis(
            workload.grace_place,
            unit.title,
            f"is killed after {workload.grace_seconds} s{written}, and {why} ({said.place}){hook}",
            f"write {key}: {said.value + sleep + 15}{unit_word}",
            level=harm_of_a_kill(unit),
        )
        return


@unit_rule(
    "D-22",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Give the pod the time of its longest message, and half a minute.",
    source="Kubernetes API: 0 is an immediate kill.",
)
def check_no_grace(unit: Unit) -> Iterator[Diagnosis]:
    """The pod gets time to finish. With a grace period of 0 it is killed at once."""
    if unit.workload and unit.workload.grace and unit.workload.grace.value <= 0:
        yield Diagnosis(
            unit.workload.grace.place,
            unit.title,
            "has a grace period of 0 s: the pod is killed at once, with every message in flight",
            "write terminationGracePeriodSeconds: the longest message and half a minute",
            level=harm_of_a_kill(unit),
        )


@unit_rule(
    "D-23",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Take the sleep out of the hook, or make it much shorter than the grace period.",
    source="The signal comes after the hook, and the kill at the end of the grace period, whatever the hook does.",
)
def check_hook_eats_grace(unit: Unit) -> Iterator[Diagnosis]:
    """The hook ends before the grace period does. Workers hear nothing while it sleeps, go on taking messages, and are
    killed right after it."""
    if unit.workload is None or not unit.is_kubernetes or unit.hook is None:
        return
    sleep, grace = hook_sleep(unit), unit.workload.grace_seconds
    if sleep and sleep >= grace - _MARGIN_SECONDS:
        yield Diagnosis(
            unit.hook.place,
            unit.title,
            f"sleeps {sleep} s in its hook, and the pod is killed after {grace} s ({unit.workload.grace_place}): the "
            "stop signal comes too late",
            "remove the sleep: a worker that finishes on SIGTERM needs none",
            level=harm_of_a_kill(unit),
        )


@unit_rule(
    "D-24",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Keep the grace period within 600 s, or say cluster-autoscaler.kubernetes.io/safe-to-evict: 'false'.",
    source="cluster-autoscaler's --max-graceful-termination-sec is 600, also on GKE (kubernetes#94435: a grace of 3 h "
    "was killed after 10 min).",
)
def check_node_scale_down(unit: Unit) -> Iterator[Diagnosis]:
    """A node that is scaled down waits for its pods. It waits 10 minutes, however long the grace period is: enough
    where every message is known to be shorter."""
    workload = unit.workload
    if workload is None or not unit.is_kubernetes or workload.grace_seconds <= _NODE_SCALE_DOWN_SECONDS:
        return
    if str(workload.annotations.get("cluster-autoscaler.kubernetes.io/safe-to-evict")).lower() == "false":
        return
    longest = [longest_of(unit, worker) for worker in unit.workers]
    known = [one.value for one in longest if one is not None]
    if known and len(known) == len(longest) and max(known) + hook_sleep(unit) < _NODE_SCALE_DOWN_SECONDS:
        return  # it ends by itself before
    yield Diagnosis(
        workload.grace_place,
        unit.title,
        f"has {workload.grace_seconds} s to finish, and the scale-down of its node kills it after "
        f"{_NODE_SCALE_DOWN_SECONDS} s",
        "annotate the pods with cluster-autoscaler.kubernetes.io/safe-to-evict: 'false', or make messages shorter",
        level=harm_of_a_kill(unit),
    )


@unit_rule(
    "D-25",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Take the workers off Spot, or keep every message below its notice: 15 s on Google Cloud.",
    source="GKE's documentation of Spot: 30 s of notice, 15 s of them for pods, best effort; AWS says two minutes, "
    "Azure 30 s.",
)
def check_spot(unit: Unit) -> Iterator[Diagnosis]:
    """On Spot the machine waits for the pod. It gives 15 s on Google Cloud, whatever the grace period says."""
    workload = unit.workload
    if workload is None or not unit.is_kubernetes or workload.grace is None:
        return
    for key, label in SPOT_LABELS.items():
        place = _asks_for(workload, key, label)
        if place is not None and workload.grace.value > label.seconds:
            yield Diagnosis(
                place,
                unit.title,
                f"runs on Spot machines, which leave a pod {label.seconds} s, and asks for {workload.grace.value} s to "
                "finish",
                f"take the workers off Spot, or make every message shorter than {label.seconds} s",
                level=harm_of_a_kill(unit),
            )


def _asks_for(workload: Workload, key: str, label: SpotLabel) -> Place | None:
    """Where a pod says that it runs on nodes with a label and no others."""
    selector = workload.pod.map("nodeSelector")
    if selector.text(key).lower() in _lower(label.values) or (key in selector and selector[key] is True):
        return workload.at(selector, key)
    required = workload.pod.map("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    terms = [term.items_of("matchExpressions") for term in required.items_of("nodeSelectorTerms")]
    asking = [[one for one in term if one.text("key") == key and _is_only(one, label)] for term in terms]
    return workload.at(asking[0][0], "key") if asking and all(asking) else None


def _is_only(expression: Map, label: SpotLabel) -> bool:
    if expression.text("operator") == "Exists":
        return not label.on_others
    values = _lower(expression.get("values") or ())
    return expression.text("operator") == "In" and bool(values) and values <= _lower(label.values)


def _lower(values: Iterable[object]) -> set[str]:
    return {str(one).lower() for one in values}


@unit_rule(
    "D-26",
    Harm.LOSES,
    remedy="Set S6_SERVICES_GRACETIME in the image to the milliseconds that workers may take.",
    source="s6-overlay's README: 3000 where nothing is set, for services of services.d.",
)
def check_s6(unit: Unit) -> Iterator[Diagnosis]:
    """s6-overlay waits for its services. It waits 3 s where S6_SERVICES_GRACETIME says nothing else, and for those of
    s6-rc without end, unless a timeout-kill says how long."""
    yield from _killed_by_s6_rc(unit)
    image = unit.image
    services = [worker for worker in unit.workers if "services.d" in worker.service_path]
    if image is None or unit.start is None or "/init" not in unit.start.words or not services:
        return
    said = unit.variable("S6_SERVICES_GRACETIME")
    is_installed_here = any("s6-overlay" in run.value for run in image.runs) or any(
        "s6-overlay" in source for copy in image.copies for source in copy.sources
    )
    if said is None and not image.is_whole and not is_installed_here:
        return  # a base that is not here may set it
    text = said.value if said else str(_S6_MILLISECONDS)
    grace = unit.workload.grace_seconds if unit.workload else 30
    # 0 waits without end.
    if text.isdecimal() and 0 < int(text) / 1000 < grace * 0.5:
        yield Diagnosis(
            said.place if said else image.place,
            unit.title,
            f"gives its services {int(text) / 1000:g} s to finish after the stop signal, and kills them then",
            f"add ENV S6_SERVICES_GRACETIME={max(grace - 5, -(-grace * 3 // 4)) * 1000}",
        )


def _killed_by_s6_rc(unit: Unit) -> Iterator[Diagnosis]:
    for worker in unit.workers:
        directory = worker.script.file.name.rpartition("/")[0] if worker.script is not None else ""
        said = unit.setup.s6_kills.get(f"{directory}/timeout-kill") if "s6-rc.d" in worker.service_path else None
        longest = longest_of(unit, worker)
        enough = longest.value if longest is not None else (unit.workload.grace_seconds if unit.workload else 30) * 0.5
        if said is not None and 0 < said.value / 1000 < enough:
            why = f"it may take {longest.value} s ({longest.place})" if longest is not None else "the pod has more time"
            yield Diagnosis(
                said.place,
                unit.title,
                f"s6 kills {worker.title} {said.value / 1000:g} s after its stop signal (timeout-kill), and {why}",
                "remove timeout-kill: s6-rc waits without end then, and the pod's grace period holds",
            )


@unit_rule(
    "D-27",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Make it a native sidecar (an init container with restartPolicy: Always), which ends after the workers.",
    source="Containers of a pod get SIGTERM together; a proxy that ends at once cuts the workers off their broker. "
    "Istio's annotations and change notes (1.24: sidecar.istio.io/nativeSidecar; 1.27: native by default from "
    "Kubernetes 1.33 on), Linkerd's Graceful Pod Shutdown.",
)
def check_proxy(unit: Unit) -> Iterator[Diagnosis]:
    """What workers reach their broker or database through ends after them. A plain container gets its signal at the
    same time, and a proxy is gone at once; so does one that a mesh puts into the pod, by a label or an annotation of
    the pods or their namespace."""
    if unit.workload is None:
        return
    mesh = injected(unit)
    if mesh is not None and not mesh.is_open and not any(map(_is_of_mesh, unit.workload.containers)):
        text = f"{mesh.when}, while workers still finish messages through it"
        yield Diagnosis(mesh.place, unit.workload.title, text, mesh.remedy, level=harm_of_a_kill(unit))
    for one in unit.workload.containers:
        reference = one.image.value if one.image else ""
        if one is unit.container or one.is_sidecar or not (_PROXY.search(reference) or _MESH.search(reference)):
            continue
        if not _waits(one, unit.workload.grace_seconds):
            when = "ends 5 s after SIGTERM" if _MESH.search(reference) else "ends at SIGTERM at once"
            yield Diagnosis(
                one.place,
                f"{unit.workload.title}, container {one.name}",
                f"{when}, while workers still finish messages through it",
                "make it an init container with restartPolicy: Always, which Kubernetes ends after the workers",
                level=harm_of_a_kill(unit),
            )


def _is_of_mesh(container: Container) -> bool:
    reference = container.image.value if container.image else ""
    return _MESH.search(reference) is not None or "linkerd" in reference


def _waits(proxy: Container, grace_seconds: int) -> bool:
    """Whether a proxy is told to outlast the workers: by an option, a variable, or a hook that does not end it."""
    commands = [one for one in (proxy.command, proxy.arguments) if one is not None]
    values = [f"{name}={said.value}" for name, said in proxy.environment.items()]
    text = " ".join([*(word for one in commands for word in one.words), *values])
    drain = re.search(r"terminationDrainDuration\W+([0-9]+)s", text)
    if drain is not None:
        return int(drain[1]) >= grace_seconds * 0.75
    hook = proxy.data.map("lifecycle", "preStop")
    return _OUTLASTS.search(text) is not None or (bool(hook) and "quit" not in hook.map("httpGet").text("path"))
