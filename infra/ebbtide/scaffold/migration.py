"""MIGRATION.md: what was and what is, in which order to go over without losing a message, and what was left behind."""

from __future__ import annotations

import shlex
from typing import Any, Final

from ebbtide.brokers import DSN
from ebbtide.doctor.connect import OFFICIAL_BASES
from ebbtide.doctor.diagnosis import Harm
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.judgement.secrets import redact
from ebbtide.preview.markdown import prose
from ebbtide.scaffold.broker import broker_secret
from ebbtide.scaffold.carried import NAMESPACE, Carried

_HEAD: Final = """\
# From what runs to ebbtide

Written by `ebbtide init --from`. Nothing was changed yet. Nothing is taken over in place, and nothing has to be
imported: the new Deployment stands beside the old one, with labels of its own. A Deployment whose selector changes is
replaced, and all its pods end at once. Both read the same queue meanwhile, as more pods of one Deployment do.
"""
_STEPS: Final = """\
## In this order

Commands are for the directory of this file. Where Helm, Argo CD or Flux owns the old objects, do steps 4 to 6 there:
what they own comes back.

1. **Fill in what is listed under "Not carried over"**, until `ebbtide check` has nothing left to say that you do not
   know. Build the image{several}, on the one that has the application and no supervisor; the build refuses an
   application that would lose messages, and says why:

{builds}
2. **Look**: `ebbtide explain --stack {stack}`, `ebbtide render --stack {stack}`.
3. **Start the new one beside the old one.** First its namespace, and there the Secrets that the stack file names:

{secrets}
{schedules}
   Then `pulumi up`, or

       ebbtide render --stack {stack} | kubectl apply -f -

   Nothing else changes. See that it handles messages: PID 1 says `workersReady`, and your application what it always
   says.

{logs}
4. **Take the old autoscaler away**, so that nobody starts old pods again:

{autoscalers}
5. **End the old pods.** Their stop is the old one, with all that doctor says of it below. So first leave them nothing
   to lose.
{stops}
6. **Watch the queue for a while**, then delete what is left of the old set-up:

{delete}

Going back, as long as step 6 is not done: `kubectl scale` with the old `--replicas`{ends}.
"""
_NOTHING_LOST: Final = """\
   doctor found nothing that loses a message when they end: they finish by themselves."""
_WAIT: Final = """\
   Wait until no message is in flight in them (the broker's own view of its consumers says so), or until a moment when
   the queue is empty. What is cut off all the same comes back through the broker, unless it was acknowledged before."""
_HOLD: Final = """\
   In each pod, hold supervisord so that it starts nobody again, and ask the workers to finish (SIGTERM). It needs a
   shell and `tr` in the image. What the workers log from now on does not come out, because supervisord passes it on:

       for pod in $({pods}); do
         kubectl exec{space} $pod -- sh -c '
           each() {{ for p in /proc/[0-9]*; do
             case "$(tr "\\0" " " <$p/cmdline)" in *$1*) kill -$2 ${{p#/proc/}};; esac; done 2>/dev/null; }}
           each "/[s]upervisord " STOP; each "{worker}" TERM'
       done

   Again and again, until it says 0 for each pod; then they hold no message:

       for pod in $({pods}); do
         kubectl exec{space} $pod -- sh -c \\
           'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " | grep -o "{worker}" | wc -l'
       done
"""
_OTHERS: Final = {
    "PodDisruptionBudget": "each consumer gets one of its own",
    "NetworkPolicy": "each consumer gets one of its own, from `network`",
    "TriggerAuthentication": "each consumer gets one of its own, from the Secrets that `transport` names",
    "Namespace": "the new pods are in `consumers`, unless the stack says `namespace`",
    **dict.fromkeys(
        ("ResourceQuota", "LimitRange"),
        "stays as it is; it is of its own namespace, and the new pods are under it where the stack says "
        "`namespace: {name: ..., create: false}` with that name: then they have to fit in beside the old ones",
    ),
    "ServiceAccount": "each consumer gets one of its own; `serviceAccount.googleServiceAccount` is its identity",
}
"""Objects that are neither workloads nor autoscalers: what stands in their place."""


def migration_text(carried: list[Carried], report: DoctorDocument, stack: str, context: str = "docker") -> str:
    """The text; the image is built from the directory `context`. A set-up's own words are shown as text."""
    parts = [_HEAD]
    for one in carried:
        parts += [
            f"## {one.name}\n",
            *_table(one),
            "",
            "Not carried over:\n",
            *(f"- {_shown(line)}" for line in one.left),
            "",
        ]
    units = [one.unit for one in carried]
    others = _others(units, {name for one in carried for name in _maps(one)})
    if others:
        parts += ["## Also handed over, and not carried\n", *(f"- {_shown(line)}" for line in others), ""]
    old = list({_resource(unit): unit for unit in units if unit.workload}.values())
    ended = {_resource(one.unit) for one in carried if one.is_schedule}
    # What is not judged may lose: nothing is called safe because no rule spoke.
    is_lossless = not report.not_judged and not any(one.harm is Harm.LOSES for one in report.findings)
    parts.append(
        _STEPS.format(
            several="s" if len(carried) > 1 else "",
            builds="\n".join(dict.fromkeys(_build(one, context) for one in carried)),
            stack=stack,
            secrets=_secrets(carried),
            schedules=_schedules(carried),
            logs="\n".join(f"       kubectl -n {NAMESPACE} logs deployment/{one.name} -f" for one in carried),
            autoscalers=_autoscalers(units),
            stops="\n".join(_stop(unit, is_lossless=is_lossless) for unit in old if _resource(unit) not in ended)
            or _WAIT,
            delete="\n".join(_delete(unit) for unit in old) or "   the old manifests.",
            ends=" (the old image and its Secrets have to stay until then)",
        )
    )
    parts += ["## What doctor says of the old set-up\n", f"{_shown(report.summary)}\n"]
    parts += [f"- **{one.harm}** {one.rule} {_shown(one.place)}: {_shown(str(one))}" for one in report.findings]
    parts += [f"- not judged: {_shown(note.place)}: {_shown(note.text)}" for note in report.not_judged]
    return "\n".join(parts) + "\n"


def _shown(text: str) -> str:
    """A set-up's own words: no secret, and no more than text."""
    return prose(redact(text))


def _word(text: str) -> str:
    """One word of a command, whatever the set-up calls it; names as Kubernetes takes them stay as they are."""
    return shlex.quote(redact(text))


def _table(one: Carried) -> list[str]:
    worker, unit = one.settings["worker"], one.unit
    grace = f"{unit.workload.grace_seconds} s" if unit.workload else "not known"
    rows: list[tuple[str, Any, Any]] = [
        ("what runs", unit.title, f"Deployment {one.name}"),
        ("PID 1", " ".join(unit.start.words) if unit.start else "not known", "ebbtide's supervisor"),
        ("worker", " ".join(str(word or "?") for word in one.worker.words), _said(worker)),
        ("processes in a pod", one.worker.copies, worker["processes"]),
        ("time to finish", grace, f"derived from longestMessage {one.settings['shutdown']['longestMessage']}"),
        ("before the stop signal", _hook(unit), "the image's drain hook"),
        ("requests", _requests(unit), "derived from processes and memoryLimit, until you write `resources`"),
        (
            "number of pods",
            ", ".join(a.title for a in unit.autoscalers) or "fixed",
            one.settings["autoscaling"]["kind"],
        ),
    ]
    return ["| | was | is |", "|---|---|---|"] + [f"| {a} | {_shown(str(b))} | {_shown(str(c))} |" for a, b, c in rows]


def _said(worker: dict[str, Any]) -> str:
    if "receivers" in worker:
        return f"messenger:consume {' '.join(worker['receivers'])}"
    return " ".join([worker["kind"], *worker.get("queues", ())] if worker["kind"] != "command" else worker["command"])


def _hook(unit: Unit) -> str:
    if unit.hook is None:
        return "nothing"
    return " ".join(unit.hook.command.words) if unit.hook.command else f"sleep {unit.hook.sleep_seconds}"


def _requests(unit: Unit) -> str:
    requests = unit.container.resources.map("requests") if unit.container else {}
    return ", ".join(f"{key} {value}" for key, value in requests.items()) or "nothing"


def _build(one: Carried, context: str) -> str:
    base = _application(one.unit)
    kind = one.settings["worker"]["kind"]
    argument = "" if kind == "symfonyMessenger" else f" --build-arg EBBTIDE_WORKER_KIND={kind}"
    lines = (f"docker build --build-arg BASE_IMAGE={base}{argument} \\", f"  -t {one.settings['image']} {context}/")
    return "\n".join(f"       {line}" for line in lines)


def _secrets(carried: list[Carried]) -> str:
    """A namespace that is there is no harm; a Secret whose names the old set-up did not say has one to begin with."""
    keys: dict[str, set[str]] = {}
    maps: set[str] = set()
    pulled: set[str] = set()
    for one in carried:
        told = (*one.settings.get("secretEnvironment", {}).values(), *one.settings.get("transport", {}).values())
        for said in (said for said in told if isinstance(said, dict)):
            keys.setdefault(said["secret"], set()).add(said["key"])
        pod = one.settings.get("pod", {})
        maps |= _maps(one)
        for whole in pod.get("environmentFrom", ()):
            if "secret" in whole:
                keys.setdefault(whole["secret"], set()).add("KEY")
        pulled |= set(pod.get("imagePullSecrets", ()))
    lines = [f"kubectl create namespace {NAMESPACE}"]
    if not keys and not any(DSN in one.settings.get("environment", ()) for one in carried):
        keys = {broker_secret(carried[0].name): {"dsn"}}
    for name, named in sorted(keys.items()):
        literals = " ".join(f"--from-literal={_word(key)}=..." for key in sorted(named))
        lines.append(f"kubectl -n {NAMESPACE} create secret generic {_word(name)} {literals}")
    create = f"kubectl -n {NAMESPACE} create"
    lines += [f"{create} configmap {_word(name)} --from-literal=KEY=..." for name in sorted(maps)]
    lines += [
        f"{create} secret docker-registry {_word(name)} --docker-server=... --docker-username=... --docker-password=..."
        for name in sorted(pulled)
    ]
    return "\n".join(f"       {line}" for line in lines)


def _maps(one: Carried) -> set[str]:
    """The ConfigMaps that variables are from."""
    whole = one.settings.get("pod", {}).get("environmentFrom", ())
    return {source["configMap"] for source in whole if "configMap" in source}


def _schedules(carried: list[Carried]) -> str:
    """What keeps a schedule may not stand beside the old one: both would send everything."""
    lines = [f"       {_scale_down(one.unit)}" for one in carried if one.is_schedule and one.unit.workload]
    if not lines:
        return ""
    return "\n".join(["\n   What keeps a schedule ends before, because two of it send everything twice:\n", *lines, ""])


def _application(unit: Unit) -> str:
    """The image that has the application: what theirs is built on, if that may have it, or else theirs."""
    base = unit.image.base.value if unit.image and unit.image.base else ""
    own = unit.container.image.value if unit.container and unit.container.image else ""
    if base and not OFFICIAL_BASES.match(base):
        return _word(base)
    return _word(own) if own and not own.startswith("build:") else "<the application's image>"


def _space(namespace: str) -> str:
    return f" --namespace={_word(namespace)}" if namespace else ""


def _resource(unit: Unit) -> str:
    if unit.workload is None:
        return ""
    return f"{_word(f'{unit.workload.kind.lower()}/{unit.workload.name}')}{_space(unit.workload.namespace)}"


def _autoscalers(units: list[Unit]) -> str:
    lines = [
        f"       kubectl delete {_word(f'{a.kind.lower()}/{a.name}')}"
        f"{_space(a.namespace or (unit.workload.namespace if unit.workload else ''))}"
        for unit in units
        for a in unit.autoscalers
    ]
    return "\n".join(dict.fromkeys(lines)) or "   there is none."


def _stop(unit: Unit, *, is_lossless: bool) -> str:
    """How the old pods come to hold no message. A PID 1 cannot be held: the kernel drops a SIGSTOP from inside."""
    worker, space = unit.workers[0], _space(unit.workload.namespace if unit.workload else "")
    scale = f"\n       {_scale_down(unit)}\n"
    if is_lossless:
        return f"{_NOTHING_LOST}\n{scale}"
    is_held = unit.start is not None and unit.start.is_shell and unit.supervisor is not None
    if not is_held or worker.program is None:
        return f"{_WAIT}\n{scale}"
    hold = _HOLD.format(worker=_pattern(worker), space=space, pods=_pods(unit, space))
    return (
        f"{hold}\n   Then let them go, which takes up to {_grace(unit)} s where their shell drops the signal:\n{scale}"
    )


def _scale_down(unit: Unit) -> str:
    if not unit.is_kubernetes and unit.workload is not None:
        return f"docker compose stop --timeout 3600 {_word(unit.workload.name)}"
    return f"kubectl scale {_resource(unit)} --replicas=0"


def _delete(unit: Unit) -> str:
    if not unit.is_kubernetes:
        return f"   {_shown(unit.title)} of {_shown(unit.place.file)}."
    return f"       kubectl delete {_resource(unit)}"


def _pattern(worker: Worker) -> str:
    """What stands in the command line of a worker, and with a bracket not in that of the shell that looks for it."""
    name = worker.program.name if worker.program else ""
    word = name if name in worker.shown_words() else next(word for word in name.split() if word != "artisan")
    return f"[{word[0]}]{word[1:]}"


def _grace(unit: Unit) -> int:
    return unit.workload.grace_seconds if unit.workload else 0


def _pods(unit: Unit, space: str) -> str:
    labels = unit.workload.data.map("spec", "selector", "matchLabels") if unit.workload else {}
    selector = _word(",".join(f"{key}={value}" for key, value in labels.items()))
    return f"kubectl get pods{space} --selector={selector if labels else '<labels of the old pods>'} --output=name"


def _others(units: list[Unit], maps: set[str]) -> list[str]:
    """Objects that were read and that no consumer has become, or takes its variables from, each with what becomes of
    it."""
    gone = {(unit.workload.kind, unit.workload.name) for unit in units if unit.workload}
    gone |= {(one.kind, one.name) for unit in units for one in unit.autoscalers}
    gone |= {("ConfigMap", name) for name in maps}
    objects = units[0].setup.objects if units else []
    lines = [
        f"{one.title} ({one.at()}): {_OTHERS.get(one.kind, 'stays as it is; the new pods do not use it by themselves')}"
        for one in objects
        if (one.kind, one.name) not in gone
    ]
    return list(dict.fromkeys(lines))
