"""Write small transformers in the layouts of Stable Diffusion 3.5 and Flux dev.

Usage: python make_transformers.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from drawn import Shapes, drawn, linear, save

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
    sd3 = drawn(sd3_shapes(), "sd3.")
    sd3["pos_embed"] = (sd3["pos_embed"] * SD3_POSITIONS * SD3_WIDTH**0.5).astype(np.float16)
    save(sd3, folder / "diffusion_models/parity-sd3.safetensors")
    flux = drawn(flux_shapes(), "flux.")
    scales = {name: values + np.float16(1) for name, values in flux.items() if name.endswith(".scale")}
    save({**flux, **scales}, folder / "diffusion_models/parity-flux.safetensors")


def sd3_shapes() -> Shapes:
    """Return the names and shapes of SD3.5's tensors."""
    width = SD3_WIDTH
    found = {"pos_embed": [1, SD3_POSITIONS**2, width], **linear("x_embedder.proj", width, CHANNELS, 2, 2)}
    for name, inputs in (("t_embedder", 256), ("y_embedder", POOLED)):
        found |= linear(f"{name}.mlp.0", width, inputs) | linear(f"{name}.mlp.2", width, width)
    found |= linear("context_embedder", width, CONTEXT)
    for layer in range(SD3_DEPTH):
        found |= _sd3_side(f"joint_blocks.{layer}.x_block", 9 if layer in DUAL else 6)
        found |= _sd3_side(f"joint_blocks.{layer}.context_block", 6 if layer < SD3_DEPTH - 1 else 2)
    return (
        found
        | linear("final_layer.adaLN_modulation.1", 2 * width, width)
        | linear("final_layer.linear", 4 * CHANNELS, width)
    )


def _sd3_side(name: str, modulations: int) -> Shapes:
    """Return the tensors of one side of a layer; the last one's words are not carried on."""
    width = SD3_WIDTH
    found = linear(f"{name}.adaLN_modulation.1", modulations * width, width)
    for attention in ("attn", "attn2")[: 2 if modulations == 9 else 1]:
        found |= linear(f"{name}.{attention}.qkv", 3 * width, width)
        found |= {f"{name}.{attention}.ln_{letter}.weight": [64] for letter in "qk"}
        if modulations > 2:
            found |= linear(f"{name}.{attention}.proj", width, width)
    if modulations > 2:
        found |= linear(f"{name}.mlp.fc1", 4 * width, width) | linear(f"{name}.mlp.fc2", width, 4 * width)
    return found


def flux_shapes() -> Shapes:
    """Return the names and shapes of Flux's tensors."""
    width = FLUX_WIDTH
    found = linear("img_in", width, 4 * CHANNELS) | linear("txt_in", width, CONTEXT)
    for name, inputs in (("time_in", 256), ("guidance_in", 256), ("vector_in", POOLED)):
        found |= linear(f"{name}.in_layer", width, inputs) | linear(f"{name}.out_layer", width, width)
    for layer in range(FLUX_LAYERS):
        for side in ("img", "txt"):
            block = f"double_blocks.{layer}.{side}"
            found |= linear(f"{block}_mod.lin", 6 * width, width) | _flux_norms(f"{block}_attn.norm")
            found |= linear(f"{block}_attn.qkv", 3 * width, width) | linear(
                f"{block}_attn.proj", width, width
            )
            found |= linear(f"{block}_mlp.0", 4 * width, width) | linear(f"{block}_mlp.2", width, 4 * width)
        block = f"single_blocks.{layer}"
        found |= linear(f"{block}.linear1", 7 * width, width) | linear(f"{block}.linear2", width, 5 * width)
        found |= linear(f"{block}.modulation.lin", 3 * width, width) | _flux_norms(f"{block}.norm")
    return (
        found
        | linear("final_layer.adaLN_modulation.1", 2 * width, width)
        | linear("final_layer.linear", 4 * CHANNELS, width)
    )


def _flux_norms(name: str) -> Shapes:
    return {f"{name}.{which}_norm.scale": [FLUX_HEAD] for which in ("query", "key")}


if __name__ == "__main__":
    make_transformers(Path(sys.argv[1]))
