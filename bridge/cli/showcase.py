"""``framebridge demo``: a real viewport over a real socket to a daemon, restyled by the built-in model."""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bridge.builtin import demo_frame_file, expand_preset, save_pictures_too
from bridge.cli.console import Console
from bridge.cli.service import stop_daemon
from bridge.client import Client, connect, start_daemon, state_folder
from bridge.daemon import make_folders
from bridge.imaging import (
    ControlOptions,
    FrameStore,
    contact_sheet,
    decode_plane,
    encode_png,
    load_frame,
    make_controls,
    open_frame,
    to_bytes,
)
from bridge.protocol import Frame

Values = Mapping[str, Any]

SHOWN: dict[str, Values] = {
    **{
        prompt: {"prompt": prompt}
        for prompt in (
            "watercolor",
            "ink sketch",
            "toon",
            "neon",
            "blueprint",
            "clay",
            "oil painting",
            "pixel art",
            "lava",
            "snow",
            "sunset toon",
            "wooden clay",
        )
    },
    "toon, the scene's colours": {"prompt": "toon", "strength": 0.6, "steps": 3},
}
"""What the built-in model can do: titles, and the preset's values."""

COLUMNS = 4
START_S = 60.0


def demo(out: Path, device: str, as_json: bool) -> None:
    """Restyle the demo frame with several prompts; write each picture and a contact sheet.

    Raises:
        BridgeError: Which link of the chain broke.
    """
    began = time.monotonic()
    frame = load_frame(demo_frame_file())
    FrameStore(state_folder() / "frames").keep(frame)  # so that the pictures can be made again
    out = out.absolute()
    make_folders({"output": out})
    pictures, files = {}, []
    with _progress(as_json) as tell, _daemon(out, device) as client:
        for number, (title, values) in enumerate(SHOWN.items(), start=1):
            tell(f"{number}/{len(SHOWN)} {title}")
            picture, saved = _restyle(client, frame, title, values)
            pictures[title] = picture
            files.append(out / saved)
    sheet = out / "demo.png"
    sheet.write_bytes(encode_png(contact_sheet([*_seen(frame), *pictures.items()], COLUMNS)))
    _report(sheet, files, time.monotonic() - began, as_json)


def _restyle(client: Client, frame: Frame, title: str, values: Values) -> tuple[NDArray[np.uint8], str]:
    """Return the picture that came over the socket, and the name of the file that the daemon saved."""
    workflow = expand_preset("stylize", values)
    saved = save_pictures_too(workflow, re.sub(r"\W+", "_", title))
    outcome = client.run(workflow=saved, frame=frame, timeout_s=START_S)
    names = [
        item["filename"] for shown in outcome.finished.outputs.values() for item in shown.get("images", ())
    ]
    return decode_plane(outcome.images[0]), names[0]


def _seen(frame: Frame) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield what the model is given to see."""
    controls = make_controls(open_frame(frame), ControlOptions())
    yield "the Blender viewport", to_bytes(controls.color)
    yield "true depth", to_bytes(controls.depth)
    yield "canny", to_bytes(controls.canny)


@contextmanager
def _daemon(out: Path, device: str) -> Iterator[Client]:
    """Start a daemon of our own beside the user's, connect, and stop it with the block."""
    command = [sys.executable, "-m", "bridge", "serve", "--port", "0", "--out", str(out), "--device", device]
    with tempfile.TemporaryDirectory(prefix="framebridge-") as home, _at_home(home):
        start_daemon(command, START_S)
        try:
            with connect(name="demo", timeout_s=START_S) as client:
                yield client
        finally:
            stop_daemon()


@contextmanager
def _at_home(folder: str) -> Iterator[None]:
    """Have daemons and clients of this process keep their files in a folder for a while."""
    before = os.environ.get("FRAMEBRIDGE_HOME")
    os.environ["FRAMEBRIDGE_HOME"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["FRAMEBRIDGE_HOME"]
        else:
            os.environ["FRAMEBRIDGE_HOME"] = before


@contextmanager
def _progress(is_quiet: bool) -> Iterator[Callable[[str], None]]:
    console = Console(stderr=True)
    if is_quiet or not console.is_terminal:
        yield lambda text: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting the daemon")
        yield lambda text: progress.update(task, description=text)


def _report(sheet: Path, files: list[Path], seconds: float, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {"sheet": str(sheet), "files": [str(file) for file in files], "seconds": seconds}, indent=2
            )
        )
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{len(files)} pictures in {seconds:.1f} s; look at {sheet}", markup=False)
    console.print(f"Make one again: framebridge run {files[0]} --out {sheet.parent / 'again'}", markup=False)
