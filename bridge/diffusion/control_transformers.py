"""ControlNets of SD3 and Flux: transformers whose blocks add to the denoiser's.

They see latents of the control image, or, as XLabs' for Flux, the image through convolutions of their own.
What only depends on the image is made once.

Sources: diffusers' pipelines; InstantX and XLabs-AI on Hugging Face, whose layouts these are.
"""

import math
import re
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import FluxControlNetModel, SD3ControlNetModel
from torch import Tensor

from bridge.diffusion.backbones.flux import PATCH, read_latents, unguided
from bridge.diffusion.backbones.patches import padded, to_tokens
from bridge.diffusion.device import memory_errors
from bridge.diffusion.fit import repeat_to
from bridge.diffusion.ldm_names import Place
from bridge.diffusion.patching import twin_of
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.steering import AddingSteering, Residuals, Step
from bridge.diffusion.transformer_names import original_place
from bridge.diffusion.transformer_networks import transformer_config
from bridge.diffusion.types import Control, DiffusionModel
from bridge.diffusion.vae import encode_now
from bridge.errors import InputError
from bridge.models import Family, TransformerControlPart

_FEATURES = 16
"""Channels that XLabs' picture encoder makes of a picture, as many as latents have."""


class TransformerControlNet(torch.nn.Module):
    """A ControlNet whose picture encoder, if it has one, runs apart."""

    def __init__(self, network: SD3ControlNetModel | FluxControlNetModel) -> None:
        super().__init__()
        self.picture_encoder = getattr(network, "input_hint_block", None)
        network.input_hint_block = None
        self.network = network

    @property
    def config(self) -> Any:
        """The ControlNet's own configuration."""
        return self.network.config

    @property
    def reads_latents(self) -> bool:
        """Whether it sees latents of a picture; else the picture."""
        return self.picture_encoder is None


@dataclass(frozen=True, slots=True)
class TransformerSteering(AddingSteering):
    """A ControlNet of SD3 or Flux.

    Args:
        seen: What it sees of the picture, as its network takes it, (1 or B, …).
        depth: Blocks of the denoiser.
    """

    seen: Tensor
    depth: int

    def residuals(self, step: Step) -> Residuals:
        """As of the base class."""
        seen = self.seen if len(self.seen) == 1 else repeat_to(self.seen, len(step.sample))
        return self._asked(
            self.network.module().network, seen.expand(len(step.sample), *seen.shape[1:]), step
        )

    @abstractmethod
    def _asked(self, network: Any, seen: Tensor, step: Step) -> Residuals: ...


@dataclass(frozen=True, slots=True)
class SD3Steering(TransformerSteering):
    """A ControlNet of SD3, which is not told of the pooled embedding."""

    def _asked(self, network: Any, seen: Tensor, step: Step) -> Residuals:
        blocks = network(
            hidden_states=padded(step.sample, network.config["patch_size"]),
            controlnet_cond=seen,
            encoder_hidden_states=step.prompt_embeds,
            pooled_projections=torch.zeros_like(step.extras["pooled_projections"]),
            timestep=step.timestep,
            return_dict=False,
        )[0]
        share = self.depth / len(blocks)
        return Residuals(blocks=tuple(blocks[int(index / share)] for index in range(self.depth)))


@dataclass(frozen=True, slots=True)
class FluxSteering(TransformerSteering):
    """A ControlNet of Flux.

    Args:
        single_depth: Those blocks of the denoiser in which prompt and picture share weights.
        control_type: Which of a union's types the picture is of; ``None`` for none.
    """

    single_depth: int
    control_type: int | None = None

    def _asked(self, network: Any, seen: Tensor, step: Step) -> Residuals:
        tokens, there = read_latents(step.sample)
        mode = None
        if self.control_type is not None:
            mode = torch.full((len(tokens), 1), self.control_type, device=tokens.device)
        elif network.union:
            network = twin_of(network, [])
            network.union = False
        guidance = step.extras.get("guidance") if network.config["guidance_embeds"] else None
        if guidance is None and network.config["guidance_embeds"]:
            network = unguided(network)
        blocks, single = network(
            hidden_states=tokens,
            controlnet_cond=seen,
            controlnet_mode=mode,
            encoder_hidden_states=step.prompt_embeds,
            pooled_projections=step.extras["pooled_projections"],
            timestep=step.timestep / 1000,
            img_ids=there,
            txt_ids=torch.zeros(step.prompt_embeds.shape[1], 3, device=tokens.device),
            guidance=guidance,
            return_dict=False,
        )
        in_turn = not self.network.module().reads_latents
        return Residuals(
            blocks=_spread(blocks or (), self.depth, in_turn),
            single_blocks=_spread(single or (), self.single_depth, in_turn),
        )


def prepare_transformer(
    control: Control, image: Tensor, model: DiffusionModel, common: tuple[Network[Any], float, float, float]
) -> TransformerSteering:
    """Show a control's picture to its network.

    Args:
        control: Whose network is a ``TransformerControlNet``.
        image: Fitted to the latents, (B, 3, H, W), range 0..1.
        model: Which it steers.
        common: The first fields of a ``Steering``.

    Raises:
        InputError: If the network sees latents, and there is no VAE to make them.
        OutOfMemory: If what reads the picture does not fit.
    """
    network = control.network.network
    seen = _latents(control, image, model) if network.module().reads_latents else _features(network, image)
    config = model.unet.module().config
    seen = network.placement.bring(
        padded(seen, config["patch_size"] if model.family is Family.SD3 else PATCH)
    )
    if model.family is Family.SD3:
        return SD3Steering(*common, seen, config["num_layers"])
    types = control.network.control_type
    depths = config["num_layers"], config["num_single_layers"]
    return FluxSteering(*common, to_tokens(seen, PATCH), *depths, types)


def empty_transformer_controlnet(part: TransformerControlPart) -> TransformerControlNet:
    """Build a ControlNet without weights."""
    config = transformer_config(part.layout)
    with torch.device("meta"), warnings.catch_warnings():
        # diffusers 0.42 warns of a class that its own ControlNet of Flux builds.
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        if part.family is Family.SD3:
            return TransformerControlNet(SD3ControlNetModel(**config))
        del config["out_channels"]
        return TransformerControlNet(
            FluxControlNetModel(
                **config,
                num_mode=part.control_types or None,
                conditioning_embedding_channels=_FEATURES if part.reads_pixels else None,
            )
        )


def transformer_control_places(parameter: str, part: TransformerControlPart) -> list[Place]:
    """Return where a parameter of a ``TransformerControlNet`` lies in a file."""
    owner, _, name = parameter.partition(".")
    if owner == "picture_encoder":
        return [Place(f"input_hint_block.{_numbered(name) if part.is_original else name}")]
    if not part.is_original or name.startswith("controlnet_blocks."):
        return [Place(name)]
    if name.startswith("controlnet_x_embedder."):
        return [Place(name.replace("controlnet_x_embedder", "pos_embed_input"))]
    return [original_place(name, part.family, part.layout.depth)]


def _numbered(name: str) -> str:
    """Count the convolutions of a picture encoder as the original does, with what lies between them."""
    if match := re.fullmatch(r"blocks\.(\d+)\.(\w+)", name):
        return f"{2 * int(match[1]) + 2}.{match[2]}"
    return name.replace("conv_in", "0").replace("conv_out", "14")


def fits(control: TransformerControlNet, transformer: Any) -> bool:
    """Tell whether a ControlNet was made for a denoiser of a configuration."""
    entries = ("num_attention_heads", "attention_head_dim", "joint_attention_dim", "pooled_projection_dim")
    return all(control.config[entry] == transformer[entry] for entry in entries)


def _latents(control: Control, image: Tensor, model: DiffusionModel) -> Tensor:
    if control.vae is None:
        raise InputError(
            f"{control.network.network.name} sees latents of its picture, for which there is no VAE",
            hint="Use Apply ControlNet, and connect its vae.",
        )
    latents = encode_now(control.vae, image.movedim(1, -1))
    # InstantX's for SD3 were trained on latents that were multiplied only.
    shift = 0.0 if model.family is Family.SD3 else model.shift_factor
    return (latents - shift) * model.scaling_factor


def _features(network: Network[Any], image: Tensor) -> Tensor:
    @torch.inference_mode()
    def read() -> Tensor:
        with memory_errors("reading a control image"):
            features: Tensor = network.module().picture_encoder(network.placement.bring(image * 2 - 1))
            return features

    return with_room(read, keep=(network,))


def _spread(blocks: Sequence[Tensor], depth: int, in_turn: bool) -> tuple[Tensor, ...]:
    """Say what goes behind each of so many blocks: neighbours share, or each has its turn again and again."""
    if not blocks:
        return ()
    share = math.ceil(depth / len(blocks))
    return tuple(blocks[index % len(blocks) if in_turn else index // share] for index in range(depth))
