"""Drive a Blender that has a window, as an artist does: look for a text, click there, look again.

Blender tells nobody where its buttons are. So a label is drawn with Blender's own font and looked for on the
screen, which finds it to the pixel and fails when the user could not read it either. What is not a text (an
icon, a field beside its label) is reached from the text in its row; ``button_at`` says what lies under the
pointer, as Blender knows it.
"""

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..environments import clean_environment
from .screen import WAIT_S, Screen, screen, wait_for

HERE = Path(__file__).parent
SCRIPT = HERE.parent / "scripts" / "gui_window.py"
SIZE = 1280, 800
START_S = 60
ANSWER_S = 60
QUIT_S = 15
LIKENESS = 0.9
"""Correlation; a text that is there has 0.99, others stay below 0.7."""

FAULT = re.compile(r"Traceback|\w*Error\b|ERROR|Not freed memory")
HARMLESS = re.compile(r"^EGL Error")
SCREENSHOTS = Path(os.environ.get("FRAMEBRIDGE_SCREENSHOTS") or HERE.parents[2] / "out" / "gui")


@dataclass(frozen=True)
class Box:
    """A rectangle of the screen, in pixels from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Return this part of a picture of the screen."""
        return pixels[max(self.y, 0) : self.y + self.height, max(self.x, 0) : self.x + self.width]


class Window:
    """A running Blender with its window.

    Attributes:
        screen: Where it is.
        process: Blender's.
        log: What it has written to its standard output and error.
    """

    def __init__(self, screen: Screen, process: subprocess.Popen[bytes], ear: Path, log: Path) -> None:
        self.screen, self.process, self.log = screen, process, log
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S)
        self._socket.connect(str(ear))
        self._file = self._socket.makefile("rwb")

    # ---- from within ---------------------------------------------------------------------------------

    def run(self, code: str, **names: Any) -> Any:
        """Run Python in Blender, between two events, and return its last expression, sent as JSON.

        ``context.area`` and ``context.region`` are those of the largest 3D viewport. What the code defines
        is still there at the next call; ``names`` are for this one.
        """
        self._file.write(json.dumps({"code": code, "names": names}).encode() + b"\n")
        self._file.flush()
        line = self._file.readline()
        assert line, f"Blender is gone: {self._last_words()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def wait(self, expression: str, timeout_s: float = WAIT_S, **names: Any) -> Any:
        """Wait until an expression is true in Blender, and return it."""
        return wait_for(lambda: self.run(expression, **names), expression, timeout_s)

    def wait_drawn(self) -> None:
        """Wait until what was changed so far has been drawn."""
        self.run("None")  # Blender draws after it has run what it was sent, and before it runs the next
        self.run("None")

    # ---- where things are ----------------------------------------------------------------------------

    def region(self, region: str = "WINDOW", area: str = "VIEW_3D") -> Box:
        """Return the place of a region; of several such areas the largest is meant."""
        left, bottom, width, height = self.run("_region(area, region)", area=area, region=region)
        return Box(left, SIZE[1] - bottom - height, width, height)

    def find(self, text: str, region: str = "UI", area: str = "VIEW_3D", *, nth: int | None = None) -> Box:
        """Return where a text is to be read, waiting for it if need be.

        Args:
            text: As it is shown. It may be the beginning of a longer one.
            region: Where to look; empty for the whole screen, where menus and dialogs are.
            area: The region's.
            nth: Which of several, from the top; without it there must not be more than one.
        """
        try:
            found = wait_for(lambda: self._find_settled(text, region, area), f'"{text}" to be read')
        except AssertionError:
            self.photograph("not-found", is_still=False)
            raise
        assert nth is not None or len(found) == 1, f'"{text}" is to be read {len(found)} times: {found}'
        return found[nth or 0]

    def _find_settled(self, text: str, region: str, area: str) -> list[Box]:
        """Find a text where it is once everything has been drawn; nothing while it still moves."""
        found = self.find_all(text, region, area)
        if found:
            self.wait_drawn()
        return found if found == self.find_all(text, region, area) else []

    def shows(self, text: str, region: str = "UI", area: str = "VIEW_3D") -> bool:
        """Whether a text can be read now."""
        return bool(self.find_all(text, region, area))

    def wait_gone(self, text: str) -> None:
        """Wait until a text of the sidebar can be read no longer; what stood below it has moved by then."""
        wait_for(lambda: not self.shows(text), f'"{text}" to go')

    def find_all(
        self, text: str, region: str = "UI", area: str = "VIEW_3D", turned: bool = False
    ) -> list[Box]:
        """Return each place where a text is to be read now, from the top down."""
        within = self.region(region, area) if region else Box(0, 0, *SIZE)
        drawn = self._drawn(text)
        if turned:
            drawn = np.ascontiguousarray(np.rot90(drawn))
        seen = within.of(self.screen.pixels()).max(axis=2)
        height, width = drawn.shape
        if seen.shape[0] < height or seen.shape[1] < width:
            return []
        likeness = np.abs(cv2.matchTemplate(seen, drawn, cv2.TM_CCOEFF_NORMED))  # dark on light is as good
        found = []
        while likeness.max() > LIKENESS:
            y, x = np.unravel_index(likeness.argmax(), likeness.shape)
            found.append(Box(within.x + int(x), within.y + int(y), width, height))
            likeness[max(y - height, 0) : y + height, max(x - width // 2, 0) : x + width // 2 + 1] = 0.0
        return sorted(found, key=lambda box: (box.y, box.x))

    def button_at(self, x: float, y: float) -> str:
        """Return what the button at a place does, once the pointer is there.

        Returns:
            The data path of a property, the call of an operator, or nothing.
        """
        self.point(x, y)
        self.wait_drawn()
        self.screen.still()
        return self.run("_button()")

    # ---- what an artist does -------------------------------------------------------------------------

    def point(self, x: float, y: float) -> None:
        """Move the pointer, and wait until Blender knows."""
        # What the pointer was over takes the first move, to let go of it; the next thing sees the second.
        self.screen.move(x - 1, y)
        self.run("None")
        self.screen.move(x, y)
        self.run("None")

    def click_at(self, x: float, y: float, button: int = 1, times: int = 1) -> None:
        """Click at a place of the screen."""
        self.point(x, y)
        self.screen.click(button, times)

    def drag(self, start: tuple[float, float], end: tuple[float, float], button: int = 1) -> None:
        """Press a button in one place, and let go of it in another."""
        self.point(*start)
        self.screen.hold(button)
        for part in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0):
            self.point(*(a + (b - a) * part for a, b in zip(start, end, strict=True)))
        self.screen.release(button)

    def click(self, text: str, region: str = "UI", area: str = "VIEW_3D", *, nth: int | None = None) -> None:
        """Click on a text: a button, a check box, a menu entry, a panel's header."""
        self.click_at(*self.find(text, region, area, nth=nth).middle)

    def click_row(
        self,
        text: str,
        across: float,
        region: str = "UI",
        area: str = "VIEW_3D",
        *,
        nth: int | None = None,
        times: int = 1,
    ) -> None:
        """Click beside a text, in its row.

        Args:
            text: As it is shown.
            across: 0 is the region's left edge and 1 its right edge.
            region: Where to look.
            area: The region's.
            nth: Which of several such texts.
            times: 2 for a double click.
        """
        within, label = self.region(region, area), self.find(text, region, area, nth=nth)
        self.click_at(within.x + across * within.width, label.middle[1], times=times)

    def open_tab(self, name: str, area: str = "VIEW_3D") -> None:
        """Open the sidebar and the tab of this name."""
        self.run("_area(area).spaces.active.show_region_ui = True", area=area)
        found = wait_for(lambda: self.find_all(name, "UI", area, turned=True), f'tab "{name}"')
        self.click_at(*found[0].middle)
        self.wait_drawn()
        self.screen.still()

    def enter(self, text: str) -> None:
        """Replace what a text field that is being edited holds, and confirm it."""
        self.screen.press("ctrl+a")
        self.screen.type(text)
        self.screen.press("Return")

    def paste(self, text: str) -> None:
        """Do as ``enter`` does with what no keyboard here can type."""
        self.run("bpy.context.window_manager.clipboard = text", text=text)
        self.screen.press("ctrl+a", "ctrl+v", "Return")

    def rest(self) -> None:
        """Move the pointer to where it changes nothing: into the status bar."""
        self.screen.move(SIZE[0] - 2, SIZE[1] - 2)

    def photograph(
        self, name: str, region: str = "", area: str = "VIEW_3D", *, is_still: bool = True
    ) -> np.ndarray:
        """Keep a screenshot as ``<name>.png``, and return it, uint8 (H, W, 3).

        Args:
            name: Of the file, in ``FRAMEBRIDGE_SCREENSHOTS`` or ``out/gui``.
            region: What to keep; the whole screen by default.
            area: The region's.
            is_still: Whether to wait until nothing moves.
        """
        self.wait_drawn()
        pixels = self.screen.still() if is_still else self.screen.pixels()
        if region:
            pixels = self.region(region, area).of(pixels)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(SCREENSHOTS / f"{name}.png"), pixels[..., ::-1])
        return pixels

    # ---- the end -------------------------------------------------------------------------------------

    def quit(self) -> None:
        """Quit as File > Quit does, unsaved or not, and wait for the process to end."""
        self.run("bpy.app.timers.register(lambda: bpy.ops.wm.quit_blender() and None)")
        self.process.wait(QUIT_S)

    def kill(self) -> None:
        """End it, whatever it is doing."""
        with contextlib.suppress(OSError):  # of a Blender that crashed, with words that never reached it
            self._file.close()
        self._socket.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def faults(self) -> list[str]:
        """Return what Blender wrote that no user should see; complete after ``quit`` only."""
        return faults_in(self.log)

    def _last_words(self) -> str:
        """Return the end of the log, and what Blender wrote of its crash."""
        files = [self.log, *self.log.parent.glob("*crash.txt")]
        return "\n".join(file.read_text(errors="replace")[-6000:] for file in files)

    def _drawn(self, text: str) -> np.ndarray:
        """Return a text as Blender draws it on a button, uint8 (H, W), light on black, without margins."""
        width, height, data = self.run("_text_picture(text)", text=text)
        picture = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width)
        rows, columns = np.nonzero(picture > 40)
        assert len(rows), f'"{text}" cannot be drawn'
        return picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


@contextlib.contextmanager
def window(
    folder: Path, user: Path, environment: dict[str, str] | None = None, addon: str = ""
) -> Iterator[Window]:
    """Run Blender in a screen of its own.

    Args:
        folder: Its files; empty.
        user: Its ``BLENDER_USER_RESOURCES``.
        environment: Variables that it sees besides.
        addon: The add-on to enable.
    """
    ear, log = folder / "ear", folder / "blender.log"
    with screen(folder, *SIZE) as shown, open(log, "wb") as output:
        command = ["blender", "--factory-startup", "-setaudio", "None", "--window-geometry", "0", "0"]
        command += [*map(str, SIZE), "--python-exit-code", "1", "--python", str(SCRIPT), "--"]
        inside = {
            "DISPLAY": shown.display,
            "BLENDER_USER_RESOURCES": str(user),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(folder),
        }
        process = subprocess.Popen(
            [*command, json.dumps({"socket": str(ear), "addon": addon})],
            env=clean_environment() | inside | (environment or {}),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(lambda: ear.exists() or process.poll() is not None, "Blender", START_S)
            assert process.poll() is None, log.read_text(errors="replace")
            opened = Window(shown, process, ear, log)
        except BaseException:
            process.kill()
            process.wait(30)
            raise
        try:
            opened.wait("bpy.context.region is not None")
            opened.rest()
            yield opened
        finally:
            opened.kill()


def faults_in(log: Path) -> list[str]:
    """Return the lines of a log that no user should see."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if FAULT.search(line) and not HARMLESS.search(line)]
