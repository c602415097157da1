"""From a file or folder to handles of its networks.

Everything that can be told without reading weights (format, family, shapes, missing tensors) is checked
here, where the loader node runs; the weights follow when a network is first used.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from bridge import models
from bridge.diffusion import folder, networks
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import (
    autoencoder_names,
    old_diffusers_names,
    unet_names,
)
from bridge.diffusion.opening import open_network
from bridge.diffusion.plain_autoencoders import load_plain_autoencoder
from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import NoiseSchedule, Prediction, stable_diffusion_schedule
from bridge.diffusion.storage import StorageDtype
from bridge.diffusion.text_loading import clip_tokenizer, tower_in_file, tower_in_folder
from bridge.diffusion.types import Autoencoder, DiffusionModel, TextEncoder, TextTower
from bridge.diffusion.weights import Names
from bridge.errors import ModelError
from bridge.models import Family, TowerKind

_VELOCITY_DEVIATION = 0.09
_LAST_NORMS = (
    "output_blocks.11.1.transformer_blocks.0.norm1.bias",
    "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias",
)
"""Of Stable Diffusion 2.x, in both naming styles. It deviates by more than 0.09 in models that
predict v; ComfyUI tells them so."""

_FOLDER_TOWERS: Sequence[tuple[str, dict[Family, TowerKind]]] = (
    ("text_encoder", {Family.SD1: "clip_l", Family.SD2: "clip_h", Family.SDXL: "clip_l"}),
    ("text_encoder_2", {Family.SDXL: "clip_g", Family.SDXL_REFINER: "clip_g"}),
)
"""Subfolder of a text tower → which one it is in each family."""


def load_checkpoint(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    """Open a checkpoint: a single file, or a folder in diffusers' layout.

    Args:
        path: What the catalogue found.
        name: What the user calls it, for messages.

    Raises:
        ModelError: If it is damaged, unsafe, or no checkpoint.
        UnsupportedModel: If it belongs to another family.
    """
    return _checkpoint_folder(path, name) if path.is_dir() else _checkpoint_file(path, name)


def load_denoiser(path: Path, name: str, storage: StorageDtype = "default") -> DiffusionModel:
    """Open a UNet without text encoder and VAE: a file in either naming style, or a diffusers folder.

    Args:
        path: What the catalogue found.
        name: What the user calls it, for messages.
        storage: How its weights rest in memory.

    Raises:
        ModelError: If it is damaged, unsafe, or no UNet.
        UnsupportedModel: If it belongs to another family.
    """
    label = f'diffusion model "{name}"'
    if path.is_dir():
        place = path / "unet" if (path / "unet").is_dir() else path
        network, family = _unet_folder(place, label, storage)
        return _diffusion_model(network, family, _schedule_of_folder(path), None)
    header = models.read_header(path)
    found = models.denoiser(header, path.name)
    schedule = _schedule_of_file(path, header, found)
    return _diffusion_model(_unet(path, header, found, label, storage), found.family, schedule, None)


def load_autoencoder(path: Path, name: str) -> Autoencoder:
    """Open a VAE: a single file in either naming style, a checkpoint, a diffusers folder, or a stand-in.

    Raises:
        ModelError: If it is damaged, unsafe, or no VAE.
        UnsupportedModel: If it belongs to another family.
    """
    if path.is_dir():
        place = path / "vae" if (path / "vae").is_dir() else path
        return _autoencoder_folder(place, name)
    header = models.read_header(path)
    if plain := load_plain_autoencoder(path, header, name):
        return plain
    layout, prefix = models.autoencoder(header, path.name)
    return _autoencoder(path, header, name, layout, prefix)


def _checkpoint_file(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    header = models.read_header(path)
    found = models.checkpoint(header, path.name)
    family = found.unet.family
    vae = Autoencoder(_absent(name, "VAE", "VAELoader"), networks.LATENT_FACTOR)
    if found.vae:
        vae = _autoencoder(path, header, name, found.vae, models.VAE_PREFIX)
    unet = _unet(path, header, found.unet, f'checkpoint "{name}"')
    model = _diffusion_model(
        unet, family, _schedule_of_file(path, header, found.unet), vae if found.vae else None
    )
    towers = tuple(tower_in_file(path, header, part, f'text encoder of "{name}"') for part in found.texts)
    if not towers:
        towers = (TextTower(_absent(name, "text encoder", "CLIPLoader"), clip_tokenizer()),)
    return model, TextEncoder(towers, family), vae


def _checkpoint_folder(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    unet, family = _unet_folder(path / "unet", f'checkpoint "{name}"')
    towers = [
        tower_in_folder(path / place, kinds[family], f'text encoder of "{name}"')
        for place, kinds in _FOLDER_TOWERS
        if family in kinds
    ]
    vae = _autoencoder_folder(path / "vae", name)
    config = folder.read_autoencoder_config(path / "vae")
    scaling_factor = config.get("scaling_factor", networks.scaling_factor(family))
    model = _diffusion_model(unet, family, _schedule_of_folder(path), vae, scaling_factor)
    return model, TextEncoder(tuple(towers), family), vae


def _diffusion_model(
    unet: Network[Any],
    family: Family,
    schedule: NoiseSchedule,
    vae: Autoencoder | None,
    scaling_factor: float | None = None,
) -> DiffusionModel:
    factor = networks.scaling_factor(family) if scaling_factor is None else scaling_factor
    latent_factor = vae.latent_factor if vae else networks.LATENT_FACTOR
    return DiffusionModel(unet, schedule, factor, latent_factor, vae, family)


def _unet(
    path: Path,
    header: models.Header,
    found: models.UNetPart,
    label: str,
    storage: StorageDtype = "default",
) -> Network[Any]:
    build = functools.partial(networks.empty_unet, networks.unet_config(found.layout, found.family))
    ldm = functools.partial(unet_names, blocks=found.layout.blocks)
    names = _prefixed(found.prefix, ldm, header)
    return open_network(label, build, path, names, storage=storage)


def _unet_folder(path: Path, label: str, storage: StorageDtype = "default") -> tuple[Network[Any], Family]:
    build = functools.partial(networks.empty_unet, folder.read_unet_config(path))
    file = models.weights_file(path, "diffusion_pytorch_model")
    family = models.denoiser(models.read_header(file), f"{path.parent.name}/{path.name}").family
    return open_network(label, build, file, _same, storage=storage), family


def _schedule_of_file(path: Path, header: models.Header, unet: models.UNetPart) -> NoiseSchedule:
    """Tell the noise schedule from marks that trainers leave, or for Stable Diffusion 2 from a weight."""
    prediction: Prediction = "v_prediction" if "v_pred" in header.tensors else "epsilon"
    norms = (unet.prefix + name for name in _LAST_NORMS)
    sign = next((name for name in norms if name in header.tensors), None)
    if unet.family is Family.SD2 and unet.layout.in_channels == 4 and sign:
        with safe_open(path, framework="pt") as file:
            deviation = file.get_tensor(sign).float().std(unbiased=False)
        if deviation > _VELOCITY_DEVIATION:
            prediction = "v_prediction"
    return stable_diffusion_schedule(prediction, is_zero_snr="ztsnr" in header.tensors)


def _schedule_of_folder(path: Path) -> NoiseSchedule:
    file = path / "scheduler" / "scheduler_config.json"
    return folder.read_schedule(file) if file.exists() else stable_diffusion_schedule()


def _autoencoder_folder(path: Path, name: str) -> Autoencoder:
    config = folder.read_autoencoder_config(path)
    build = functools.partial(networks.empty_autoencoder, config)
    file = models.weights_file(path, "diffusion_pytorch_model")
    network = open_network(f'VAE of "{name}"', build, file, old_diffusers_names, place=Placement.for_vae)
    return Autoencoder(network, networks.latent_factor(config))


def _autoencoder(
    path: Path, header: models.Header, name: str, layout: models.AutoencoderLayout, prefix: str
) -> Autoencoder:
    config = networks.autoencoder_config(layout)
    build = functools.partial(networks.empty_autoencoder, config)
    ldm = functools.partial(autoencoder_names, levels=len(layout.channels))
    names = _prefixed(prefix, ldm, header, otherwise=old_diffusers_names)
    network = open_network(f'VAE of "{name}"', build, path, names, place=Placement.for_vae)
    return Autoencoder(network, networks.latent_factor(config))


def _absent(name: str, what: str, loader: str) -> Network[Any]:
    def refuse(placement: Placement) -> Any:
        raise ModelError(
            f'checkpoint "{name}" brings no {what}', code="model_incomplete", hint=f"Load one with {loader}."
        )

    return Network(f'{what} of "{name}"', refuse)


def _prefixed(prefix: str, ldm: Names, header: models.Header, *, otherwise: Names | None = None) -> Names:
    """Choose the naming style that a file uses, and put a prefix in front of its names."""
    stored = (name.removeprefix(prefix) for name in header.tensors if name.startswith(prefix))
    translate = ldm if models.is_ldm(stored) else otherwise or _same
    return lambda name: [f"{prefix}{candidate}" for candidate in translate(name)]


def _same(name: str) -> list[str]:
    return [name]
