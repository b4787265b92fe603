"""Every alert fires when it should and not before, as Prometheus itself evaluates it: `promtool test rules`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.lint.tools import promtool
from tests.observability.queries import every_query
from tests.observability.stacks import STACKS

from ebbtide.observability.alerts import alerts_of_stack
from ebbtide.observability.metrics import log_series
from ebbtide.observability.prometheus import rule_groups
from ebbtide.settings.models.stack import StackSettings

# promtool is Debian's: it needs apt, and no root.
pytestmark = pytest.mark.runtime

STACK, KEDA = STACKS["managedPrometheus"], STACKS["scaled by KEDA"]
POD = 'stack="shop-eu",consumer="mail",namespace="consumers",pod="mail-1"'
OF_LOG = 'monitored_resource="k8s_container",consumer="mail",pod_name="mail-1"'
READ_BY_KEDA = 'keda_scaler_metrics_value{scaledObject="mail",exported_namespace="consumers",namespace="keda"}'
BY_CONSUMER = {"consumer": "mail"}
BY_NAMESPACE = {"consumer": "mail", "namespace": "consumers"}


def logged(name: str, labels: str = "") -> str:
    return f"{log_series(name, STACK)}{{{OF_LOG}{labels}}}"


@dataclass(frozen=True)
class Case:
    """Series, a sample a minute, and when the alert fires on them."""

    alert: str
    series: dict[str, str]
    fires_at: str | None
    labels: dict[str, str] = field(default_factory=lambda: BY_NAMESPACE)
    quiet_at: str = "1m"
    of_policy: bool = False
    """Whether the stack's policy is meant, which asks the log."""
    stack: StackSettings = STACK


BUCKET, COUNT = "ebbtide_message_duration_seconds_bucket", "ebbtide_message_duration_seconds_count"
CASES = {
    "not cut off: its time was up, and the last worker ended in the two seconds that are left": Case(
        "EbbtidePodCutOff",
        {
            logged("ebbtide_drains_started", ',by="hook"'): "0 1x30",
            logged("ebbtide_drains_cut_short"): "0 1x30",
            logged("ebbtide_drains_ended", ',outcome="clean"'): "0 1x30",
        },
        None,
        quiet_at="6m",
        of_policy=True,
    ),
    "cut off: a pod began to drain, and no more was heard of it": Case(
        "EbbtidePodCutOff",
        {logged("ebbtide_drains_started", ',by="hook"'): "0 1x30", logged("ebbtide_drains_ended"): "0x30"},
        "5m",
        BY_CONSUMER,
        quiet_at="3m",
        of_policy=True,
    ),
    "not cut off: the drain came to its end": Case(
        "EbbtidePodCutOff",
        {
            logged("ebbtide_drains_started", ',by="hook"'): "0 1x30",
            logged("ebbtide_drains_ended", ',outcome="clean"'): "0 0 1x30",
        },
        None,
        quiet_at="6m",
        of_policy=True,
    ),
    "cut off: the next container of the pod has found the remains": Case(
        "EbbtidePodCutOff",
        {logged("ebbtide_containers_lost", ',outcome="cut_off"'): "0 0 1 1 1"},
        "3m",
        BY_CONSUMER,
        of_policy=True,
    ),
    "over its budget, by the log": Case(
        "EbbtideDrainOverBudget",
        {logged("ebbtide_drains_ended", ',outcome="killed"'): "0 0 1 1 1"},
        "3m",
        BY_CONSUMER,
        of_policy=True,
    ),
    "over its budget, by the last scrape": Case(
        "EbbtideDrainOverBudget",
        {f"ebbtide_drain_elapsed_seconds{{{POD}}}": "0 50 71", f"ebbtide_drain_budget_seconds{{{POD}}}": "70 70 70"},
        "2m",
    ),
    "lost": Case(
        "EbbtideContainerLost",
        {logged("ebbtide_containers_lost", ',outcome="never_asked"'): "0 0 1 1 1"},
        "3m",
        BY_CONSUMER,
        of_policy=True,
    ),
    "a fault of the image": Case(
        "EbbtideInternalError",
        {logged("ebbtide_internal_errors"): "0 0 1 1 1"},
        "3m",
        BY_CONSUMER,
        of_policy=True,
    ),
    "overdue": Case(
        "EbbtideMessageOverdue",
        {
            f"ebbtide_oldest_message_seconds{{{POD}}}": "0 59 61 121",
            f"ebbtide_longest_message_seconds{{{POD}}}": "60 60 60 60",
        },
        "3m",
        quiet_at="2m",
    ),
    "a message was cut off": Case(
        "EbbtideMessageCutOff",
        {
            f'ebbtide_messages_total{{{POD},outcome="cut_off"}}': "0 0 1 1",
            f'ebbtide_messages_total{{{POD},outcome="handled"}}': "0 9 18 27",
        },
        "3m",
    ),
    "a message is parked, and every pod finds it": Case(
        "EbbtideMessagesParked",
        {f"ebbtide_messages_parked{{{POD.replace('mail-1', f'mail-{n}')}}}": "0 0 1 1" for n in range(4)},
        "2m",
        stack=KEDA,
    ),
    "starts are held for five minutes": Case(
        "EbbtideStartsHeld", {f"ebbtide_starts_held{{{POD}}}": "1 0 1x10"}, "7m", quiet_at="6m"
    ),
    "nobody is scraped": Case(
        "EbbtideNoMetrics",
        {f"ebbtide_build_info{{{POD}}}": "1 1 stale"},
        "13m",
        {"consumer": "mail", "stack": "shop-eu"},
        quiet_at="11m",
    ),
    "at the maximum, and every worker has a message": Case(
        "EbbtideAtMaximum",
        {
            **{f"ebbtide_drain_in_progress{{{POD.replace('mail-1', f'mail-{n}')}}}": "0x30" for n in range(4)},
            f"ebbtide_messages_in_flight{{{POD}}}": "8x30",
            f'ebbtide_workers{{{POD},state="ready"}}': "8x30",
        },
        "15m",
        BY_CONSUMER,
        quiet_at="14m",
    ),
    "at the maximum, and some workers wait": Case(
        "EbbtideAtMaximum",
        {
            **{f"ebbtide_drain_in_progress{{{POD.replace('mail-1', f'mail-{n}')}}}": "0x30" for n in range(4)},
            f"ebbtide_messages_in_flight{{{POD}}}": "7x30",
            f'ebbtide_workers{{{POD},state="ready"}}': "8x30",
        },
        None,
        quiet_at="20m",
    ),
    "at the maximum, and KEDA reads a backlog that grows": Case(
        "EbbtideAtMaximum",
        {
            **{f"ebbtide_drain_in_progress{{{POD.replace('mail-1', f'mail-{n}')}}}": "0x40" for n in range(4)},
            READ_BY_KEDA: "0+9x40",
        },
        "17m",
        BY_CONSUMER,
        quiet_at="14m",
        stack=KEDA,
    ),
    "at the maximum, and KEDA reads one that shrinks": Case(
        "EbbtideAtMaximum",
        {
            **{f"ebbtide_drain_in_progress{{{POD.replace('mail-1', f'mail-{n}')}}}": "0x40" for n in range(4)},
            READ_BY_KEDA: "900-9x40",
        },
        None,
        quiet_at="30m",
        stack=KEDA,
    ),
    "KEDA is in error": Case(
        "EbbtideKedaInError",
        {'keda_scaled_object_errors_total{scaledObject="mail",namespace="consumers"}': "0x4 0+1x20"},
        "12m",
        {},
        quiet_at="9m",
        stack=KEDA,
    ),
    "KEDA is in error about somebody else's": Case(
        "EbbtideKedaInError",
        {'keda_scaled_object_errors_total{scaledObject="mail",namespace="other"}': "0+1x20"},
        None,
        quiet_at="15m",
        stack=KEDA,
    ),
    "a draining pod is none of the maximum": Case(
        "EbbtideAtMaximum",
        {
            **{f"ebbtide_drain_in_progress{{{POD.replace('mail-1', f'mail-{n}')}}}": "0x30" for n in range(3)},
            f"ebbtide_drain_in_progress{{{POD}}}": "1x30",
            f"ebbtide_messages_in_flight{{{POD}}}": "8x30",
            f'ebbtide_workers{{{POD},state="ready"}}': "8x30",
        },
        None,
        quiet_at="20m",
    ),
    "the goal is missed fast: a fifth of 600 messages an hour is late": Case(
        "EbbtideGoalBurnsFast",
        {f'{BUCKET}{{{POD},le="10.0"}}': "0+8x120", f"{COUNT}{{{POD}}}": "0+10x120"},
        "15m",
        BY_CONSUMER,
    ),
    "the goal as other collectors write its bound": Case(
        "EbbtideGoalBurnsFast",
        {f'{BUCKET}{{{POD},le="10"}}': "0+8x120", f"{COUNT}{{{POD}}}": "0+10x120"},
        "15m",
        BY_CONSUMER,
    ),
    "the goal is held": Case(
        "EbbtideGoalBurnsFast",
        {f'{BUCKET}{{{POD},le="10.0"}}': "0+100x120", f"{COUNT}{{{POD}}}": "0+101x120"},
        None,
        quiet_at="60m",
    ),
    "too few messages to speak of a share": Case(
        "EbbtideGoalBurnsFast",
        {f'{BUCKET}{{{POD},le="10.0"}}': "0x120", f"{COUNT}{{{POD}}}": "0+1x120"},
        None,
        quiet_at="60m",
    ),
    "the goal is missed slowly": Case(
        "EbbtideGoalBurnsSlowly",
        {f'{BUCKET}{{{POD},le="10.0"}}': "0+97x400", f"{COUNT}{{{POD}}}": "0+100x400"},
        "60m",
        BY_CONSUMER,
    ),
    "one old message among few": Case(
        "EbbtideOldestMessage",
        {f"ebbtide_oldest_message_seconds{{{POD}}}": "0 11x20", f"{COUNT}{{{POD}}}": "0+1x30"},
        "11m",
        BY_CONSUMER,
        quiet_at="10m",
    ),
    "one old message among many is the share's": Case(
        "EbbtideOldestMessage",
        {f"ebbtide_oldest_message_seconds{{{POD}}}": "0 11x40", f"{COUNT}{{{POD}}}": "0+10x40"},
        None,
        quiet_at="30m",
    ),
}


def of_policies(stack: StackSettings = STACK) -> list[dict[str, Any]]:
    """The stack's policies as rules: Cloud Monitoring evaluates the same language."""
    return [
        {"alert": found.alert.name, "expr": found.query, "for": f"{found.alert.for_seconds}s"}
        for found in alerts_of_stack(stack)
    ]


def of_consumer(stack: StackSettings = STACK) -> list[dict[str, Any]]:
    (group,) = rule_groups(stack, stack.consumers["mail"])
    return list(group["rules"])


def run(directory: Path, rules: list[dict[str, Any]], *arguments: str, tests: Any = None) -> str:
    """What promtool says; the empty text if it is content."""
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    (directory / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests or []}))
    done = subprocess.run([promtool(), *arguments], cwd=directory, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_an_alert_fires_when_it_should_and_not_before(case: Case, tmp_path: Path) -> None:
    rules = of_policies(case.stack) if case.of_policy else of_consumer(case.stack)
    (rule,) = [rule for rule in rules if rule["alert"] == case.alert]
    fired = {"exp_labels": {**rule.get("labels", {}), **case.labels}, "exp_annotations": rule.get("annotations", {})}
    times = [{"eval_time": case.quiet_at, "alertname": case.alert, "exp_alerts": []}]
    if case.fires_at is not None:
        times.append({"eval_time": case.fires_at, "alertname": case.alert, "exp_alerts": [fired]})
    series = [{"series": name, "values": values} for name, values in case.series.items()]
    tests = [{"interval": "1m", "input_series": series, "alert_rule_test": times}]
    assert run(tmp_path, [rule], "test", "rules", "tests.yaml", tests=tests) == ""


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    fire = {case.alert for case in CASES.values() if case.fires_at is not None}
    assert fire == {found.alert.name for stack in (STACK, KEDA) for found in alerts_of_stack(stack)}


@pytest.mark.parametrize("name", STACKS)
def test_promtool_reads_every_query_that_is_made(name: str, tmp_path: Path) -> None:
    rules = [{"record": f"query:{n}", "expr": query} for n, (_, query) in enumerate(every_query(STACKS[name]))]
    assert run(tmp_path, rules, "check", "rules", "rules.yaml") == ""
    assert "parse error" in run(tmp_path, [{"record": "a", "expr": "sum(rate(a[5m])"}], "check", "rules", "rules.yaml")


def test_promtool_takes_the_rules_as_they_are_written(tmp_path: Path) -> None:
    assert run(tmp_path, of_consumer(), "check", "rules", "rules.yaml") == ""
