"""Many pictures of one workflow, one after another with one worker, so that the models stay loaded.

Rules:
1. What fails is noted, and the next one is made; only what would stop all others stops the series.
2. A picture that is there already, made with the same workflow and frame, is not made again: the same
   command goes on where it was interrupted.
3. Ctrl-C ends it; what is made stays, and is reported.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.builtin import Preset, save_pictures_too
from bridge.cli import EXIT_FAILED, EXIT_INTERRUPTED, exit_code
from bridge.cli.asked import Asked, asked_from
from bridge.cli.bars import step_progress
from bridge.cli.console import Console
from bridge.cli.local import LocalJobs, local_jobs, saved_files
from bridge.cli.pictures import with_pictures
from bridge.cli.request import Request
from bridge.cli.source import Source
from bridge.cli.streams import printed
from bridge.daemon import Settings
from bridge.errors import BridgeError, Problem, WorkflowError
from bridge.graph import parse_workflow
from bridge.imaging import load_frame, read_workflow
from bridge.prompts import TEMPLATE_TEXT
from bridge.protocol import Frame, Message, Submit
from bridge.protocol import Progress as StepsDone

LETTERS = 60
"""Of a title in a message."""

STOPPING = frozenset({"worker_failed", "output_failed"})
"""Faults that all that follow would meet, too."""


@dataclass(frozen=True, slots=True)
class Item:
    """One picture of a series.

    Args:
        name: The beginning of its file's name.
        title: For people: ``prompt 3``.
        values: What is set for it, by name.
        templates: Name → the dynamic prompt that its text came from.
        problem: Why it cannot be made, if that is known beforehand.
    """

    name: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item.

    Args:
        item: Which.
        state: ``made``, ``kept`` (it was there already) or ``failed``.
        files: Its pictures.
        problems: Why it failed; warnings, if it did not.
    """

    item: Item
    state: str
    files: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        said = {
            "name": self.item.name,
            "state": self.state,
            "values": dict(self.item.values),
            "templates": dict(self.item.templates),
            "files": [str(file) for file in self.files],
            "problems": [problem.to_json() for problem in self.problems],
        }
        return {key: value for key, value in said.items() if value or key in ("name", "state", "files")}


Plan = Callable[[Asked], Sequence[Item]]
"""From what is asked, once the nodes are known, to the items; raises ``BridgeError`` if there can be none."""


class Series:
    """Pictures of one workflow or preset.

    Args:
        settings: Where models and pictures are.
        found: What is run.
        frame: What it looks at.
        is_quiet: Whether to say nothing meanwhile.

    Attributes:
        items: All that there are to be.
        outcomes: Of those that are done with, in order.
    """

    def __init__(
        self, settings: Settings, found: Source | Preset, frame: Frame | None, *, is_quiet: bool
    ) -> None:
        self.items: Sequence[Item] = ()
        self.outcomes: list[Outcome] = []
        self._settings, self._found, self._frame = settings, found, frame
        self._is_quiet = is_quiet
        self._bar = SeriesBar(is_quiet=is_quiet)

    def run(self, plan: Plan) -> bool:
        """Make them all; returns whether Ctrl-C did not come in between.

        Raises:
            BridgeError: Why none can be made.
        """
        try:
            with self._bar:
                asyncio.run(self._run(plan))
        except KeyboardInterrupt:
            if not self.items:
                raise
            return False
        return True

    async def _run(self, plan: Plan) -> None:
        async with local_jobs(self._settings) as jobs:
            asked = asked_from(self._found, await jobs.service.definitions())
            self.items = plan(asked)
            for number, item in enumerate(self.items, start=1):
                self._bar.begin(number, len(self.items), item.title)
                outcome = await self._make(jobs, asked, item)
                self.outcomes.append(outcome)
                if not self._is_quiet:
                    print(
                        *map(printed, outcome.files), sep="\n", end="\n" if outcome.files else "", flush=True
                    )
                if any(problem.code in STOPPING for problem in outcome.problems):
                    return

    async def _make(self, jobs: LocalJobs, asked: Asked, item: Item) -> Outcome:
        if item.problem:
            return Outcome(item, "failed", problems=(item.problem,))
        try:
            workflow = parse_workflow(saving_as(asked.workflow(item.values), item.name)).to_json()
            if files := self._kept(item.name, workflow):
                return Outcome(item, "kept", files)
            templates = {TEMPLATE_TEXT: dict(item.templates)} if item.templates else {}
            submit = Submit(item.name[:128], workflow, frame=self._frame, extra={**asked.extra, **templates})
            done = await jobs.run(submit, self._bar.follow)
        except BridgeError as error:
            return Outcome(item, "failed", problems=error.problems)
        warnings = (*done.accepted.warnings, *done.finished.problems)
        return Outcome(item, "made", tuple(saved_files(done, self._settings)), warnings)

    def _kept(self, name: str, workflow: Mapping[str, Any]) -> tuple[Path, ...]:
        """Return the pictures of that name that were made with the same workflow and frame."""
        digest = self._frame.digest if self._frame else None
        files = sorted(self._settings.folders["output"].glob(f"{name}_*.png"))
        return tuple(file for file in files if is_same(file, workflow, digest))


def is_same(file: Path, workflow: Mapping[str, Any], frame: str | None) -> bool:
    """Tell whether a picture was made with a workflow (API JSON) and a frame (its digest)."""
    try:
        texts = read_workflow(file)
        known = parse_workflow(texts["prompt"] or {}).to_json()
    except BridgeError:
        return False
    return known == workflow and (texts["framebridge"] or {}).get("frame") == frame


def saving_as(workflow: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a workflow that writes its pictures as PNG under a name.

    What it saves is saved under that name; else what it sends to its host, else what it previews.
    """
    kinds = {node["class_type"] for node in workflow.values()}
    if "SaveImage" not in kinds and "SendToHost" in kinds:
        return save_pictures_too(workflow, name)
    saver = "SaveImage" if "SaveImage" in kinds else "PreviewImage"
    return {
        node_id: node
        if node["class_type"] != saver
        else {**node, "class_type": "SaveImage", "inputs": {**node["inputs"], "filename_prefix": name}}
        for node_id, node in workflow.items()
    }


def shortened(text: str) -> str:
    """Return a text as a title."""
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def report_failures(outcomes: Sequence[Outcome]) -> None:
    """Say on standard error what failed and why, those with the same reason together; warnings once."""
    from_reason: dict[Problem, list[Item]] = {}
    for outcome in outcomes:
        for problem in outcome.problems:
            from_reason.setdefault(problem, []).append(outcome.item)
    failed = {outcome.item.name for outcome in outcomes if outcome.state == "failed"}
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem, items in from_reason.items():
        if problem.is_warning or items[0].name not in failed:
            console.print(f"warning: {problem}", style="yellow", markup=False)
        else:
            titles = ", ".join(item.title for item in items[:5])
            rest = f" and {len(items) - 5} more" if len(items) > 5 else ""
            console.print(f"error [{problem.code}] {titles}{rest}: {problem.message}", markup=False)
            if problem.hint:
                console.print(f"  hint: {problem.hint}", markup=False)


def summary(series: Series, is_whole: bool) -> str:
    """Return in one sentence how far a series came."""
    states = [outcome.state for outcome in series.outcomes]
    parts = [f"{states.count('made')} of {len(series.items)} pictures made"]
    if kept := states.count("kept"):
        parts.append(f"{kept} were there already")
    if failed := states.count("failed"):
        parts.append(f"{failed} failed")
    end = "" if is_whole else "; interrupted, the same command goes on"
    return f"{', '.join(parts)}{end}"


class SeriesBar:
    """Progress on standard error: which picture of how many, and how far it is.

    Args:
        is_quiet: Whether to show nothing.
    """

    def __init__(self, *, is_quiet: bool) -> None:
        console = Console(stderr=True)
        self._progress = step_progress(console)
        self._is_shown = console.is_terminal and not is_quiet
        self._all = self._progress.add_task("starting", total=None)
        self._one = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> "SeriesBar":
        self._shown.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        self._shown.__exit__(*reason)

    def begin(self, number: int, of: int, title: str) -> None:
        """Show that a picture is begun."""
        self._progress.update(
            self._all, description=f"{number} of {of}  {title}", completed=number - 1, total=of
        )
        self._progress.update(self._one, visible=False)

    def follow(self, message: Message) -> None:
        """Show what a message says about the progress."""
        if isinstance(message, StepsDone):
            self._progress.update(
                self._one, description="steps", completed=message.value, total=message.maximum, visible=True
            )

    @property
    def _shown(self) -> AbstractContextManager[Any]:
        return self._progress if self._is_shown else nullcontext()


def to_json(series: Series, is_whole: bool, **more: Any) -> str:
    """Return a report for scripts."""
    pictures = [outcome.to_json() for outcome in series.outcomes]
    return json.dumps(
        {"pictures": pictures, "planned": len(series.items), "is_whole": is_whole, **more}, indent=2
    )


def exit_code_of(series: Series, is_whole: bool) -> int:
    """Return the exit code: that of the fault where nothing could be made."""
    failed = [outcome for outcome in series.outcomes if outcome.state == "failed"]
    if not is_whole:
        return EXIT_INTERRUPTED
    if failed and len(failed) == len(series.outcomes):
        return exit_code(WorkflowError(failed[0].problems))
    return EXIT_FAILED if failed else 0


def frame_of(found: Source | Preset, request: Request, settings: Settings) -> Frame | None:
    """Return the frame that all pictures look at: the given file, else the one that a picture names.

    Raises:
        InputError: ``bad_frame`` or ``frame_missing``, or as ``with_pictures``.
    """
    if isinstance(found, Source):
        frame = found.frame(request.frame, settings.folders["frames"])
    else:
        frame = load_frame(request.frame) if request.frame else None
    return with_pictures(frame, request.pictures)
