"""Write a ControlLoRA and a GLIGEN model for the parity checkpoint of Stable Diffusion 1.5.

Usage: python make_steering.py FOLDER, after make_weights.py
"""

import json
import sys
from pathlib import Path

import numpy as np
from drawn import Shapes, drawn, save

HERE = Path(__file__).parent
RANK = 4
CONTEXT = 768
POSITION = 64
UNET = "model.diffusion_model."
DECODER = "output_blocks.", "out."
GATE = 0.7
"""What GLIGEN's layers are let in by; in training it begins at zero."""


def make_steering(folder: Path) -> None:
    """Write the files into the folders where ComfyUI looks for them."""
    unet = _shapes("sd15", UNET)
    encoder = {name: shape for name, shape in unet.items() if not name.startswith(DECODER)}
    added = {name: shape for name, shape in _shapes("control").items() if name not in encoder}
    lora = {**low_rank(encoder), **added, "lora_controlnet": [0]}
    save(drawn(lora, "control_lora."), folder / "controlnet/parity-control-lora.safetensors")
    gates = {name: np.array(GATE, np.float16) for name in _fusers(unet) if ".alpha_" in name}
    save({**drawn(gligen(unet), ""), **gates}, folder / "gligen/parity-gligen.safetensors")


def low_rank(shapes: Shapes) -> Shapes:
    """Return what stands for weights: two factors for each matrix, the rest as it is."""
    found = {}
    for name, shape in shapes.items():
        if len(shape) > 1:
            layer = name.removesuffix("weight")
            found[layer + "up"] = [shape[0], RANK, *([1, 1] if len(shape) == 4 else [])]
            found[layer + "down"] = [RANK, *shape[1:]]
        else:
            found[name] = shape
    return found


def gligen(unet: Shapes) -> Shapes:
    """Return the tensors of a GLIGEN model for a UNet."""
    return {name: shape for name, shape in _fusers(unet).items() if shape} | {
        "position_net.linears.0.weight": [512, CONTEXT + POSITION], "position_net.linears.0.bias": [512],
        "position_net.linears.2.weight": [512, 512], "position_net.linears.2.bias": [512],
        "position_net.linears.4.weight": [CONTEXT, 512], "position_net.linears.4.bias": [CONTEXT],
        "position_net.null_positive_feature": [CONTEXT], "position_net.null_position_feature": [POSITION],
    }  # fmt: skip


def _fusers(unet: Shapes) -> Shapes:
    found: Shapes = {}
    for name, (width, *_) in unet.items():
        if not name.endswith(".attn1.to_q.weight"):
            continue
        inner = {
            "linear.weight": [width, CONTEXT], "linear.bias": [width],
            **{f"attn.to_{letter}.weight": [width, width] for letter in "qkv"},
            "attn.to_out.0.weight": [width, width], "attn.to_out.0.bias": [width],
            "ff.net.0.proj.weight": [8 * width, width], "ff.net.0.proj.bias": [8 * width],
            "ff.net.2.weight": [width, 4 * width], "ff.net.2.bias": [width],
            **{f"norm{number}.{kind}": [width] for number in (1, 2) for kind in ("weight", "bias")},
            "alpha_attn": [], "alpha_dense": [],
        }  # fmt: skip
        block = name.removesuffix("attn1.to_q.weight")
        found |= {f"{block}fuser.{key}": shape for key, shape in inner.items()}
    return found


def _shapes(kind: str, prefix: str = "") -> Shapes:
    shapes = json.loads((HERE / f"{kind}_shapes.json").read_text())
    return {
        name.removeprefix(prefix).removeprefix("control_model."): shape
        for name, shape in shapes.items()
        if name.startswith(prefix)
    }


if __name__ == "__main__":
    make_steering(Path(sys.argv[1]))
