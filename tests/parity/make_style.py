"""Write a small SigLIP and a small Redux, for the Flux of ``make_transformers.py``.

Usage: python make_style.py FOLDER
"""

import sys
from pathlib import Path

from drawn import Shapes, drawn, linear, save

WIDTH, INNER, LAYERS, POSITIONS, PATCH = 64, 96, 3, 9, 14
"""Of SigLIP, for pictures of 42² pixels."""
BETWEEN, CONTEXT = 96, 4096
"""Of Redux: between its layers, which is 3 · 4096 as published, and of prompts."""


def make_style(folder: Path) -> None:
    """Write the files into the folders where ComfyUI looks for them."""
    save(drawn(siglip_shapes(), "siglip."), folder / "clip_vision/parity-siglip.safetensors")
    save(drawn(redux_shapes(), "redux."), folder / "style_models/parity-redux.safetensors")


def siglip_shapes() -> Shapes:
    """Return the names and shapes of SigLIP's tensors, without its head."""
    found = {
        "embeddings.patch_embedding.weight": [WIDTH, 3, PATCH, PATCH],
        "embeddings.patch_embedding.bias": [WIDTH],
        "embeddings.position_embedding.weight": [POSITIONS, WIDTH],
        **_norm("post_layernorm"),
    }
    for layer in range(LAYERS):
        block = f"encoder.layers.{layer}"
        found |= _norm(f"{block}.layer_norm1") | _norm(f"{block}.layer_norm2")
        for name in ("q", "k", "v", "out"):
            found |= linear(f"{block}.self_attn.{name}_proj", WIDTH, WIDTH)
        found |= linear(f"{block}.mlp.fc1", INNER, WIDTH) | linear(f"{block}.mlp.fc2", WIDTH, INNER)
    return {f"vision_model.{name}": shape for name, shape in found.items()}


def redux_shapes() -> Shapes:
    """Return the names and shapes of Redux's tensors."""
    return linear("redux_up", BETWEEN, WIDTH) | linear("redux_down", CONTEXT, BETWEEN)


def _norm(name: str) -> Shapes:
    return {f"{name}.weight": [WIDTH], f"{name}.bias": [WIDTH]}


if __name__ == "__main__":
    make_style(Path(sys.argv[1]))
