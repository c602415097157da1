"""Write the random models that the reference latents were made with.

Usage: python make_weights.py FOLDER
"""

import json
import math
import sys
import zlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent
FILES = {
    "sd15": "checkpoints/parity-sd15.safetensors",
    "control": "controlnet/parity-control.safetensors",
    "sd2": "checkpoints/parity-sd2.safetensors",
    "sdxl": "checkpoints/parity-sdxl.safetensors",
    "refiner": "checkpoints/parity-refiner.safetensors",
}
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
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        shapes = json.loads((HERE / f"{kind}_shapes.json").read_text())
        save_file({name: draw(name, shape) for name, shape in shapes.items()}, file)


if __name__ == "__main__":
    make_weights(Path(sys.argv[1]))
