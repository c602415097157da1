"""From a file or folder to handles of its networks.

Everything that can be told without reading weights (format, family, shapes, missing tensors) is checked
here, where the loader node runs; the weights follow when a network is first used.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTokenizer

from bridge import models
from bridge.builtin import model_folder
from bridge.diffusion import folder, networks
from bridge.diffusion.control import SteeringNetwork
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import autoencoder_names, old_diffusers_names, unet_names
from bridge.diffusion.reading import reading, running_loader
from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.types import Autoencoder, ControlNetwork, DiffusionModel, TextEncoder, TextTower
from bridge.diffusion.weights import Names, fill, match_names
from bridge.errors import ModelError

Build = Callable[[], torch.nn.Module]


def load_checkpoint(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    """Open a Stable Diffusion 1.x checkpoint: a single file, or a folder in diffusers' layout.

    Args:
        path: What the catalogue found.
        name: What the user calls it, for messages.

    Raises:
        ModelError: If it is damaged, unsafe, or no checkpoint.
        UnsupportedModel: If it belongs to another family.
    """
    return _checkpoint_folder(path, name) if path.is_dir() else _checkpoint_file(path, name)


def load_autoencoder(path: Path, name: str) -> Autoencoder:
    """Open a VAE: a single file in either naming style, a checkpoint, or a diffusers folder.

    Raises:
        ModelError: If it is damaged, unsafe, or no VAE.
        UnsupportedModel: If it belongs to another family.
    """
    if path.is_dir():
        place = path / "vae" if (path / "vae").is_dir() else path
        return _autoencoder_folder(place, name)
    layout, prefix = models.autoencoder(models.read_header(path), path.name)
    return _autoencoder(path, name, layout, prefix)


def load_controlnet(path: Path, name: str) -> ControlNetwork:
    """Open a Stable Diffusion 1.x ControlNet: a single file in either naming style, or a diffusers folder.

    Raises:
        ModelError: If it is damaged, unsafe, or no ControlNet.
        UnsupportedModel: If it belongs to another family.
    """
    if path.is_dir():
        config = folder.read_controlnet_config(path)
        file = folder.weights_file(path, "diffusion_pytorch_model")
        names: Names = _same
    else:
        file = path
        header = models.read_header(path)
        layout, prefix = models.controlnet(header, path.name)
        config = networks.controlnet_config(layout)
        names = _prefixed(prefix, functools.partial(unet_names, blocks=layout.blocks), header)
    build = functools.partial(networks.empty_controlnet, config)
    return ControlNetwork(_network(f'ControlNet "{name}"', build, file, names, finish=SteeringNetwork))


def _checkpoint_file(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    header = models.read_header(path)
    found = models.checkpoint(header, path.name)
    unet = _network(
        f'checkpoint "{name}"',
        functools.partial(networks.empty_unet, networks.unet_config(found.unet)),
        path,
        _prefixed(models.UNET_PREFIX, functools.partial(unet_names, blocks=found.unet.blocks), header),
    )
    vae = Autoencoder(_absent(name, "VAE", "VAELoader"), networks.LATENT_FACTOR)
    if found.vae:
        vae = _autoencoder(path, name, found.vae, models.VAE_PREFIX)
    text: Network[Any] = _absent(name, "text encoder", "CLIPLoader")
    if found.text:
        text = _text_tower(
            path, name, networks.text_config(found.text), lambda key: [found.text_prefix + key]
        )
    schedule = stable_diffusion_schedule(
        "v_prediction" if found.predicts_velocity else "epsilon", is_zero_snr=found.is_zero_snr
    )
    model = DiffusionModel(
        unet, schedule, networks.SCALING_FACTOR, vae.latent_factor, vae if found.vae else None
    )
    return model, TextEncoder((TextTower(text, clip_tokenizer()),)), vae


def _checkpoint_folder(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    config = folder.read_unet_config(path / "unet")
    unet = _network(
        f'checkpoint "{name}"',
        functools.partial(networks.empty_unet, config),
        folder.weights_file(path / "unet", "diffusion_pytorch_model"),
        _same,
    )
    text = _text_tower(
        folder.weights_file(path / "text_encoder", "model"),
        name,
        folder.read_text_config(path / "text_encoder"),
        lambda key: [key, f"text_model.{key}"],
    )
    vae = _autoencoder_folder(path / "vae", name)
    scaling_factor = folder.read_autoencoder_config(path / "vae").get(
        "scaling_factor", networks.SCALING_FACTOR
    )
    scheduler = path / "scheduler" / "scheduler_config.json"
    schedule = folder.read_schedule(scheduler) if scheduler.exists() else stable_diffusion_schedule()
    model = DiffusionModel(unet, schedule, scaling_factor, vae.latent_factor, vae)
    return model, TextEncoder((TextTower(text, clip_tokenizer()),)), vae


def _autoencoder_folder(path: Path, name: str) -> Autoencoder:
    config = folder.read_autoencoder_config(path)
    build = functools.partial(networks.empty_autoencoder, config)
    file = folder.weights_file(path, "diffusion_pytorch_model")
    network = _network(f'VAE of "{name}"', build, file, old_diffusers_names, is_vae=True)
    return Autoencoder(network, networks.latent_factor(config))


def _autoencoder(path: Path, name: str, layout: models.AutoencoderLayout, prefix: str) -> Autoencoder:
    header = models.read_header(path)
    config = networks.autoencoder_config(layout)
    build = functools.partial(networks.empty_autoencoder, config)
    ldm = functools.partial(autoencoder_names, levels=len(layout.channels))
    names = _prefixed(prefix, ldm, header, otherwise=old_diffusers_names)
    network = _network(f'VAE of "{name}"', build, path, names, is_vae=True)
    return Autoencoder(network, networks.latent_factor(config))


def _text_tower(path: Path, name: str, config: dict[str, Any], names: Names) -> Network[Any]:
    def with_positions(module: Any) -> Any:
        positions = config["max_position_embeddings"]
        module.embeddings.position_ids = torch.arange(positions, device=module.device)[None]
        return module

    build = functools.partial(networks.empty_text_tower, config)
    return _network(f'text encoder of "{name}"', build, path, names, finish=with_positions)


def _network(
    label: str,
    build: Build,
    file: Path,
    names: Names,
    *,
    finish: Callable[[Any], Any] = lambda module: module,
    is_vae: bool = False,
) -> Network[Any]:
    """Check a file against a network, and return the handle that loads it."""
    header = models.read_header(file)
    found = match_names(build(), header, names, file.name)
    size = sum(header.tensors[stored].end - header.tensors[stored].begin for stored in found.values())
    loader = running_loader()

    def load(placement: Placement) -> Any:
        module = build()
        dtype = placement.vae_dtype if is_vae else placement.dtype
        with reading(loader, size) as on_read:
            fill(module, file, found, placement, dtype, on_read)
            return finish(module).to(memory_format=placement.memory_format)

    return Network(label, load)


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
    return lambda name: [prefix + candidate for candidate in translate(name)]


def _same(name: str) -> list[str]:
    return [name]


@functools.cache
def clip_tokenizer() -> Any:
    """CLIP's tokenizer, which all of Stable Diffusion 1.x shares."""
    return CLIPTokenizer.from_pretrained(model_folder() / "tokenizer", local_files_only=True)
