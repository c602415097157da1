"""Write a LoRA in the layout of Flux's depth and canny LoRAs, and a small VAE for what they see.

Usage: python make_control_lora.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from drawn import Shapes, drawn, linear, save
from make_transformers import flux_shapes
from make_weights import draw

RANK, SHOWN = 4, 128
"""And how much of a token the first layer reads: the noisy latents, and those of a picture."""

SCALE, SHIFT = 0.3611, 0.1159
"""Of Flux's latents."""

TAESD: dict[str, tuple[list[int], list[int], dict[int, tuple[int, int]]]] = {
    "taesd_encoder": ([1, 3, 4, 5, 7, 8, 9, 11, 12, 13], [2, 6, 10], {0: (64, 3), 14: (16, 64)}),
    "taesd_decoder": ([3, 4, 5, 8, 9, 10, 13, 14, 15, 18], [7, 12, 17], {1: (64, 16), 19: (3, 64)}),
}
"""Half → its blocks, the convolutions without bias between levels, and both ends' outputs and inputs."""


def make_control_lora(folder: Path) -> None:
    """Write the files into the folders where ComfyUI looks for them."""
    save(lora(), folder / "loras/parity-flux-control.safetensors")
    save(tiny_vae(), folder / "vae/parity-taef1.safetensors")


def lora() -> dict[str, np.ndarray]:
    """Change every matrix and bias of the small Flux by low rank, and put other norms in place."""
    found = {}
    for name, shape in flux_shapes().items():
        stem, _, kind = name.rpartition(".")
        if kind == "scale":
            found[name] = draw(f"lora.{name}", shape) + np.float16(1)
        if kind != "weight":
            continue
        rows, columns = shape
        shapes = {
            "lora_A.weight": [RANK, SHOWN if stem == "img_in" else columns],
            "lora_B.weight": [rows, RANK],
            "lora_B.bias": [rows],
        }
        found |= {f"{stem}.{end}": draw(f"lora.{stem}.{end}", each) for end, each in shapes.items()}
        found[f"{stem}.lora_B.weight"] *= np.float16(0.5)
    return found


def tiny_vae() -> dict[str, np.ndarray]:
    """Return TAESD's encoder and decoder for sixteen channels."""
    shapes: Shapes = {}
    for half, (blocks, between, ends) in TAESD.items():
        shapes |= {f"{half}.{number}.weight": [64, 64, 3, 3] for number in between}
        for number in blocks:
            for each in (0, 2, 4):
                shapes |= linear(f"{half}.{number}.conv.{each}", 64, 64, 3, 3)
        for number, sides in ends.items():
            shapes |= linear(f"{half}.{number}", *sides, 3, 3)
    latents = {"vae_scale": np.array(SCALE, np.float32), "vae_shift": np.array(SHIFT, np.float32)}
    return drawn(shapes, "taef1.") | latents


if __name__ == "__main__":
    make_control_lora(Path(sys.argv[1]))
