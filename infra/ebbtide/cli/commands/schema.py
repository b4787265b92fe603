"""The options of `ebbtide schema`."""

from ebbtide.cli.commands.options import new_command

app = new_command()


@app.command(epilog="Example: ebbtide schema > stack.schema.json")
def schema() -> None:
    """Print the JSON Schema of a stack file, for editors."""
    from ebbtide.cli.schema import run

    run()
