"""A chart repository on this machine, with a stand-in for KEDA's chart, which is in no package registry.

It has the name, the version and the kinds (KEDA's own CustomResourceDefinitions) of the real one, and a ConfigMap with
the values that it was given: nothing in it runs, and which values the real chart takes it does not know.
"""

from __future__ import annotations

import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

KINDS = Path(__file__).parents[1] / "keda"
_VALUES = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: values, namespace: {{ .Release.Namespace }}}
data:
  values: {{ .Values | toJson | quote }}
"""


@contextmanager
def chart_repository(directory: Path, versions: tuple[str, ...]) -> Iterator[str]:
    """Serve these versions of `keda` on localhost. Returns the repository's address."""
    entries = []
    for version in versions:
        archive = f"keda-{version}.tgz"
        (directory / archive).write_bytes(_chart(version))
        entries.append({"apiVersion": "v2", "name": "keda", "version": version, "urls": [archive]})
    (directory / "index.yaml").write_text(json.dumps({"apiVersion": "v1", "entries": {"keda": entries}}))
    handler = partial(_Quiet, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Helm asks often."""


def _chart(version: str) -> bytes:
    files = {
        "Chart.yaml": yaml.safe_dump({"apiVersion": "v2", "name": "keda", "version": version, "appVersion": version}),
        "values.yaml": "crds: {additionalAnnotations: {}}\n",
        "templates/values.yaml": _VALUES,
        **{f"templates/{path.name}": _kept(path) for path in sorted(KINDS.glob("*.yaml"))},
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"keda/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def _kept(path: Path) -> str:
    """One of KEDA's kinds, with the annotations that the real chart takes as well."""
    document = yaml.safe_load(path.read_text())
    mark = "__ANNOTATIONS__"
    document["metadata"]["annotations"] = {**document["metadata"].get("annotations", {}), "mark": mark}
    # Text that a template would be taken for: descriptions speak of {{ }}.
    text = yaml.safe_dump(document).replace("{{", '{{ "{{" }}')
    annotations = "{{- toYaml .Values.crds.additionalAnnotations | nindent 4 }}"
    return text.replace(f"    mark: {mark}\n", f"    {annotations}\n")
