"""``framebridge models``: what its commands take. What they do lies in the modules beside this one."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import AsJson

Folder = Annotated[str, typer.Option("--folder", metavar="KIND", help="Its kind: loras, vae …; by content.")]
Into = Annotated[
    Path | None,
    typer.Option("--into", metavar="DIR", help="The folder of models to put it in.", file_okay=False),
]
Roots = Annotated[
    list[Path] | None,
    typer.Option("--models", metavar="DIR", help="A model folder besides; may be repeated.", file_okay=False),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to what would be pulled, without asking.")]


def models_app(run: Callable[..., None]) -> typer.Typer:
    """Return the sub-commands.

    Args:
        run: Runs a function of a module beside this one, given both names and its arguments.
    """
    app = typer.Typer(
        help="See, get, add and check models.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def root(context: typer.Context, models: Roots = None, as_json: AsJson = False) -> None:
        """List the models that are found, and where; or see, get, add and check them."""
        if context.invoked_subcommand is None:
            run("listing", "models", models or [], as_json)

    @app.command("list")
    def list_models(
        kind: Annotated[str, typer.Argument(metavar="[KIND]", help="As checkpoints; all without.")] = "",
        models: Roots = None,
        curated: Annotated[
            bool, typer.Option("--curated", help="List the models that are worth getting first instead.")
        ] = False,
        as_json: AsJson = False,
    ) -> None:
        """List models with family, size, trigger words and licence."""
        run("model_shelf", "list_models", kind, models or [], curated, as_json)

    @app.command()
    def info(
        name: Annotated[str, typer.Argument(help="Of a model, or the last part of it.")],
        models: Roots = None,
        digest: Annotated[bool, typer.Option("--hash", help="Read it through for its SHA-256.")] = False,
        as_json: AsJson = False,
    ) -> None:
        """Say all that is known about a model."""
        run("model_shelf", "info", name, models or [], digest, as_json)

    _add_getting(app, run)

    @app.command()
    def verify(
        names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="All without.")] = None,
        models: Roots = None,
        as_json: AsJson = False,
    ) -> None:
        """Read models through and hold them against their recorded checksums."""
        run("model_shelf", "verify_models", names or [], models or [], as_json)

    return app


def _add_getting(app: typer.Typer, run: Callable[..., None]) -> None:
    """Add the commands that bring models: ``add`` and ``pull``."""

    @app.command()
    def add(
        path: Annotated[
            Path | None,
            typer.Argument(
                metavar="[DIR|FILE]",
                help="A folder to use from now on, or a file to copy.",
            ),
        ] = None,
        folder: Folder = "",
        into: Into = None,
        link: Annotated[bool, typer.Option("--link", help="Link the file instead of copying it.")] = False,
        remove: Annotated[bool, typer.Option("--remove", help="Forget a folder that was added.")] = False,
        yes: Yes = False,
    ) -> None:
        """Use a folder of models for good, or copy a file into the folder of its kind.

        Without a path it looks for folders of ComfyUI and A1111 on this machine, and asks.
        """
        run("model_add", "add", path, folder, into, link, remove, yes)

    @app.command()
    def pull(
        sources: Annotated[
            list[str] | None,
            typer.Argument(
                metavar="[SOURCE]...",
                help="An address, hf:owner/repo/file, civitai:ID, or a listed name.",
            ),
        ] = None,
        workflow: Annotated[
            Path | None,
            typer.Option("--for", metavar="WORKFLOW", help="Get what this workflow, or preset, lacks."),
        ] = None,
        folder: Folder = "",
        name: Annotated[str, typer.Option("--name", help="The name that the file is to have.")] = "",
        sha256: Annotated[str, typer.Option("--sha256", metavar="HEX", help="That it must have.")] = "",
        into: Into = None,
        yes: Yes = False,
        as_json: AsJson = False,
    ) -> None:
        """Get models from Hugging Face, Civitai or any https address, after asking."""
        run("model_pull", "pull", sources or [], workflow, folder, name, sha256, into, yes, as_json)
