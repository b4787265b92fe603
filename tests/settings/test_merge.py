"""A stack states its differences; the shared base keeps the rest."""

from __future__ import annotations

import pytest
from tests.settings.conftest import CONSUMER

from ebbtide.settings.loading.loader import load_from_engine

BASE = {"cluster": {"kind": "existing"}, "consumers": {"githubevents": CONSUMER}}


def test_a_stack_without_differences_is_the_shared_base(project):
    project.write_defaults(BASE)
    project.write_stack("dev", {})
    assert project.read().settings.consumers["githubevents"].worker.processes == 70


def test_a_difference_is_one_key_of_one_consumer(project):
    project.write_defaults(BASE)
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": {"worker": {"processes": 3}}}})
    consumer = project.read().settings.consumers["githubevents"]
    assert consumer.worker.processes == 3
    assert consumer.worker.receivers == ("githubevents",), "the base's other keys must survive one difference"


def test_another_kind_replaces_the_whole_mapping(project):
    project.write_defaults(BASE)
    worker = {"kind": "command", "command": ["worker"]}
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": {"worker": worker}}})
    assert project.read().settings.consumers["githubevents"].worker.argv == ("worker",)


@pytest.mark.parametrize("name", ["shop", "other"])
def test_the_name_of_a_namespace_that_others_own_does_not_make_it_one_of_ebbtides(project, name):
    theirs = {"name": "shop", "create": False}
    project.write_defaults({**BASE, "namespace": theirs, "consumer": {"namespace": theirs}})
    project.write_stack("dev", {"ebbtide:namespace": name, "ebbtide:consumers": {"githubevents": {"namespace": name}}})
    settings = project.read().settings
    for namespace in (settings.namespace, settings.consumers["githubevents"].namespace):
        assert (namespace.name, namespace.create) == (name, False)


@pytest.mark.parametrize("shared", [{}, {"namespace": "shop"}])
def test_the_name_of_a_namespace_alone_is_one_that_is_made(project, shared):
    project.write_defaults({**BASE, **shared})
    project.write_stack("dev", {"ebbtide:namespace": "other"})
    namespace = project.read().settings.namespace
    assert (namespace.name, namespace.create) == ("other", True)


def test_lists_replace(project):
    project.write_defaults(BASE)
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": {"worker": {"receivers": ["high", "low"]}}}})
    assert project.read().settings.consumers["githubevents"].worker.receivers == ("high", "low")


def test_null_removes_a_consumer_and_a_key(project):
    defaults = {**BASE, "consumers": {"githubevents": {**CONSUMER, "labels": {"team": "a"}}, "mail": CONSUMER}}
    project.write_defaults(defaults)
    project.write_stack("dev", {"ebbtide:consumers": {"mail": None, "githubevents": {"labels": None}}})
    consumers = project.read().settings.consumers
    assert list(consumers) == ["githubevents"]
    assert consumers["githubevents"].labels == {}


def test_what_all_consumers_share_is_written_once(project):
    project.write_defaults({**BASE, "consumer": {"labels": {"team": "a"}, "userId": 33}})
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": {"userId": 44}, "mail": CONSUMER}})
    consumers = project.read().settings.consumers
    assert [consumer.labels for consumer in consumers.values()] == [{"team": "a"}] * 2
    assert [consumer.user_id for consumer in consumers.values()] == [44, 33]


def test_null_removes_what_all_consumers_share(project):
    project.write_defaults({**BASE, "consumer": {"labels": {"team": "a"}}})
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": {"labels": None}}})
    assert project.read().settings.consumers["githubevents"].labels == {}


def test_every_value_knows_the_file_it_came_from(project):
    project.write_defaults(BASE)
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": {"worker": {"processes": 3}}}})
    sources = project.read().sources
    worker = ("consumers", "githubevents", "worker")
    assert sources[*worker, "processes"] == "stacks/Pulumi.dev.yaml"
    assert sources[*worker, "receivers"] == "Pulumi.yaml"


def test_ci_passes_an_image_without_editing_a_file(project, monkeypatch):
    project.write_defaults(BASE)
    project.write_stack("dev", {})
    monkeypatch.setenv("EBBTIDE_IMAGES", "githubevents=registry.example/new:2")
    loaded = project.read()
    assert loaded.settings.consumers["githubevents"].image == "registry.example/new:2"
    assert loaded.sources["consumers", "githubevents", "image"] == "environment EBBTIDE_IMAGES"


def test_the_engine_and_the_files_give_the_same_settings(project):
    project.write_defaults(BASE)
    own = {"githubevents": {"worker": {"processes": 3}, "shutdown": {"longestMessage": "90s"}}}
    project.write_stack("dev", {"ebbtide:consumers": own, "ebbtide:namespace": "queues"})
    config = {
        "ebbtide:defaults": BASE,
        "ebbtide:consumers": own,
        "ebbtide:namespace": "queues",
        "kubernetes:context": "x",
    }
    assert load_from_engine("dev", config, project.root) == project.read().settings


@pytest.mark.parametrize("start", [".", "stacks"])
def test_the_project_is_found_from_any_directory_inside_it(project, start):
    from ebbtide.settings.loading.project import find_root

    assert find_root(project.root / start) == project.root


def test_a_stack_may_make_the_cluster_alone(project):
    project.write_defaults({**BASE, "cluster": {"kind": "gkeStandard"}})
    project.write_stack(
        "cluster",
        {"gcp:project": "acme-shop", "gcp:region": "europe-west1", "ebbtide:consumers": {"githubevents": None}},
    )
    assert project.read("cluster").settings.consumers == {}


def test_a_stack_with_nothing_to_deploy_is_refused(project):
    project.write_defaults(BASE)
    project.write_stack("dev", {"ebbtide:consumers": {"githubevents": None}})
    assert "there is nothing to deploy" in project.messages()[0]
