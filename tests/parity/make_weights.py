"""Write the random models that the reference latents were made with.

Usage: python make_weights.py FOLDER
"""

import json
import math
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

HERE = Path(__file__).parent
FILES = {
    "sd15": "checkpoints/parity-sd15.safetensors",
    "sd2": "checkpoints/parity-sd2.safetensors",
    "sdxl": "checkpoints/parity-sdxl.safetensors",
    "refiner": "checkpoints/parity-refiner.safetensors",
    "control": "controlnet/parity-control.safetensors",
    "control_diffusers": "controlnet/parity-control-diffusers.safetensors",
    "control_sdxl": "controlnet/parity-control-sdxl.safetensors",
    "control_union": "controlnet/parity-union.safetensors",
    "t2i": "controlnet/parity-t2i.safetensors",
    "wide": "diffusion_models/parity-wide.safetensors",
    "clip_g": "text_encoders/parity-clip-g.safetensors",
}
"""Kind, as in ``KIND_shapes.json`` → place."""

UNET = "model.diffusion_model."
FIRST = "input_blocks.0.0.weight"
PARTS = {
    "diffusion_models/parity-sd15.safetensors": ("sd15", UNET),
    "diffusion_models/parity-sdxl.safetensors": ("sdxl", UNET),
    "text_encoders/parity-clip-l.safetensors": ("sd15", "cond_stage_model.transformer."),
    "text_encoders/parity-clip-l-sdxl.safetensors": ("sdxl", "conditioner.embedders.0.transformer."),
    "vae/parity-vae.safetensors": ("sd15", "first_stage_model."),
}
"""Place → the checkpoint whose tensors lie there too, and what their names begin with in it."""

WIDENED = {
    "diffusion_models/parity-instruct.safetensors": 8,
    "diffusion_models/parity-inpaint.safetensors": 9,
}
"""Place → how many channels the UNet of Stable Diffusion 1.5 takes there."""

VELOCITY_SIGN = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
"""Deviates by more than 0.09 in models of Stable Diffusion 2 that predict v."""


def draw(name: str, shape: list[int]) -> np.ndarray:
    """Draw a tensor from the stream of its name, scaled so that signals keep their size.

    Returns:
        float16: 1 + small noise for norms, small noise for biases, deviation 0.5 for embeddings, and
        1 / sqrt(fan-in) for everything else.
    """
    stream = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
    if not shape:
        return np.zeros(shape, np.float16)
    noise = stream.standard_normal(shape, np.float32)
    if len(shape) == 1:
        spread = 0.2 if name == VELOCITY_SIGN else 0.05
        values = spread * noise + (1.0 if name.endswith("weight") else 0.0)
    elif "embedding" in name:
        values = 0.5 * noise
    else:
        values = noise / math.sqrt(math.prod(shape[1:]))
    return values.astype(np.float16)


def make_weights(folder: Path) -> None:
    """Write the files into the folders where ComfyUI looks for them."""
    for kind, place in FILES.items():
        shapes = json.loads((HERE / f"{kind}_shapes.json").read_text())
        with ThreadPoolExecutor() as pool:
            tensors = pool.map(draw, shapes.keys(), shapes.values())
        _save(dict(zip(shapes, tensors, strict=True)), folder / place)
    for place, (kind, prefix) in PARTS.items():
        _save(_part(folder / FILES[kind], prefix), folder / place)
    for place, channels in WIDENED.items():
        unet = _part(folder / FILES["sd15"], UNET)
        _save({**unet, FIRST: draw(FIRST, [len(unet[FIRST]), channels, 3, 3])}, folder / place)


def _part(file: Path, prefix: str) -> dict[str, np.ndarray]:
    with safe_open(file, "numpy") as whole:
        return {
            name.removeprefix(prefix): whole.get_tensor(name)
            for name in whole.keys()  # noqa: SIM118
            if name.startswith(prefix)
        }


def _save(tensors: dict[str, np.ndarray], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)


if __name__ == "__main__":
    make_weights(Path(sys.argv[1]))
