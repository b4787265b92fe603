"""What is wrong with a cluster is one clear line, before anything is made."""

import importlib

import pytest
from tests.rehearsal.api_server import METRICS, REVIEW, VERSION, api_server, kubeconfig

from ebbtide.judgement.findings import SettingsError
from ebbtide.rehearsal.access import open_access, require
from ebbtide.rehearsal.cpu import CpuSignal

DENIED = (201, {"spec": {"resourceAttributes": {}}, "status": {"allowed": False}})
UNAUTHORIZED = (401, {"message": "Unauthorized"})


@pytest.fixture
def use(tmp_path, monkeypatch):
    """Makes a kubeconfig the current one."""

    def write(text):
        (tmp_path / "kubeconfig").write_text(text)
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    return write


def refusal(context=None, *, gke=False):
    with pytest.raises(SettingsError) as caught:
        require(open_access(context, cluster_is_gke=gke), CpuSignal.needs)
    text = str(caught.value)
    assert "\n" not in text, "one line is read, ten are not"
    assert "nothing was made" in text, "a user must know whether there is something to clean up"
    return text


def test_a_healthy_cluster_is_let_through(use):
    with api_server() as (address, asked):
        use(kubeconfig(address))
        access = open_access(None, cluster_is_gke=False)
        require(access, CpuSignal.needs)
    assert (access.context, access.version, access.minor_version) == ("kind-test", "v1.34.4", "1.34")
    assert asked == [f"GET {VERSION}", *[f"POST {REVIEW}"] * 3, f"GET {METRICS}"]


def test_no_cluster_reachable(use):
    with api_server() as (address, _):
        pass
    use(kubeconfig(address))
    assert f"cannot be reached at {address}" in refusal()


def test_no_kubeconfig(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert "KUBECONFIG: leads to no cluster" in refusal()


def test_a_context_that_does_not_exist_names_those_that_do(use):
    use(kubeconfig("http://127.0.0.1:1", "kind-a", "kind-b"))
    assert "got 'other'" in refusal("other")
    assert refusal("other").endswith("use one of: kind-a, kind-b")


def test_a_cluster_that_is_not_on_this_machine_must_be_named(use):
    with api_server() as (address, asked):
        use(kubeconfig(address, "production", current="production"))
        assert "--context production if you mean it" in refusal()
        assert asked == [], "a production cluster was talked to without being named"
        assert open_access("production", cluster_is_gke=False).context == "production"


def test_a_name_that_only_begins_like_a_local_one_is_not_local(use):
    use(kubeconfig("http://127.0.0.1:1", "kindergarten", current="kindergarten"))
    assert "--context: is needed" in refusal()


def test_no_metrics(use):
    with api_server(**{METRICS: (404, {"message": "not found"})}) as (address, _):
        use(kubeconfig(address))
        assert "serves no metrics.k8s.io (404" in refusal()


def test_everything_that_is_not_permitted_is_said_at_once(use):
    with api_server(**{REVIEW: DENIED}) as (address, _):
        use(kubeconfig(address))
        text = refusal()
    said = "permission: may not create namespaces, nor delete namespaces, nor list pods.metrics.k8s.io in kind-test"
    assert said in text


@pytest.mark.parametrize("path", [REVIEW, METRICS], ids=["permissions", "metrics"])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, {"message": "forbidden: User system:anonymous"}), "does not let us in (the API server answers 403"),
        ((0, None), "cannot be reached"),
    ],
    ids=["anonymous", "hangs up"],
)
def test_a_question_that_is_not_answered_is_no_traceback(use, path, answer, words):
    with api_server(**{path: answer}) as (address, _):
        use(kubeconfig(address))
        assert words in refusal()


def test_a_login_that_is_refused(use):
    with api_server(**{VERSION: UNAUTHORIZED, REVIEW: UNAUTHORIZED}) as (address, _):
        use(kubeconfig(address))
        assert "does not let us in" in refusal()


def test_a_stack_on_gke_needs_its_context(use):
    use(kubeconfig("http://127.0.0.1:1"))
    assert "gcloud container clusters get-credentials" in refusal(gke=True)


@pytest.mark.parametrize("installed", [False, True], ids=["no plugin", "a plugin without a login"])
def test_a_stack_on_gke_without_credentials(use, tmp_path, capfd, installed):
    plugin = tmp_path / "gke-plugin"
    if installed:
        plugin.write_text("#!/bin/sh\necho 'no active account' >&2\necho 'run gcloud auth login' >&2\nexit 1\n")
        plugin.chmod(0o755)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": str(plugin)}}
    with api_server(**{VERSION: UNAUTHORIZED, REVIEW: UNAUTHORIZED}) as (address, _):
        use(kubeconfig(address, "gke_acme_europe-west1_prod", user=user))
        text = refusal("gke_acme_europe-west1_prod", gke=True)
    assert "does not let us in" in text
    assert "get-credentials" in text
    assert ("no active account" in text) == installed, "the plugin's own first words say why"
    assert capfd.readouterr() == ("", ""), "the client's log beside our line"


def test_without_the_client_the_way_to_get_it_is_named(monkeypatch):
    def absent(name, package=None):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(SettingsError, match="run `pip install kubernetes`, or install the extra `rehearse`"):
        open_access(None, cluster_is_gke=False)
