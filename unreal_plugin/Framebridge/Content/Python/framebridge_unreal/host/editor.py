"""Unreal as ``Editor``: its parts, where it keeps files, and how it speaks to the artist."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import unreal

from .._bridge.errors import Problem
from .._bridge.host.words import sentence
from .eye import UnrealEye
from .level import is_playing
from .reel import UnrealReel
from .shelf import UnrealShelf
from .stage import UnrealStage

LOG = "[Framebridge]"
"""Before every line of ours in the Output Log: Python has one category for all."""


class UnrealEditor:
    """The editor that this Python runs in."""

    def __init__(self) -> None:
        self.eye = UnrealEye(self.saved_folder / "Capture")
        self.shelf = UnrealShelf(self.saved_folder / "Results")
        self.stage = UnrealStage(self.shelf, self.saved_folder / "Projections")
        self.reel = UnrealReel()

    @property
    def saved_folder(self) -> Path:
        """The project's ``Saved/Framebridge``."""
        saved = unreal.Paths.convert_relative_path_to_full(unreal.Paths.project_saved_dir())
        return Path(str(saved)) / "Framebridge"

    @property
    def version(self) -> str:
        """Of the engine: ``5.6.0``."""
        return str(unreal.SystemLibrary.get_engine_version()).partition("-")[0]

    @property
    def is_playing(self) -> bool:
        """Whether the level is played."""
        return is_playing()

    def transaction(self, words: str) -> AbstractContextManager[object]:
        """Make one step of undo of all that is done within."""
        return unreal.ScopedEditorTransaction(words)

    def warn(self, problem: Problem) -> None:
        """Write to the log what happened and what to do."""
        unreal.log_error(f"{LOG} {sentence(problem)} ({problem.code})")

    def tell(self, problem: Problem) -> None:
        """Warn, and tell the artist in a dialog."""
        self.warn(problem)
        if not unreal.SystemLibrary.is_unattended():
            unreal.EditorDialog.show_message("Framebridge", sentence(problem), unreal.AppMsgType.OK)

    def note(self, words: str) -> None:
        """Write a line to the log."""
        unreal.log(f"{LOG} {words}")
