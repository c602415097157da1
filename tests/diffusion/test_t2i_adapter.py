"""T2I-Adapters give the features that ComfyUI's give.

``adapter_features.npz`` holds the first eight channels of each level's features as ComfyUI 0.3.64 computed
them on the CPU in float32, for weights drawn by ``tests/parity/make_weights.py`` and pictures of noise.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bridge.diffusion.t2i_adapter import T2IAdapter, adapter_names
from bridge.models import AdapterLayout

HERE = Path(__file__).parent
SMALL = {"in_channels": 3, "factor": 8, "channels": (64, 128, 256, 256), "blocks": 2, "kernel": 1}
PLAIN = {"is_light": False, "is_diffusers": False, "convolves": False, "prefix": ""}
LIGHT = {"channels": (320, 640, 1280, 1280), "blocks": 4, "kernel": 3, "is_light": True}
CASES: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "t2i15": ({}, (80, 112)),
    "t2i15conv": ({"convolves": True}, (80, 112)),
    "t2i15grey": ({"in_channels": 1}, (80, 112)),
    "t2ixl": ({"factor": 16}, (80, 112)),
    "t2ilight": (LIGHT, (64, 64)),
}


@pytest.fixture(scope="module")
def draw() -> Any:
    spec = importlib.util.spec_from_file_location("make_weights", HERE.parent / "parity" / "make_weights.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw


def layout_of(changes: dict[str, Any]) -> AdapterLayout:
    return AdapterLayout(**{**SMALL, **PLAIN, **changes})


@pytest.mark.parametrize("name", CASES)
def test_features_equal_comfyuis(name: str, draw: Any) -> None:
    changes, size = CASES[name]
    layout = layout_of(changes)
    adapter = T2IAdapter(layout)
    for parameter, values in adapter.named_parameters():
        [stored] = adapter_names(parameter, layout)
        drawn = draw(f"{name}.safetensors{stored}", list(values.shape)).astype(np.float32)
        values.data = torch.from_numpy(drawn)
    shape = (1, layout.in_channels, *size)
    picture = torch.from_numpy(np.random.default_rng(1).random(shape, np.float32)).expand(1, 3, *size)
    reference = np.load(HERE / "adapter_features.npz")
    for level, found in enumerate(adapter(picture)):
        torch.testing.assert_close(
            found[:, :8], torch.from_numpy(reference[f"{name}/{level}"]), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(
    ("changes", "name", "stored"),
    [
        ({}, "levels.2.blocks.1.block2.bias", "body.5.block2.bias"),
        ({}, "levels.2.in_conv.weight", "body.4.in_conv.weight"),
        ({"convolves": True}, "levels.1.shrink.weight", "body.2.down_opt.op.weight"),
        (LIGHT, "levels.1.blocks.3.block1.bias", "body.1.body.3.block1.bias"),
        (
            {"is_diffusers": True, "prefix": "adapter."},
            "levels.2.blocks.1.block2.bias",
            "adapter.body.2.resnets.1.block2.bias",
        ),
        ({"prefix": "adapter."}, "conv_in.bias", "adapter.conv_in.bias"),
    ],
)
def test_names_of_each_layout(changes: dict[str, Any], name: str, stored: str) -> None:
    assert adapter_names(name, layout_of(changes)) == [stored]
