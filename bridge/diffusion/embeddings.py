"""Textual inversion: words that a prompt brings in a file, as vectors for the text tower.

Source: Gal et al. 2022, "An Image is Worth One Word".
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import TowerKind, read_header, refuse_other_kinds

_HINT = "Download it again."


def read_embedding(path: Path, name: str, kind: TowerKind, width: int) -> Tensor:
    """Read the vectors that a file has for a text tower.

    Args:
        path: The file.
        name: What the user calls it, for messages.
        kind: The tower; files for SDXL and SD3 name it. One for CLIP's has nothing for T5.
        width: Of the tower's embeddings.

    Returns:
        Shape (vectors, width), float32.

    Raises:
        ModelError: If it is damaged, unsafe, or no embedding.
        UnsupportedModel: If its vectors are of another width.
    """
    header = read_header(path)
    refuse_other_kinds(header, name, "embedding")
    if kind == "t5xxl" and kind not in header.tensors and header.tensors.keys() & {"clip_l", "clip_g"}:
        return torch.empty(0, width)
    usual = kind, "emb_params"
    stored = next((key for key in usual if key in header.tensors), min(header.tensors, default=""))
    shape = header.tensors[stored].shape if stored else ()
    if not 1 <= len(shape) <= 2:
        raise ModelError(
            f'"{name}" holds no textual inversion embedding',
            code="wrong_model_kind",
            hint="Take it out of the prompt, or choose another file.",
        )
    if shape[-1] != width:
        raise UnsupportedModel(
            f'the embedding "{name}" has vectors of {shape[-1]} numbers; the text encoder takes {width}',
            hint="Use one that was made for the family of this checkpoint, or take it out of the prompt.",
        )
    try:
        with safe_open(path, framework="pt") as file:
            vectors: Tensor = file.get_tensor(stored).float().reshape(-1, width)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f'the embedding "{name}" cannot be read: {error}', code="model_unreadable", hint=_HINT
        ) from error
    if not bool(vectors.isfinite().all()):
        raise ModelError(
            f'the embedding "{name}" holds values that are no numbers', code="model_corrupt", hint=_HINT
        )
    return vectors
