"""Variables and annotations that change how a pod runs or ends are no ordinary deploy."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.preview.test_what_teams_do import CONSUMER, DEPLOYMENT, resource, review_of, said

from ebbtide.preview.change import SECRET, UNKNOWN
from ebbtide.settings.values.units import format_duration

EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict"


TAKES = "danger: EBBTIDE_DRAIN of githubevents changes; no worker is told to stop: each takes messages for up to"


def changed(args: list[str] | None = None, before: dict[str, Any] | None = None, **variables: Any) -> dict[str, str]:
    """What is said of other variables in ebbtide's own consumer, before and after with these arguments; None is a
    variable that is gone."""
    sides = []
    for own in (before or {}, variables):
        deployment = copy.deepcopy(CONSUMER["properties"])
        (worker,) = deployment["spec"]["template"]["spec"]["containers"]
        worker["args"] = args or worker["args"]
        kept = [one for one in worker["env"] if one["name"] not in own]
        worker["env"] = [*kept, *({"name": name, "value": value} for name, value in own.items() if value is not None)]
        sides.append([resource(DEPLOYMENT, deployment)])
    return said(review_of(*sides))


@pytest.mark.parametrize(
    ("variables", "args", "words"),
    [
        ({"LD_PRELOAD": "/x.so"}, None, "notJudged: LD_PRELOAD of githubevents changes; it tells the loader"),
        ({"PHP_INI_SCAN_DIR": "/x"}, None, "notJudged: PHP_INI_SCAN_DIR of githubevents changes; it takes PHP's"),
        ({"EBBTIDE_NEWER": "1"}, None, "notJudged: EBBTIDE_NEWER of githubevents changes, and is no variable"),
        ({"EBBTIDE_STOP_SIGNAL": "INT"}, None, "danger: EBBTIDE_STOP_SIGNAL of githubevents is INT: messenger:consume"),
        ({"EBBTIDE_STOP_SIGNAL": "INT"}, ["worker"], "notJudged: EBBTIDE_STOP_SIGNAL of githubevents is INT, and whe"),
        (
            {"EBBTIDE_DRAIN": "stopFile"},
            None,
            "danger: EBBTIDE_DRAIN of githubevents changes; no worker is told to stop",
        ),
        (
            {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": ""},
            None,
            "notJudged: EBBTIDE_DRAIN of githubevents changes; no worker is told to stop, and when each ends",
        ),
        ({"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "5"}, None, ""),
        (
            {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "9" * 5000},
            None,
            "danger: EBBTIDE_DRAIN of githubevents changes; no worker is told to stop: each takes messages for up to",
        ),
        ({"REMAP_SIGTERM": "SIGQUIT"}, ["celery", "-A", "shop", "worker"], "danger: REMAP_SIGTERM of githubevents"),
        (
            {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_STOP_WAIT_SECONDS": None},
            None,
            "notJudged: EBBTIDE_DRAIN of githubevents changes; no worker is told to stop, and when each ends",
        ),
        # A worker is killed after 210 s, and its longest message takes 200.
        ({"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "10"}, None, ""),
        (
            {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "11"},
            None,
            f"{TAKES} {format_duration(11)}, and is killed after {format_duration(210)}",
        ),
        *(
            (
                {
                    "EBBTIDE_DRAIN": "stopFile",
                    "EBBTIDE_TIME_LIMIT_SECONDS": limit,
                    "EBBTIDE_LONGEST_MESSAGE_SECONDS": None,
                },
                None,
                words,
            )
            for limit, words in (("210", ""), ("211", "danger: EBBTIDE_DRAIN of githubevents changes"))
        ),
        ({"EBBTIDE_DRAIN": None}, None, ""),
        ({"EBBTIDE_STOP_SIGNAL": None}, ["worker"], "notJudged: EBBTIDE_STOP_SIGNAL of githubevents is gone, and whet"),
        ({"EBBTIDE_STOP_SIGNAL": None}, None, ""),
        ({"REMAP_SIGTERM": "SIGQUIT"}, ["/venv/bin/celery", "worker"], "danger: REMAP_SIGTERM of githubevents"),
        ({"REMAP_SIGTERM": "SIGQUIT"}, ["celeryd"], "notJudged: REMAP_SIGTERM of githubevents"),
        ({"REMAP_SIGTERM": "SIGTERM"}, ["celery", "worker"], ""),
        ({"REMAP_SIGTERM": "SIGQUIT"}, None, "notJudged: REMAP_SIGTERM of githubevents"),
        ({"PHP_INI_SCAN_DIR": ":/x"}, None, ""),
        ({"APP_ENV": "staging", "EBBTIDE_TIME_LIMIT_SECONDS": "60"}, None, ""),
    ],
)
def test_a_variable_by_which_a_pod_runs_or_ends_otherwise_is_named(
    variables: dict[str, str], args: list[str] | None, words: str
):
    found = changed(args, **variables).get("P-43", "")
    assert found.startswith(words), found
    assert bool(found) == bool(words)


def test_a_variable_that_goes_changes_what_runs_and_one_that_stays_does_not():
    preload = {"LD_PRELOAD": "/x.so"}
    assert changed(before=preload)["P-43"].startswith("notJudged: LD_PRELOAD of githubevents changes; it tells the")
    assert "P-43" not in changed(before=preload, **preload, APP_ENV="staging")


def test_of_several_that_say_when_a_worker_ends_one_speaks():
    found = changed(EBBTIDE_DRAIN="stopFile", EBBTIDE_TIME_LIMIT_SECONDS="600")
    assert found["P-43"].startswith("danger: EBBTIDE_DRAIN of githubevents changes; no worker is told to stop")
    both = {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "600"}
    assert "P-43" not in changed(before=both, **{**both, "EBBTIDE_PROCESSES": "7"})


STOP_FILE = {"EBBTIDE_DRAIN": "stopFile", "EBBTIDE_TIME_LIMIT_SECONDS": "5"}


@pytest.mark.parametrize(("limit", "is_said"), [("600", True), ("6", False)])
def test_workers_that_nobody_tells_to_stop_still_end_in_time_by_their_own_limit(limit: str, is_said: bool):
    found = changed(before=STOP_FILE, **{**STOP_FILE, "EBBTIDE_TIME_LIMIT_SECONDS": limit}).get("P-43", "")
    assert found.startswith("danger: EBBTIDE_TIME_LIMIT_SECONDS of githubevents changes; no worker") is is_said, found


@pytest.mark.parametrize("name", ["EBBTIDE_DRAIN", "EBBTIDE_STOP_SIGNAL", "REMAP_SIGTERM"])
@pytest.mark.parametrize("value", [UNKNOWN, SECRET, {"secretKeyRef": {"name": "a", "key": "b"}}, ["TERM"]])
def test_how_a_worker_is_stopped_is_not_judged_where_nobody_sees_it(name: str, value: object):
    assert changed(**{name: value}).get("P-43", "").startswith(f"notJudged: {name} of githubevents changes, and to")


@pytest.mark.parametrize(("grace", "level"), [(UNKNOWN, "notJudged"), (SECRET, "notJudged"), (1200, "danger")])
def test_a_pod_of_which_nobody_knows_how_long_it_takes_needs_its_protection_too(grace: Any, level: str):
    sides = []
    for stated in ({EVICT: "false"}, {}):
        deployment = copy.deepcopy(CONSUMER["properties"])
        template = deployment["spec"]["template"]
        template["spec"]["terminationGracePeriodSeconds"] = grace
        template["metadata"]["annotations"] = stated
        sides.append([resource(DEPLOYMENT, deployment)])
    assert said(review_of(*sides)).get("P-44", "").startswith(f"{level}: pods of githubevents may take")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ((600, None), (601, None), "danger: pods of githubevents may take 10m1s to finish and are not protected"),
        ((601, None), (700, None), ""),
        ((600, None), (601, "false"), ""),
        ((600, "false"), (601, "true"), "danger: pods of githubevents may take 10m1s to finish and are no longer prot"),
        ((700, "true"), (700, None), ""),
        # What is not known, on either side, and was not protected before either, is P-40's.
        ((120, None), (UNKNOWN, None), ""),
        ((UNKNOWN, None), (700, None), ""),
        ((120, "false"), (UNKNOWN, None), "notJudged: pods of githubevents may take nobody knows how long to finish"),
    ],
)
def test_a_pod_that_newly_needs_longer_than_its_node_waits_is_a_danger(before: Any, after: Any, words: str):
    sides = []
    for grace, by in (before, after):
        deployment = copy.deepcopy(CONSUMER["properties"])
        template = deployment["spec"]["template"]
        template["spec"]["terminationGracePeriodSeconds"] = grace
        template["metadata"]["annotations"] = {} if by is None else {EVICT: by}
        sides.append([resource(DEPLOYMENT, deployment)])
    found = said(review_of(*sides)).get("P-44", "")
    assert found.startswith(words), found
    assert bool(found) == bool(words)


@pytest.mark.parametrize(
    ("grace", "value", "is_said"),
    [(1200, "true", True), (1200, None, True), (1200, "false", False), (600, "true", False), (601, "true", True)],
)
def test_a_long_message_keeps_its_protection_from_the_scale_down_of_a_node(
    grace: int, value: str | None, is_said: bool
):
    def protected(by: str | None) -> dict[str, Any]:
        deployment = copy.deepcopy(CONSUMER["properties"])
        template = deployment["spec"]["template"]
        template["spec"]["terminationGracePeriodSeconds"] = grace
        template["metadata"]["annotations"] = {} if by is None else {EVICT: by}
        return resource(DEPLOYMENT, deployment)

    found = said(review_of([protected("false")], [protected(value)]))
    assert ("P-44" in found) is is_said
    assert not is_said or found["P-44"].endswith("from the scale-down of their node, which kills after 10m")
