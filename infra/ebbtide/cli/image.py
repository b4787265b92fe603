"""`ebbtide image`."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import typer

from ebbtide.cli.output import fail


def run(out: Path) -> None:
    """Write the build context of the consumer image: Dockerfile and consumer/. What is there already is overwritten."""
    try:
        with as_file(files("ebbtide") / "image") as consumer, as_file(files("ebbtide") / "Dockerfile") as dockerfile:
            shutil.copytree(
                consumer, out / "consumer", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
            shutil.copy(dockerfile, out / "Dockerfile")
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror or error}; name another directory with --out")
    typer.echo(f"docker build --build-arg BASE_IMAGE=<your application's image> -t <consumer image> {out}")
