"""``framebridge models list``, ``info`` and ``verify``: what is installed, and whether it is whole."""

import json
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from bridge.cli import EXIT_FAILED
from bridge.cli.console import Console
from bridge.daemon import Settings
from bridge.downloads import gigabytes
from bridge.errors import ModelError, ModelNotFound
from bridge.graph import Suggestions
from bridge.models import (
    FOLDERS,
    Card,
    Catalogue,
    card,
    cards,
    curated_models,
    find_folders,
    read_header,
    thumbnail,
    verify,
)

UNKNOWN = "unknown"
SHORT = 40
"""Characters of a text in a table."""


def list_models(kind: str, folders: list[Path], curated: bool, as_json: bool) -> None:
    """Print installed models, or the curated list.

    Raises:
        ModelError: ``unknown_folder``.
    """
    if curated:
        _print_curated(as_json)
        return
    if kind and kind not in FOLDERS:
        raise ModelNotFound(
            f'there is no kind of model called "{kind}"',
            code="unknown_folder",
            hint=f"Kinds: {', '.join(FOLDERS)}.",
        )
    catalogue = Settings(models=folders).catalogue
    found = list(cards(catalogue, kind))
    offered = find_folders(folder.path for folder in catalogue.folders)
    if as_json:
        listed = {"models": [each.to_json() for each in found], "found": [each.to_json() for each in offered]}
        print(json.dumps(listed, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    for folder in dict.fromkeys(each.folder for each in found):
        console.print(folder, style="bold")
        console.print(_table([each for each in found if each.folder == folder]))
    for each in offered:
        console.print(
            f"{each.program} is at {each.folder.path} with {each.models} models; to use them: "
            f'framebridge models add "{each.folder.path}"',
            markup=False,
        )


def info(name: str, folders: list[Path], digest: bool, as_json: bool) -> None:
    """Print what is known about a model.

    Raises:
        ModelNotFound: If there is none; the nearest is named.
    """
    catalogue = Settings(models=folders).catalogue
    found = [card(catalogue, folder, full) for folder, full in _named(catalogue, name)]
    if digest:
        for each in found:
            catalogue.digest(each.folder, each.name)
        found = [card(catalogue, each.folder, each.name) for each in found]
    if as_json:
        print(json.dumps([each.to_json() for each in found], indent=2))
        return
    for each in found:
        _print_card(each)


def verify_models(names: list[str], folders: list[Path], as_json: bool) -> int:
    """Print a verdict on each model; the exit code is 1 if one is bad."""
    catalogue = Settings(models=folders).catalogue
    wanted = (
        [pair for name in names for pair in _named(catalogue, name)]
        if names
        else [(each.folder, each.name) for each in cards(catalogue)]
    )
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    verdicts = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        for folder, name in wanted:
            task = progress.add_task(name, total=_bytes(catalogue, folder, name))
            verdicts.append(verify(catalogue, folder, name, partial(progress.advance, task)))
            progress.remove_task(task)
    if as_json:
        print(json.dumps([each.to_json() for each in verdicts], indent=2))
    else:
        marks = {"good": "[green]good[/]", "unrecorded": "[yellow]whole[/]", "bad": "[red]bad[/]"}
        console = Console(highlight=False, soft_wrap=True)
        for each in verdicts:
            console.print(f"{marks[each.state]}  ", end="")
            hint = f" ({each.hint})" if each.hint else ""
            console.print(f"{each.folder}/{each.name}: {each.message}{hint}", markup=False)
    return EXIT_FAILED if any(each.state == "bad" for each in verdicts) else 0


def _named(catalogue: Catalogue, name: str) -> list[tuple[str, str]]:
    """Return kind and name of the models that are called so, or whose last part is."""
    everything = [(folder, each) for folder in FOLDERS for each in catalogue.names(folder)]
    found = [(folder, each) for folder, each in everything if name in (each, f"{folder}/{each}")]
    found = found or [(folder, each) for folder, each in everything if each.rpartition("/")[2] == name]
    if not found:
        hint = Suggestions().did_you_mean(name, dict.fromkeys(each for _, each in everything))
        raise ModelNotFound(
            f'no model is called "{name}"', hint=hint or "framebridge models list names all that are here."
        )
    return found


def _bytes(catalogue: Catalogue, folder: str, name: str) -> int | None:
    """Return the size of a model; ``None`` for one that cannot be found, of which ``verify`` says why."""
    try:
        return card(catalogue, folder, name).bytes
    except ModelError:
        return None


def _table(found: list[Card]) -> Table:
    table = Table("  name", "family", "size", "trigger words", "licence", box=None, padding=(0, 2, 0, 0))
    for each in found:
        words = ", ".join(each.notes.triggers)
        size = gigabytes(each.bytes) if each.bytes else UNKNOWN
        row = [each.family or UNKNOWN, size, words, each.notes.licence or UNKNOWN]
        name = f"  {each.name}" + (f"  ({each.fault})" if each.fault else "")
        table.add_row(*(_plain(cell) for cell in (name, *row)), style="red" if each.fault else "")
    return table


def _plain(text: str) -> str:
    short = text if len(text) <= SHORT or text.startswith("  ") else f"{text[: SHORT - 1]}…"
    return short.replace("[", "\\[")


def _print_card(found: Card) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(found.name, style="bold", markup=False)
    notes = found.notes
    checksum = found.sha256 or (f"{notes.sha256} (as recorded)" if notes.sha256 else "")
    rows = {
        "kind": found.kind if found.kind != UNKNOWN else "",
        "family": found.family,
        "size": f"{found.bytes:,} bytes",
        "where": found.path,
        "title": notes.title,
        "author": notes.author,
        "made for": notes.base_model,
        "trigger words": ", ".join(notes.triggers),
        "licence": notes.licence,
        "source": notes.source,
        "SHA-256": checksum or "not read yet; --hash reads it",
        "preview": _preview(found),
        "about": notes.description,
    }
    for label, text in rows.items():
        console.print(f"  {label:14} {text or UNKNOWN}", markup=False)
    if found.fault:
        console.print(f"  cannot be used: {found.fault}", style="red", markup=False)


def _preview(found: Card) -> str:
    path = Path(found.path)
    if not found.has_thumbnail or path.is_dir():
        return "none"
    return f"{len(thumbnail(path, read_header(path).metadata)):,} bytes"


def _print_curated(as_json: bool) -> None:
    models = curated_models()
    if as_json:
        print(json.dumps([each.to_json() for each in models.values()], indent=2))
        return
    table = Table("name", "model", "size", "licence", "good for", box=None, padding=(0, 2, 0, 0))
    for each in models.values():
        table.add_row(each.id, each.title, gigabytes(each.bytes), each.licence, each.about)
    console = Console(highlight=False)
    console.print(table)
    console.print("Get one with: framebridge models pull NAME", style="dim")
    console.print(
        "Sizes and checksums of this list are unverified: they were published by others, and are not "
        "confirmed at the source. What is pulled is checked against what the source itself says.",
        style="dim",
    )
