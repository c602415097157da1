"""From files and folders to denoisers and the noise levels they were trained on."""

import functools
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from bridge import models
from bridge.diffusion import folder, networks
from bridge.diffusion.device import Placement
from bridge.diffusion.flow import flow_schedule, flux_schedule
from bridge.diffusion.ldm_names import Place, unet_names
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import (
    TIMESTEPS,
    NoiseSchedule,
    Prediction,
    VarianceSchedule,
    stable_diffusion_schedule,
)
from bridge.diffusion.storage import StorageDtype
from bridge.diffusion.transformer_names import transformer_places
from bridge.diffusion.transformer_networks import empty_transformer, with_positions
from bridge.diffusion.weights import Names
from bridge.models import Family, FluxLayout, TransformerPart, UNetPart

_VELOCITY_DEVIATION = 0.09
_LAST_NORMS = (
    "output_blocks.11.1.transformer_blocks.0.norm1.bias",
    "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias",
)
"""Of Stable Diffusion 2.x, in both naming styles. It deviates by more than 0.09 in models that
predict v; ComfyUI tells them so."""

_SD3_SHIFT = 3.0
_PIXART_BETAS = 0.0001, 0.02


def denoiser_in_file(
    path: Path,
    header: models.Header,
    part: UNetPart | TransformerPart,
    label: str,
    storage: StorageDtype = "default",
) -> Network[Any]:
    """Open a denoiser that a file holds, alone or in a checkpoint.

    Args:
        path: The file.
        header: Its header.
        part: Where in it the denoiser lies.
        label: What it is called in messages.
        storage: How its weights rest in memory.

    Raises:
        ModelError: If the file does not hold what the denoiser needs.
        UnsupportedModel: If diffusers has no such denoiser.
    """
    if isinstance(part, TransformerPart):
        return _transformer(path, part, label, storage)
    build = functools.partial(networks.empty_unet, networks.unet_config(part.layout, part.family))
    ldm = functools.partial(unet_names, blocks=part.layout.blocks)
    return open_network(label, build, path, prefixed(part.prefix, ldm, header), storage=storage)


def denoiser_in_folder(
    path: Path, label: str, storage: StorageDtype = "default"
) -> tuple[Network[Any], UNetPart | TransformerPart]:
    """Open the denoiser in a folder in diffusers' layout; see ``denoiser_in_file``.

    Raises:
        ModelError: If it is damaged, unsafe, or no denoiser.
        UnsupportedModel: If its configuration describes one of another family.
    """
    file = models.weights_file(path, "diffusion_pytorch_model")
    part = models.denoiser(models.read_header(file), f"{path.parent.name}/{path.name}")
    if isinstance(part, TransformerPart):
        return _transformer(file, part, label, storage), part
    build = functools.partial(networks.empty_unet, folder.read_unet_config(path))
    return open_network(label, build, file, same, storage=storage), part


def folder_of_denoiser(path: Path) -> Path:
    """Return where in a model folder its denoiser lies; the folder itself where it holds nothing else."""
    return next((path / place for place in ("unet", "transformer") if (path / place).is_dir()), path)


def schedule_of_file(path: Path, header: models.Header, part: UNetPart | TransformerPart) -> NoiseSchedule:
    """Tell the noise schedule: of a UNet by marks that trainers leave, or a weight; else by the family."""
    if isinstance(part, TransformerPart):
        return _schedule_of_family(part)
    prediction: Prediction = "v_prediction" if "v_pred" in header.tensors else "epsilon"
    norms = (part.prefix + name for name in _LAST_NORMS)
    sign = next((name for name in norms if name in header.tensors), None)
    if part.family is Family.SD2 and part.layout.in_channels == 4 and sign:
        with safe_open(path, framework="pt") as file:
            deviation = file.get_tensor(sign).float().std(unbiased=False)
        if deviation > _VELOCITY_DEVIATION:
            prediction = "v_prediction"
    return stable_diffusion_schedule(prediction, is_zero_snr="ztsnr" in header.tensors)


def schedule_of_folder(path: Path, part: UNetPart | TransformerPart) -> NoiseSchedule:
    """Read the noise schedule of a UNet's folder; that of a transformer is its family's."""
    if isinstance(part, TransformerPart):
        return _schedule_of_family(part)
    file = path / "scheduler" / "scheduler_config.json"
    return folder.read_schedule(file) if file.exists() else stable_diffusion_schedule()


def prefixed(prefix: str, ldm: Names, header: models.Header, *, otherwise: Names | None = None) -> Names:
    """Choose the naming style that a file uses, and put a prefix in front of its names."""
    stored = (name.removeprefix(prefix) for name in header.tensors if name.startswith(prefix))
    translate = ldm if models.is_ldm(stored) else otherwise or same
    return lambda name: [f"{prefix}{candidate}" for candidate in translate(name)]


def same(name: str) -> list[str]:
    """Return the name of a parameter as it is: diffusers' own."""
    return [name]


def _transformer(path: Path, part: TransformerPart, label: str, storage: StorageDtype) -> Network[Any]:
    def names(name: str) -> list[Place]:
        places = transformer_places(name, part.layout) if part.is_original else [Place(name)]
        return [place.under(part.prefix) for place in places]

    build = functools.partial(empty_transformer, part.layout)
    return open_network(
        label,
        build,
        path,
        names,
        finish=with_positions,
        place=Placement.for_transformer,
        storage=storage,
        rests_as_stored=True,
    )


def _schedule_of_family(part: TransformerPart) -> NoiseSchedule:
    if isinstance(part.layout, FluxLayout):
        return flux_schedule() if part.layout.is_guided else flow_schedule(1.0)
    if part.family is Family.SD3:
        return flow_schedule(_SD3_SHIFT)
    return VarianceSchedule.of_betas(torch.linspace(*_PIXART_BETAS, TIMESTEPS, dtype=torch.float64))
