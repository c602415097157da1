"""A real workflow of 20 nodes: what did not change does not run again, however often views alternate."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.builtin import demo_frame_file, expand_preset, model_folder
from bridge.diffusion import free
from bridge.engine import Cache, Folders, Job, NodeLibrary, execute
from bridge.graph import parse_workflow, set_values, validate
from bridge.imaging import load_frame, open_frame, to_plane
from bridge.models import Catalogue
from bridge.nodes import load
from bridge.protocol import Result

AFTER: dict[str, tuple[str, dict[str, Any]]] = {
    "30": ("ImageInvert", {"image": ["8", 0]}),
    "31": ("ImageScaleBy", {"image": ["8", 0], "upscale_method": "bicubic", "scale_by": 0.5}),
    "32": (
        "ImageScale",
        {"image": ["31", 0], "upscale_method": "bilinear", "width": 64, "height": 64, "crop": "disabled"},
    ),
    "33": (
        "ImageBlend",
        {"image1": ["30", 0], "image2": ["32", 0], "blend_factor": 0.5, "blend_mode": "normal"},
    ),
    "34": ("InvertMask", {"mask": ["10", 4]}),
    "35": (
        "ImageCompositeMasked",
        {
            "destination": ["33", 0],
            "source": ["8", 0],
            "mask": ["34", 0],
            "x": 0,
            "y": 0,
            "resize_source": False,
        },
    ),
}
"""What an artist might do to the picture of the preset *Stylize*; the last goes to the host."""

PICTURE = {"ImageInvert", "ImageScaleBy", "ImageScale", "ImageBlend", "ImageCompositeMasked", "SendToHost"}
SAMPLED = {"KSampler", "VAEDecode", *PICTURE}


def workflow() -> dict[str, Any]:
    nodes = expand_preset("stylize", {"prompt": "watercolor", "steps": 1, "width": 64, "height": 64})
    nodes["18"]["inputs"]["strength"] = 0.5
    nodes["3"]["inputs"] |= {"positive": ["18", 0], "negative": ["18", 1]}
    nodes["16"]["inputs"]["images"] = ["35", 0]
    return nodes | {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in AFTER.items()}


@pytest.fixture(scope="module")
def library() -> Iterator[NodeLibrary]:
    yield load({"device": "cpu", "dtype": "float32"})
    free()


class Studio:
    """An engine with a cache that stays, and two cameras."""

    def __init__(self, library: NodeLibrary, folder: Path) -> None:
        self._library = library
        self._cache = Cache(2**28)
        self._folders = Folders(*[folder] * 4)
        first = load_frame(demo_frame_file())
        mirrored = np.ascontiguousarray(open_frame(first).color[:, ::-1])
        second = replace(first, planes={**first.planes, "color": to_plane("color", mirrored)})
        self._frames = {"first": first, "second": second}

    async def run(self, camera: str, values: dict[str, Any] | None = None) -> tuple[set[str], bytes]:
        """Make a picture; return the classes of the nodes that ran, and its bytes."""
        nodes = set_values(parse_workflow(workflow()), values or {})
        assert len(nodes.nodes) == 20
        checked = validate(nodes, self._library.registry.definitions, Catalogue([], model_folder()).names)
        assert not checked.problems
        sent: list[Any] = []
        job = Job("job", self._folders, emit=sent.append, frame=self._frames[camera])
        outcome = await execute(checked.workflow, ["16"], self._library.registry, self._cache, job)
        [result] = [message for message in sent if isinstance(message, Result)]
        return set(outcome.seconds), bytes(result.planes[0].data)


@pytest.fixture
def studio(library: NodeLibrary, tmp_path: Path) -> Studio:
    return Studio(library, tmp_path)


async def test_two_cameras_in_turn_compute_nothing_again(studio: Studio) -> None:
    ran, first = await studio.run("first")
    assert ran >= {"CheckpointLoaderSimple", "ViewportFrame", *SAMPLED}
    ran, second = await studio.run("second")
    assert ran.isdisjoint({"CheckpointLoaderSimple", "ControlNetLoader", "CLIPTextEncode"})
    assert first != second
    again = [await studio.run(camera) for camera in ("first", "second", "first")]
    assert again == [({"SendToHost"}, first), ({"SendToHost"}, second), ({"SendToHost"}, first)]


@pytest.mark.parametrize(
    ("widget", "value", "depending"),
    [
        ("33.blend_factor", 0.75, {"ImageBlend", "ImageCompositeMasked", "SendToHost"}),
        ("3.seed", 7, SAMPLED),
        ("18.strength", 0.25, {"ControlNetApplyAdvanced", *SAMPLED}),
        ("6.text", "neon", {"CLIPTextEncode", "ControlNetApplyAdvanced", *SAMPLED}),
    ],
)
async def test_editing_a_widget_runs_only_what_depends_on_it(
    studio: Studio, widget: str, value: Any, depending: set[str]
) -> None:
    _, before = await studio.run("first")
    ran, after = await studio.run("first", {widget: value})
    assert ran == depending
    assert before != after
    assert await studio.run("first") == ({"SendToHost"}, before)
