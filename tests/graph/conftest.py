"""Node definitions as plain data, with the inputs and outputs that ComfyUI's nodes have."""

import json
from pathlib import Path

import pytest

from bridge.graph import Definitions, InputDefinition, NodeDefinition, OutputDefinition


def whole(name, default, minimum, maximum, **more):
    return InputDefinition(name, "INT", default=default, minimum=minimum, maximum=maximum, **more)


def number(name, default, minimum, maximum, **more):
    return InputDefinition(name, "FLOAT", default=default, minimum=minimum, maximum=maximum, **more)


def defined(name, inputs=(), outputs=(), **more):
    entries = tuple(InputDefinition(*entry) if isinstance(entry, tuple) else entry for entry in inputs)
    return NodeDefinition(
        name, "test", inputs=entries, outputs=tuple(OutputDefinition(kind, kind) for kind in outputs), **more
    )


NODES = [
    defined(
        "KSampler",
        [
            ("model", "MODEL"),
            whole("seed", 0, 0, 2**64 - 1),
            whole("steps", 20, 1, 10_000),
            number("cfg", 8.0, 0.0, 100.0, step=0.1),
            InputDefinition("sampler_name", "COMBO", choices=("euler", "euler_ancestral", "heun", "ddim")),
            InputDefinition("scheduler", "COMBO", choices=("normal", "karras")),
            ("positive", "CONDITIONING"),
            ("negative", "CONDITIONING"),
            ("latent_image", "LATENT"),
            number("denoise", 1.0, 0.0, 1.0),
        ],
        ["LATENT"],
    ),
    defined(
        "CheckpointLoaderSimple",
        [InputDefinition("ckpt_name", "COMBO", choices_from="checkpoints")],
        ["MODEL", "CLIP", "VAE"],
    ),
    defined(
        "EmptyLatentImage",
        [
            whole("width", 512, 16, 16384, step=8),
            whole("height", 512, 16, 16384, step=8),
            whole("batch_size", 1, 1, 4096),
        ],
        ["LATENT"],
    ),
    defined("CLIPTextEncode", [("text", "STRING"), ("clip", "CLIP")], ["CONDITIONING"]),
    defined("VAEDecode", [("samples", "LATENT"), ("vae", "VAE")], ["IMAGE"]),
    defined(
        "SaveImage",
        [("images", "IMAGE"), InputDefinition("filename_prefix", "STRING", default="ComfyUI")],
        hidden={"prompt": "PROMPT", "extra": "EXTRA_PNGINFO"},
        is_output=True,
    ),
    defined("PreviewImage", [("images", "IMAGE")], is_output=True),
    defined("LoadImage", [InputDefinition("image", "COMBO", choices_from="input")], ["IMAGE", "MASK"]),
]


@pytest.fixture(scope="session")
def definitions() -> Definitions:
    return {node.name: node for node in NODES}


@pytest.fixture
def tutorial() -> dict:
    """The workflow that ComfyUI's tutorials start with, as API JSON."""
    return json.loads(Path(__file__).with_name("tutorial.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def choices():
    folders = {
        "checkpoints": ["demo.safetensors", "sd/juggernautXL_v9.safetensors"],
        "input": ["example.png"],
        "empty": [],
    }
    return folders.__getitem__
