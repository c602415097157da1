"""Write a LoRA in the layout of Flux's depth and canny LoRAs, and a small VAE for what they see.

Usage: python make_control_lora.py FOLDER
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

HERE = Path(__file__).parent
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
    _save(lora(), folder / "loras/parity-flux-control.safetensors")
    _save(tiny_vae(), folder / "vae/parity-taef1.safetensors")


def lora() -> dict[str, np.ndarray]:
    """Change every matrix and bias of the small Flux by low rank, and put other norms in place."""
    draw, found = _script("make_weights").draw, {}
    for name, shape in _script("make_transformers").flux_shapes().items():
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
    shapes: dict[str, list[int]] = {}
    for half, (blocks, between, ends) in TAESD.items():
        shapes |= {f"{half}.{number}.weight": [64, 64, 3, 3] for number in between}
        for number in blocks:
            for each in (0, 2, 4):
                shapes |= _convolution(f"{half}.{number}.conv.{each}", 64, 64)
        for number, sides in ends.items():
            shapes |= _convolution(f"{half}.{number}", *sides)
    draw = _script("make_weights").draw
    latents = {"vae_scale": np.array(SCALE, np.float32), "vae_shift": np.array(SHIFT, np.float32)}
    return {name: draw(f"taef1.{name}", shape) for name, shape in shapes.items()} | latents


def _convolution(name: str, rows: int, columns: int) -> dict[str, list[int]]:
    return {f"{name}.weight": [rows, columns, 3, 3], f"{name}.bias": [rows]}


def _script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _save(tensors: dict[str, np.ndarray], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)


if __name__ == "__main__":
    make_control_lora(Path(sys.argv[1]))
