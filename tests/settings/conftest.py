"""A small project on disk, so that every message is tested the way a user meets it: from her file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import quick_yaml
from tests.settings.places import is_place

from ebbtide.judgement.findings import Finding, SettingsError
from ebbtide.settings.loading.loader import LoadedStack, read_stack

# What pydantic says of a file, and what is said of files themselves, names what is written there.
_NOT_OF_SETTINGS = {"schema", "project", "E-03"}
CONSUMER: dict[str, Any] = {
    "image": "registry.example/consumers/githubevents:1.0.0",
    "worker": {"kind": "symfonyMessenger", "receivers": ["githubevents"], "processes": 70},
    "autoscaling": {"kind": "fixed", "replicas": 2},
}


class Project:
    """Pulumi.yaml and the files of stacks, written from plain values."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "stacks").mkdir()
        self.write_defaults({})

    def write_defaults(self, defaults: dict[str, Any]) -> None:
        """Write Pulumi.yaml with these shared defaults."""
        content = {"name": "shop", "stackConfigDir": "stacks", "config": {"ebbtide:defaults": {"value": defaults}}}
        (self.root / "Pulumi.yaml").write_text(quick_yaml.dump(content))

    def write_stack(self, name: str, config: dict[str, Any]) -> None:
        """Write one stack's file."""
        (self.root / "stacks" / f"Pulumi.{name}.yaml").write_text(quick_yaml.dump({"config": config}))

    def write_text(self, name: str, text: str | bytes) -> None:
        """Write one stack's file as it is."""
        data = text if isinstance(text, bytes) else text.encode()
        (self.root / "stacks" / f"Pulumi.{name}.yaml").write_bytes(data)

    def read(self, name: str = "dev") -> LoadedStack:
        """Read one stack."""
        return read_stack(name, self.root)

    def messages(self, name: str = "dev") -> list[str]:
        """Every message about one stack that cannot be used."""
        with pytest.raises(SettingsError) as caught:
            self.read(name)
        return [f"{finding.source or caught.value.where}: {finding}" for finding in caught.value.findings]


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test is about: what rules say in it is said of places that a stack file has."""
    said: list[Finding] = []
    say = Finding.__init__

    def listen(self: Finding, *given: Any, **named: Any) -> None:
        say(self, *given, **named)
        said.append(self)

    monkeypatch.setattr(Finding, "__init__", listen)
    yield
    nowhere = {(one.rule, one.path) for one in said if one.rule not in _NOT_OF_SETTINGS and not is_place(one.path)}
    assert not nowhere


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project."""
    return Project(tmp_path)


@pytest.fixture
def refuse(project: Project) -> Callable[..., str]:
    """Merge a change into a good consumer and return the one message that it causes."""

    def merged(base: Any, change: Any) -> Any:
        if not isinstance(base, dict) or not isinstance(change, dict):
            return change
        return {**base, **{key: merged(base.get(key), value) for key, value in change.items()}}

    def run(change: dict[str, Any], *, name: str = "githubevents", cluster: dict[str, Any] | None = None) -> str:
        project.write_stack(
            "dev",
            {
                "ebbtide:cluster": cluster or {"kind": "existing"},
                "ebbtide:consumers": {name: merged(CONSUMER, change)},
            },
        )
        messages = project.messages()
        assert len(messages) == 1, messages
        return messages[0]

    return run
