"""`ebbtide render`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml
from pydantic_core import to_json

from ebbtide.cli.output import fail, project_root, say
from ebbtide.cli.owned_files import write_files
from ebbtide.settings.loading.loader import load_stack

if TYPE_CHECKING:
    from ebbtide.manifests.resource import Resource

# On standard error: what is printed is for kubectl.
_NO_KEDA = (
    "KEDA is not among these, `pulumi up` installs it; kubectl refuses a ScaledObject without it. Where it is not "
    "there: helm install keda keda --repo https://kedacore.github.io/charts --version {version} --namespace {space} "
    "--create-namespace"
)
_KUSTOMIZATION = "kustomization.yaml"
_RECORD = ".ebbtide-render"
# The C emitter takes 1.5 ms for a Deployment, the Python one 7.5 ms (measured).
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def run(stack: str, project: Path | None, out: Path | None, format: str, *, resources: bool) -> None:  # noqa: A002
    """Print or write what a stack deploys."""
    settings = load_stack(stack, project_root(project))
    if resources:
        from ebbtide.manifests.resource import kind_of
        from ebbtide.manifests.resource import to_json as resource_json
        from ebbtide.manifests.stack import stack_resources

        if format == "json" and out is None:
            _print_resources(stack_resources(settings))
            return
        documents = [resource_json(resource) for resource in stack_resources(settings)]
        names = _names([(kind_of(document["type"]), document["name"], document["type"]) for document in documents])
    else:
        from ebbtide.manifests.kubernetes import stack_manifests

        documents = list(stack_manifests(settings))
        if keda := settings.cluster.own_keda:
            say(_NO_KEDA.format(version=keda.installed_version, space=keda.namespace))
        names = _names(
            [
                (document["kind"], document["metadata"]["name"], document["metadata"].get("namespace", ""))
                for document in documents
            ]
        )
    if out is None:
        typer.echo(_dump(documents, format), nl=False)
    else:
        _write(out, names, documents, format, with_kustomization=not resources)


def _names(parts: list[tuple[str, str, str]]) -> list[str]:
    """`kind-name`, so that a file is the same object in every run; with where it is from, if two are called so."""
    short = [f"{kind}-{name}".lower() for kind, name, _ in parts]
    count = Counter(short)
    return [f"{name}-{where}" if count[name] > 1 else name for name, (*_, where) in zip(short, parts, strict=True)]


def _print_resources(resources: Iterable[Resource]) -> None:
    from ebbtide.documents import document
    from ebbtide.manifests.document import ResourceDocument, ResourcesDocument

    typer.echo(document.to_json(ResourcesDocument(version=1, resources=tuple(map(ResourceDocument.of, resources)))))


def _dump(documents: list[Any], format: str) -> bytes:  # noqa: A002
    """As kubectl reads it, in UTF-8 whatever the terminal's encoding is."""
    if format == "json":
        # `apply -f -` takes no bare list.
        return _json({"apiVersion": "v1", "kind": "List", "items": documents})
    text: bytes = yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120, encoding="utf-8")
    return text


def _json(document: Any) -> bytes:
    # 0.06 ms a consumer: as soon as it indents, the standard library's encoder is Python, and takes 0.5 ms (measured).
    return to_json(document, indent=2) + b"\n"


def _write(out: Path, names: list[str], documents: list[Any], format: str, *, with_kustomization: bool) -> None:  # noqa: A002
    files = {}
    for name, document in zip(names, documents, strict=True):
        # A name may have colons and slashes, which a file's may not.
        file = f"{re.sub('[:/]', '_', name)}.{format}"
        files[file] = _json(document) if format == "json" else _dump([document], "yaml")
    if with_kustomization:
        if (out / _KUSTOMIZATION).exists() and not (out / _RECORD).exists():
            fail(f"{out / _KUSTOMIZATION}: is not ours; name another directory with --out, and refer to it there")
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": list(files),
        }
        files[_KUSTOMIZATION] = _dump([kustomization], "yaml")
    write_files(out, files, _RECORD)
    typer.echo(f"{len(documents)} files in {out}", err=True)
