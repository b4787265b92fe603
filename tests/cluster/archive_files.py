"""Image archives written by hand, as `docker save` and tools of the OCI layout write them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any


def docker_archive(path: Path, names: list[str], layers: list[bytes], config: dict[str, Any]) -> Path:
    """An archive with one image of these names."""
    files = {f"{_digest(layer)}.tar": layer for layer in layers}
    manifest = [{"Config": "config.json", "RepoTags": names, "Layers": list(files)}]
    return _tar(path, {**files, "config.json": _json(config), "manifest.json": _json(manifest)})


def oci_archive(path: Path, annotations: dict[str, str], layers: list[bytes], config: dict[str, Any]) -> Path:
    """An archive in OCI layout with one image, and what its index says of it."""
    blobs = [*layers, _json(config)]
    kinds = [*("layer.v1.tar" for _ in layers), "config.v1+json"]
    described = [_descriptor(kind, blob) for kind, blob in zip(kinds, blobs, strict=True)]
    manifest = _json({"schemaVersion": 2, "config": described[-1], "layers": described[:-1]})
    index = {
        "schemaVersion": 2,
        "manifests": [{**_descriptor("manifest.v1+json", manifest), "annotations": annotations}],
    }
    stored = {f"blobs/sha256/{_digest(blob)}": blob for blob in (*blobs, manifest)}
    layout = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    return _tar(path, {**layout, **stored})


def contents(archive: Path) -> tuple[list[bytes], dict[str, Any]]:
    """The layers and the configuration of the one image in a `docker save` archive."""
    with tarfile.open(archive) as tar:

        def read(name: str) -> bytes:
            content = tar.extractfile(name)
            assert content is not None
            return content.read()

        entry = json.loads(read("manifest.json"))[0]
        return [read(layer) for layer in entry["Layers"]], json.loads(read(entry["Config"]))


def _descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    media = f"application/vnd.oci.image.{kind}"
    return {"mediaType": media, "digest": f"sha256:{_digest(blob)}", "size": len(blob)}


def _digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path
