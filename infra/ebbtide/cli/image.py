"""`ebbtide image`."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

import typer

from ebbtide.cli.owned_files import write_files

_RECORD = ".ebbtide-image"


def run(out: Path) -> None:
    """Write the build context of the consumer image: Dockerfile and consumer/. What an earlier version wrote goes."""
    with as_file(files("ebbtide") / "image") as consumer, as_file(files("ebbtide") / "Dockerfile") as dockerfile:
        context = {
            f"consumer/{file.relative_to(consumer).as_posix()}": file
            for file in sorted(consumer.rglob("*"))
            if file.is_file() and "__pycache__" not in file.parts
        }
        context["Dockerfile"] = dockerfile
        write_files(out, {name: file.read_bytes() for name, file in context.items()}, _RECORD)
        for name, file in context.items():
            (out / name).chmod(file.stat().st_mode & 0o777)
    typer.echo(f"docker build --build-arg BASE_IMAGE=<your application's image> -t <consumer image> {out}")
