"""The files of a project. What is there stays as it is, so that a second run changes nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import yaml

from ebbtide.brokers import DSN
from ebbtide.documents.whole import write_whole
from ebbtide.kubernetes.versions import DEFAULT_KUBERNETES
from ebbtide.scaffold.answers import Consumer, Project, example_consumer
from ebbtide.scaffold.broker import broker_secret, redelivery
from ebbtide.scaffold.requirement import TO_BE_NAMED, own_origin, requirement
from ebbtide.settings.models.keda_operator import DEFAULT_VERSION

_PROGRAM: Final = '''\
"""What `pulumi up` runs."""

from pathlib import Path

from ebbtide import run

run(Path(__file__).resolve().parent.parent)
'''
_HEAD: Final = "# Settings of stack {stack}; docs/settings.md of ebbtide describes each.\n"
_KEDA: Final = "# This installs KEDA. Where it is there already: keda: existing\n"
_NO_BROKER: Final = """\
# Say where the broker is, or workers reach nothing but DNS:
#   network: {egress: [{cidr: 10.20.0.7/32, ports: [6379]}]}
"""
_NO_TRANSPORT: Final = """\
# what happens to a message whose worker was killed, and where KEDA finds those that wait:
#   transport: {{kind: redis, stream: {queue}, address: "10.20.0.7:6379", redeliverTimeout: {redelivery},
#               claimInterval: 15s, recover: true}}
"""
_NO_DSN: Final = """\
# and which Secret has the DSN:
#   secretEnvironment: {{MESSENGER_TRANSPORT_DSN: {{secret: {secret}, key: dsn}}}}
"""
_OTHER_TRANSPORT: Final = (
    "# and what happens to a message whose worker was killed: `transport`, docs/workers.md has those of each.\n"
)
_TEMPLATE: Final = """\
description: ${DESCRIPTION}
template:
  displayName: ebbtide
  description: Queue consumers on GKE that never lose a message when they scale down
  quickstart: |
    Name a commit of ebbtide in requirements.txt and install it, and the image and the worker in
    stacks/Pulumi.dev.yaml. Then `ebbtide check`, `ebbtide image --out docker/` for the image's build context, and
    `pulumi preview`.
"""
_MARK: Final = "consumer/ebbtide_supervisor"
_IGNORED: Final = "/.venv/\n__pycache__/\n"
IMAGE_DIRECTORIES: Final = ("docker", "consumer-image")
"""Where the image's build context goes: the first that is not somebody else's."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was done about one file."""

    path: Path
    is_new: bool


def write_project(project: Project, root: Path) -> list[Written]:
    """Write every file that is not there, below `root`. Raises OSError where one cannot be written."""
    texts = {
        **_texts(project),
        "requirements.txt": requirement(own_origin()),
        ".gitignore": _IGNORED,
        ".github/workflows/preview.yml": _workflow(project.stack),
    }
    if project.migration:
        texts["MIGRATION.md"] = project.migration
    written = [_write(root / name, text) for name, text in texts.items()]
    return [*written, *_write_image(root / image_directory(root))]


def image_directory(root: Path) -> str:
    """Where the image's build context is, or will be. What a team has below docker/ is not mixed with it: whoever
    built there would build the old image."""
    free = (name for name in IMAGE_DIRECTORIES if not (root / name).exists() or (root / name / _MARK).exists())
    return next(free, IMAGE_DIRECTORIES[-1])


def _texts(project: Project) -> dict[str, str]:
    """What Pulumi needs of a project, by the names of the files."""
    return {
        "Pulumi.yaml": _yaml({"name": project.name, "main": "infra/", "stackConfigDir": "stacks", "runtime": "python"}),
        "infra/__main__.py": _PROGRAM,
        f"stacks/Pulumi.{project.stack}.yaml": stack_text(project),
    }


def template_texts() -> dict[str, str]:
    """The template of `pulumi new`: the same project, whose name Pulumi fills in. It can ask for no object, and a
    consumer is one: what init would ask stands in the stack file."""
    consumer = example_consumer("registry.example/consumers/mail:1", ["mail"], 10, "60s")
    texts = _texts(Project("${PROJECT}", "dev", "gkeStandard", DEFAULT_KUBERNETES, {"mail": consumer}))
    return {**texts, "Pulumi.yaml": texts["Pulumi.yaml"] + _TEMPLATE, "requirements.txt": TO_BE_NAMED}


def stack_config(project: Project) -> dict[str, Any]:
    """What the stack file says to ebbtide, by setting."""
    cluster: dict[str, Any] = {
        "kind": "existing",
        "platform": project.platform,
        "kubernetesVersion": project.kubernetes,
    }
    if project.keda:
        cluster["keda"] = {"version": DEFAULT_VERSION} if project.keda == "install" else project.keda
    return {"cluster": cluster, "consumers": project.consumers}


def stack_text(project: Project) -> str:
    """The stack file."""
    config = {f"ebbtide:{key}": value for key, value in stack_config(project).items()}
    remarks = (project.remarks if project.keda else _open_questions(project.consumers)) + (
        _KEDA if project.keda == "install" else ""
    )
    return _HEAD.format(stack=project.stack) + remarks + _yaml({"config": config})


def _open_questions(consumers: dict[str, Consumer]) -> str:
    """What nobody has said, as it may be written: of the first consumer that has no transport, in its own times."""
    name, one = next(((n, c) for n, c in consumers.items() if "transport" not in c), ("", {}))
    worker = one.get("worker", {})
    if not worker:
        return _NO_BROKER
    if worker["kind"] != "symfonyMessenger":
        return _NO_BROKER + _OTHER_TRANSPORT
    queue, longest = next(iter(worker["receivers"]), "async"), one["shutdown"]["longestMessage"]
    open_questions = _NO_BROKER + _NO_TRANSPORT.format(queue=queue, redelivery=redelivery(longest))
    if DSN in (*one.get("environment", ()), *one.get("secretEnvironment", ())):
        return open_questions
    return open_questions + _NO_DSN.format(secret=broker_secret(name))


def _yaml(data: dict[str, Any]) -> str:
    return yaml.safe_dump(data, sort_keys=False, width=118, allow_unicode=True)


def _workflow(stack: str) -> str:
    text = (files("ebbtide") / "scaffold" / "github.yml").read_text(encoding="utf-8")
    return text.replace("stack: [dev]", f"stack: [{stack}]")


def _write(path: Path, text: str) -> Written:
    if path.exists():
        return Written(path, is_new=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text)
    return Written(path, is_new=True)


def _write_image(directory: Path) -> list[Written]:
    """The build context of the consumer image, as `ebbtide image` writes it."""
    if directory.exists():
        return [Written(directory, is_new=False)]
    # Complete before it has its name: half of it would be kept by the next run.
    fresh = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with as_file(files("ebbtide") / "image") as consumer, as_file(files("ebbtide") / "Dockerfile") as dockerfile:
            shutil.copytree(consumer, fresh / "consumer", ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(dockerfile, fresh / "Dockerfile")
        fresh.rename(directory)
    except shutil.Error as error:
        # Every file that could not be copied, each with its reason: they have one.
        raise OSError(None, str(error.args[0][0][2]), str(directory)) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return [Written(directory, is_new=True)]
