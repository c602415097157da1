"""``framebridge run``: one workflow, without a daemon."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.builtin import save_pictures_too
from bridge.cli.asked import AskedPreset, make_places, read_asked, settings_of
from bridge.cli.bars import step_progress
from bridge.cli.console import Console
from bridge.cli.local import local_jobs, saved_files
from bridge.cli.pictures import with_pictures
from bridge.cli.request import Request
from bridge.cli.source import Source
from bridge.cli.streams import printed
from bridge.daemon import Settings
from bridge.errors import Problem, WorkflowError, shown
from bridge.graph import parse_workflow, read_settings
from bridge.host.words import of_preset, spent
from bridge.models import models_used
from bridge.protocol import Frame, Message, Submit
from bridge.protocol import Progress as StepsDone


def run(request: Request, only: Sequence[str]) -> None:
    """Run a workflow or preset and write its pictures.

    Args:
        request: What is run.
        only: Ids of the output nodes to run; empty for all.

    Raises:
        BridgeError: What is wrong with the workflow, or why it failed.
    """
    source, values = _read(request)
    settings = settings_of(request)
    make_places(source, settings)  # better now than after the work is done
    frame = with_pictures(source.frame(request.frame, settings.folders["frames"]), request.pictures)
    steps = StepBar(source.workflow, is_quiet=request.as_json)
    try:
        with steps:
            report = asyncio.run(_run(settings, source, frame, only, values, steps))
    except WorkflowError as error:
        if not request.preset:
            raise
        raise WorkflowError([of_preset(problem, request.preset) for problem in error.problems]) from error
    report.print(request.as_json)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run, for people or scripts."""

    files: Sequence[Path]
    warnings: Sequence[Problem]
    timings: Mapping[str, float]

    def print(self, as_json: bool) -> None:
        """Print the files on standard output, warnings and what it took on standard error."""
        if as_json:
            warnings = [warning.to_json() for warning in self.warnings]
            files = [str(file) for file in self.files]
            told = {"files": files, "warnings": warnings, "timings": dict(self.timings)}
            self._print_out(json.dumps(told, indent=2))
            return
        for warning in self.warnings:
            Console(stderr=True, highlight=False).print(f"warning: {warning}", style="yellow", markup=False)
        self._print_out(*map(str, self.files))
        if took := spent(self.timings):
            Console(stderr=True, highlight=False).print(took, style="dim")

    def _print_out(self, *lines: str) -> None:
        """Print lines on standard output; where it takes none, name the files on standard error."""
        try:
            print("".join(f"{printed(line)}\n" for line in lines), end="", flush=True)
        except OSError:
            print(*(shown(str(file)) for file in self.files), sep="\n", file=sys.stderr)
            raise


class StepBar:
    """A progress bar on standard error that follows the sampler, and what is special about a step.

    Args:
        workflow: Names the nodes.
        is_quiet: Whether to show nothing.
    """

    def __init__(self, workflow: Mapping[str, Any], *, is_quiet: bool) -> None:
        self._workflow = workflow
        console = Console(stderr=True)
        self._progress = step_progress(console)
        self._is_quiet = is_quiet
        self._told: set[str] = set()
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> "StepBar":
        self._shown.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._shown.__exit__(*reason)

    def name_nodes(self, workflow: Mapping[str, Any]) -> None:
        """Call nodes as another workflow does."""
        self._workflow = workflow

    def follow(self, message: Message) -> None:
        """Show what a message says about the progress."""
        if isinstance(message, StepsDone):
            node = self._workflow.get(message.node.split(".")[0], {})
            name = node.get("_meta", {}).get("title") or node.get("class_type", message.node)
            self._progress.update(
                self._task, description=name, completed=message.value, total=message.maximum
            )
            if message.detail and not self._is_quiet and message.detail not in self._told:
                self._told.add(message.detail)
                self._progress.console.print(message.detail, markup=False, soft_wrap=True)

    @property
    def _shown(self) -> AbstractContextManager[Any]:
        return self._progress if self._progress.console.is_terminal and not self._is_quiet else nullcontext()


def _read(request: Request) -> tuple[Source, Sequence[str]]:
    """Return what is run, and the values that are still to be set in it: a preset has them already."""
    found = read_asked(request.workflow, request.preset)
    if isinstance(found, Source):
        return found, request.values
    preset = AskedPreset(found)
    return Source(preset.workflow(preset.read(request.values))), ()


async def _run(
    settings: Settings,
    source: Source,
    frame: Frame | None,
    only: Sequence[str],
    values: Sequence[str],
    steps: StepBar,
) -> Report:
    async with local_jobs(settings) as jobs:
        definitions = await jobs.service.definitions()
        source = source.converted(definitions)
        steps.name_nodes(source.workflow)
        kept = _keeping_pictures(source.workflow, only)
        targets = (*only, *(kept.keys() - source.workflow.keys())) if only else ()
        changes = read_settings(values, parse_workflow(kept), definitions)
        submit = Submit("run", kept, values=changes, frame=frame, extra=source.extra, targets=targets)
        outcome = await jobs.run(submit, steps.follow)
        environment = jobs.service.status()["environment"]
    catalogue = settings.catalogue
    hashes = models_used(source.workflow, definitions, catalogue) if source.origin else {}
    warnings = [
        *outcome.accepted.warnings,
        *outcome.finished.problems,
        *source.differences(environment, hashes),
    ]
    return Report(saved_files(outcome, settings), warnings, outcome.finished.timings)


def _keeping_pictures(workflow: Mapping[str, Any], only: Sequence[str]) -> Mapping[str, Any]:
    """Save what a workflow only sends to its host, or what some of its nodes do: here there is none."""
    run = [workflow[node_id] for node_id in only if node_id in workflow] if only else workflow.values()
    if any(node["class_type"] in ("SaveImage", "PreviewImage") for node in run):
        return workflow
    wanted = {
        node_id: node
        for node_id, node in workflow.items()
        if node["class_type"] != "SendToHost" or not only or node_id in only
    }
    return save_pictures_too(wanted, "framebridge")
