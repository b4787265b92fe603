"""The command line, `ebbtide`: which commands there are. Each is declared when it is asked for.

`--help` must not pay for the models, and `check` neither for Pulumi, whose classes take 4.4 s to import, nor for the
options of thirteen other commands (5 ms instead of 12 from here to its first line, measured).
"""

import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

# In the order of --help, which is that of a project's life; each is a module of `ebbtide.cli.commands`.
_NAMES = (
    *("doctor", "init", "check", "explain", "preview", "render", "simulate", "advise", "rehearse"),
    *("dashboard", "comment", "rules", "image", "schema"),
)


class _Commands(Mapping[str, Any]):
    """The commands by name. A mapping, and not only a lookup: a wrong name is answered with those that are like it."""

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        return _declared(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


@cache
def _declared(name: str) -> Any:
    return typer.main.get_command(import_module(f"ebbtide.cli.commands.{name}").app)


class _Group(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**(settings | {"commands": _Commands()}))


app = typer.Typer(
    name="ebbtide",
    cls=_Group,
    help="Autoscaled queue consumers on GKE that never lose a message when they scale down.",
    epilog="A project is a directory with Pulumi.yaml; its stacks are stacks/Pulumi.<name>.yaml.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Autoscaled queue consumers on GKE that never lose a message when they scale down."""
    if version:
        from ebbtide.version import __version__

        typer.echo(f"ebbtide {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _leave_plugins_out() -> None:
    """pydantic would read the metadata of every installed package in search of plugins for itself.

    Told not to, it still imports what would read them, with parsers of e-mails and archives: 5 % of `ebbtide check`.
    Its module that looks for them is therefore one that finds none; a pydantic without such a module is as before.
    """
    if os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__") == "__all__":
        finder = ModuleType("pydantic.plugin._loader")
        finder.__dict__["get_plugins"] = tuple
        sys.modules.setdefault(finder.__name__, finder)


def main() -> None:
    """Run the command line; settings that cannot be used end in their findings and exit status 1."""
    _leave_plugins_out()
    from ebbtide.cli.output import exit_cleanly, prepare_terminal

    prepare_terminal()
    with exit_cleanly():
        app(prog_name="ebbtide")
