"""ControlNets of SD3 and Flux at work: transformers whose blocks add to the denoiser's.

They see latents of the control image, some of them with a mask, or, as XLabs' and MistoLine for Flux, the
image through convolutions of their own. What only depends on the image is made once. Where implementations
differ (docs/configurations.md), this is what ComfyUI does.

Sources: diffusers' pipelines; sd3_infer.py and dit_embedder.py of Stability-AI/sd3.5.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.backbones.flux import PATCH, exactly_told, read_latents
from bridge.diffusion.backbones.patches import padded, to_tokens
from bridge.diffusion.device import memory_errors
from bridge.diffusion.fit import fit_picture, repeat_to
from bridge.diffusion.libraries import diffusers_embeddings
from bridge.diffusion.patching import twin_of
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.steering import AddingSteering, Residuals, Step
from bridge.diffusion.transformer_controlnets import StabilityControlNet
from bridge.diffusion.types import Control, DiffusionModel
from bridge.models import Family

_CENTRE = 7.5
"""Where the middle of a picture is to Stability's ControlNets; its shorter side is twice as long."""


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
        return self._asked(self.network.module(), seen.expand(len(step.sample), *seen.shape[1:]), step)

    @abstractmethod
    def _asked(self, control: Any, seen: Tensor, step: Step) -> Residuals: ...


@dataclass(frozen=True, slots=True)
class SD3Steering(TransformerSteering):
    """A ControlNet of SD3, which is not told of the pooled embedding."""

    def _asked(self, control: Any, seen: Tensor, step: Step) -> Residuals:
        blocks = control.network(
            hidden_states=padded(step.sample, control.config["patch_size"]),
            controlnet_cond=seen,
            encoder_hidden_states=step.prompt_embeds,
            pooled_projections=torch.zeros_like(step.extras["pooled_projections"]),
            timestep=step.timestep,
            return_dict=False,
        )[0]
        share = self.depth // len(blocks)
        reached = share * len(blocks) - 1
        shared = [blocks[index // share] for index in range(reached)]
        return Residuals(blocks=(*shared, *[seen.new_zeros(1)] * (self.depth - reached)))


@dataclass(frozen=True, slots=True)
class StabilitySteering(TransformerSteering):
    """One of Stability's for SD 3.5 large, which does not read the prompt.

    Args:
        positions: Of the tokens, (1, tokens, width).
    """

    positions: Tensor

    def _asked(self, control: Any, seen: Tensor, step: Step) -> Residuals:
        tokens = control.entry(padded(step.sample, control.config["patch_size"])).flatten(2).mT
        blocks = control.network(
            hidden_states=tokens + self.positions.to(tokens.dtype),
            controlnet_cond=seen,
            pooled_projections=step.extras["pooled_projections"],
            timestep=step.timestep,
            return_dict=False,
        )[0]
        return Residuals(blocks=_spread(blocks, self.depth))


@dataclass(frozen=True, slots=True)
class FluxSteering(TransformerSteering):
    """A ControlNet of Flux.

    Args:
        single_depth: Those blocks of the denoiser in which prompt and picture share weights.
        control_type: Which of a union's types the picture is of; ``None`` for none.
    """

    single_depth: int
    control_type: int | None = None

    def _asked(self, control: Any, seen: Tensor, step: Step) -> Residuals:
        network = control.network
        tokens, there = read_latents(step.sample)
        mode = None
        if self.control_type is not None:
            mode = torch.full((len(tokens), 1), self.control_type, device=tokens.device)
        elif network.union:
            network = twin_of(network, [])
            network.union = False
        guidance = step.extras.get("guidance") if network.config["guidance_embeds"] else None
        blocks, single = exactly_told(network, step.timestep, guidance)(
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
        in_turn = not control.reads_latents
        return Residuals(
            blocks=_spread(blocks or (), self.depth, in_turn=in_turn),
            single_blocks=_spread(single or (), self.single_depth, in_turn=in_turn),
        )


def prepare_transformer(
    control: Control,
    image: Tensor,
    latents: Tensor | None,
    model: DiffusionModel,
    common: tuple[Network[Any], float, float, float],
) -> TransformerSteering:
    """Show a control's picture to its network.

    Args:
        control: Whose network is a ``TransformerControlNet``.
        image: Fitted to the latents, (B, 3, H, W), range 0..1.
        latents: Of the picture, not yet scaled, (B, C, h, w), for a network that sees these.
        model: Which it steers.
        common: The first fields of a ``Steering``.

    Raises:
        OutOfMemory: If what reads the picture does not fit.
    """
    network = control.network.network
    seen = _features(network, image) if latents is None else _scaled(latents, network.module(), model)
    module, config = network.module(), model.unet.module().config
    if module.sees_mask:
        seen = torch.cat((seen, _kept(control, seen)), dim=1)
    patch = config["patch_size"] if model.family is Family.SD3 else PATCH
    seen = network.placement.bring(padded(seen, patch))
    if isinstance(module, StabilityControlNet):
        rows, columns = (side // patch for side in seen.shape[2:])
        positions = _centred_positions(module.network.inner_dim, rows, columns)
        return StabilitySteering(*common, seen, config["num_layers"], positions.to(seen.device))
    if model.family is Family.SD3:
        return SD3Steering(*common, seen, config["num_layers"])
    depths = config["num_layers"], config["num_single_layers"]
    return FluxSteering(*common, to_tokens(seen, PATCH), *depths, control.network.control_type)


def _scaled(latents: Tensor, module: Any, model: DiffusionModel) -> Tensor:
    # InstantX's for SD3 were trained on latents that were multiplied only.
    is_shifted = model.family is not Family.SD3 or isinstance(module, StabilityControlNet)
    return (latents - (model.shift_factor if is_shifted else 0.0)) * model.scaling_factor


def _features(network: Network[Any], image: Tensor) -> Tensor:
    @torch.inference_mode()
    def read() -> Tensor:
        with memory_errors("reading a control image"):
            features: Tensor = network.module().picture_encoder(network.placement.bring(image * 2 - 1))
            return features

    return with_room(read, keep=(network,))


def _kept(control: Control, latents: Tensor) -> Tensor:
    """Return where the picture is to stay as it is, (B, 1, h, w); everywhere, if there is no mask."""
    if control.mask is None:
        return torch.ones_like(latents[:, :1])
    mask = fit_picture(control.mask[:, None], *latents.shape[2:])
    return repeat_to(1 - mask, len(latents)).to(latents)


def _centred_positions(width: int, rows: int, columns: int) -> Tensor:
    """Return sines and cosines of tokens' places around the centre of a picture, (1, tokens, width).

    Along the shorter side they go from 0 to 15, whatever the size, and along the other in proportion.
    """
    reach = [_CENTRE * side / min(rows, columns) for side in (columns, rows)]
    across, down = (
        torch.linspace(_CENTRE - far, _CENTRE + far, side)
        for far, side in zip(reach, (columns, rows), strict=True)
    )
    grid = torch.stack(torch.meshgrid(across, down, indexing="xy"))
    positions: Tensor = diffusers_embeddings.get_2d_sincos_pos_embed_from_grid(width, grid, output_type="pt")
    return positions.float()[None]


def _spread(blocks: Sequence[Tensor], depth: int, *, in_turn: bool = False) -> tuple[Tensor, ...]:
    """Say what goes behind each of so many blocks: neighbours share, or each has its turn again and again."""
    if not blocks:
        return ()
    share = math.ceil(depth / len(blocks))
    return tuple(blocks[index % len(blocks) if in_turn else index // share] for index in range(depth))
