"""ControlNets of SD3 and Flux as networks: what reads a picture once, and what runs at every step.

Sources: diffusers' classes; InstantX, XLabs-AI, TheMistoAI, alimama-creative and stabilityai on Hugging Face,
whose layouts these are.
"""

import re
import warnings
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bridge.diffusion.backbones.flux import PATCH
from bridge.diffusion.ldm_names import Place
from bridge.diffusion.libraries import diffusers
from bridge.diffusion.patching import twin_of
from bridge.diffusion.transformer_names import original_place
from bridge.diffusion.transformer_networks import transformer_config
from bridge.models import Family, TransformerControlPart

if TYPE_CHECKING:
    from diffusers import FluxControlNetModel, SD3ControlNetModel

_FEATURES = 16
"""Channels that picture encoders of Flux's ControlNets make of a picture, as many as latents have."""

_MISTOLINE_ENCODER = ((3, 1), (1, 1), (3, 1), (3, 2), (3, 1), (3, 2), (3, 1), (3, 2), (1, 1), (3, 1))
"""Kernel and stride of its convolutions."""


class TransformerControlNet(nn.Module):
    """A ControlNet whose picture encoder, if it has one, runs apart.

    Args:
        network: As diffusers has it.
        picture_encoder: Reads pictures; ``None`` where it sees their latents.
        sees_mask: Whether it sees a mask beside them.
    """

    def __init__(
        self,
        network: "SD3ControlNetModel | FluxControlNetModel",
        picture_encoder: nn.Module | None = None,
        *,
        sees_mask: bool = False,
    ) -> None:
        super().__init__()
        self.picture_encoder = picture_encoder
        self.sees_mask = sees_mask
        self.network = network

    @property
    def config(self) -> Any:
        """The ControlNet's own configuration."""
        return self.network.config

    @property
    def reads_latents(self) -> bool:
        """Whether it sees latents of a picture; else the picture."""
        return self.picture_encoder is None

    def fits(self, transformer: Any) -> bool:
        """Tell whether it was made for a denoiser of a configuration."""
        entries = ["num_attention_heads", "attention_head_dim", "pooled_projection_dim"]
        if self.config["joint_attention_dim"] is not None:
            entries.append("joint_attention_dim")
        is_shallower = self.config["num_layers"] <= transformer["num_layers"]
        return is_shallower and all(self.config[entry] == transformer[entry] for entry in entries)


class StabilityControlNet(TransformerControlNet):
    """One of Stability's for SD 3.5 large, which takes the first layer of the denoiser.

    Attributes:
        control_type: What its pictures show: 0 for blurred ones, 1 for edges, 2 for depth.
        entry: What makes tokens of latents; the denoiser's.
    """

    entry: nn.Module

    def __init__(self, network: "SD3ControlNetModel") -> None:
        super().__init__(network)
        self.control_type: torch.Tensor
        self.register_buffer("control_type", torch.zeros(1))


def entered_as(transformer: Any, control: StabilityControlNet) -> StabilityControlNet:
    """Return a twin of a ControlNet that has the first layer of a denoiser."""
    twin: StabilityControlNet = twin_of(control, ())
    twin.entry = transformer.pos_embed.proj
    return twin


def empty_transformer_controlnet(part: TransformerControlPart) -> TransformerControlNet:
    """Build a ControlNet without weights."""
    with torch.device("meta"), warnings.catch_warnings():
        # diffusers 0.42 warns of a class that its own ControlNet of Flux builds.
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        if part.kind == "Stability":
            return StabilityControlNet(_stability(part))
        return _sd3(part) if part.family is Family.SD3 else _flux(part)


def transformer_control_places(parameter: str, part: TransformerControlPart) -> list[Place]:
    """Return where a parameter of a ``TransformerControlNet`` lies in a file."""
    owner, _, name = parameter.partition(".")
    if owner == "picture_encoder":
        return [Place(_encoder_name(name, part))]
    if not name or not part.is_original or name.startswith(("controlnet_blocks.", "pos_embed_input.")):
        return [Place(name or owner)]
    if part.kind == "Stability":
        return [_stability_place(name, part)]
    if name.startswith("controlnet_single_blocks."):
        return [Place(name.replace("controlnet_single_blocks", "single_controlnet_blocks"))]
    if name.startswith("controlnet_x_embedder."):
        return [Place(name.replace("controlnet_x_embedder", "pos_embed_input"))]
    return [original_place(name, part.family, part.layout.depth)]


def _sd3(part: TransformerControlPart) -> TransformerControlNet:
    network = diffusers.SD3ControlNetModel(
        **transformer_config(part.layout), extra_conditioning_channels=int(part.sees_mask)
    )
    return TransformerControlNet(network, sees_mask=part.sees_mask)


def _stability(part: TransformerControlPart) -> "SD3ControlNetModel":
    config = transformer_config(part.layout)
    config |= {"joint_attention_dim": None, "use_pos_embed": False, "pos_embed_type": None}
    return diffusers.SD3ControlNetModel(**config, force_zeros_for_pooled_projection=False)


def _flux(part: TransformerControlPart) -> TransformerControlNet:
    config = transformer_config(part.layout)
    del config["out_channels"]
    network = diffusers.FluxControlNetModel(
        **config,
        num_mode=part.control_types or None,
        conditioning_embedding_channels=_FEATURES if part.kind == "XLabs" else None,
    )
    encoder, network.input_hint_block = network.input_hint_block, None
    if part.sees_mask:
        channels = network.x_embedder.in_features + PATCH**2
        network.controlnet_x_embedder = nn.Linear(channels, network.inner_dim)
    if part.kind == "MistoLine":
        encoder = _mistoline_encoder()
        for blocks in (network.controlnet_blocks, network.controlnet_single_blocks):
            for index, linear in enumerate(blocks):
                blocks[index] = nn.Sequential(OrderedDict(linear=linear, act=nn.SiLU()))
    return TransformerControlNet(network, encoder, sees_mask=part.sees_mask)


def _mistoline_encoder() -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (kernel, stride) in enumerate(_MISTOLINE_ENCODER):
        channels = _FEATURES if index else 3
        layers += [nn.Conv2d(channels, _FEATURES, kernel, stride, padding=kernel // 2), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _encoder_name(name: str, part: TransformerControlPart) -> str:
    if part.kind == "MistoLine":
        return f"input_cond_block.encoder.{name}"
    if not part.is_original:
        return f"input_hint_block.{name}"
    # The original counts what lies between the convolutions, too.
    if match := re.fullmatch(r"blocks\.(\d+)\.(\w+)", name):
        return f"input_hint_block.{2 * int(match[1]) + 2}.{match[2]}"
    return "input_hint_block." + name.replace("conv_in", "0").replace("conv_out", "14")


def _stability_place(name: str, part: TransformerControlPart) -> Place:
    """Its blocks are those of SD3 that look at the picture alone; the rest has diffusers' names."""
    if not name.startswith("transformer_blocks."):
        return Place(name)
    place = original_place(name, part.family, part.layout.depth)
    return replace(
        place, name=place.name.replace("joint_blocks", "transformer_blocks").replace("x_block.", "")
    )
