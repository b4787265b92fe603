"""MIGRATION.md: what was and what is, in which order to go over without losing a message, and what was left behind."""

from __future__ import annotations

from typing import Any, Final

from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.unit import Unit
from ebbtide.preview.markdown import prose
from ebbtide.scaffold.carry import Carried

_HEAD: Final = """\
# From what runs to ebbtide

Written by `ebbtide init --from`. Nothing was changed yet. Nothing is taken over in place, and nothing has to be
imported: the new Deployment stands beside the old one, with labels of its own. A Deployment whose selector changes is
replaced, and all its pods end at once. Both read the same queue meanwhile, as more pods of one Deployment do.
"""
_STEPS: Final = """\
## In this order

1. **Fill in what is listed under "Not carried over"**, until `ebbtide check` has nothing left to say that you do not
   know. Build the image; the build refuses an application that would lose messages, and says why:
   `docker build --build-arg BASE_IMAGE=<the image that runs today> -t {image} docker/`
2. **Look**: `ebbtide explain --stack {stack}`, `ebbtide render --stack {stack}`.
3. **Start the new one beside the old one**: `pulumi up`, or `ebbtide render --stack {stack} | kubectl apply -f -`.
   Nothing else changes. See that it handles messages.
4. **Take the old autoscaler away**, so that nobody starts old pods again:
{autoscalers}
5. **End the old pods.** Their stop is the old one, with all that doctor says of it below. So first leave them nothing
   to lose:
{stop}
   Then `kubectl scale {old} --replicas=0`.
6. **Watch the queue for a while**, then delete what is left of the old set-up: {delete}.

Going back: `kubectl scale {old} --replicas=1`, as long as step 6 is not done.
"""
_WAIT: Final = """\
   wait until no message is in flight in them (the broker's own view of its consumers says so), or until a moment when
   the queue is empty. What is cut off all the same comes back through the broker, unless it was acknowledged before."""
_HOLD: Final = """\
   in each pod, hold supervisord so that it starts nobody again, and ask the workers to finish:
   `kubectl exec POD -- sh -c 'kill -STOP $(pgrep -o supervisord); pkill -TERM -f {worker}'`
   When `kubectl exec POD -- pgrep -f {worker}` finds nobody, the pod holds no message. (Tried with supervisor 4.3 below
   a shell as PID 1; it needs procps in the image, and workers that finish on SIGTERM.)"""


def migration_text(carried: list[Carried], report: DoctorDocument, stack: str) -> str:
    """The text. A set-up's own words are shown as text."""
    parts = [_HEAD]
    for one in carried:
        parts += [
            f"## {one.name}\n",
            *_table(one),
            "",
            "Not carried over:\n",
            *(f"- {prose(line)}" for line in one.left),
            "",
        ]
    units = [one.unit for one in carried]
    parts.append(
        _STEPS.format(
            image=carried[0].settings["image"],
            stack=stack,
            autoscalers=_autoscalers(units),
            old=" ".join(dict.fromkeys(_resource(unit) for unit in units if unit.workload)) or "the old Deployment",
            stop=_stop(units),
            delete=", ".join(dict.fromkeys(filter(None, map(_old_things, units)))) or "the old manifests",
        )
    )
    parts += ["## What doctor says of the old set-up\n", f"{prose(report.summary)}\n"]
    parts += [f"- **{one.harm}** {one.rule} {prose(one.place)}: {prose(str(one))}" for one in report.findings]
    parts += [f"- not judged: {prose(note.place)}: {prose(note.text)}" for note in report.not_judged]
    return "\n".join(parts) + "\n"


def _table(one: Carried) -> list[str]:
    worker, unit = one.settings["worker"], one.unit
    grace = f"{unit.workload.grace_seconds} s" if unit.workload else "not known"
    rows: list[tuple[str, Any, Any]] = [
        ("what runs", unit.title, f"Deployment {one.name}"),
        ("PID 1", " ".join(unit.start.words) if unit.start else "not known", "ebbtide's supervisor"),
        ("worker", " ".join(str(word or "?") for word in _words(unit)), _said(worker)),
        ("processes in a pod", unit.processes, worker["processes"]),
        ("time to finish", grace, f"derived from longestMessage {one.settings['shutdown']['longestMessage']}"),
        ("before the stop signal", _hook(unit), "the image's drain hook"),
        (
            "number of pods",
            ", ".join(a.title for a in unit.autoscalers) or "fixed",
            one.settings["autoscaling"]["kind"],
        ),
    ]
    return ["| | was | is |", "|---|---|---|"] + [f"| {a} | {prose(str(b))} | {prose(str(c))} |" for a, b, c in rows]


def _words(unit: Unit) -> tuple[str | None, ...]:
    return unit.workers[0].words if unit.workers else ()


def _said(worker: dict[str, Any]) -> str:
    return (
        f"messenger:consume {' '.join(worker['receivers'])}" if "receivers" in worker else " ".join(worker["command"])
    )


def _hook(unit: Unit) -> str:
    if unit.hook is None:
        return "nothing"
    return " ".join(unit.hook.command.words) if unit.hook.command else f"sleep {unit.hook.sleep_seconds}"


def _resource(unit: Unit) -> str:
    if unit.workload is None:
        return ""
    space = f"--namespace={unit.workload.namespace} " if unit.workload.namespace else ""
    return f"{space}{unit.workload.kind.lower()}/{unit.workload.name}"


def _autoscalers(units: list[Unit]) -> str:
    lines = [f"   `kubectl delete {a.kind.lower()} {a.name}`" for unit in units for a in unit.autoscalers]
    return "\n".join(dict.fromkeys(lines)) or "   there is none."


def _stop(units: list[Unit]) -> str:
    """How the old pods come to hold no message. A PID 1 cannot be held: the kernel drops a SIGSTOP from inside."""
    for unit in units:
        worker = unit.workers[0]
        if (
            unit.start is not None
            and unit.start.is_shell
            and unit.supervisor is not None
            and worker.program is not None
        ):
            return _HOLD.format(worker=worker.program.name.split()[-1])
    return _WAIT


def _old_things(unit: Unit) -> str:
    return f"`kubectl delete {_resource(unit)}`" if unit.workload else ""
