"""Making a safetensors file of a pickled model, by hand: ``python -m bridge.diffusion.unpickling FILE.pth``.

Torch's own restricted reader is used, which builds tensors and containers and runs nothing else. It is
still no part of opening models: what strangers' workflows name is safetensors or refused.
"""

import pickle
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.errors import BridgeError, InputError, ModelError

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "params_ema",
    "params-ema",
    "params",
    "model",
    "net",
    "id_encoder",
)
"""Under which training programs keep the tensors, the better ones first."""


def convert_pickle(source: Path, target: Path) -> None:
    """Write the tensors of a file of ``torch.save`` as a safetensors file.

    Args:
        source: ``.pth``, ``.pt``, ``.ckpt``, ``.bin`` or ``.patch``.
        target: Must not exist yet.

    Raises:
        InputError: Code ``file_exists``.
        ModelError: Code ``unsafe_model`` if the file holds anything but tensors, numbers and texts, or is
            damaged; ``model_corrupt`` if it holds no tensors.
        OSError: If a file cannot be read or written.
    """
    if target.exists():
        raise InputError(f'"{target}" is there already', code="file_exists", hint="Move it away first.")
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ModelError(
            f'"{source.name}" is damaged, or holds more than tensors, which could run code when opened',
            code="unsafe_model",
            hint="Look for a .safetensors version of it.",
        ) from error
    tensors = _tensors(_unwrapped(content))
    if not tensors:
        raise ModelError(
            f'"{source.name}" holds no tensors',
            code="model_corrupt",
            hint="Choose a file that holds weights.",
        )
    # Copied, as tensors may share memory, which the format does not allow.
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, target)


def _unwrapped(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        return {}
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            return _unwrapped(content[wrapper])
    return content


def _tensors(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors; several under one name, as in Fooocus' patches, are numbered."""
    found: dict[str, Tensor] = {}
    for name, value in content.items():
        if isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, list | tuple):
            found |= {f"{name}.{index}": each for index, each in enumerate(value) if isinstance(each, Tensor)}
    return found


def main(files: list[str]) -> int:
    """Convert files, each into one beside it; returns the exit status."""
    for source in map(Path, files):
        target = source.with_suffix(".safetensors")
        try:
            convert_pickle(source, target)
        except (BridgeError, OSError) as error:
            print(error.problem if isinstance(error, BridgeError) else error, file=sys.stderr)
            return 1
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
