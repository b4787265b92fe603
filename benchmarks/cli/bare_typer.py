"""The least that a typer program can be."""

import typer

app = typer.Typer()


@app.command()
def first() -> None:
    """One command."""


@app.command()
def second() -> None:
    """Another command."""


app()
