"""Write a small transformer in the layout of Stable Diffusion 3.5.

Usage: python make_transformers.py FOLDER
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent
DEPTH = 3
WIDTH = 64 * DEPTH
"""ComfyUI takes a layer for each head of 64 channels."""
DUAL = (0, 1)
"""Layers that also look at the picture alone."""
CONTEXT, POOLED, CHANNELS, POSITIONS = 4096, 2048, 16, 32


def make_transformers(folder: Path) -> None:
    """Write the file into the folder where ComfyUI looks for it."""
    spec = importlib.util.spec_from_file_location("make_weights", HERE / "make_weights.py")
    assert spec
    assert spec.loader
    weights: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(weights)
    tensors = {name: weights.draw("sd3." + name, shape) for name, shape in shapes().items()}
    tensors["pos_embed"] = (tensors["pos_embed"] * POSITIONS * WIDTH**0.5).astype(np.float16)
    file = folder / "diffusion_models/parity-sd3.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)


def shapes() -> dict[str, list[int]]:
    """Return the tensors' names and shapes."""
    found = {"pos_embed": [1, POSITIONS**2, WIDTH]}
    found |= _linear("x_embedder.proj", WIDTH, CHANNELS, 2, 2)
    for name, width in (("t_embedder", 256), ("y_embedder", POOLED)):
        found |= _linear(f"{name}.mlp.0", WIDTH, width) | _linear(f"{name}.mlp.2", WIDTH, WIDTH)
    found |= _linear("context_embedder", WIDTH, CONTEXT)
    for layer in range(DEPTH):
        found |= _block(f"joint_blocks.{layer}.x_block", 9 if layer in DUAL else 6)
        found |= _block(f"joint_blocks.{layer}.context_block", 6 if layer < DEPTH - 1 else 2)
    return (
        found
        | _linear("final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH)
        | _linear("final_layer.linear", 4 * CHANNELS, WIDTH)
    )


def _block(name: str, modulations: int) -> dict[str, list[int]]:
    """Return the tensors of one side of a layer; the last one's words are not carried on."""
    found = _linear(f"{name}.adaLN_modulation.1", modulations * WIDTH, WIDTH)
    for attention in ("attn", "attn2")[: 2 if modulations == 9 else 1]:
        found |= _linear(f"{name}.{attention}.qkv", 3 * WIDTH, WIDTH)
        found |= {f"{name}.{attention}.ln_{letter}.weight": [64] for letter in "qk"}
        if modulations > 2:
            found |= _linear(f"{name}.{attention}.proj", WIDTH, WIDTH)
    if modulations > 2:
        found |= _linear(f"{name}.mlp.fc1", 4 * WIDTH, WIDTH) | _linear(f"{name}.mlp.fc2", WIDTH, 4 * WIDTH)
    return found


def _linear(name: str, *shape: int) -> dict[str, list[int]]:
    return {f"{name}.weight": [*shape], f"{name}.bias": [shape[0]]}


if __name__ == "__main__":
    make_transformers(Path(sys.argv[1]))
