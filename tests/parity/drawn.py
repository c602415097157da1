"""Shapes of small networks to files of random weights; for what ``conftest`` calls ``SMALL``."""

import os
from pathlib import Path

import numpy as np
from make_weights import draw
from safetensors.numpy import save_file

Shapes = dict[str, list[int]]
"""Names of tensors → their shapes."""


def linear(name: str, *shape: int) -> Shapes:
    """Return the tensors of a linear layer, or of a convolution: outputs, inputs, and its kernel."""
    return {f"{name}.weight": [*shape], f"{name}.bias": [shape[0]]}


def drawn(shapes: Shapes, stream: str) -> dict[str, np.ndarray]:
    """Draw tensors, each from the stream of its name behind another; see ``make_weights.draw``."""
    return {name: draw(stream + name, shape) for name, shape in shapes.items()}


def save(tensors: dict[str, np.ndarray], file: Path) -> None:
    """Write a file, at once for those who may be reading an earlier one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    save_file(tensors, partial)
    os.replace(partial, file)
