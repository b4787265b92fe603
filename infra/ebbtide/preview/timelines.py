"""The change since a commit, with the shutdown timelines that it moves."""

from __future__ import annotations

from pathlib import Path

from ebbtide.explain.timeline import Moment, build_timeline
from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import Operation, StackChange
from ebbtide.preview.fleet import Pods
from ebbtide.preview.review import TimelineChange
from ebbtide.preview.sources.base import change_since
from ebbtide.settings.loading.loader import project_name
from ebbtide.settings.models.shutdown import EXIT_ALLOWANCE_SECONDS, FINISH_ALLOWANCE_SECONDS, REPORT_ALLOWANCE_SECONDS
from ebbtide.settings.models.stack import StackSettings


def change_since_base(ref: str, head: StackSettings, root: Path) -> tuple[StackChange, tuple[TimelineChange, ...]]:
    """Compare the work tree with `ref`. Raises SettingsError when `ref` is no commit here."""
    resources = [to_json(resource) for resource in stack_resources(head)]
    change = change_since(ref, head.name, root, resources, project_name(root))
    return change, timelines_of(change, head)


def timelines_of(change: StackChange, head: StackSettings) -> tuple[TimelineChange, ...]:
    """The shutdown timelines that a change moves."""
    found = []
    for update in change.changes:
        consumer = head.consumers.get(update.title)
        if update.kind != "Deployment" or update.operation is not Operation.UPDATE or consumer is None:
            continue
        before, after = Pods.of(update.old), Pods.of(update.new)
        if before.grace_seconds != after.grace_seconds:
            now = build_timeline(head, consumer)
            found.append(TimelineChange(consumer.name, _before(now, before), now))
    return tuple(found)


def _before(now: tuple[Moment, ...], pods: Pods) -> tuple[Moment, ...]:
    """The same moments with the seconds that the old manifest states."""
    deadline = pods.grace_seconds - EXIT_ALLOWANCE_SECONDS
    stop_wait = deadline - REPORT_ALLOWANCE_SECONDS
    seconds = [0, stop_wait - FINISH_ALLOWANCE_SECONDS, stop_wait, deadline, pods.grace_seconds]
    budget = [moment for moment in now if moment.kind == "budget"]
    return tuple(Moment(was, moment.what, moment.kind) for was, moment in zip(seconds, budget, strict=True))
