"""Write small transformers in the layouts of Stable Diffusion 3.5 and Flux dev.

Usage: python make_transformers.py FOLDER
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent
CONTEXT, POOLED, CHANNELS = 4096, 2048, 16

SD3_DEPTH, SD3_POSITIONS = 3, 32
SD3_WIDTH = 64 * SD3_DEPTH
"""ComfyUI takes a layer for each head of 64 channels."""
DUAL = (0, 1)
"""Layers that also look at the picture alone."""

FLUX_WIDTH, FLUX_HEAD, FLUX_LAYERS = 256, 128, 2
"""Prompts are SD3's, with their pooled width: no T5 need be there."""


def make_transformers(folder: Path) -> None:
    """Write the files into the folder where ComfyUI looks for them."""
    sd3 = _drawn(sd3_shapes(), "sd3.")
    sd3["pos_embed"] = (sd3["pos_embed"] * SD3_POSITIONS * SD3_WIDTH**0.5).astype(np.float16)
    _save(sd3, folder / "diffusion_models/parity-sd3.safetensors")
    flux = _drawn(flux_shapes(), "flux.")
    scales = {name: values + np.float16(1) for name, values in flux.items() if name.endswith(".scale")}
    _save({**flux, **scales}, folder / "diffusion_models/parity-flux.safetensors")


def sd3_shapes() -> dict[str, list[int]]:
    """Return the names and shapes of SD3.5's tensors."""
    width = SD3_WIDTH
    found = {"pos_embed": [1, SD3_POSITIONS**2, width], **_linear("x_embedder.proj", width, CHANNELS, 2, 2)}
    for name, inputs in (("t_embedder", 256), ("y_embedder", POOLED)):
        found |= _linear(f"{name}.mlp.0", width, inputs) | _linear(f"{name}.mlp.2", width, width)
    found |= _linear("context_embedder", width, CONTEXT)
    for layer in range(SD3_DEPTH):
        found |= _sd3_side(f"joint_blocks.{layer}.x_block", 9 if layer in DUAL else 6)
        found |= _sd3_side(f"joint_blocks.{layer}.context_block", 6 if layer < SD3_DEPTH - 1 else 2)
    return (
        found
        | _linear("final_layer.adaLN_modulation.1", 2 * width, width)
        | _linear("final_layer.linear", 4 * CHANNELS, width)
    )


def _sd3_side(name: str, modulations: int) -> dict[str, list[int]]:
    """Return the tensors of one side of a layer; the last one's words are not carried on."""
    width = SD3_WIDTH
    found = _linear(f"{name}.adaLN_modulation.1", modulations * width, width)
    for attention in ("attn", "attn2")[: 2 if modulations == 9 else 1]:
        found |= _linear(f"{name}.{attention}.qkv", 3 * width, width)
        found |= {f"{name}.{attention}.ln_{letter}.weight": [64] for letter in "qk"}
        if modulations > 2:
            found |= _linear(f"{name}.{attention}.proj", width, width)
    if modulations > 2:
        found |= _linear(f"{name}.mlp.fc1", 4 * width, width) | _linear(f"{name}.mlp.fc2", width, 4 * width)
    return found


def flux_shapes() -> dict[str, list[int]]:
    """Return the names and shapes of Flux's tensors."""
    width = FLUX_WIDTH
    found = _linear("img_in", width, 4 * CHANNELS) | _linear("txt_in", width, CONTEXT)
    for name, inputs in (("time_in", 256), ("guidance_in", 256), ("vector_in", POOLED)):
        found |= _linear(f"{name}.in_layer", width, inputs) | _linear(f"{name}.out_layer", width, width)
    for layer in range(FLUX_LAYERS):
        for side in ("img", "txt"):
            block = f"double_blocks.{layer}.{side}"
            found |= _linear(f"{block}_mod.lin", 6 * width, width) | _flux_norms(f"{block}_attn.norm")
            found |= _linear(f"{block}_attn.qkv", 3 * width, width) | _linear(
                f"{block}_attn.proj", width, width
            )
            found |= _linear(f"{block}_mlp.0", 4 * width, width) | _linear(f"{block}_mlp.2", width, 4 * width)
        block = f"single_blocks.{layer}"
        found |= _linear(f"{block}.linear1", 7 * width, width) | _linear(f"{block}.linear2", width, 5 * width)
        found |= _linear(f"{block}.modulation.lin", 3 * width, width) | _flux_norms(f"{block}.norm")
    return (
        found
        | _linear("final_layer.adaLN_modulation.1", 2 * width, width)
        | _linear("final_layer.linear", 4 * CHANNELS, width)
    )


def _flux_norms(name: str) -> dict[str, list[int]]:
    return {f"{name}.{which}_norm.scale": [FLUX_HEAD] for which in ("query", "key")}


def _linear(name: str, *shape: int) -> dict[str, list[int]]:
    return {f"{name}.weight": [*shape], f"{name}.bias": [shape[0]]}


def _drawn(shapes: dict[str, list[int]], stream: str) -> dict[str, np.ndarray]:
    spec = importlib.util.spec_from_file_location("make_weights", HERE / "make_weights.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: module.draw(stream + name, shape) for name, shape in shapes.items()}


def _save(tensors: dict[str, np.ndarray], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)


if __name__ == "__main__":
    make_transformers(Path(sys.argv[1]))
