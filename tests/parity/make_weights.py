"""Write the random checkpoint and ControlNet that the reference latents were made with.

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
}


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
        values = 0.05 * noise + (1.0 if name.endswith("weight") else 0.0)
    elif "embedding" in name:
        values = 0.5 * noise
    else:
        values = noise / math.sqrt(math.prod(shape[1:]))
    return values.astype(np.float16)


def make_weights(folder: Path) -> None:
    """Write both files into the folders where ComfyUI looks for them."""
    for kind, place in FILES.items():
        file = folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        shapes = json.loads((HERE / f"{kind}_shapes.json").read_text())
        save_file({name: draw(name, shape) for name, shape in shapes.items()}, file)


if __name__ == "__main__":
    make_weights(Path(sys.argv[1]))
