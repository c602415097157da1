"""docs/walk-through.md, done: from a fresh install to a picture, a second model and a preset of one's own.

The page's pictures are made here: ``FRAMEBRIDGE_SCREENSHOTS=docs/images`` writes them anew.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bridge.builtin import model_folder
from bridge.imaging import encode_png

from ...downloads.conftest import Site, _server, port, whole  # noqa: F401 - fixtures
from ..environments import clean_environment
from .screen import wait_for
from .test_artist import scroll_back, scroll_to
from .test_connection import end_daemon
from .window import SCREENSHOTS, Window, window

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "walk-through.md"
DAEMON = HERE.parents[1] / "daemon" / "pulling_daemon.py"
URL = "https://files.example/chalkboard.safetensors"
SCENE = """
from framebridge import controls, display, model_panel
from framebridge.studio import studio
bpy.ops.object.delete()
bpy.ops.mesh.primitive_monkey_add(size=3, location=(-0.4, -2, 0.9), rotation=(-0.3, 0, 0.5))
bpy.ops.object.shade_smooth()
bpy.ops.mesh.primitive_cylinder_add(radius=0.9, depth=4, location=(2.6, 0.4, 1))
bpy.ops.mesh.primitive_cone_add(radius1=1.2, depth=1.4, location=(2.6, 0.4, 3.7))
bpy.ops.mesh.primitive_plane_add(size=30, location=(0, 0, -1))
bpy.ops.object.select_all(action="DESELECT")
bpy.context.space_data.region_3d.view_distance = 14
settings = lambda: bpy.context.scene.framebridge
"""
ARROW = 10, 50
"""Where the little arrow lies that opens the sidebar, from the viewport's upper right corner, pixels."""

EDGE = 8
"""How far the sidebar's border is from the edge of its region, pixels."""

WIDE = 300
"""Of a sidebar in which long names have room, pixels."""

TICK = 0.09
"""Where an input is ticked, as a share of the sidebar's width."""

LARGEST = 150_000
"""Bytes of a picture."""

TAKEN: list[str] = []
"""The pictures of the page, in the order in which they were made."""


def chalkboard() -> bytes:
    """A LoRA of the built-in model, as somebody would publish it."""
    data = (model_folder() / "loras" / "chalkboard.safetensors").read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    thumbnail = base64.b64encode((HERE / "chalkboard.jpg").read_bytes()).decode()
    header["__metadata__"] |= {
        "modelspec.title": "Chalkboard",
        "modelspec.license": "CC BY 4.0",
        "modelspec.trigger_phrase": "chalkboard",
        "modelspec.thumbnail": f"data:image/jpeg;base64,{thumbnail}",
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


SENT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}},
    "2": {
        "class_type": "LoraLoader",
        "inputs": {
            "model": ["1", 0],
            "clip": ["1", 1],
            "lora_name": "chalkboard.safetensors",
            "strength_model": 1.0,
            "strength_clip": 1.0,
        },
    },
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "chalkboard"}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": ""}},
    "5": {"class_type": "LoadImage", "inputs": {"image": "street.png"}},
    "6": {
        "class_type": "Canny",
        "inputs": {"image": ["5", 0], "low_threshold": 0.1, "high_threshold": 0.2},
    },
    "7": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "framebridge-demo-canny"}},
    "8": {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {
            "positive": ["3", 0],
            "negative": ["4", 0],
            "control_net": ["7", 0],
            "image": ["6", 0],
            "strength": 1.0,
            "start_percent": 0.0,
            "end_percent": 1.0,
        },
    },
    "9": {"class_type": "VAEEncode", "inputs": {"pixels": ["5", 0], "vae": ["1", 2]}},
    "10": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["2", 0],
            "positive": ["8", 0],
            "negative": ["8", 1],
            "latent_image": ["9", 0],
            "seed": 7,
            "steps": 2,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 1.0,
        },
    },
    "11": {"class_type": "VAEDecode", "inputs": {"samples": ["10", 0], "vae": ["1", 2]}},
    "12": {"class_type": "SaveImage", "inputs": {"images": ["11", 0], "filename_prefix": "chalk"}},
}
SENT_FILE = "Chalk drawing.png"
"""The workflow that was sent: lines of a street, drawn with chalk."""


@pytest.fixture(scope="module")
def site(_server: Any) -> Site:  # noqa: F811
    _server.site = Site()
    _server.site.put(URL, whole(chalkboard()))
    return _server.site


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("home")
    yield folder
    end_daemon(folder)


@pytest.fixture(scope="module")
def fresh(
    programs: None,
    user_folder: Path,
    home: Path,
    site: Site,
    _server: Any,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Window]:
    """A Blender with the add-on and a scene, and ``framebridge`` on the path; no daemon runs."""
    programs_folder = tmp_path_factory.mktemp("bin")
    program = programs_folder / "framebridge"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{DAEMON}" {_server.server_address[1]}\n')
    program.chmod(0o755)
    artist = tmp_path_factory.mktemp("artist")
    (artist / SENT_FILE).write_bytes(
        encode_png(np.zeros((64, 64, 3), np.uint8), {"prompt": json.dumps(SENT)})
    )
    environment = {
        "FRAMEBRIDGE_HOME": str(home),
        "HOME": str(artist),
        "PATH": f"{programs_folder}:{clean_environment()['PATH']}",
    }
    with window(tmp_path_factory.mktemp("window"), user_folder, environment, "framebridge") as opened:
        opened.run(SCENE)
        opened.wait_drawn()
        yield opened


def widen(window: Window) -> None:
    """Drag the sidebar's left border, so that addresses and names have room."""
    ui = window.region("UI")
    if ui.width > WIDE:
        return
    edge = ui.x + EDGE, ui.y + 200
    window.point(*edge)
    window.screen.still()
    window.drag(edge, (edge[0] - 90, edge[1]))
    window.wait_drawn()
    window.rest()
    window.screen.still()


def viewport(window: Window) -> np.ndarray:
    """Return what the viewport shows, uint8 (H, W, 3)."""
    window.wait_drawn()
    return window.region("WINDOW").of(window.screen.still())


def keep(window: Window, name: str, region: str = "UI") -> np.ndarray:
    """Take a picture for the page: of the sidebar, or of the whole viewport with it."""
    TAKEN.append(f"walk-{name}.png")
    window.rest()
    pixels = window.photograph(f"walk-{name}", region)
    file = SCREENSHOTS / TAKEN[-1]
    few_colours = Image.fromarray(pixels).quantize(256, dither=Image.Dither.NONE)
    few_colours.save(file, optimize=True)
    assert file.stat().st_size < LARGEST, "a page of such pictures is slow"
    return pixels


def test_first_picture_takes_three_clicks(fresh: Window) -> None:
    view, screen = fresh.region("WINDOW"), fresh.screen
    before = viewport(fresh)
    arrow = view.x + view.width - ARROW[0], view.y + ARROW[1]
    fresh.point(*arrow)
    screen.still()
    screen.hold()
    screen.still()  # a hand takes a moment, too; Blender wants it here
    screen.release()
    tabs = wait_for(lambda: fresh.find_all("Framebridge", turned=True), "the tab", 5)
    fresh.click_at(*tabs[0].middle)
    fresh.find("The daemon is not running")
    keep(fresh, "panel", "WINDOW")
    fresh.click("Generate")
    fresh.wait("len(display.results()) == 1 and not studio().is_generating", 120)
    assert screen.clicks == 3
    fresh.wait_drawn()
    seen = keep(fresh, "first", "WINDOW")
    assert np.abs(seen.astype(int) - before).mean() > 20
    assert fresh.run("str(studio().trouble)") == "None"


def test_second_model_comes_by_its_address(fresh: Window, home: Path) -> None:
    widen(fresh)
    for title in ("Controls", "Control Units", "Capture", "Results"):
        fresh.click(title, nth=0)
        fresh.wait_drawn()
    fresh.click("Models", nth=0)
    fresh.wait("len(studio().shelf.cards) > 0")
    fresh.wait_drawn()
    lacks, ui = fresh.find("What Is Lacking?"), fresh.region("UI")
    fresh.click_at(ui.x + 80, lacks.middle[1] - 26, times=2)
    fresh.paste(URL)
    fresh.wait("bpy.context.window_manager.framebridge_models.source == url", url=URL)
    fresh.click_at(ui.x + ui.width - 44, lacks.middle[1] - 26)
    fresh.wait("studio().shelf.plan is not None", 30)
    fresh.wait_drawn()
    scroll_to(fresh, "Get This Model")
    keep(fresh, "plan")
    fresh.click("Get This Model")
    fresh.wait("studio().shelf.card is not None and len(studio().shelf.thumbnail) > 0", 60)
    fresh.wait("model_panel.preview_icon() > 0")
    fresh.wait_drawn()
    scroll_to(fresh, "CC BY 4.0")
    keep(fresh, "model")
    fresh.find("LoRAs")
    assert fresh.run("studio().shelf.card.title") == "Chalkboard"
    assert (home / "models" / "loras" / "chalkboard.safetensors").read_bytes() == chalkboard()


def test_workflow_that_was_sent_becomes_a_preset(fresh: Window) -> None:
    fresh.click("Models", nth=0)
    fresh.wait_drawn()
    scroll_to(fresh, "New Preset")
    fresh.click("New Preset")
    scroll_to(fresh, "Open Workflow")
    fresh.click("Open Workflow")
    fresh.click_at(*fresh.find(SENT_FILE, "").middle, times=2)
    fresh.wait("studio().new_preset.is_open")
    fresh.wait_drawn()
    widen(fresh)  # Blender's own dialogue may have made it narrow again
    scroll_to(fresh, "Save Preset")
    for label in ("Checkpoint", "Negative prompt"):
        fresh.click_row(label, TICK)
        fresh.wait_drawn()
    fresh.point(*fresh.region("UI").middle)
    fresh.screen.click(5, times=2)  # all of the button
    keep(fresh, "preset")
    fresh.click("Save Preset")
    fresh.wait("controls.preset_named('chalk-drawing') is not None")
    scroll_back(fresh)
    fresh.click("Stylize")
    fresh.click("Chalk drawing", "")
    fresh.wait("settings().preset == 'chalk-drawing'")
    fresh.wait_drawn()
    fresh.rest()
    fresh.screen.still()  # the panel has moved
    fresh.click_at(*fresh.find("neon", nth=1).middle, times=2)
    fresh.enter("chalkboard")
    fresh.wait_drawn()
    before = viewport(fresh)
    fresh.click("Generate")
    fresh.wait("len(display.results()) == 2 and not studio().is_generating", 120)
    fresh.wait_drawn()
    seen = keep(fresh, "own", "WINDOW")
    assert np.abs(seen.astype(int) - before).mean() > 10
    assert fresh.run("str(studio().trouble)") == "None"
    shown = fresh.run("[control.label for control in controls.preset_named('chalk-drawing').controls]")
    assert {"Prompt", "Seed", "Steps"} <= set(shown)
    assert not {"Checkpoint", "Negative prompt"} & set(shown)


def test_page_shows_these_pictures_in_this_order() -> None:
    shown = re.findall(r"images/(walk-[\w-]+\.png)", PAGE.read_text(encoding="utf-8"))
    assert shown == TAKEN
