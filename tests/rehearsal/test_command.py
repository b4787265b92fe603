"""The command line: one line for what is in the way, exit status 1, no traceback."""

import os
import signal
from pathlib import Path

import pytest
from tests.commands import run_here
from tests.rehearsal.api_server import METRICS, VERSION, api_server, kubeconfig

from ebbtide.rehearsal.interruption import take_as_interrupts, undisturbed

ROOT = Path(__file__).parents[2]


def rehearse(tmp_path, *options, config=None, path=os.environ["PATH"]):
    file = tmp_path / "kubeconfig"
    if config is not None:
        file.write_text(config)
    environment = {**os.environ, "KUBECONFIG": str(file), "NO_COLOR": "1", "PATH": path}
    done = run_here("rehearse", *options, cwd=ROOT, env=environment)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done


def with_pulumi(tmp_path):
    """A PATH with a program of that name, which does nothing."""
    program = tmp_path / "pulumi"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return f"{tmp_path}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "KUBECONFIG: leads to no cluster"),
        (["--stack", "nowhere"], "there is no stack 'nowhere'"),
        (["--set", "processes"], "--set: is no PATH=VALUE (got 'processes')"),
        (["--report", "nowhere/at/all.html"], "is no directory; nothing was made"),
    ],
    ids=["no cluster", "no stack", "no value", "no directory"],
)
def test_what_is_typed_wrong_is_one_line(tmp_path, options, words):
    done = rehearse(tmp_path, *options)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr


@pytest.mark.slow
def test_a_cluster_without_metrics_is_one_line(tmp_path):
    with api_server(**{METRICS: (503, {"message": "unavailable"})}) as (address, asked):
        done = rehearse(tmp_path, config=kubeconfig(address), path=with_pulumi(tmp_path))
    assert (done.returncode, "serves no metrics.k8s.io (503" in done.stderr) == (1, True), done.stderr
    assert not any(one.startswith("POST /api/v1/namespaces") for one in asked), "something was made"


def test_a_stack_on_gke_is_one_line(tmp_path):
    done = rehearse(tmp_path, "--stack", "production", config=kubeconfig("http://127.0.0.1:1"))
    assert (done.returncode, "get-credentials" in done.stderr) == (1, True), done.stderr


def test_a_stack_that_makes_something_outside_of_the_cluster_is_one_line(tmp_path):
    options = ("--stack", "production", "--context", "kind-test", "--set", "transport.redeliverTimeout=30m")
    with api_server() as (address, asked):
        done = rehearse(tmp_path, *options, config=kubeconfig(address), path=with_pulumi(tmp_path))
    said = "--stack: makes Repository in Google Cloud, which no rehearsal takes away; nothing was made"
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert asked == [f"GET {VERSION}"]


NAMESPACES = "/api/v1/namespaces"
MADE = (201, {"metadata": {"name": "made"}})
QUOTA = (403, {"message": "exceeded quota: small,\nrequested: pods=1"})
OF_KEDA = {
    f"/apis/{version}": (200, {"groupVersion": version, "resources": []})
    for version in ("keda.sh/v1alpha1", "external.metrics.k8s.io/v1beta1")
}
DEPLOYMENTS = "/apis/apps/v1/deployments"


def operator(watched):
    container = {"name": "keda-operator", "env": [{"name": "WATCH_NAMESPACE", "value": watched}]}
    return (200, {"items": [{"spec": {"template": {"spec": {"containers": [container]}}}}]})


@pytest.mark.parametrize(
    ("answer", "begins"),
    [
        (operator("consumers,others"), False),
        (operator("consumers,ebbtide-rehearsal"), True),
        (operator(""), True),
        ((200, {"items": []}), True),
        ((403, {"message": "forbidden"}), True),
    ],
    ids=["others", "this one too", "all", "no operator is seen", "nobody may look"],
)
def test_a_keda_that_watches_other_namespaces_only_is_one_line_before_anything_is_made(tmp_path, answer, begins):
    with api_server(**OF_KEDA, **{DEPLOYMENTS: answer, f"POST {NAMESPACES}": QUOTA}) as (address, asked):
        options = ("--set", "autoscaling={kind: keda, maxReplicas: 4}", "--set", "transport.redeliverTimeout=30m")
        done = rehearse(tmp_path, *options, config=kubeconfig(address), path=with_pulumi(tmp_path))
    said = "KEDA in kind-test watches consumers,others only, and scales nothing in ebbtide-rehearsal"
    assert (said in done.stderr, f"POST {NAMESPACES}" in asked) == (not begins, begins), done.stderr
    assert "nothing was made" in done.stderr


@pytest.mark.parametrize(
    ("answers", "asked_for", "left"),
    [
        ({f"POST {NAMESPACES}": QUOTA}, NAMESPACES, "nothing was made"),
        (
            {f"POST {NAMESPACES}": MADE, f"POST {NAMESPACES}/rehearsal-broker/pods": QUOTA},
            "/pods",
            "what was made is taken away again",
        ),
    ],
    ids=["a namespace", "a pod"],
)
def test_an_object_that_is_not_admitted_is_one_line_with_what_is_left(tmp_path, answers, asked_for, left):
    with api_server(**answers) as (address, asked):
        done = rehearse(tmp_path, "--namespace", "rehearsal", config=kubeconfig(address), path=with_pulumi(tmp_path))
    assert asked_for in next(one for one in reversed(asked) if one.startswith("POST"))
    assert "could not go on (403 Forbidden: exceeded quota: small, requested: pods=1)" in done.stderr
    assert left in done.stderr


POLICY = "validatingadmissionpolicies/ebbtide.rehearsal.githubevents.own-deletion-cost"


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ((200, {}), "what was made is taken away again"),
        ((404, {"message": "not found"}), "what was made is taken away again"),
        (
            (403, {"message": "forbidden"}),
            "left in the cluster: ValidatingAdmissionPolicy ebbtide.rehearsal.githubevents.own-deletion-cost",
        ),
    ],
    ids=["is there", "is not there", "may not be removed"],
)
def test_what_a_stack_has_outside_of_its_namespace_is_taken_away_too(tmp_path, answer, left):
    path = f"/apis/admissionregistration.k8s.io/v1/{POLICY}"
    broken = {f"POST {NAMESPACES}": MADE, f"POST {NAMESPACES}/rehearsal-broker/pods": QUOTA, f"DELETE {path}": answer}
    with api_server(**broken) as (address, asked):
        options = ("--namespace", "rehearsal", "--set", "shutdown.idleFirst.apiServer=10.0.0.1/32")
        done = rehearse(tmp_path, *options, config=kubeconfig(address), path=with_pulumi(tmp_path))
    assert f"DELETE {path}" in asked, done.stderr
    assert left in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_does_not_stop_the_clean_up(number):
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        take_as_interrupts()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        with undisturbed():
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
