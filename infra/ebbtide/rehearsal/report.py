"""A rehearsal as tables and charts."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from importlib.metadata import version
from statistics import median

from ebbtide.rehearsal.baseline import KUBERNETES_GRACE_SECONDS
from ebbtide.rehearsal.result import CAUSES, Result, overheads
from ebbtide.rehearsal.scenario import Options
from ebbtide.report.model import Bar, Bars, Chart, Report, Series, Table, thin_out
from ebbtide.version import __version__


def tables(result: Result) -> list[Table]:
    """What a reader wants to know first."""
    return [_messages_table(result), *_starts_table(result), _drains_table(result), result.autoscaler.table()]


def _problems_table(result: Result) -> list[Table]:
    rows = [[problem] for problem in result.problems]
    return [Table("Why it has not passed", [""], rows)] if rows else []


def build_report(result: Result) -> Report:
    """The page."""
    options = result.record.options
    what = "supervisord without hook" if options.baseline else f"stack {options.stack}"
    title = f"Rehearsal of {what} on {options.broker.name}"
    lead = f"{'Passed' if result.passed else 'Not passed'}. {result.verdict}"
    charts = [_pods_chart(result), _load_chart(result), result.autoscaler.chart()]
    first = [*_problems_table(result), *tables(result)]
    return Report(title, lead, first, charts, [_drain_bars(result)], [_marks_table(result), _set_up_table(result)])


def _messages_table(result: Result) -> Table:
    count = result.count
    rows = [
        ["sent", f"{count.sent:,}", ""],
        ["handled exactly once", f"{count.once:,}", "begun once, and finished"],
        ["lost", f"{count.lost:,}", "never finished, and never begun again"],
        ["repeated", f"{count.repeated:,}", "begun more than once"],
        ["cut off", f"{count.cut_off:,}", "a kill ended the handler in the middle"],
        ["failed", f"{count.failed:,}", "the handler reported an error"],
    ]
    if result.record.held_at_the_end is not None:
        rows.append(["still held by the broker", f"{result.record.held_at_the_end:,}", "at the end, not acknowledged"])
    return Table("Messages", ["", "messages", "which are"], rows)


def _starts_table(result: Result) -> list[Table]:
    starts = result.starts
    measured: dict[str, list[float | None]] = {
        "it was scheduled until its container began": [one.container_seconds for one in starts],
        "it was scheduled until its first message began": [one.message_seconds for one in starts],
        "it was scheduled until all its workers consumed": [one.workers_seconds for one in starts],
        "its container began until its first message began": [one.own_seconds for one in starts],
    }
    rows = []
    for name, values in measured.items():
        known = [value for value in values if value is not None]
        if known:
            rows.append([name, str(len(known)), f"{median(known):.2f} s", f"{max(known):.2f} s"])
    headings = ["from when", "pods", "median", "most"]
    return [Table("Pods that came while messages waited", headings, rows)] if rows else []


def _drains_table(result: Result) -> Table:
    rows = []
    for cause in CAUSES:
        drains = [one for one in result.drains if one.cause == cause]
        if not drains:
            continue
        middle, most = overheads(drains)
        rows.append(
            [
                cause,
                str(len(drains)),
                str(sum(one.in_flight for one in drains)),
                str(sum(one.cut_off for one in drains)),
                f"{max(one.longest_remaining_seconds for one in drains):.1f} s",
                f"{max(one.seconds for one in drains):.1f} s",
                f"{middle:.2f} s",
                f"{most:.2f} s",
            ]
        )
    headings = [
        "why",
        "pods",
        "messages in flight",
        "cut off",
        "longest left",
        "longest drain",
        "beyond its message: median",
        "most",
    ]
    return Table("Pods that ended", headings, rows)


def _marks_table(result: Result) -> Table:
    rows = [[_clock(mark.at - result.began_at), mark.what] for mark in result.record.marks]
    return Table("What was done", ["at", ""], rows)


def _set_up_table(result: Result) -> Table:
    record = result.record
    rows = [
        ["date", f"{dt.datetime.fromtimestamp(result.began_at, dt.UTC):%Y-%m-%d %H:%M} UTC"],
        ["ebbtide", __version__],
        ["Kubernetes", f"{record.access.version}, context {record.access.context}"],
        ["Pulumi", f"{record.pulumi}, SDK of Kubernetes {version('pulumi-kubernetes')}"],
        ["image", record.consumer.image],
        ["broker", f"{record.options.broker.name}, image {record.options.broker_image}"],
        ["workers", f"{record.consumer.worker.processes} in each pod"],
        ["longest message", f"{record.consumer.shutdown.longest_message} s"],
        ["command", _command(record.options)],
        ["duration", f"{result.seconds / 60:.1f} min"],
    ]
    return Table("With", ["", ""], rows)


def _command(options: Options) -> str:
    """What repeats it, without the project's directory, which is another one elsewhere."""
    given = {
        "--stack": options.stack,
        "--consumer": options.consumer,
        "--context": options.context,
        "--namespace": options.namespace,
        "--broker": options.broker.name,
        "--image": options.image,
        "--broker-image": options.broker_image,
        "--scenario": options.scenario,
        "--messages": str(options.messages),
        "--setup-command": options.setup_command,
        "--send-command": options.send_command,
    }
    words = [word for name, value in given.items() if value is not None for word in (name, value)]
    for path, value in options.values.items():
        words += ["--set", f"{path}={_shown(path, value)}"]
    return shlex.join(["ebbtide", "rehearse", *words, *(["--baseline"] if options.baseline else [])])


def _shown(path: str, value: object) -> str:
    """A value as it was typed; not of a variable, an annotation or a command line, which may hold a secret."""
    text = json.dumps(value, ensure_ascii=False)
    return "..." if re.search("environment|annotation|command|argument", f"{path}={text}".lower()) else text


def _pods_chart(result: Result) -> Chart:
    moments = [(moment.at - result.began_at, moment) for moment in result.record.watch.moments]
    return Chart(
        "Pods",
        "The autoscaler asks, pods follow; a draining pod finishes what its workers have in flight.",
        "pods",
        [
            Series("asked for", [(at, float(one.desired or 0)) for at, one in moments], "step"),
            Series("ready", [(at, float(one.ready)) for at, one in moments], "step"),
            Series("draining", [(at, float(one.draining)) for at, one in moments], "step"),
        ],
        [(mark.at - result.began_at, mark.short) for mark in result.record.marks if mark.short],
    )


def _load_chart(result: Result) -> Chart:
    moments = [(moment.at - result.began_at, moment) for moment in result.record.watch.moments]
    # What a kill has cut off is in nobody's hand when its pod is gone.
    gone = {name: pod.gone_at for name, pod in result.record.watch.pods.items()}
    in_flight = sorted(
        (at - result.began_at, change)
        for one in result.record.ledger.handlings
        for at, change in ((one.started_at, 1), (one.ended_at or gone.get(one.pod), -1))
        if at is not None
    )
    held, points = 0, []
    for at, change in in_flight:
        held += change
        points.append((at, float(held)))
    return Chart(
        "Messages",
        "The backlog that waits in the broker, and what workers have in flight.",
        "messages",
        [
            Series("backlog", thin_out([(at, float(max(0, one.sent - one.begun))) for at, one in moments]), "area"),
            Series("in flight", thin_out(points), "step"),
        ],
    )


def _drain_bars(result: Result) -> Bars:
    rows = [
        Bar(
            f"{_clock(one.at - result.began_at)} {one.cause}{f', {one.cut_off} cut off' if one.cut_off else ''}",
            one.seconds,
            one.longest_remaining_seconds,
        )
        for one in result.drains
    ]
    record = result.record
    grace = KUBERNETES_GRACE_SECONDS if record.options.baseline else record.consumer.shutdown_budget.grace_seconds
    return Bars(
        "Drains",
        "A row for each pod that ended, by time: how long it took to end, and within it how long its longest message "
        "still needed.",
        "s",
        "drain",
        "longest message left",
        ("grace", float(grace)),
        rows,
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
