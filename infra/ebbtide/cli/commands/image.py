"""The options of `ebbtide image`."""

from pathlib import Path
from typing import Annotated

import typer

from ebbtide.cli.commands.options import new_command

app = new_command()


@app.command(epilog="Example: ebbtide image --out docker/")
def image(out: Annotated[Path, typer.Option("--out", help="Directory to write to.")]) -> None:
    """Write what the consumer image is built from, Dockerfile first."""
    from ebbtide.cli.image import run

    run(out)
