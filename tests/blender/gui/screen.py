"""A screen of our own: an X server that draws into a file, and a mouse and a keyboard for it."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np

START_S = 60
WAIT_S = 60.0
"""A deadline for a busy machine; what is waited for takes a moment."""
STILL_S = 0.25
"""A picture that does not change for so long is finished."""

Found = TypeVar("Found")


def wait_for(found: Callable[[], Found], what: str, timeout_s: float = WAIT_S) -> Found:
    """Call ``found`` until it returns something true, and return that; or fail, naming ``what``."""
    deadline = time.monotonic() + timeout_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"no {what} within {timeout_s} s"
        time.sleep(0.01)
    return value


class Screen:
    """An X display and its input devices. Coordinates are pixels from the upper left corner.

    Attributes:
        clicks: How often the left button was pressed.
    """

    def __init__(self, display: str, file: Path) -> None:
        self.display = display
        self.clicks = 0
        self._file = file

    def pixels(self) -> np.ndarray:
        """Return what is on it now, uint8 (H, W, 3), the pointer included."""
        raw = np.fromfile(self._file, np.uint8)
        header = raw[:100].view(">u4")  # an X window dump, as XWDFile.h describes it
        start, width, height, stride, colors = (int(header[at]) for at in (0, 4, 5, 12, 19))
        start += colors * 12
        rows = raw[start : start + stride * height].reshape(height, stride // 4, 4)
        return rows[:, :width, 2::-1].copy()

    def still(self, timeout_s: float = WAIT_S) -> np.ndarray:
        """Wait until nothing changes any more, and return what is on it then."""
        deadline = time.monotonic() + timeout_s
        last, since = self.pixels(), time.monotonic()
        while time.monotonic() - since < STILL_S:
            assert time.monotonic() < deadline, f"the screen still changes after {timeout_s} s"
            time.sleep(0.05)
            if not np.array_equal(now := self.pixels(), last):
                last, since = now, time.monotonic()
        return last

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self._do("mousemove", str(round(x)), str(round(y)))

    def click(self, button: int = 1, times: int = 1) -> None:
        """Press a button where the pointer is: 1 is the left one, 3 the right one, 4 and 5 the wheel."""
        self.clicks += times if button == 1 else 0
        self._do("click", "--repeat", str(times), "--delay", "60", str(button))

    def hold(self, button: int = 1) -> None:
        """Press a button, and keep it down."""
        self.clicks += button == 1
        self._do("mousedown", str(button))

    def release(self, button: int = 1) -> None:
        """Let go of a button."""
        self._do("mouseup", str(button))

    def press(self, *keys: str) -> None:
        """Press keys, one after the other: ``Return``, ``ctrl+z``, ``KP_0``."""
        self._do("key", "--delay", "40", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self._do("type", "--delay", "20", text)

    def _do(self, *arguments: str) -> None:
        environment = os.environ | {"DISPLAY": self.display}
        subprocess.run(["xdotool", *arguments], env=environment, check=True, timeout=30)


@contextmanager
def screen(folder: Path, width: int, height: int) -> Iterator[Screen]:
    """Run an X server that only this machine's processes reach."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{width}x{height}x24"]
    with open(folder / "xvfb.log", "wb") as log:
        server = subprocess.Popen(
            [*command, "-nolisten", "tcp", "-fbdir", str(folder)], pass_fds=[writing], stdout=log, stderr=log
        )
    os.close(writing)
    try:
        with open(reading, encoding="ascii") as pipe:
            number = pipe.readline().strip()
        assert number, (folder / "xvfb.log").read_text()
        yield Screen(f":{number}", folder / "Xvfb_screen0")
    finally:
        server.terminate()
        server.wait(START_S)
