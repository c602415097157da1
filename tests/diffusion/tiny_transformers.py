"""What tests of tiny transformers share: seeded weights and noise, and an autoencoder for their latents."""

import copy
from dataclasses import replace
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from bridge.diffusion import DiffusionModel, Network, Placement

SCALING, SHIFT = 0.3611, 0.1159
"""Of Flux's latents."""


def seeded(module: Any, seed: int = 1) -> Any:
    """Give a module weights that keep signals at their size, and make every input count."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    return module.eval().requires_grad_(False)


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(found: Tensor, expected: Tensor) -> float:
    """Relative error of one tensor against another."""
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


def as_loaded(model: DiffusionModel) -> DiffusionModel:
    """Return a model whose network runs where, and as precisely as, one from a file would."""
    module = model.unet.module()
    network: Network[Any] = Network(
        model.unet.name,
        lambda where: copy.deepcopy(module).to(where.dtype),
        {name: tuple(each.shape) for name, each in module.named_parameters()},
        place=Placement.for_transformer,
    )
    return replace(model, unet=network)


def tiny_vae() -> Any:
    """Make an autoencoder of 16 channels, without chance."""
    module = seeded(
        AutoencoderKL(
            block_out_channels=(4, 4, 4, 4), down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=2,
            up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=16, use_quant_conv=False,
            use_post_quant_conv=False, scaling_factor=SCALING, shift_factor=SHIFT,
        )
    )  # fmt: skip
    module.encoder.conv_out.weight[16:] = 0.0
    module.encoder.conv_out.bias[16:] = -30.0
    return module
