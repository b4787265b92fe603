"""Other values for a stack that was read: validated as a file with them would be, and named as where they came from."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import with_values

_HPA = {
    "kind": "hpa",
    "maxReplicas": 5,
    "metrics": [{"kind": "external", "metric": "backlog", "targetAverageValue": 70}],
}
_MAIL = ("consumers", "mail")


@pytest.fixture
def loaded(project):
    """A stack with one consumer."""
    consumers = {"mail": {**CONSUMER, "autoscaling": _HPA}}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": consumers})
    return project.read()


def _consumer(loaded):
    return loaded.settings.consumers["mail"]


def test_a_value_is_what_a_file_with_it_would_say(project, loaded):
    changed = with_values(
        loaded, {(*_MAIL, "autoscaling", "maxReplicas"): 9, (*_MAIL, "worker", "processes"): 7}, "--set"
    )
    written = {**CONSUMER, "worker": {**CONSUMER["worker"], "processes": 7}, "autoscaling": {**_HPA, "maxReplicas": 9}}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"mail": written}})
    assert changed.settings == project.read().settings
    assert changed.raw == project.read().raw


def test_the_stack_it_was_made_of_stays_as_it_is(loaded):
    raw, settings, sources = copy.deepcopy(loaded.raw), loaded.settings, dict(loaded.sources)
    with_values(loaded, {(*_MAIL, "autoscaling", "metrics", 0, "targetAverageValue"): 1}, "--set")
    with pytest.raises(SettingsError):
        with_values(loaded, {(*_MAIL, "worker", "processes"): 0}, "--set")
    assert (loaded.raw, loaded.settings, loaded.sources) == (raw, settings, sources), (
        "the second value of a sweep would stand on the first"
    )


def test_an_element_of_a_list_is_changed_by_its_place(loaded):
    changed = with_values(loaded, {(*_MAIL, "autoscaling", "metrics", 0, "targetAverageValue"): 35}, "--set")
    assert _consumer(changed).autoscaling.metrics[0].target_average_value == 35_000


def test_a_mapping_that_is_not_written_yet_is_made(loaded):
    changed = with_values(loaded, {(*_MAIL, "resources", "memory", "request"): "1Gi"}, "--set")
    assert _consumer(changed).memory_request_bytes == 1024**3


def test_a_mapping_replaces_the_whole_mapping(loaded):
    changed = with_values(loaded, {(*_MAIL, "autoscaling"): {"kind": "fixed", "replicas": 3}}, "--set")
    assert _consumer(changed).autoscaling.kind == "fixed"


def test_a_changed_value_knows_where_it_came_from_and_the_others_too(loaded):
    changed = with_values(loaded, {(*_MAIL, "autoscaling", "maxReplicas"): 9}, "--set")
    assert changed.sources[*_MAIL, "autoscaling", "maxReplicas"] == "--set"
    assert changed.sources[*_MAIL, "image"] == "stacks/Pulumi.dev.yaml"


def test_values_can_be_changed_again(loaded):
    once = with_values(loaded, {(*_MAIL, "autoscaling", "maxReplicas"): 9}, "--set")
    twice = with_values(once, {(*_MAIL, "worker", "processes"): 3}, "--sweep")
    assert (_consumer(twice).autoscaling.max_replicas, _consumer(twice).worker.processes) == (9, 3)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ((*_MAIL, "worker", "processes"), 0, "--set: consumers.mail.worker.processes: must be at least 1 (got 0)"),
        (
            (*_MAIL, "worker", "processes"),
            "many",
            "--set: consumers.mail.worker.processes: must be a whole number (got 'many')",
        ),
        ((*_MAIL, "worker", "proceses"), 3, "--set: consumers.mail.worker.proceses: is not a setting; did you mean"),
        (
            (*_MAIL, "autoscaling", "minReplicas"),
            9,
            "--set: consumers.mail.autoscaling.minReplicas: is above maxReplicas",
        ),
        ((*_MAIL, "autoscaling"), 3, "--set: consumers.mail.autoscaling: "),
        ((*_MAIL, "image", "tag"), "1", "--set: consumers.mail.image.tag: is no place in these settings"),
        ((*_MAIL, "autoscaling", "metrics", 1), {}, "--set: consumers.mail.autoscaling.metrics[1]: is no place"),
        ((*_MAIL, "autoscaling", "metrics", "kind"), "cpu", "autoscaling.metrics.kind: is no place in these settings"),
        ((*_MAIL, 0), 1, "--set: consumers.mail[0]: is no place in these settings; `ebbtide explain` lists them"),
        (("cluster", "kind"), "aks", "--set: cluster.kind: is none of the known kinds (got 'aks')"),
    ],
)
def test_a_value_that_no_file_may_hold_is_refused_as_in_a_file(loaded, path, value, said):
    with pytest.raises(SettingsError) as error:
        with_values(loaded, {path: value}, "--set")
    assert said in str(error.value)
    assert len(error.value.findings) == 1


def test_everything_that_is_wrong_is_said_at_once(loaded):
    values = {(*_MAIL, "worker", "processes"): 0, (*_MAIL, "autoscaling", "maxReplicas"): 0}
    with pytest.raises(SettingsError) as error:
        with_values(loaded, values, "--set")
    assert len(error.value.findings) == 2


_PARTS = st.sampled_from(
    ["consumers", "mail", "autoscaling", "metrics", "worker", "image", "cluster", "kind", 0, 1, -1]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The same stack, read once for all examples."""
    from tests.settings.conftest import Project

    project = Project(tmp_path_factory.mktemp("shop"))
    consumers = {"mail": {**CONSUMER, "autoscaling": _HPA}}
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": consumers})
    return project.read()


@given(path=st.lists(_PARTS, min_size=1, max_size=5).map(tuple), value=_VALUES)
def test_any_value_at_any_place_is_taken_or_refused_with_its_place(shared, path, value):
    refused = None
    try:
        with_values(shared, {path: value}, "--set")
    except SettingsError as error:
        refused = error
    assert refused is None or all(finding.path for finding in refused.findings)
