"""What the documentation says can be followed: links lead somewhere, commands exist, examples are valid."""

from __future__ import annotations

import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import pytest
import typer.main
import yaml

from ebbtide.cli.main import app
from ebbtide.judgement.findings import Level
from ebbtide.kubernetes.versions import NEWEST_KNOWN_MINOR, OLDEST_KNOWN_MINOR
from ebbtide.manifests.stack import stack_resources
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names
from ebbtide.settings.rules.check import check_stack
from ebbtide.settings.rules.keda_cluster import TESTED

ROOT = Path(__file__).parents[1]
PLACES = ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/**/*.md")
DOCUMENTS = sorted(file.relative_to(ROOT) for place in PLACES for file in ROOT.glob(place))
PROJECTS = [ROOT, *(ROOT / "examples" / name for name in ("command-workers", "celery", "bullmq", "whole-system"))]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
COMMANDS = typer.main.get_command(app)


def read(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """The headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and text of each block, without the indentation of a list."""
    return [(language, textwrap.dedent(body)) for _, language, body in _FENCE.findall(text)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document):
    broken = []
    for link in re.findall(r"\]\(([^)]+)\)", _FENCE.sub("", read(document))):
        name, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        target = (ROOT / document.parent / name).resolve() if name else ROOT / document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if one.parts[0] != "benchmarks"], ids=str)
def test_no_line_is_longer_than_a_reader_can_follow(document):
    lines = _FENCE.sub("", read(document)).splitlines()
    assert [line for line in lines if len(line) > 120] == []


def command_lines() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        for _, body in blocks(read(document)):
            lines = re.sub(r"\\\n\s*", " ", body).splitlines()
            found += [(str(document), line.removeprefix("$ ")) for line in lines if re.match(r"(\$ )?ebbtide ", line)]
    return found


@pytest.mark.parametrize(("document", "line"), command_lines())
def test_every_command_exists_with_its_options(document, line):
    words = shlex.split(line.partition(" | ")[0], comments=True)[1:]
    command = COMMANDS.commands[words[0]]
    command.make_context(words[0], words[1:])


def test_there_are_commands_to_try():
    assert len(command_lines()) >= 8


def test_the_project_that_the_readme_writes_deploys_without_a_finding(tmp_path):
    text = read(Path("README.md"))
    section = text[text.index("## Adopt it") : text.index("## Commands")]
    found = blocks(section)
    stack = next(body for language, body in found if language == "yaml" and body.startswith("config:"))
    project = next(body for language, body in found if language == "yaml" and body.startswith("name:"))
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(project)
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(stack)
    assert list(check_stack(load_stack("dev", tmp_path))) == []


@pytest.mark.parametrize("root", PROJECTS, ids=lambda root: root.name)
def test_every_example_project_is_valid(root):
    names = stack_names(root)
    assert names
    for name in names:
        assert not [finding for finding in check_stack(load_stack(name, root)) if finding.level is Level.ERROR]


def test_the_whole_system_has_the_lines_and_resources_that_its_page_says_and_is_thirty_lines_at_most():
    root = ROOT / "examples" / "whole-system"
    said = re.search(r"has (\d+) lines\. From them `pulumi up` makes (\d+) resources", (root / "README.md").read_text())
    lines = len((root / "stacks" / "Pulumi.production.yaml").read_text().splitlines())
    parts = stack_resources(load_stack("production", root))
    made = [part for part in parts if part.package != "ebbtide" and not part.is_provider]
    assert said is not None
    assert (int(said[1]), int(said[2])) == (lines, len(made))
    assert f"stack file of {lines} lines" in read(Path("README.md"))
    assert lines <= 30


def test_the_versions_of_the_page_are_those_that_the_code_knows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    python = [one.rpartition(" :: ")[2] for one in project["classifiers"] if re.search(r":: 3\.\d+$", one)]
    sdk = next(one for one in project["dependencies"] if one.startswith("pulumi>="))
    least, below = re.fullmatch(r"pulumi>=([\d.]+),<(\d+)", sdk).groups()
    lines = re.search(r"`symfonyMessenger` .* lines ([\d.]+) to ([\d.]+) ", read(Path("docs/workers.md"))).groups()
    said = re.findall(r"^\| (\w[^|]*) \| (\d[\d.]*) \| (\d[\d.]*) \|", read(Path("docs/README.md")), re.MULTILINE)
    assert said == [
        ("Python", python[0], python[-1]),
        ("Kubernetes", f"1.{OLDEST_KNOWN_MINOR}", f"1.{NEWEST_KNOWN_MINOR}"),
        ("KEDA", f"2.{min(TESTED)}", f"2.{max(TESTED)}"),
        ("Pulumi's SDK", least, str(int(below) - 1)),
        ("Symfony Messenger", *lines),
    ]
    assert project["requires-python"] == f">={python[0]}"


def test_the_workers_of_the_page_are_those_of_the_example():
    file = PROJECTS[1] / "stacks" / "Pulumi.dev.yaml"
    example = yaml.safe_load(file.read_text(encoding="utf-8"))["config"]["ebbtide:consumers"]
    shown = [
        yaml.safe_load(body) for language, body in blocks(read(Path("docs/command-workers.md"))) if language == "yaml"
    ]
    assert [name for consumers in shown for name in consumers] == list(example)
    for consumers in shown:
        for name, settings in consumers.items():
            assert settings == {key: example[name][key] for key in settings}
