"""A plan of the engine is judged as the same change in process is; a broken one is one clear sentence."""

from __future__ import annotations

import copy
import io
import json
import re
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.documents.schemas import schema
from tests.preview.changes import CHANGES, consumer
from tests.preview.plans import plan_of
from tests.preview.test_recorded_changes import edited
from tests.properties.profiles import QUICK_EXAMPLES

from ebbtide.documents.document import to_json as document_json
from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.document import ReviewDocument
from ebbtide.preview.markdown import COMMENT_LIMIT
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.review_markdown import review_markdown
from ebbtide.preview.review_text import print_review
from ebbtide.preview.sources.compare import compare
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import load_stack

ROOT = Path(__file__).parents[2]
RECORDED = sorted((ROOT / "tests" / "engine" / "plans").glob("*.json*"))
SECRET = "hunter2hunter2"
HEAD = load_stack("production", ROOT)
RESOURCES = [to_json(resource) for resource in stack_resources(HEAD)]


REVIEW = jsonschema.Draft202012Validator(schema("preview"))


def comment_of(review: Review) -> str:
    return review_markdown(ReviewDocument.of(review))


def as_json(review: Review) -> str:
    return document_json(ReviewDocument.of(review))


def outlook(review: Review) -> set[tuple[str, str, str]]:
    """What a reviewer is told, apart from the words for a source."""
    return {(risk.rule, risk.level.value, risk.subject) for risk in review.risks}


UNSEEN_BY_A_PLAN: set[str] = set()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_both_sources_agree(change, tmp_path):
    base, head = (
        edited(tmp_path / name, change.stack, patch) for name, patch in (("base", change.base), ("head", change.head))
    )
    old, new = ([to_json(resource) for resource in stack_resources(stack)] for stack in (base, head))
    in_process = review_of(old, new, head)
    by_plan = review_change(read_plan(json.dumps(plan_of(old, new, change.stack))), head)
    assert outlook(by_plan) == {one for one in outlook(in_process) if one[0] not in UNSEEN_BY_A_PLAN}


def reads(name, *receivers):
    """A Deployment whose worker reads these."""
    pod = {"spec": {"containers": [{"name": name, "args": ["php", "bin/console", "messenger:consume", *receivers]}]}}
    properties = {"metadata": {"name": name}, "spec": {"template": pod}}
    return {"type": "kubernetes:apps/v1:Deployment", "name": name, "properties": properties, "options": {}}


def test_a_queue_that_another_consumer_goes_on_reading_is_not_called_unread_and_a_plan_that_hides_it_is_said_to():
    """`pulumi preview --json` by itself leaves out what stays as it is."""
    old, new = ([reads("mail", *read), reads("twin", "async")] for read in (("async", "mail"), ("mail",)))
    shown, hidden = (
        review_change(read_plan(json.dumps(plan_of(old, new, shows_sames=shows)))) for shows in (True, False)
    )
    assert "P-08" not in {risk.rule for risk in shown.risks}
    assert not shown.change.notes
    said = [risk.sentence for risk in hidden.risks if risk.rule == "P-08"]
    assert said == ["mail no longer reads async, and nobody else that this plan shows does"]
    [note] = hidden.change.notes
    assert "stays as it is (1 resource)" in note
    assert "--show-sames" in note


def review_of(old, new, head):
    """The review of the same change in process."""
    changes, standing = compare(old, new)
    return review_change(
        StackChange(head.name, "ebbtide", changes, len(standing), "in process", standing=standing), head
    )


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.name)
def test_a_plan_of_the_real_engine_can_be_reviewed(file):
    review = review_change(read_plan(file.read_text(), name=file.name), HEAD)
    assert review.verdict
    REVIEW.validate(json.loads(as_json(review)))
    assert len(comment_of(review)) <= COMMENT_LIMIT


ENGINE_EDITS = {
    "local-settings": consumer(
        autoscaling={"maxReplicas": 9}, shutdown={"longestMessage": "40s"}, environment={"APP_DEBUG": "1"}
    ),
    "local-replace": {"namespace": "others"},
    "local-fixed": consumer(autoscaling={"kind": "fixed", "replicas": 2}),
    "local-nothing": {},
}


def image_of(plan):
    """The consumer's image after a plan."""
    inputs = next(step["newState"]["inputs"] for step in plan["steps"] if "Deployment" in step["urn"])
    return inputs["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.parametrize("name", [*ENGINE_EDITS, "local-new-image"])
def test_the_real_engines_plan_is_judged_as_the_same_edit_in_process(name, tmp_path):
    """What tests/engine did to stack `local` before it recorded the plan, done in process."""
    text = (ROOT / "tests" / "engine" / "plans" / f"{name}.json").read_text()
    edit = ENGINE_EDITS[name] if name in ENGINE_EDITS else consumer(image=image_of(json.loads(text)))
    base, head = (edited(tmp_path / side, "local", patch) for side, patch in (("base", {}), ("head", edit)))
    old, new = ([to_json(resource) for resource in stack_resources(stack)] for stack in (base, head))
    in_process = review_of(old, new, head)
    by_plan = review_change(read_plan(text, "local", name), head)
    assert outlook(by_plan) == outlook(in_process)
    assert by_plan.verdict == in_process.verdict


def test_an_inserted_variable_is_one_change_and_the_timeline_moves_with_the_budget():
    """The engine names variables by their place, which is another one behind what was inserted."""
    text = (ROOT / "tests" / "engine" / "plans" / "local-settings.json").read_text()
    review = review_change(read_plan(text, "local"), load_stack("local", ROOT))
    restart = next(risk.sentence for risk in review.risks if risk.rule == "P-10")
    assert "(shutdown budget, variable APP_DEBUG)" in restart
    shown = comment_of(review)
    assert "env[14]" not in shown
    assert [timeline.consumer for timeline in review.timelines] == ["githubevents"]
    assert all(before and after for before, after, _ in review.timelines[0].rows())


def test_a_timeline_shows_what_the_plan_leads_to_and_not_what_the_settings_say_meanwhile():
    """The settings of stack `local` are those before the plan."""
    text = (ROOT / "tests" / "engine" / "plans" / "local-settings.json").read_text()
    review = review_change(read_plan(text, "local"), load_stack("local", ROOT))
    (longer,) = [risk.sentence for risk in review.risks if risk.rule == "P-13"]
    assert longer.endswith("may take 70s to end instead of 50s")
    shown = [(before, after) for before, after, _ in review.timelines[0].rows()]
    assert shown == [("0s", "0s"), ("20s", "40s"), ("30s", "50s"), ("35s", "55s"), ("50s", "70s")]
    assert review.timelines[0].after[4].seconds == 70


def changed_plan() -> dict:
    """A plan with an update, a replacement, a creation, a deletion and a secret."""
    head = copy.deepcopy(RESOURCES)
    base = copy.deepcopy(RESOURCES)
    by_type = {found["type"]: found for found in head}
    by_type["kubernetes:apps/v1:Deployment"]["properties"]["spec"]["template"]["spec"][
        "terminationGracePeriodSeconds"
    ] = 60
    by_type["gcp:container/cluster:Cluster"]["properties"]["datapathProvider"] = "LEGACY_DATAPATH"
    provider = by_type["pulumi:providers:kubernetes"]["properties"]
    provider["kubeconfig"] = "[secret]"
    head = [found for found in head if found["type"] != "gcp:compute/routerNat:RouterNat"]
    base = [found for found in base if not found["type"].startswith("kubernetes:policy")]
    plan = plan_of(base, head)
    for step in plan["steps"]:
        if "providers:kubernetes" in step["urn"]:
            step["op"] = "update"
            step["detailedDiff"] = {"kubeconfig": {"kind": "update", "inputDiff": True}}
            for side in ("oldState", "newState"):
                step[side]["inputs"]["kubeconfig"] = "[secret]"
    plan["changeSummary"] = dict(Counter(step["op"] for step in plan["steps"]))
    return plan


def test_a_changed_secret_is_said_and_not_shown():
    plan = changed_plan()
    plan["steps"].append(
        {
            "op": "update",
            "urn": "urn:pulumi:production::ebbtide::pulumi:providers:kubernetes::k",
            "oldState": {"inputs": {"kubeconfig": "[secret]"}},
            "newState": {"inputs": {"kubeconfig": "[secret]"}},
            "detailedDiff": {"kubeconfig": {"kind": "update", "inputDiff": True}},
        }
    )
    text = comment_of(review_change(read_plan(json.dumps(plan)), HEAD))
    assert "kubeconfig: [secret] changes" in text


SIGNATURE = "4dabf18193072939515e22adb298388d"


def credentials_in_plain_text() -> dict:
    """What nobody has marked as a secret: a provider's inputs, a password under its name, an address, a Secret."""

    def state(token: str, name: str, **inputs: object) -> dict:
        return {"urn": f"urn:pulumi:prod::shop::{token}::{name}", "custom": True, "type": token, "inputs": inputs}

    def step(operation: str, token: str, name: str, old: dict | None, new: dict) -> dict:
        sides = {"newState": state(token, name, **new)} | ({"oldState": state(token, name, **old)} if old else {})
        return {"op": operation, "urn": sides["newState"]["urn"], **sides}

    kubeconfig = "apiVersion: v1\nusers:\n- user: {token: %sTOKENAAAA}"
    pod = {
        "spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "API_TOKEN", "value": "%s"}]}]}}}
    }
    steps = [
        step(
            "create", "pulumi:providers:gcp", "gcp", None, {"project": "acme", "credentials": '{"a": "NEWTOKENAAAA"}'}
        ),
        step(
            "update",
            "pulumi:providers:kubernetes",
            "k8s",
            {"kubeconfig": kubeconfig % "OLD", "context": "blue", "other": "OLDTOKENAAAA"},
            {"kubeconfig": kubeconfig % "NEW", "context": "green", "other": "NEWTOKENAAAA"},
        ),
        step("update", "acme:index:Database", "db", {"rootPassword": "OLDTOKENAAAA"}, {"rootPassword": "NEWTOKENAAAA"}),
        step("update", "acme:index:Queue", "q", {"at": "redis://OLDTOKENAAAA@r"}, {"at": "redis://NEWTOKENAAAA@r"}),
        step(
            "update",
            "kubernetes:core/v1:Secret",
            "s",
            {"stringData": {"dsn": "OLDTOKENAAAA"}},
            {"stringData": {"dsn": "NEWTOKENAAAA"}},
        ),
        step(
            "update",
            "kubernetes:apps/v1:Deployment",
            "d",
            json.loads(json.dumps(pod) % "OLDTOKENAAAA"),
            json.loads(json.dumps(pod) % "NEWTOKENAAAA"),
        ),
    ]
    return {"steps": steps, "diagnostics": [{"severity": "error", "message": "redis://NEWTOKENAAAA@r is away"}]}


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
def test_what_is_a_credential_by_its_place_or_name_is_masked_in_every_format(form):
    review = review_change(read_plan(json.dumps(credentials_in_plain_text())), HEAD)
    text = io.StringIO()
    document = ReviewDocument.of(review)
    print_review(document, Console(file=text, width=200))
    shown = {"text": text.getvalue(), "markdown": review_markdown(document), "json": document_json(document)}[form]
    assert "TOKENAAAA" not in shown
    assert "[secret]" in shown
    assert "blue" in shown, "where a provider connects to is no secret, and a reader needs it"


def plan_with_a_secret() -> dict:
    """A plan in which the engine has left a secret's text, marked as one, where somebody would see it change."""
    plan = changed_plan()
    for step in plan["steps"]:
        for number, side in enumerate(("oldState", "newState")):
            if side in step:
                text = json.dumps(f"{SECRET}{number}")
                step[side]["inputs"]["password"] = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "plaintext": text}
    for step in plan["steps"]:
        if step["op"] == "update":
            step.setdefault("detailedDiff", {})["password"] = {"kind": "update"}
    return plan


def test_a_secret_that_the_engine_did_not_mask_is_masked_here():
    plan = plan_with_a_secret()
    review = review_change(read_plan(json.dumps(plan)), HEAD)
    assert SECRET not in comment_of(review) + as_json(review)


def test_an_unknown_operation_is_shown_as_an_update_with_a_note():
    plan = changed_plan()
    plan["steps"][1]["op"] = "transmogrify"
    plan["steps"][1]["shape"] = {"of": "things to come"}
    change = read_plan(json.dumps(plan))
    assert "transmogrify" in change.notes[0]


def test_a_plan_of_another_stack_is_said():
    text = (ROOT / "tests" / "engine" / "plans" / "dev-create.json").read_text()
    assert "of stack dev" in read_plan(text, "production").notes[0]
    assert read_plan(text, "dev").notes == ()


def test_a_plan_of_another_project_is_said():
    text = json.dumps(changed_plan())
    assert "of project ebbtide" in read_plan(text, "production", project="shop").notes[0]
    assert read_plan(text, "production", project="ebbtide").notes == ()


def gone(token: str, inputs: dict | None = None) -> dict:
    """The step that deletes one more resource, called as something of ours."""
    name = f"urn:pulumi:production::ebbtide::{token}::mail"
    return {"op": "delete", "urn": name, "oldState": {"urn": name, "type": token, "inputs": inputs or {}}}


FOREIGN = [
    "aws:apigateway/deployment:Deployment",
    "github:index/repository:Repository",
    "docker:index/network:Network",
    "azure-native:servicebus:Namespace",
    "random:index/randomPassword:RandomPassword",
]


@pytest.mark.parametrize("token", FOREIGN)
def test_what_only_shares_a_name_with_our_kinds_is_shown_and_not_judged(token):
    change = read_plan(json.dumps({"steps": [gone(token)]}), "production")
    review = review_change(change, HEAD)
    (risk,) = review.risks
    assert (risk.rule, risk.level) == ("P-40", "notJudged")
    assert token in risk.sentence
    assert "delete" in comment_of(review)


def test_the_data_of_an_instance_is_lost_whoever_runs_it():
    review = review_change(read_plan(json.dumps({"steps": [gone("aws:rds/instance:Instance")]})), HEAD)
    assert [risk.rule for risk in review.risks] == ["P-01"]


def test_a_deployment_of_ones_own_is_not_called_a_consumer():
    inputs = {"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "nginx:1"}]}}}}
    review = review_change(read_plan(json.dumps({"steps": [gone("kubernetes:apps/v1:Deployment", inputs)]})), HEAD)
    (risk,) = review.risks
    assert "queue" not in risk.sentence + risk.advice
    ours = next(found for found in RESOURCES if found["type"] == "kubernetes:apps/v1:Deployment")
    review = review_change(read_plan(json.dumps({"steps": [gone(ours["type"], ours["properties"])]})), HEAD)
    assert "nobody consumes its queue" in review.risks[0].sentence


def test_a_failed_preview_shows_what_it_had_and_says_that_it_failed():
    plan = changed_plan()
    plan["diagnostics"] = [
        {"severity": "error", "message": "<{%reset%}>the cluster cannot be reached<{%reset%}>\nmore"}
    ]
    review = review_change(read_plan(json.dumps(plan)), HEAD)
    assert review.verdict == "production: the preview failed (the cluster cannot be reached)"
    assert review.changes


def test_what_a_preview_warns_of_is_noted_once_and_is_no_failure():
    plan = changed_plan()
    warned = {"severity": "warning", "message": "<{%fg 3%}>whether the name is taken was not judged<{%reset%}>\nmore"}
    plan["diagnostics"] = [warned, warned, {"severity": "info", "message": "hello"}]
    review = review_change(read_plan(json.dumps(plan)), HEAD)
    assert [note for note in review.change.notes if "warns" in note] == [
        "the preview warns: whether the name is taken was not judged"
    ]
    assert "failed" not in review.verdict


def test_a_stream_of_events_is_the_same_plan():
    plan = changed_plan()
    lines = [
        {"resourcePreEvent": {"metadata": {**step, "old": step.get("oldState"), "new": step.get("newState")}}}
        for step in plan["steps"]
    ]
    lines.append({"summaryEvent": {"resourceChanges": plan["changeSummary"]}})
    streamed = read_plan("\n".join(map(json.dumps, lines)))
    assert outlook(review_change(streamed, HEAD)) == outlook(review_change(read_plan(json.dumps(plan)), HEAD))


NO_PLANS = [
    ("", "is empty"),
    ("   \n", "is empty"),
    ("{", "is not JSON"),
    ("[]", "no plan"),
    ("3", "no plan"),
    ("null", "no plan"),
    ('{"resources": []}', "no plan"),
    ("Previewing update (production)\n", "is not JSON (line 1)"),
    ('{"changeSummary": {"update": 3}}', "has no steps"),
    ('{"a": 1}\n{"b": 2}', "none is an event"),
    ("[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "part"), NO_PLANS)
def test_what_is_no_plan_is_one_sentence(text, part):
    with pytest.raises(SettingsError) as caught:
        read_plan(text)
    (finding,) = caught.value.findings
    assert part in str(finding)
    assert "pulumi preview --json" in finding.remedy


def test_a_preview_without_changes_is_a_plan():
    assert read_plan('{"steps": [], "changeSummary": {"same": 20}}').unchanged == 20


# The fuzzer: real plans, cut off and with parts replaced. A review or one sentence, never a traceback or a secret.
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just("[secret]"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(value, path=()):
    """The path of every value inside a plan."""
    yield path
    for key, entry in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(entry, (*path, key))


def siblings(plan, path):
    """The keys beside a value."""
    here = plan
    for part in path[:-1]:
        here = here[part]
    return here.keys() if isinstance(here, dict) else ()


def with_junk(plan, path, junk):
    """The plan with this in one place; what is beside the path is shared."""
    if not path:
        return junk
    first, *rest = path
    changed = copy.copy(plan)
    changed[first] = with_junk(plan[first], rest, junk)
    return changed


CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def on_a_terminal(review: Review) -> str:
    return printed(ReviewDocument.of(review))


def printed(document: ReviewDocument) -> str:
    text = io.StringIO()
    print_review(document, Console(file=text, width=100, color_system=None))
    return text.getvalue()


def must_be_reviewed_or_refused(text: str) -> None:
    message = ""
    try:
        review = review_change(read_plan(text), HEAD)
    except SettingsError as error:
        message = str(error)
        review = None
    if review is None:
        assert "\n" not in message
        assert SECRET not in message
        return
    document = ReviewDocument.of(review)
    terminal, comment, outputs = printed(document), review_markdown(document), document_json(document)
    shown = comment + outputs + terminal
    assert SECRET not in shown
    assert not CONTROLS.search(terminal), "a plan must not drive the reader's terminal"
    REVIEW.validate(json.loads(outputs))
    assert len(comment) <= COMMENT_LIMIT


def fuzz(examples: int) -> None:
    seeds = [
        plan_with_a_secret(),
        changed_plan(),
        *(json.loads(file.read_text()) for file in RECORDED if file.suffix == ".json"),
    ]
    # A secret that is no longer marked as one is not to be told from other text.
    candidates = [(plan, path) for plan in seeds for path in places(plan) if "plaintext" not in siblings(plan, path)]

    chosen = st.sampled_from(candidates)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def mutate(data) -> None:
        plan, path = data.draw(chosen)
        text = json.dumps(with_junk(plan, path, data.draw(JUNK)))
        cut = data.draw(st.one_of(st.none(), st.integers(0, len(text))))
        must_be_reviewed_or_refused(text if cut is None else text[:cut])

    mutate()


def events_of(plan: dict) -> list:
    """The same plan in the streaming form."""
    steps = [{**step, "old": step.get("oldState"), "new": step.get("newState")} for step in plan["steps"]]
    events: list = [{"resourcePreEvent": {"metadata": step}} for step in steps]
    return [*events, {"summaryEvent": {"resourceChanges": plan["changeSummary"]}}]


def fuzz_streams(examples: int) -> None:
    recorded = [
        [json.loads(line) for line in file.read_text().splitlines()] for file in RECORDED if file.suffix == ".jsonl"
    ]
    assert recorded
    seeds = [events_of(plan_with_a_secret()), events_of(changed_plan()), *recorded]
    candidates = [
        (events, path)
        for events in seeds
        for path in places(events)
        if path and "plaintext" not in siblings(events, path)
    ]

    chosen = st.sampled_from(candidates)

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def mutate(data) -> None:
        events, path = data.draw(chosen)
        text = "\n".join(map(json.dumps, with_junk(events, path, data.draw(JUNK))))
        cut = data.draw(st.one_of(st.none(), st.integers(0, len(text))))
        must_be_reviewed_or_refused(text if cut is None else text[:cut])

    mutate()


def test_a_mutated_stream_is_reviewed_or_refused():
    fuzz_streams(QUICK_EXAMPLES)


def test_a_plan_does_not_drive_the_terminal():
    plan = changed_plan()
    step = next(step for step in plan["steps"] if step["op"] == "update")
    step["newState"]["inputs"].setdefault("metadata", {})["name"] = "a\x1b]0;owned\x07\x1b[2Jb"
    must_be_reviewed_or_refused(json.dumps(plan))
    plan["diagnostics"] = [{"severity": "error", "message": "\x1b[2Jgone"}]
    must_be_reviewed_or_refused(json.dumps(plan))


def test_a_mutated_plan_is_reviewed_or_refused():
    fuzz(QUICK_EXAMPLES)


# 40 ms of a processor each, and the same ones each time: most of them are tried before a release.
@pytest.mark.slow
@pytest.mark.parametrize("examples", [300, pytest.param(5_000, marks=pytest.mark.long)])
def test_thousands_of_mutated_plans_are_reviewed_or_refused(examples):
    fuzz(examples)


@pytest.mark.slow
@pytest.mark.parametrize("examples", [150, pytest.param(2_000, marks=pytest.mark.long)])
def test_thousands_of_mutated_streams_are_reviewed_or_refused(examples):
    fuzz_streams(examples)


def many_changes(count: int) -> dict:
    """A plan with one dangerous change at its end."""
    deployment = next(found for found in RESOURCES if found["type"] == "kubernetes:apps/v1:Deployment")
    text, old, new = json.dumps(deployment), [], []
    for number in range(count):
        before, after = json.loads(text), json.loads(text)
        for found in (before, after):
            found["name"] = f"consumer-{number}"
            found["properties"]["metadata"]["name"] = f"consumer-{number}"
        spec = after["properties"]["spec"]["template"]["spec"]
        spec["containers"][0]["image"] = f"acme.example/app:{number}"
        if number == count - 1:
            spec["terminationGracePeriodSeconds"] = 31
        old.append(before)
        new.append(after)
    return plan_of(old, new)


@pytest.mark.slow
def test_five_hundred_changes_fit_into_a_comment_with_the_danger_first():
    text = json.dumps(many_changes(500))
    comment = comment_of(review_change(read_plan(text), HEAD))
    assert len(comment) <= COMMENT_LIMIT
    assert "more changed resources do not fit" in comment
    table = [line for line in comment.splitlines() if line.startswith(("| 🛑", "| 🔁"))]
    assert "consumer-499" in table[0], "the one dangerous change must not drown among 499 others"
    assert comment.index("<summary>~ Deployment <code>consumer-499</code>") < comment.index("<code>consumer-0</code>")


HOSTILE = "x`]|<script>alert(1)</script>@acme/team [click](javascript:x) ```\n## heading"


def test_text_from_a_pull_request_cannot_break_out_of_the_comment():
    plan = changed_plan()
    plan["steps"][1]["newState"]["inputs"].setdefault("metadata", {})["name"] = HOSTILE
    plan["steps"][1]["newState"]["inputs"]["spec"] = {"x": HOSTILE}
    plan["steps"][1]["op"] = "update"
    comment = comment_of(review_change(read_plan(json.dumps(plan)), HEAD))
    assert "<script>" not in comment.replace("```diff", "").split("<details>")[0]
    assert "@acme" not in comment.split("```diff")[0]
    assert comment.count("```") % 2 == 0
    assert "\n## heading" not in comment
