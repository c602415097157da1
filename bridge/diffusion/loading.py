"""From a file or folder to handles of its networks.

Everything that can be told without reading weights (format, family, shapes, missing tensors) is checked
here, where the loader node runs; the weights follow when a network is first used.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge import models
from bridge.diffusion import folder, networks
from bridge.diffusion.denoiser_loading import (
    denoiser_in_file,
    denoiser_in_folder,
    folder_of_denoiser,
    prefixed,
    schedule_of_file,
    schedule_of_folder,
)
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import autoencoder_names, old_diffusers_names
from bridge.diffusion.opening import open_network
from bridge.diffusion.plain_autoencoders import load_plain_autoencoder
from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import NoiseSchedule
from bridge.diffusion.storage import StorageDtype
from bridge.diffusion.t5 import t5_tokenizer
from bridge.diffusion.text_loading import clip_tokenizer, tower_in_file, tower_in_folder
from bridge.diffusion.types import Autoencoder, DiffusionModel, TextEncoder, TextTower
from bridge.errors import ModelError
from bridge.models import Family, TowerKind

_FOLDER_TOWERS: Mapping[Family, tuple[TowerKind, ...]] = {
    Family.SD1: ("clip_l",),
    Family.SD2: ("clip_h",),
    Family.SDXL: ("clip_l", "clip_g"),
    Family.SD3: ("clip_l", "clip_g", "t5xxl"),
    Family.FLUX: ("clip_l", "t5xxl"),
    Family.PIXART_ALPHA: ("t5xxl",),
    Family.PIXART_SIGMA: ("t5xxl",),
}
"""Family → the towers in the folders ``text_encoder``, ``text_encoder_2`` …; the refiner has the second
of SDXL's alone."""


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
    """Open a denoiser without text encoder and VAE: a file in either naming style, or a diffusers folder.

    Args:
        path: What the catalogue found.
        name: What the user calls it, for messages.
        storage: How its weights rest in memory.

    Raises:
        ModelError: If it is damaged, unsafe, or no denoiser.
        UnsupportedModel: If it belongs to another family.
    """
    label = f'diffusion model "{name}"'
    if path.is_dir():
        network, part = denoiser_in_folder(folder_of_denoiser(path), label, storage)
        return _diffusion_model(network, part.family, schedule_of_folder(path, part), None)
    header = models.read_header(path)
    part = models.denoiser(header, path.name)
    network = denoiser_in_file(path, header, part, label, storage)
    return _diffusion_model(network, part.family, schedule_of_file(path, header, part), None)


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
    vae = Autoencoder(
        _absent(name, "VAE", "VAELoader"), networks.LATENT_FACTOR, networks.latent_channels(family)
    )
    if found.vae:
        vae = _autoencoder(path, header, name, *found.vae)
    unet = denoiser_in_file(path, header, found.unet, f'checkpoint "{name}"')
    schedule = schedule_of_file(path, header, found.unet)
    model = _diffusion_model(unet, family, schedule, vae if found.vae else None)
    towers = {
        part.kind: tower_in_file(path, header, part, f'text encoder of "{name}"') for part in found.texts
    }
    return model, TextEncoder(_completed(towers, family, name), family), vae


def _checkpoint_folder(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    unet, part = denoiser_in_folder(folder_of_denoiser(path), f'checkpoint "{name}"')
    towers = [
        tower_in_folder(place, kind, f'text encoder of "{name}"')
        for place, kind in _towers_of_folder(path, part.family)
    ]
    vae = _autoencoder_folder(path / "vae", name)
    config = folder.read_autoencoder_config(path / "vae")
    model = _diffusion_model(unet, part.family, schedule_of_folder(path, part), vae, config)
    return model, TextEncoder(tuple(towers), part.family), vae


def _towers_of_folder(path: Path, family: Family) -> list[tuple[Path, TowerKind]]:
    """List the towers of a family and their folders; of Stable Diffusion 3's any may be missing."""
    if family is Family.SDXL_REFINER:
        return [(path / "text_encoder_2", "clip_g")]
    places = [path / f"text_encoder{number}" for number in ("", "_2", "_3")]
    towers = list(zip(places, _FOLDER_TOWERS[family], strict=False))
    return [each for each in towers if each[0].is_dir()] if family is Family.SD3 else towers


def _diffusion_model(
    unet: Network[Any],
    family: Family,
    schedule: NoiseSchedule,
    vae: Autoencoder | None,
    vae_config: Mapping[str, Any] | None = None,
) -> DiffusionModel:
    config = vae_config or {}
    return DiffusionModel(
        unet,
        schedule,
        config.get("scaling_factor", networks.scaling_factor(family)),
        vae.latent_factor if vae else networks.LATENT_FACTOR,
        vae,
        family,
        shift_factor=config.get("shift_factor") or networks.shift_factor(family),
    )


def _autoencoder_folder(path: Path, name: str) -> Autoencoder:
    config = folder.read_autoencoder_config(path)
    build = functools.partial(networks.empty_autoencoder, config)
    file = models.weights_file(path, "diffusion_pytorch_model")
    network = open_network(f'VAE of "{name}"', build, file, old_diffusers_names, place=Placement.for_vae)
    return Autoencoder(network, networks.latent_factor(config), config.get("latent_channels", 4))


def _autoencoder(
    path: Path, header: models.Header, name: str, layout: models.AutoencoderLayout, prefix: str
) -> Autoencoder:
    config = networks.autoencoder_config(layout)
    build = functools.partial(networks.empty_autoencoder, config)
    ldm = functools.partial(autoencoder_names, levels=len(layout.channels))
    names = prefixed(prefix, ldm, header, otherwise=old_diffusers_names)
    network = open_network(f'VAE of "{name}"', build, path, names, place=Placement.for_vae)
    return Autoencoder(network, networks.latent_factor(config), layout.latent_channels)


def _absent(name: str, what: str, loader: str) -> Network[Any]:
    def refuse(placement: Placement) -> Any:
        raise ModelError(
            f'checkpoint "{name}" brings no {what}', code="model_incomplete", hint=f"Load one with {loader}."
        )

    return Network(f'{what} of "{name}"', refuse)


def _completed(towers: Mapping[TowerKind, TextTower], family: Family, name: str) -> tuple[TextTower, ...]:
    """Return the towers of a checkpoint with what its family needs and the file lacks: refusals.

    Stable Diffusion 3 needs one only.
    """
    if towers and family is Family.SD3:
        return tuple(towers.values())
    wanted = _FOLDER_TOWERS.get(family, ("clip_g",))
    missing = " and ".join(kind for kind in wanted if kind not in towers)
    loader = {1: "CLIPLoader", 2: "DualCLIPLoader", 3: "TripleCLIPLoader"}[len(wanted)]
    absent = _absent(name, f"text encoder ({missing})", loader)
    return tuple(
        towers.get(kind) or TextTower(absent, t5_tokenizer() if kind == "t5xxl" else clip_tokenizer(), kind)
        for kind in wanted
    )
