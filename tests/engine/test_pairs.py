"""Random settings, before and after: the verdict in process is that of the engine's own plan, and never kinder."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.engine.conftest import ProjectFactory
from tests.engine.deployed_state import state_of
from tests.engine.project import Project
from tests.strategies import changed_consumers

from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange, mapping
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.compare import PROVIDER_GOES, compare
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import load_from_engine, load_stack
from ebbtide.settings.models.stack import StackSettings

pytestmark = pytest.mark.engine

Written = dict[str, Any]
Pair = tuple[Written, Written]
STACK: Written = {
    "namespace": "consumers",
    "cluster": {"kind": "existing", "kubernetesVersion": "1.36", "platform": "gkeStandard"},
}
# Every 13th consumer is new, and every 13th goes.
ROUND = 13
# What becomes of the stack itself. The last two replace everything, and so hide what the consumers do.
NOTHING: Written = {}
NEWER: Written = {"cluster": {**STACK["cluster"], "kubernetesVersion": "1.37"}}
WATCHED: Written = {"observability": {"kind": "prometheusOperator"}}
MOVED: Written = {"namespace": "others"}
ELSEWHERE: Written = {"cluster": {**STACK["cluster"], "identifier": "another"}}
# A preview costs seconds, and judges all consumers of a stack: that many pairs share one.
CUT = [(NOTHING, 20), (MOVED, 2), (ELSEWHERE, 2)]
ALL = [(edit, 25) for edit in (*[NOTHING] * 16, NEWER, WATCHED, MOVED, ELSEWHERE)]


class _Enough(Exception):  # noqa: N818 - no error
    """Ends drawing."""


def pairs(count: int, number: int) -> list[Pair]:
    """So many valid pairs, others for each number."""
    found: list[Pair] = []
    seen: set[str] = set()

    @seed(number)
    @settings(
        max_examples=10 * count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(changed_consumers())
    def draw(pair: Pair) -> None:
        if len(found) == count:
            raise _Enough
        looks = str(pair[0]["resources"])
        if looks not in seen and all(is_valid({"one": side}) for side in pair):
            seen.add(looks)
            found.append(pair)

    with contextlib.suppress(_Enough):
        draw()
    assert len(found) == count, "the strategy finds too few that validate"
    return found


def is_valid(consumers: Written) -> bool:
    try:
        load_from_engine("local", {f"ebbtide:{key}": value for key, value in {**STACK, "consumers": consumers}.items()})
    except SettingsError:
        return False
    return True


def stacks(found: list[Pair], edit: Written) -> tuple[Written, Written]:
    """Two stacks of these consumers, before and after."""
    names = [f"c{number}" for number in range(len(found))]
    before = {
        name: pair[0] for at, (name, pair) in enumerate(zip(names, found, strict=True)) if at % ROUND != ROUND - 1
    }
    after = {name: pair[1] for at, (name, pair) in enumerate(zip(names, found, strict=True)) if at % ROUND != ROUND - 2}
    return {**STACK, "consumers": before}, {**STACK, **edit, "consumers": after}


def loaded(project: Project, written: Written) -> StackSettings:
    config = {f"ebbtide:{key}": value for key, value in written.items()}
    # JSON is YAML whose texts are all quoted: `1e9` among them.
    project.stack_file.write_text(json.dumps({"config": config}, ensure_ascii=False))
    return load_stack(project.stack, project.directory)


def in_process(base: StackSettings, head: StackSettings) -> Review:
    old, new = ([to_json(resource) for resource in stack_resources(side)] for side in (base, head))
    changes, standing = compare(old, new)
    change = StackChange(head.name, "ebbtide", changes, len(standing), "in process", standing=standing)
    return review_change(change, head)


def planned(project: Project) -> str:
    """The engine's plan of what is written in the stack's file, with what stays as it is: in process that is known."""
    return project.run("preview", "--json", "--show-sames", "--stack", project.stack, check=True).output


def has_deployed(project: Project, plan: str) -> None:
    """Let the engine remember a stack as this plan would have made it."""
    file = project.directory / "state.json"
    file.write_text(json.dumps(state_of(json.loads(plan))))
    project.run("stack", "import", "--file", str(file), check=True)


def disagreements(mine: Review, engines: Review, steps: Mapping[str, Written]) -> Iterator[str]:
    """What the two sources say differently, and what the one in process does not say of what the engine does."""
    for what, of in (("changes", _changes), ("risks", _risks)):
        one, other = of(mine), of(engines)
        if one != other:
            yield f"{what}: in process only {sorted(one - other)}, the engine only {sorted(other - one)}"
    # Of a consumer that is made anew the Deployment is spoken of, and not each object that goes with it.
    spoken_of = {of for risk in mine.risks for of in (risk.resource, risk.subject)}
    for name, step in steps.items():
        state = step.get("newState") or step["oldState"]
        # The stack itself has none.
        title = mapping(mapping(state.get("inputs")).get("metadata")).get("name")
        if harm(step) and not {f"{state['type']}::{name}", title} & spoken_of:
            yield f"{name} {harm(step)}, and nobody says a word of it"


def _changes(review: Review) -> set[tuple[str, str, str]]:
    """What happens to what, and which of its properties differ."""
    whole = {(change.key, str(change.operation), "") for change in review.change.changes}
    return whole | {
        (change.key, str(change.operation), ".".join(map(str, found.path)))
        for change in review.change.changes
        for found in change.properties
        if found.path != PROVIDER_GOES.path
    }


def _risks(review: Review) -> set[tuple[str, str, str]]:
    return {(risk.rule, str(risk.level), risk.subject) for risk in review.risks}


def harm(step: Written) -> str:
    """What the engine's step does to consumers, read from the step itself and by no rule."""
    old, new = (mapping(step.get(side)) for side in ("oldState", "newState"))
    if step["op"] in ("replace", "create-replacement", "delete-replaced") and old.get("custom", True):
        return "is replaced"
    before, after = (mapping(mapping(side.get("inputs")).get("spec")) for side in (old, new))
    kind = (new or old)["type"].rpartition(":")[2]
    if step["op"] == "update" and kind == "Deployment" and before["template"] != after["template"]:
        return "restarts its pods"
    if step["op"] == "update" and kind == "PodDisruptionBudget":
        return "has a weaker budget" if after["maxUnavailable"] > before["maxUnavailable"] else ""
    return ""


def compared(project: Project, found: list[Pair], edit: Written) -> tuple[list[str], Counter[str]]:
    """Where both sources differ, and what the engine does to how many."""
    file = project.directory / "Pulumi.yaml"
    # Without the defaults of this repository, among them a consumer of its own.
    file.write_text(json.dumps({**yaml.safe_load(file.read_text()), "config": {}}))
    before, after = stacks(found, edit)
    base = loaded(project, before)
    has_deployed(project, planned(project))
    head = loaded(project, after)
    text = planned(project)
    steps = {step["urn"].rpartition("::")[2]: step for step in json.loads(text)["steps"]}
    engines = review_change(read_plan(text, project.stack), head)
    return list(disagreements(in_process(base, head), engines, steps)), Counter(filter(None, map(harm, steps.values())))


@pytest.mark.parametrize(
    ("number", "edit", "count"),
    [
        *((number, *cut) for number, cut in enumerate(CUT)),
        *(pytest.param(100 + number, *each, marks=pytest.mark.long) for number, each in enumerate(ALL)),
    ],
)
def test_a_change_is_judged_in_process_as_the_engine_plans_it_and_never_called_harmless(
    offline_project: ProjectFactory, number: int, edit: Written, count: int
) -> None:
    found = pairs(count, number)
    differences, harms = compared(offline_project("local"), found, edit)
    # Drawn anew they may be others: Hypothesis also takes what the modules that are imported by then have in them.
    of = sorted({int(name) for name in re.findall(r"\bc(\d+)\b", " ".join(differences))})
    assert not differences, "\n".join([*differences, *(json.dumps(found[at]) for at in of)])
    assert sum(harms.values()) > 0, "no pair restarts or replaces anything: nothing was tried"
