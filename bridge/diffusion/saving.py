"""Networks as safetensors files in the original naming, as ComfyUI and we load them."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion.ldm_names import (
    Rows,
    autoencoder_names,
    blocks_per_level,
    open_clip_places,
    unet_names,
)
from bridge.diffusion.plain_autoencoders import PixelSpace, TinyAutoencoder
from bridge.diffusion.residency import Network
from bridge.diffusion.types import Autoencoder, DiffusionModel, TextEncoder, TextTower
from bridge.models import UNET_PREFIX, VAE_PREFIX, Family

_TOWER_PREFIXES: Mapping[Family, tuple[str, ...]] = {
    Family.SD1: ("cond_stage_model.transformer.",),
    Family.SD2: ("cond_stage_model.model.",),
    Family.SDXL: ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
    Family.SDXL_REFINER: ("conditioner.embedders.0.model.",),
}
"""Family → where each of its text towers lies in a checkpoint."""

PURE_NOISE = 1000.0
"""A last noise level above it was rescaled to pure noise: it is thousands then, and 14.6 otherwise."""

State = dict[str, Tensor]
"""Name in the file → tensor."""


def checkpoint_state(model: DiffusionModel, clip: TextEncoder | None, vae: Autoencoder | None) -> State:
    """Return a checkpoint's tensors; without text encoder and VAE where there are none.

    The marks ``v_pred`` and ``ztsnr`` say what the denoiser predicts and that it begins at pure noise.

    Raises:
        ModelError: If a file has gone bad, or a part is not there.
        OutOfMemory: If a network does not fit.
    """
    state = _prefixed(UNET_PREFIX, _unet_state(model.unet))
    if vae is not None:
        state |= _prefixed(VAE_PREFIX, autoencoder_state(vae))
    if clip is not None:
        for tower, prefix in zip(clip.towers, _TOWER_PREFIXES[clip.family], strict=True):
            is_open_clip = prefix.endswith(".model.")
            state |= _prefixed(prefix, _open_clip_state(tower) if is_open_clip else tower_state(tower))
    if model.schedule.prediction == "v_prediction":
        state["v_pred"] = torch.tensor([])
        if float(model.schedule.sigmas[-1]) > PURE_NOISE:
            state["ztsnr"] = torch.tensor([])
    return state


def tower_state(tower: TextTower) -> State:
    """Return a text tower's tensors in transformers' naming, the projection beside the tower."""
    state = _bare_state(tower)
    if tower.kind == "t5xxl":
        return state
    projection = state.pop("text_projection.weight", None)
    more = {} if projection is None else {"text_projection.weight": projection}
    return _prefixed("text_model.", state) | more


def autoencoder_state(vae: Autoencoder) -> State:
    """Return a VAE's tensors in the original naming; its attention is made of 1×1 convolutions there."""
    module = vae.network.module()
    if isinstance(module, TinyAutoencoder | PixelSpace):
        return module.original_state()
    levels = len(module.config["block_out_channels"])
    state = {autoencoder_names(name, levels)[0]: tensor for name, tensor in _tensors(vae.network)}
    return {
        name: tensor[..., None, None] if ".attn_1." in name and tensor.ndim == 2 else tensor
        for name, tensor in state.items()
    }


def write_state(state: State, folder: Path, texts: Mapping[str, str]) -> Path:
    """Write tensors to a new hidden file of a folder, to be renamed when it is whole.

    Args:
        state: What to write.
        folder: Made if missing.
        texts: Kept as metadata: the workflow.

    Raises:
        OSError: If the disk is full or the folder cannot be written. Nothing is left behind then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{secrets.token_hex(8)}.part"
    try:
        save_file({name: tensor.cpu().contiguous() for name, tensor in state.items()}, path, dict(texts))
    except SafetensorError as error:
        path.unlink(missing_ok=True)
        raise OSError(str(error)) from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _unet_state(network: Network[Any]) -> State:
    tensors = dict(_tensors(network))
    blocks = blocks_per_level(tensors)

    def name(key: str) -> str:
        names = unet_names(key, blocks)
        if len(names) == 1:
            return names[0]
        level = key.split(".")[1]  # an upsampler stands behind the attention of its level
        return names[f"up_blocks.{level}.attentions.0.norm.weight" in tensors]

    return {name(key): tensor for key, tensor in tensors.items()}


def _bare_state(tower: TextTower) -> State:
    return {name.removeprefix("text_model."): tensor for name, tensor in _tensors(tower.network)}


def _open_clip_state(tower: TextTower) -> State:
    """OpenCLIP keeps query, key and value in one matrix, and its projection transposed."""
    state: State = {}
    parts: dict[str, dict[Rows, Tensor]] = {}
    for name, tensor in _bare_state(tower).items():
        place = open_clip_places(name)[0]
        if place.rows is not None:
            parts.setdefault(place.name, {})[place.rows] = tensor
        else:
            state[place.name] = tensor.T if place.is_transposed else tensor
    return state | {name: torch.cat([each[rows] for rows in sorted(each)]) for name, each in parts.items()}


def _tensors(network: Network[Any]) -> Iterable[tuple[str, Tensor]]:
    state: State = network.module().state_dict()
    return state.items()


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}
