"""Which API server a kubeconfig names: several files are read as kubectl reads them, and none ends in a traceback."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ebbtide.components.reachability import check_reachable
from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.models.cluster import ExistingCluster

EXISTING = ExistingCluster.model_validate({"kind": "existing", "kubernetesVersion": "1.34"})
# As `kubectl config` leaves a file from which it has taken the last entry.
EMPTIED = "apiVersion: v1\nkind: Config\nclusters: null\ncontexts: null\nusers: null\ncurrent-context: ''\n"
Write = Callable[..., None]


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    """KUBECONFIG of these files; no proxy stands before their servers."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    def files(*contents: str | bytes) -> None:
        paths = []
        for number, content in enumerate(contents):
            paths.append(tmp_path / f"config-{number}")
            paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))

    return files


@pytest.fixture
def server() -> Iterator[str]:
    """Somebody who listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def kubeconfig(server: str) -> str:
    return (
        f"clusters: [{{name: mine, cluster: {{server: '{server}'}}}}]\n"
        "contexts: [{name: mine, context: {cluster: mine}}]\ncurrent-context: mine\n"
    )


def test_a_file_that_kubectl_has_emptied_hides_no_other(write: Write, server: str) -> None:
    for contents in ([EMPTIED, kubeconfig(server)], [kubeconfig(server), EMPTIED], ["", kubeconfig(server)]):
        write(*contents)
        check_reachable(EXISTING)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1, 2]\n", "is none"),
        ("token\n", "is none"),
        ("clusters: {mine: {}}\n", "is none"),
        ("contexts: [mine]\n", "is none"),
        (b"clusters: \xff\n", "cannot be read"),
        (EMPTIED, "which names none"),
        ("contexts: [{name: mine, context: here}]\ncurrent-context: mine\n", "does not hold under clusters"),
    ],
)
def test_what_is_no_kubeconfig_is_refused_in_a_sentence(write: Write, content: str | bytes, said: str) -> None:
    write(content)
    with pytest.raises(SettingsError, match=said):
        check_reachable(EXISTING)
