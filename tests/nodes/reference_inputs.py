"""What the nodes of ``reference_cases.json`` are given, by name; the same numbers on every machine."""

from typing import Any

import numpy as np
import torch

_random = np.random.default_rng(6)


def _uniform(*shape: int) -> torch.Tensor:
    return torch.from_numpy(_random.random(shape, np.float32))


def _normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(_random.standard_normal(shape, np.float32))


INPUTS: dict[str, Any] = {
    "two": _uniform(2, 12, 16, 3),
    "more": _uniform(2, 12, 16, 3),
    "three": _uniform(3, 12, 16, 3),
    "odd": _uniform(1, 9, 14, 3),
    "tall": _uniform(1, 15, 6, 3),
    "thin": _uniform(1, 1, 3, 3),
    "alpha": _uniform(1, 12, 16, 4),
    "blocks": _uniform(1, 4, 4, 3).round(),
    "masks": _uniform(2, 12, 16),
    "more_masks": _uniform(2, 12, 16),
    "small_mask": _uniform(1, 5, 7),
    "latents": {"samples": _normal(2, 4, 8, 10)},
    "small_latents": {"samples": _normal(1, 4, 6, 5)},
    "wide_latents": {"samples": _normal(1, 4, 10, 14)},
    "masked_latents": {
        "samples": _normal(2, 4, 8, 10),
        "noise_mask": _uniform(2, 1, 64, 80).round(),
        "batch_index": [3, 5],
    },
}
INPUTS["three_first"] = INPUTS["three"][:2]


def filled(value: Any) -> Any:
    """Put the inputs in the place of their names, each a copy of its own."""
    if isinstance(value, dict):
        return {name: filled(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [filled(entry) for entry in value]
    if isinstance(value, str) and value.startswith("@"):
        return filled(INPUTS[value[1:]])
    return value.clone() if isinstance(value, torch.Tensor) else value


def flattened(name: str, value: Any) -> dict[str, Any]:
    """Part outputs into arrays, numbers and texts with names of their own."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, tuple | list) and not all(isinstance(entry, int) for entry in value):
        parts = enumerate(value)
    else:
        return {name: value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value)}
    return {key: entry for part, inner in parts for key, entry in flattened(f"{name}/{part}", inner).items()}


def thinned(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the shape of an array and about a hundred of its numbers, for a small file; texts whole."""
    if values.dtype.kind == "U":
        return values
    kept = values.ravel()[:: values.size // 100 + 1]
    return np.concatenate([np.asarray(values.shape), kept]).astype(np.float32)
