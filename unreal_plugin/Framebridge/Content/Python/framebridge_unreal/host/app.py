"""The plugin's life: started with the editor, ticked by Slate, ended within a second.

Rules:
1. Starting twice is starting anew: what the first start registered is taken away.
2. What the engine calls is referenced here for as long as it may be called.
3. Nothing is raised into the engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

import unreal

from ..core.panel import ACTIONS, StudioPanel
from ..core.studio import Studio
from . import menus
from .dialog import SettingsDialog
from .editor import LOG, UnrealEditor
from .tab import PanelTab

REFRESH_S = 0.1
"""Between two looks at whether the panel has changed."""

RETRY_S = 30.0
"""After a look that failed, so that the log is not filled with it."""


class Window(Protocol):
    """Where the panel is shown."""

    def open(self) -> None:
        """Show it."""

    def refresh(self) -> None:
        """Show what has changed."""

    def close(self) -> None:
        """Let go of it."""


class App:
    """Everything of ours in this editor."""

    def __init__(self) -> None:
        self.editor = UnrealEditor()
        self.studio = Studio(self.editor)
        self.panel = StudioPanel(self.studio, self._open)
        self.window: Window | None = None
        self._look_at = 0.0
        self._is_ticking = False
        self._on_tick = unreal.register_slate_post_tick_callback(self.tick)
        self._on_shutdown = unreal.register_python_shutdown_callback(self._shut_down)
        if not unreal.SystemLibrary.is_unattended():
            self.window = _window(self.panel, self.editor)
            menus.register(ACTIONS)

    def tick(self, _delta_s: float) -> None:
        """Go on with what is under way, and show what has changed."""
        if self._is_ticking:  # an import or a dialog lets the editor tick within our tick
            return
        self._is_ticking = True
        try:
            self._tick()
        finally:
            self._is_ticking = False

    def _tick(self) -> None:
        self.studio.tick()
        now = time.monotonic()
        if self.window is not None and now >= self._look_at:
            is_drawn = self._guarded(self.window.refresh)
            self._look_at = now + (REFRESH_S if is_drawn else RETRY_S)

    def close(self) -> None:
        """Take away all that was registered, and end what is under way."""
        unreal.unregister_slate_post_tick_callback(self._on_tick)
        unreal.unregister_python_shutdown_callback(self._on_shutdown)
        self._shut_down()
        if self.window is not None:
            self._guarded(self.window.close)
            menus.unregister()

    def _open(self) -> None:
        if self.window is not None:
            self.window.open()

    def _shut_down(self) -> None:
        self._guarded(self.studio.close)

    def _guarded(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # the engine's boundary
            self.studio.problem = self.studio.problem_from(error)
            unreal.log_error(f"{LOG} {self.studio.problem.message} ({self.studio.problem.code})")
            return False
        return True


class _Log(logging.Handler):
    """Writes what our library logs into the Output Log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        write = unreal.log_error if record.levelno >= logging.ERROR else unreal.log_warning
        write(f"{LOG} {record.getMessage()}")


_app: App | None = None
_log = _Log(logging.WARNING)


def start() -> None:
    """Start, or start anew."""
    global _app  # an editor has one
    stop()
    logging.getLogger(__name__.partition(".")[0]).addHandler(_log)
    _app = App()


def stop() -> None:
    """End everything; the editor goes on without us."""
    global _app
    logging.getLogger(__name__.partition(".")[0]).removeHandler(_log)
    if _app is not None:
        _app.close()
    _app = None


def do(action: str) -> None:
    """Do what a button or menu entry of this name does."""
    if _app is None:
        start()
    assert _app is not None
    _app.panel.do(action)


def running() -> App | None:
    """Return what is running, for the self-test."""
    return _app


def _window(panel: StudioPanel, editor: UnrealEditor) -> Window:
    """Return the panel's tab where this engine can make one, else the dialog."""
    if PanelTab.is_possible():
        return PanelTab(panel)
    return SettingsDialog(panel, editor)
