"""``framebridge models add``: use a folder for good, or copy a file into the folder of its kind."""

import sys
from pathlib import Path

import typer

from bridge.cli.console import Console
from bridge.daemon import Settings, data_folder
from bridge.errors import InputError
from bridge.models import (
    Catalogue,
    ModelFolder,
    add_file,
    count_models,
    find_folders,
    folder_at,
    register,
    registry_file,
    unregister,
)


def add(path: Path | None, folder: str, into: Path | None, links: bool, removes: bool, agrees: bool) -> None:
    """Add what is at a path; without one, look for folders and ask about each.

    Raises:
        BridgeError: Why it cannot be.
    """
    console = Console(highlight=False, soft_wrap=True)
    if path is None:
        _offer(console, agrees)
    elif removes:
        unregister(registry_file(), path.expanduser().absolute())
        console.print(f"{path} is not used any more; its models stay where they are", markup=False)
    elif path.suffix in (".yaml", ".yml") or path.is_dir():
        _register(console, folder_at(path))
    elif path.is_file():
        target = add_file(
            path, (into or data_folder() / "models").expanduser().absolute(), folder, links=links
        )
        console.print(f"{'linked' if links else 'copied'} to {target}", markup=False)
    else:
        raise InputError(
            f"there is nothing at {path}", code="file_not_found", hint="Name a folder of models, or a file."
        )


def _offer(console: Console, agrees: bool) -> None:
    known = Catalogue(Settings().model_roots).folders
    found = find_folders(folder.path for folder in known)
    if not found:
        console.print("No other folder of ComfyUI or A1111 was found. Name one: framebridge models add DIR")
    for each in found:
        console.print(f"{each.program} at {each.folder.path}: {each.models} models", markup=False)
        if agrees or (sys.stdin.isatty() and typer.confirm("Use them from now on?")):
            _register(console, each.folder)
        elif not sys.stdin.isatty():
            console.print(f'  to use them: framebridge models add "{each.folder.path}"', markup=False)


def _register(console: Console, folder: ModelFolder) -> None:
    register(registry_file(), folder)
    count = count_models(folder)
    console.print(f"{folder.path} is used from now on: {count} models", markup=False)
    if not count:
        console.print(
            "It is laid out neither as ComfyUI's folder nor as A1111's: models lie in folders of their kind, "
            "as checkpoints/ and loras/.",
            style="yellow",
        )
