"""``framebridge models pull``: get models, once the user has seen what would come, and agreed."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bridge.builtin import all_presets, expand
from bridge.cli.console import Console
from bridge.cli.local import node_definitions
from bridge.cli.source import is_titled, refuse_preset
from bridge.daemon import Settings, data_folder
from bridge.downloads import Choices, Network, Plan, Planner, Puller, Web, credentials, gigabytes
from bridge.downloads import Progress as Pulled
from bridge.errors import BridgeError, InputError, WorkflowError
from bridge.graph import parse_workflow
from bridge.imaging import read_workflow
from bridge.models import LackingModel, json_of, lacking_models

UNKNOWN = "not said by its source"


def pull(
    sources: list[str],
    workflow: Path | None,
    folder: str,
    name: str,
    sha256: str,
    into: Path | None,
    agrees: bool,
    as_json: bool,
    network: Network | None = None,
) -> None:
    """Plan, ask, fetch.

    Raises:
        BridgeError: Why something cannot be had; what was fetched before stays.
    """
    root = (into or data_folder() / "models").expanduser().absolute()
    hub = network or Network()
    planner = Planner(lambda given: Web(hub, credentials(given)), root)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    wanted = [(source, Choices(folder, name, sha256)) for source in sources]
    if workflow is not None:
        wanted += _lacking(workflow, console)
    if not wanted and workflow is None:
        raise InputError(
            "nothing was named", code="no_source", hint="See: framebridge models list --curated, or --help."
        )
    plans = [planner.plan(source, choices) for source, choices in wanted]
    for plan in plans:
        _show(console, plan)
    if plans:
        _ask(plans, agrees)
    for plan in plans:
        _fetch(console, Puller(planner.web(plan.keys)), plan)
    if as_json:
        print(json.dumps([{**plan.to_json(), "plan": ""} for plan in plans], indent=2))


def _show(console: Console, plan: Plan) -> None:
    notes = plan.notes
    said = {
        "from": plan.source,
        "to": str(plan.target),
        "size": f"{gigabytes(plan.bytes)} ({gigabytes(plan.free_bytes)} are free)",
        "holds": " for ".join(part for part in (plan.kind.replace("_", " "), plan.family) if part),
        "licence": notes.licence or UNKNOWN,
        "SHA-256": plan.sha256 or UNKNOWN,
        "trigger words": ", ".join(notes.triggers),
    }
    if plan.partial_bytes:
        said["here"] = f"{gigabytes(plan.partial_bytes)} from a pull that was cut"
    console.print(notes.title or plan.name, style="bold", markup=False)
    for label, text in said.items():
        if text:
            console.print(f"  {label:14} {text}", markup=False)


def _ask(plans: list[Plan], agrees: bool) -> None:
    if agrees:
        return
    if not sys.stdin.isatty():
        raise BridgeError(
            "nobody has agreed to this",
            code="consent_needed",
            hint="Read what would be pulled, then say so with --yes.",
        )
    total = gigabytes(sum(plan.bytes - plan.partial_bytes for plan in plans))
    if not typer.confirm(f"Get {total} under the licence{'s' if len(plans) > 1 else ''} above?"):
        raise BridgeError("nothing was pulled", code="cancelled", hint="Run it again when you want it.")


def _fetch(console: Console, puller: Puller, plan: Plan) -> None:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(plan.name, total=plan.bytes, completed=plan.partial_bytes)

        def show(progress: Pulled) -> None:
            checking = " (checking)" if progress.state == "checking" else ""
            bar.update(task, completed=progress.done, description=plan.name + checking)

        path = puller.pull(plan, show)
    console.print(f"{plan.folder}/{path.name} is there, checked", markup=False)


def _lacking(workflow: Path, console: Console) -> list[tuple[str, Choices]]:
    """Return where to get what a workflow lacks, and say what nobody knows a source of."""
    lacking = what_lacks(workflow)
    if not lacking:
        console.print("The workflow lacks no model.")
    wanted = []
    for each in lacking:
        place = f"{each.folder}/{each.name}"
        if each.source:
            choices = Choices(each.folder, each.name, "" if each.title else each.sha256)
            wanted.append((each.source, choices))
        else:
            console.print(
                f"lacking, and no source is known: {place}. Search the web for its name, then: "
                "framebridge models pull ADDRESS, or add FILE",
                style="yellow",
                markup=False,
            )
    return wanted


def what_lacks(path: Path) -> tuple[LackingModel, ...]:
    """Return the models that a workflow file, a picture that holds one, or a preset by its name lacks.

    Raises:
        BridgeError: What is wrong with the file.
    """
    workflow, editor = _read(path)
    return lacking_models(workflow, asyncio.run(node_definitions()), Settings().catalogue, editor)


def _read(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a workflow in the API's form and in the editor's, as far as the file holds them."""
    if not path.is_file():
        presets, _ = all_presets(Settings().preset_folders)
        if preset := presets.get(str(path).lower()):
            return expand(preset, {}), {}
    if path.suffix.lower() == ".png":
        texts = read_workflow(path)
        prompt, editor = texts["prompt"], texts["workflow"]
        workflow = parse_workflow(prompt).to_json() if prompt is not None else {}
        return workflow, editor if isinstance(editor, Mapping) else {}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            code="file_not_found",
            hint="Give a workflow, or the name of a preset.",
        ) from error
    data = json_of(content)
    if isinstance(data, dict) and isinstance(data.get("nodes"), list):
        return {}, data
    refuse_preset(path, data, "framebridge models pull --for {}")
    try:
        return parse_workflow(data["workflow"] if is_titled(data) else content).to_json(), {}
    except WorkflowError as error:
        raise InputError(f"{path.name}: {error.message}", code=error.code, hint=error.hint) from error
