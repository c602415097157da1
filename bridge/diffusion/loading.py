"""From a file or folder to handles of its networks.

Everything that can be told without reading weights (format, family, shapes, missing tensors) is checked
here, where the loader node runs; the weights follow when a network is first used.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import safe_open
from transformers import CLIPTokenizer

from bridge import models
from bridge.builtin import model_folder
from bridge.diffusion import folder, networks
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import (
    Place,
    autoencoder_names,
    old_diffusers_names,
    open_clip_places,
    unet_names,
)
from bridge.diffusion.reading import reading, running_loader
from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import NoiseSchedule, Prediction, stable_diffusion_schedule
from bridge.diffusion.storage import StorageDtype, store_in
from bridge.diffusion.types import Autoencoder, DiffusionModel, TextEncoder, TextTower
from bridge.diffusion.weights import Names, fill, match_names
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Family, TowerKind

Build = Callable[[], torch.nn.Module]

_VELOCITY_DEVIATION = 0.09
_LAST_NORM = "output_blocks.11.1.transformer_blocks.0.norm1.bias"
"""Of Stable Diffusion 2.x. It deviates by more than 0.09 in models that predict v; ComfyUI tells them so."""

_SHORTENED_LAYERS = 23
"""Diffusers' folders of Stable Diffusion 2, and files made of them, lack the last of ViT-H/14's 24 layers."""

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


def load_text_encoder(paths: Sequence[Path], names: Sequence[str], *, on_cpu: bool = False) -> TextEncoder:
    """Open text towers that are kept apart from a checkpoint, each a file or a diffusers folder.

    One tower makes the text encoder of the family it alone belongs to; ViT-L/14 and ViT-bigG/14 together,
    in any order, make SDXL's.

    Args:
        paths: One or two.
        names: What the user calls them.
        on_cpu: Whether they are to run there, whatever the device is.

    Raises:
        ModelError: If one is damaged, unsafe, or no text encoder.
        UnsupportedModel: If no supported family has these towers.
    """
    towers = [_tower_of_its_own(path, name, on_cpu) for path, name in zip(paths, names, strict=True)]
    towers.sort(key=lambda tower: get_args(TowerKind).index(tower.kind))
    families: dict[tuple[TowerKind, ...], Family] = {
        ("clip_l",): Family.SD1,
        ("clip_h",): Family.SD2,
        ("clip_g",): Family.SDXL_REFINER,
        ("clip_l", "clip_g"): Family.SDXL,
    }
    kinds = tuple(tower.kind for tower in towers)
    if kinds not in families:
        raise UnsupportedModel(
            f"no supported family has the text encoders {' and '.join(kinds)}",
            hint="SDXL has clip_l (ViT-L/14) and clip_g (ViT-bigG/14).",
        )
    return TextEncoder(tuple(towers), families[kinds])


def load_autoencoder(path: Path, name: str) -> Autoencoder:
    """Open a VAE: a single file in either naming style, a checkpoint, or a diffusers folder.

    Raises:
        ModelError: If it is damaged, unsafe, or no VAE.
        UnsupportedModel: If it belongs to another family.
    """
    if path.is_dir():
        place = path / "vae" if (path / "vae").is_dir() else path
        return _autoencoder_folder(place, name)
    header = models.read_header(path)
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
    towers = tuple(_tower(path, header, part, f'text encoder of "{name}"') for part in found.texts)
    if not towers:
        towers = (TextTower(_absent(name, "text encoder", "CLIPLoader"), clip_tokenizer()),)
    return model, TextEncoder(towers, family), vae


def _checkpoint_folder(path: Path, name: str) -> tuple[DiffusionModel, TextEncoder, Autoencoder]:
    unet, family = _unet_folder(path / "unet", f'checkpoint "{name}"')
    towers = [
        _tower_folder(path / place, kinds[family], f'text encoder of "{name}"')
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
    return open_network(label, build, path, names, finish=functools.partial(store_in, storage=storage))


def _unet_folder(path: Path, label: str, storage: StorageDtype = "default") -> tuple[Network[Any], Family]:
    build = functools.partial(networks.empty_unet, folder.read_unet_config(path))
    file = folder.weights_file(path, "diffusion_pytorch_model")
    family = models.denoiser(models.read_header(file), f"{path.parent.name}/{path.name}").family
    finish = functools.partial(store_in, storage=storage)
    return open_network(label, build, file, _same, finish=finish), family


def _schedule_of_file(path: Path, header: models.Header, unet: models.UNetPart) -> NoiseSchedule:
    """Tell the noise schedule from marks that trainers leave, or for Stable Diffusion 2 from a weight."""
    prediction: Prediction = "v_prediction" if "v_pred" in header.tensors else "epsilon"
    sign = unet.prefix + _LAST_NORM
    if unet.family is Family.SD2 and unet.layout.in_channels == 4 and sign in header.tensors:
        with safe_open(path, framework="pt") as file:
            deviation = file.get_tensor(sign).float().std(unbiased=False)
        prediction = "v_prediction" if deviation > _VELOCITY_DEVIATION else "epsilon"
    return stable_diffusion_schedule(prediction, is_zero_snr="ztsnr" in header.tensors)


def _schedule_of_folder(path: Path) -> NoiseSchedule:
    file = path / "scheduler" / "scheduler_config.json"
    return folder.read_schedule(file) if file.exists() else stable_diffusion_schedule()


def _autoencoder_folder(path: Path, name: str) -> Autoencoder:
    config = folder.read_autoencoder_config(path)
    build = functools.partial(networks.empty_autoencoder, config)
    file = folder.weights_file(path, "diffusion_pytorch_model")
    network = open_network(f'VAE of "{name}"', build, file, old_diffusers_names, is_vae=True)
    return Autoencoder(network, networks.latent_factor(config))


def _autoencoder(
    path: Path, header: models.Header, name: str, layout: models.AutoencoderLayout, prefix: str
) -> Autoencoder:
    config = networks.autoencoder_config(layout)
    build = functools.partial(networks.empty_autoencoder, config)
    ldm = functools.partial(autoencoder_names, levels=len(layout.channels))
    names = _prefixed(prefix, ldm, header, otherwise=old_diffusers_names)
    network = open_network(f'VAE of "{name}"', build, path, names, is_vae=True)
    return Autoencoder(network, networks.latent_factor(config))


def _tower_of_its_own(path: Path, name: str, on_cpu: bool) -> TextTower:
    label = f'text encoder "{name}"'
    file = folder.weights_file(path, "model") if path.is_dir() else path
    header = models.read_header(file)
    part = models.text_tower(header, file.name)
    if path.is_dir():
        return _tower_folder(path, part.kind, label, on_cpu)
    return _tower(path, header, part, label, on_cpu)


def _tower(
    path: Path, header: models.Header, part: models.TextPart, label: str, on_cpu: bool = False
) -> TextTower:
    config = networks.text_config(part.layout, part.kind)
    names = _tower_names(part.prefix, header, part.layout.is_open_clip)
    network = _tower_network(label, config, path, names, on_cpu)
    is_shortened = part.kind == "clip_h" and part.layout.layers == _SHORTENED_LAYERS
    return TextTower(network, clip_tokenizer(), part.kind, on_cpu, is_shortened)


def _tower_folder(path: Path, kind: TowerKind, label: str, on_cpu: bool = False) -> TextTower:
    file = folder.weights_file(path, "model")
    header = models.read_header(file)
    part = models.text_tower(header, f"{path.parent.name}/{path.name}")
    config = {**folder.read_text_config(path), "projection_dim": part.layout.projection}
    names = _tower_names(part.prefix, header, part.layout.is_open_clip)
    network = _tower_network(label, config, file, names, on_cpu)
    return TextTower(network, clip_tokenizer(), kind, on_cpu, is_shortened=kind == "clip_h")


def _tower_names(prefix: str, header: models.Header, is_open_clip: bool) -> Names:
    def places(name: str) -> list[Place]:
        if is_open_clip:
            return [
                Place(prefix + place.name, place.third, place.is_transposed)
                for place in open_clip_places(name)
            ]
        bare = name.removeprefix("text_model.")
        # The projection belongs to the whole model, whose tower may be a part of it.
        return [Place(prefix + bare), Place(prefix.removesuffix("text_model.") + bare)]

    return places


def _tower_network(
    label: str, config: dict[str, Any], file: Path, names: Names, on_cpu: bool
) -> Network[Any]:
    def with_positions(module: Any) -> Any:
        encoder = getattr(module, "text_model", module)
        positions = config["max_position_embeddings"]
        encoder.embeddings.position_ids = torch.arange(positions, device=module.device)[None]
        return module

    build = functools.partial(networks.empty_text_tower, config)
    return open_network(label, build, file, names, finish=with_positions, on_cpu=on_cpu)


def open_network(
    label: str,
    build: Build,
    file: Path,
    names: Names,
    *,
    finish: Callable[[Any], Any] = lambda module: module,
    is_vae: bool = False,
    on_cpu: bool = False,
) -> Network[Any]:
    """Check a file against a network, and return the handle that loads it.

    Args:
        label: What it is called in messages.
        build: Makes the network without weights.
        file: Holds them.
        names: Where each parameter may lie in the file.
        finish: Makes of the filled network what will be used.
        is_vae: Whether it runs in an autoencoder's precision.
        on_cpu: Whether it runs there, whatever the device is.

    Raises:
        ModelError: If the file is damaged, or does not hold the network.
    """
    header = models.read_header(file)
    skeleton = build()
    found = match_names(skeleton, header, names, file.name)
    size = sum(header.tensors[place.name].end - header.tensors[place.name].begin for place in found.values())
    loader = running_loader()

    def load(placement: Placement) -> Any:
        if on_cpu:
            placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
        module = build()
        dtype = placement.vae_dtype if is_vae else placement.dtype
        with reading(loader, size) as on_read:
            fill(module, file, found, placement, dtype, on_read)
            return finish(module).to(memory_format=placement.memory_format)

    shapes = {key: tuple(parameter.shape) for key, parameter in skeleton.named_parameters()}
    return Network(label, load, shapes)


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


@functools.cache
def clip_tokenizer() -> Any:
    """CLIP's tokenizer, which all of Stable Diffusion shares."""
    return CLIPTokenizer.from_pretrained(model_folder() / "tokenizer", local_files_only=True)
