"""Variables and annotations by which a pod runs, or ends, otherwise than its manifest looks."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import MISSING, SECRET, mapping_at
from ebbtide.preview.fleet import Pods
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors
from ebbtide.settings.models.shutdown import NODE_SCALE_DOWN, SAFE_TO_EVICT
from ebbtide.settings.rules.variables import changes_what_runs
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import format_duration

_OWN = {value for value in vars(image_contract).values() if str(value).startswith(image_contract.VARIABLE_PREFIX)}
_READ_IT = "see a busy pod drain with it"
_UNTOLD = "no worker is told to stop"
# What says how a worker is stopped; and what says when one ends that is not told to.
_ENDS = frozenset({"REMAP_SIGTERM", image_contract.STOP_SIGNAL, image_contract.DRAIN_BY})
# Of the times around it P-03 speaks.
_WAITS = (image_contract.DRAIN_BY, image_contract.TIME_LIMIT_SECONDS)


@change_rule(
    "P-43",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    remedy="Build it into the image, whose self-check then sees it; or see a busy pod drain with it.",
    source="E-04 and V-25, which say the same of settings; Celery's REMAP_SIGTERM; the image's own variables.",
)
def check_variables_change_no_program(context: Context) -> Iterator[Risk]:
    """Pods run and end as before whatever their variables say: one by which a loader, a shell or an interpreter takes
    something else, another stop signal, and a variable of the image that nobody knows are named."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            for name in sorted(before.environment.keys() | after.environment.keys()):
                if before.environment.get(name, MISSING) != after.environment.get(name, MISSING):
                    for level, words in _does(name, before, after):
                        sentence = f"{name} of {whose} {words}"
                        yield Risk(successor.title, sentence, _READ_IT, successor.change.key, level)


def _does(name: str, before: Pods, after: Pods) -> Iterator[tuple[RiskLevel, str]]:
    stated = after.environment.get(name, "")
    is_told = isinstance(stated, str) and stated != SECRET
    value = stated if is_told else ""
    if why := changes_what_runs(name, value):
        yield RiskLevel.NOT_JUDGED, f"changes; it {why}"
    elif name in _ENDS and not is_told:
        yield RiskLevel.NOT_JUDGED, "changes, and to what is not told: it says how a worker is stopped"
    elif name == "REMAP_SIGTERM" and value == "SIGQUIT":
        is_celery = any(word.rpartition("/")[2] == "celery" for word in after.command)
        level = RiskLevel.DANGER if is_celery else RiskLevel.NOT_JUDGED
        yield level, "makes SIGTERM Celery's cold shutdown, which cancels the tasks in flight"
    elif name == image_contract.STOP_SIGNAL:
        yield from _signals(value, after)
    elif after.environment.get(image_contract.DRAIN_BY) == "stopFile" and name == _first_of_waits(before, after):
        yield from _waits(after)
    elif name.startswith(image_contract.VARIABLE_PREFIX) and name not in _OWN:
        yield RiskLevel.NOT_JUDGED, "changes, and is no variable of the image that is known here"


def _signals(value: str, after: Pods) -> Iterator[tuple[RiskLevel, str]]:
    # The image's own tables, which no other command needs at its start.
    from ebbtide.image.ebbtide_supervisor.programs import known_program, signal_problem  # noqa: PLC0415

    program = known_program(after.command)
    if program is None:
        yield RiskLevel.NOT_JUDGED, f"is {value or 'gone'}, and whether its program finishes on that is not known"
    elif text := signal_problem(program, value or "TERM")[0]:
        yield RiskLevel.DANGER, f"is {value or 'gone'}: {text}"


def _first_of_waits(before: Pods, after: Pods) -> str:
    """Which of the variables that decide when workers end by themselves speaks for all that change."""
    sides = (before.environment, after.environment)
    return next((name for name in _WAITS if len({str(side.get(name)) for side in sides}) > 1), "")


def _waits(after: Pods) -> Iterator[tuple[RiskLevel, str]]:
    """What is in hand when nobody tells a worker to stop, and it ends at its own limit."""
    limit, killed = after.time_limit_seconds, after.stop_wait_seconds
    if limit is None or killed is None:
        yield RiskLevel.NOT_JUDGED, f"changes; {_UNTOLD}, and when each ends by itself is not known"
    elif killed < limit + (after.longest_message_seconds or 0):
        takes, ends = format_duration(limit), format_duration(killed)
        yield RiskLevel.DANGER, f"changes; {_UNTOLD}: each takes messages for up to {takes}, and is killed after {ends}"


@change_rule(
    "P-44",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    remedy="Keep the annotation, or make messages shorter than ten minutes.",
    source="kubernetes#94435: a grace of three hours, killed after ten minutes by the scale-down of a node (V-05).",
    # Of a grace that is not known yet P-03 is kept from, and P-40 names it.
    reads={"Deployment": (f"spec.template.metadata.annotations[{SAFE_TO_EVICT}]",)},
)
def check_protection_stays(context: Context) -> Iterator[Risk]:
    """A pod that needs longer than a node's scale-down waits is protected from it, also one that newly does."""
    for successor in successors(context):
        was, now = (
            mapping_at(side, "spec", "template", "metadata", "annotations").get(SAFE_TO_EVICT)
            for side in (successor.old, successor.new)
        )
        before, grace = (Pods.of(side).grace_seconds for side in (successor.old, successor.new))
        is_longer = grace is None or grace > NODE_SCALE_DOWN.seconds
        was_safe = was == "false" or (before is not None and before <= NODE_SCALE_DOWN.seconds)
        # Where nobody knows how long, and it was no more protected before, P-40 says so.
        if now == "false" or not (is_longer and was_safe) or (grace is None and was != "false"):
            continue
        takes = "nobody knows how long" if grace is None else format_duration(grace)
        sentence = (
            f"pods of {successor.title} may take {takes} to finish and are {'no longer' if was == 'false' else 'not'} "
            f"protected from the scale-down of their node, which kills after {format_duration(NODE_SCALE_DOWN.seconds)}"
        )
        level = RiskLevel.NOT_JUDGED if grace is None else RiskLevel.DANGER
        advice = f'annotate the pods with {SAFE_TO_EVICT}: "false", or keep them within ten minutes'
        yield Risk(successor.title, sentence, advice, successor.change.key, level)
