"""Networks as safetensors files in the original naming, as ComfyUI and we load them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion.ldm_names import (
    Place,
    Rows,
    autoencoder_names,
    blocks_per_level,
    open_clip_places,
    unet_names,
)
from bridge.diffusion.plain_autoencoders import PixelSpace, TinyAutoencoder
from bridge.diffusion.residency import Network
from bridge.diffusion.storage import exact_state
from bridge.diffusion.transformer_names import original_place
from bridge.diffusion.types import Autoencoder, DiffusionModel, TextEncoder, TextTower
from bridge.models import PIXART_ALPHA_TOKENS, UNET_FAMILIES, UNET_PREFIX, VAE_PREFIX, Family

_TOWER_PREFIXES: Mapping[Family, tuple[str, ...]] = {
    Family.SD1: ("cond_stage_model.transformer.",),
    Family.SD2: ("cond_stage_model.model.",),
    Family.SDXL: ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."),
    Family.SDXL_REFINER: ("conditioner.embedders.0.model.",),
}
"""Family → where each of its text towers lies in a checkpoint; later ones name them by their kind."""

_VAE_PREFIXES = dict.fromkeys((Family.FLUX, Family.PIXART_ALPHA, Family.PIXART_SIGMA), "vae.")
"""Family → where its VAE lies in a checkpoint, if not where it does in Stable Diffusion."""

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
    is_unet = model.family in UNET_FAMILIES
    denoiser = _unet_state(model.unet) if is_unet else _transformer_state(model.unet, model.family)
    state = _prefixed(UNET_PREFIX, denoiser)
    if vae is not None:
        state |= _prefixed(_VAE_PREFIXES.get(model.family, VAE_PREFIX), autoencoder_state(vae))
    if clip is not None:
        for tower, prefix in zip(clip.towers, _tower_prefixes(clip), strict=True):
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


def _transformer_state(network: Network[Any], family: Family) -> State:
    tensors = dict(_tensors(network))
    depth = len({name.split(".")[1] for name in tensors if name.startswith("transformer_blocks.")})
    state = _put_together((original_place(name, family, depth), tensor) for name, tensor in tensors.items())
    if family is Family.PIXART_ALPHA:  # Its null prompt, which nothing reads, tells it from Sigma.
        state["y_embedder.y_embedding"] = torch.zeros(
            PIXART_ALPHA_TOKENS, tensors["caption_projection.linear_1.weight"].shape[1]
        )
    return state


def _tower_prefixes(clip: TextEncoder) -> Sequence[str]:
    named = [f"text_encoders.{tower.kind}.transformer." for tower in clip.towers]
    return _TOWER_PREFIXES.get(clip.family, named)


def _bare_state(tower: TextTower) -> State:
    return {name.removeprefix("text_model."): tensor for name, tensor in _tensors(tower.network)}


def _open_clip_state(tower: TextTower) -> State:
    """OpenCLIP keeps query, key and value in one matrix, and its projection transposed."""
    return _put_together((open_clip_places(name)[0], tensor) for name, tensor in _bare_state(tower).items())


def _put_together(placed: Iterable[tuple[Place, Tensor]]) -> State:
    """Name tensors as files do, and join those that share one there."""
    parts: dict[str, dict[Rows, Tensor]] = {}
    for place, tensor in placed:
        stored = tensor.T if place.is_transposed else tensor
        if place.is_swapped:
            stored = torch.cat(stored.chunk(2)[::-1])
        parts.setdefault(place.name, {})[place.rows or (0, 1, 1)] = stored
    return {
        name: torch.cat([each[rows] for rows in sorted(each)]) if len(each) > 1 else next(iter(each.values()))
        for name, each in parts.items()
    }


def _tensors(network: Network[Any]) -> Iterable[tuple[str, Tensor]]:
    return exact_state(network.module()).items()


def _prefixed(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}
