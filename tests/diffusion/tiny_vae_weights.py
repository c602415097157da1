"""TAESD's encoder and decoder with random weights, as their files name them."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion.plain_autoencoders import TinyAutoencoder


def original_state(channels: int = 4) -> dict[str, Tensor]:
    """Both halves; every number comes from numpy's stable generator, weights small enough not to grow."""
    random = np.random.RandomState(0)
    state = TinyAutoencoder(0.18215, channels=channels).original_state()
    for name, tensor in state.items():
        if name.startswith("taesd_"):
            scale = 0.8 / tensor[0].numel() ** 0.5 if tensor.ndim == 4 else 0.1
            state[name] = torch.from_numpy(random.randn(*tensor.shape) * scale).float()
    return state


def write_halves(folder: Path, name: str = "taesd") -> None:
    """Write ``NAME_encoder.safetensors`` and ``NAME_decoder.safetensors``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = original_state(16 if name in ("taesd3", "taef1") else 4)
    for half in ("encoder", "decoder"):
        prefix = f"taesd_{half}."
        part = {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}
        save_file(part, folder / f"{name}_{half}.safetensors")
