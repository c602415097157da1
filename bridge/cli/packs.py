"""``framebridge packs``: what its commands take. What they do lies in ``pack_list``."""

from collections.abc import Callable
from typing import Annotated

import typer

from bridge.cli.options import AsJson

Name = Annotated[str, typer.Argument(help="Of a pack, as framebridge packs lists it.")]


def packs_app(run: Callable[..., None]) -> typer.Typer:
    """Return the sub-commands.

    Args:
        run: Runs a function of a module beside this one, given both names and its arguments.
    """
    app = typer.Typer(
        help="See packs of nodes that pip has installed, and switch them on and off.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def root(context: typer.Context, as_json: AsJson = False) -> None:
        """List the packs of nodes that pip has installed, or switch one on or off."""
        if context.invoked_subcommand is None:
            run("pack_list", "list_packs", as_json)

    @app.command()
    def off(name: Name) -> None:
        """Leave a pack out from the next start on."""
        run("pack_list", "switch", name, False)

    @app.command()
    def on(name: Name) -> None:
        """Load a pack again from the next start on."""
        run("pack_list", "switch", name, True)

    return app
