"""Write a PixArt Sigma of one block, as wide as the published one.

Usage: python make_pixart.py FOLDER
"""

import sys
from pathlib import Path

from drawn import Shapes, drawn, linear, save

CHANNELS, CONTEXT = 4, 4096
WIDTH = 1152
"""ComfyUI knows no other. Prompts are SD3's: no T5 need be there."""


def make_pixart(folder: Path) -> None:
    """Write the file into the folder where ComfyUI looks for it."""
    save(drawn(pixart_shapes(), "pixart."), folder / "diffusion_models/parity-pixart.safetensors")


def pixart_shapes() -> Shapes:
    """Return the names and shapes of PixArt Sigma's tensors."""
    block = "blocks.0"
    found = {f"{block}.scale_shift_table": [6, WIDTH], "final_layer.scale_shift_table": [2, WIDTH]}
    found |= linear("x_embedder.proj", WIDTH, CHANNELS, 2, 2) | linear("t_block.1", 6 * WIDTH, WIDTH)
    found |= linear("t_embedder.mlp.0", WIDTH, 256) | linear("t_embedder.mlp.2", WIDTH, WIDTH)
    found |= linear("y_embedder.y_proj.fc1", WIDTH, CONTEXT) | linear("y_embedder.y_proj.fc2", WIDTH, WIDTH)
    found |= linear(f"{block}.attn.qkv", 3 * WIDTH, WIDTH) | linear(f"{block}.attn.proj", WIDTH, WIDTH)
    found |= linear(f"{block}.cross_attn.q_linear", WIDTH, WIDTH)
    found |= linear(f"{block}.cross_attn.kv_linear", 2 * WIDTH, WIDTH)
    found |= linear(f"{block}.cross_attn.proj", WIDTH, WIDTH)
    found |= linear(f"{block}.mlp.fc1", 4 * WIDTH, WIDTH) | linear(f"{block}.mlp.fc2", WIDTH, 4 * WIDTH)
    return found | linear("final_layer.linear", 8 * CHANNELS, WIDTH)


if __name__ == "__main__":
    make_pixart(Path(sys.argv[1]))
